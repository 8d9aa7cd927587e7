from __future__ import annotations

import itertools

import dimod
import numpy as np
import pytest
from scipy.linalg import expm

from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import Angles, Statevector
from solvers.quantum.subspace import OneHotStatevector, draw_start


def glass(size, seed=0):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return bqm


def by_matrices(cost, groups, angles, start):
    """The full 2**n state under exp(-i gamma C) and exp(i beta sum (XX + YY) / 2), by matrix exponentials."""
    n = cost.size
    bits = ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.int8)
    energies = cost.energies(bits)
    mixer = np.zeros((1 << n, 1 << n))
    grouped = set(itertools.chain(*groups))
    for group in groups:
        for a, b in itertools.combinations(group, 2):
            for state in range(1 << n):
                if (state >> a & 1) != (state >> b & 1):
                    mixer[state ^ (1 << a | 1 << b), state] += 1
    for q in set(range(n)) - grouped:
        for state in range(1 << n):
            mixer[state ^ (1 << q), state] += 1
    psi = start.astype(complex)
    for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
        psi = expm(1j * beta * mixer) @ (np.exp(-1j * gamma * energies) * psi)
    return np.abs(psi) ** 2, energies


def uniform_start(n, groups):
    out = np.zeros(1 << n)
    free = [q for q in range(n) if q not in set(itertools.chain(*groups))]
    for choice in itertools.product(*groups):
        for rest in itertools.product((0, 1), repeat=len(free)):
            out[sum(1 << q for q in choice) + sum(v << q for q, v in zip(free, rest, strict=True))] = 1
    return out / np.linalg.norm(out)


@pytest.mark.parametrize("groups", [[(0, 1, 2), (3, 4)], [(0, 3, 5, 1)], [(1, 4)], [], [(0,), (2, 3, 1)]])
def test_state_is_that_of_the_xy_mixer_on_all_qubits(groups):
    n = 6
    cost = CostModel.of(glass(n, 1))
    angles = Angles((0.3, 0.5), (0.4, 0.7))
    expected, energies = by_matrices(cost, groups, angles, uniform_start(n, groups))
    state = OneHotStatevector(cost, groups)
    state.run(angles)
    assert state.expectation() == pytest.approx(expected @ energies, abs=1e-4)
    shots = 50_000
    seen = np.bincount(state.sample(shots, 1) @ (1 << np.arange(n)), minlength=1 << n)
    kept = expected * shots > 5
    chi_squared = ((seen - shots * expected)[kept] ** 2 / (shots * expected)[kept]).sum()
    assert chi_squared < 3 * kept.sum()
    assert seen[expected < 1e-12].sum() == 0


def test_without_groups_it_equals_the_statevector():
    cost = CostModel.of(glass(7, 2))
    angles = Angles((0.2, 0.4), (0.5, 0.3))
    warm = dict.fromkeys(range(7), 1)
    choices, full = OneHotStatevector(cost, [], warm), Statevector(cost, np.full(7, 0.75))
    for state in (choices, full):
        state.run(angles)
    assert choices.expectation() == pytest.approx(full.expectation(), abs=1e-4)
    assert choices.cvar(0.1) == pytest.approx(full.cvar(0.1), abs=1e-4)


def test_every_sample_sets_exactly_one_variable_of_each_group():
    groups = [(0, 1, 2, 3), (7, 5), (4, 6, 8)]
    state = OneHotStatevector(CostModel.of(glass(10, 3)), groups, {1: 1, 7: 1, 4: 1})
    state.run(Angles((0.9, 0.1), (0.8, 0.2)))
    bits = state.sample(3000, 5)
    for group in groups:
        assert (bits[:, list(group)].sum(axis=1) == 1).all()
    assert set(bits[:, 9]) == {0, 1}


def test_warm_start_is_the_mixers_own_state():
    """With phase 0 a warm start stays what it is, whatever the mixer's angle."""
    cost = CostModel.of(glass(5, 4))
    state = OneHotStatevector(cost, [(0, 1, 2)], {1: 1}, regularisation=0.2)
    state.run(Angles((0.0,), (0.9,)))
    shares = state.sample(20_000, 1).mean(axis=0)
    assert shares[:3] == pytest.approx([0.1, 0.8, 0.1], abs=0.02)


@pytest.mark.parametrize("groups", [[(0, 1), (1, 2)], [(0, 9)], [()], [(0, 0)]])
def test_groups_that_overlap_or_name_strangers_are_refused(groups):
    with pytest.raises(InvalidProblem, match="one_hot_groups"):
        OneHotStatevector(CostModel.of(glass(4)), groups)


def test_too_many_choices_are_refused_with_the_figure():
    with pytest.raises(InvalidProblem, match="choices, which take"):
        OneHotStatevector(CostModel.of(glass(12)), [], limit_bytes=1000)


def test_the_start_can_be_drawn_without_its_state():
    names = [f"v{k}" for k in range(6)]
    cost = CostModel.of(dimod.BinaryQuadraticModel(dict.fromkeys(names, 1.0), {}, 0.0, "BINARY"))
    groups = [("v0", "v1", "v2"), ("v3", "v4")]
    warm = {"v0": 1, "v1": 0, "v2": 0, "v3": 0.7, "v4": 0.1, "v5": 1}
    drawn = draw_start(cost, groups, warm, 0.3, 20_000, np.random.default_rng(1))
    state = OneHotStatevector(cost, groups, warm, 0.3)
    assert drawn.mean(axis=0) == pytest.approx(state.sample(20_000, 1).mean(axis=0), abs=0.02)
    assert (drawn[:, :3].sum(axis=1) == 1).all()
    many = CostModel.of(dimod.BinaryQuadraticModel(dict.fromkeys(range(200), 1.0), {}, 0.0, "BINARY"))
    pairs = [(2 * k, 2 * k + 1) for k in range(100)]
    assert draw_start(many, pairs, {}, 0.3, 3, np.random.default_rng(1)).sum(axis=1).tolist() == [100] * 3
