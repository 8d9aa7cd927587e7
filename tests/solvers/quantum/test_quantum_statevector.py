from __future__ import annotations

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import Angles, Statevector, memory_bytes, require_memory


def random_model(size, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        bqm.add_linear(i, scale * rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, scale * rng.normal())
    bqm.offset = scale * rng.normal()
    return CostModel.of(bqm)


def all_bits(size):
    return ((np.arange(1 << size)[:, None] >> np.arange(size)) & 1).astype(np.int8)


def by_matrices(cost, ones, angles):
    """Probabilities by 2x2 matrices in double precision: slow, plain, and sharing nothing with the simulator."""
    bits = all_bits(cost.size)
    energies = cost.energies(bits)
    psi = np.prod(np.where(bits == 1, np.sqrt(ones), np.sqrt(1 - ones)), axis=1).astype(complex)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        psi = psi * np.exp(-1j * gamma * energies)
        for k, p in enumerate(ones):
            x, z = 2 * np.sqrt(p * (1 - p)), 1 - 2 * p
            matrix = np.cos(beta) * np.eye(2) + 1j * np.sin(beta) * np.array([[z, x], [x, -z]])
            psi = np.einsum("ab,xby->xay", matrix, psi.reshape(-1, 2, 1 << k)).reshape(-1)
    return np.abs(psi) ** 2, energies


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 9, 11, 14, 17])
@pytest.mark.parametrize("warm", [False, True])
def test_probabilities_equal_those_by_matrices(size, warm):
    rng = np.random.default_rng(size)
    cost = random_model(size, size)
    ones = rng.uniform(0.05, 0.95, size) if warm else np.full(size, 0.5)
    angles = Angles(tuple(rng.uniform(-1, 1, 2)), tuple(rng.uniform(-2, 2, 2)))
    expected, energies = by_matrices(cost, ones, angles)
    state = Statevector(cost, ones)
    state.run(angles)
    assert state.probabilities() == pytest.approx(expected, abs=2e-6 * expected.max())
    assert state.expectation() == pytest.approx(expected @ energies, rel=1e-5, abs=1e-5)


def test_gathered_high_qubits_equal_qubits_in_place():
    """On a chain without fields, reversing the bits leaves probabilities as they are: low and high passes agree."""
    size = 20
    bqm = dimod.BinaryQuadraticModel({}, {(k, k + 1): 1.0 for k in range(size - 1)}, 0.0, "SPIN")
    state = Statevector(CostModel.of(bqm))
    state.run(Angles((0.4, 0.7), (0.5, 0.3)))
    p = state.probabilities()
    mirrored = p.reshape((2,) * size).transpose(tuple(reversed(range(size)))).reshape(-1)
    assert np.abs(p - mirrored).max() < 3e-6 * p.max()


def test_threads_change_nothing():
    cost = random_model(18, 3)
    angles = Angles((0.1, 0.2), (0.6, 0.3))
    one, two = Statevector(cost), Statevector(cost, threads=2)
    one.run(angles)
    two.run(angles)
    two.close()
    assert np.array_equal(one.probabilities(), two.probabilities())


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 12), seed=st.integers(0, 2**32), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_diagonal_equals_energies_of_all_bit_strings(size, seed, scale):
    cost = random_model(size, seed, scale)
    diagonal, centre = cost.diagonal(max(size, 4))
    energies = cost.energies(all_bits(size))
    assert diagonal[: 1 << size] + centre == pytest.approx(energies, rel=1e-6, abs=1e-5 * scale)
    assert centre == pytest.approx(energies.mean(), abs=1e-9 * scale)
    assert cost.spread() == pytest.approx(energies.std(), rel=1e-6)


def test_large_phases_stay_exact_to_single_precision():
    cost = random_model(8, 1)
    angles = Angles((60.0,), (0.4,))
    expected, _ = by_matrices(cost, np.full(8, 0.5), angles)
    state = Statevector(cost)
    state.run(angles)
    assert state.probabilities() == pytest.approx(expected, abs=2e-4 * expected.max())


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 10), seed=st.integers(0, 2**32), alpha=st.floats(0.01, 1.0))
def test_cvar_is_the_mean_of_the_cheapest_tail(size, seed, alpha):
    cost = random_model(size, seed)
    state = Statevector(cost)
    state.run(Angles((0.3,), (0.5,)))
    p, energies = state.probabilities(), cost.energies(all_bits(size))
    order = np.argsort(energies)
    before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
    taken = np.clip(alpha - before, 0.0, p[order])
    assert state.cvar(alpha) == pytest.approx(taken @ energies[order] / alpha, rel=1e-4, abs=1e-4)
    assert state.cvar(alpha) <= state.expectation() + 1e-5


def test_samples_follow_the_probabilities():
    cost = random_model(5, 2)
    state = Statevector(cost)
    state.run(Angles((0.5, 0.4), (0.6, 0.2)))
    bits = state.sample(40_000, 7)
    seen = np.bincount(bits @ (1 << np.arange(5)), minlength=32)
    expected = 40_000 * state.probabilities()
    kept = expected > 5
    chi_squared = ((seen - expected)[kept] ** 2 / expected[kept]).sum()
    assert chi_squared < 2.5 * kept.sum()  # its mean is the number of cells; 2.5 times that is beyond 1 in 10^6
    assert np.array_equal(bits, state.sample(40_000, 7))
    assert not np.array_equal(bits, state.sample(40_000, 8))


def test_samples_never_have_zero_probability():
    cost = CostModel.of(dimod.BinaryQuadraticModel(dict.fromkeys(range(6), 1.0), {}, 0.0, "BINARY"))
    state = Statevector(cost, np.full(6, 1e-12))
    state.run(Angles((), ()))
    assert not state.sample(2000, 0).any()


def test_memory_is_refused_with_the_figure_before_anything_is_allocated():
    assert memory_bytes(28) == 12 * 2**28
    require_memory(28)
    with pytest.raises(
        InvalidProblem, match=r"34 variables, whose statevector takes 192\.00 GiB.*at most 31 variables"
    ):
        Statevector(random_model(34))


@pytest.mark.parametrize("bad", [np.array([0.5]), np.array([0.5, 1.0]), np.array([0.0, 0.5])])
def test_start_probabilities_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="start probabilities"):
        Statevector(random_model(2), bad)


def test_angles_come_in_pairs():
    with pytest.raises(ValueError, match="2 gammas for 1 betas"):
        Angles((0.1, 0.2), (0.3,))


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.1])
def test_alpha_out_of_range_is_refused(alpha):
    state = Statevector(random_model(2))
    state.run(Angles((), ()))
    with pytest.raises(ValueError, match="alpha"):
        state.cvar(alpha)
