"""Circuits that keep one-hot groups: the same state as the simulator's, and what devices make of them."""

from __future__ import annotations

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from backends.backend import Program, RemoteStatus
from backends.circuits import Shape, bindings, build, group_tilts
from backends.noisy import NoisySimulator
from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import start_probabilities
from solvers.quantum.statevector import Angles
from solvers.quantum.subspace import OneHotStatevector
from tests.backends.conformance import wait

GROUPS = ((0, 1, 2), (4, 3), (5,))
"""Seven variables: three groups, of which one has no choice, and one variable outside."""


def grouped(seed):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(7):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return bqm


angle = st.floats(-1.5, 1.5)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.lists(st.tuples(angle, angle), min_size=1, max_size=3),
    st.sampled_from([{}, {0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 1, 6: 1}, {0: 0.2, 1: 0.5, 2: 0.3}]),
)
def test_the_circuit_is_the_simulated_state_warm_or_not(seed, layers, warm):
    cost = CostModel.of(grouped(seed))
    angles = Angles(*map(tuple, zip(*layers, strict=True)))
    simulated = OneHotStatevector(cost, GROUPS, warm, 0.25)
    simulated.run(angles)
    shape = Shape.of(cost, len(layers), bool(warm), GROUPS)
    values = bindings(shape, cost, angles, start_probabilities(cost, warm, 0.25), simulated.starts[: len(GROUPS)])
    circuit = build(shape)
    bound = circuit.assign_parameters({p: values[p.vector.name][p.index] for p in circuit.parameters})
    chances = Statevector(bound).probabilities()
    bits = (np.arange(1 << 7)[:, None] >> np.arange(7)) & 1
    valid = np.all([bits[:, list(group)].sum(axis=1) == 1 for group in GROUPS], axis=0)
    assert chances[valid].sum() == pytest.approx(1.0, abs=1e-9)
    energies = grouped(seed).energies((bits, range(7)))
    assert chances @ energies == pytest.approx(simulated.expectation(), abs=1e-5 * max(1.0, np.abs(energies).max()))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda values: sum(v * v for v in values) > 1e-3))
def test_rotations_spread_the_excitation_to_the_amplitudes(values):
    wanted = np.array(values) / np.linalg.norm(values)
    rest, found = 1.0, []
    for tilt in group_tilts(wanted):
        found.append(rest * np.cos(tilt / 2))
        rest *= np.sin(tilt / 2)
    assert [*found, rest] == pytest.approx(wanted.tolist(), abs=1e-6)


def test_a_noisy_device_keeps_groups_more_often_than_chance_and_says_which_mixer_it_had():
    bqm = dimod.BinaryQuadraticModel({0: -1.0, 1: 0.5, 2: -0.3, 3: 0.2, 4: -0.1}, {(0, 3): 0.7}, 0.0, "BINARY")
    groups = ((0, 1, 2), (3, 4))
    shares = {}
    for mixer in ("x", "xy"):
        backend = NoisySimulator("n", snapshot="perth", max_variables=6, search_s=0.05, mixer=mixer)
        job = backend.submit(Program(bqm, one_hot_groups=groups, layers=1, seed=1), 1_000, "k")
        assert wait(backend, job) is RemoteStatus.DONE
        samples = backend.fetch(job)
        assert samples.info["mixer"] == mixer
        kept = [all(sum(row[v] for v in group) == 1 for group in groups) for row in samples.samples(sorted_by=None)]
        shares[mixer] = samples.record.num_occurrences[np.array(kept)].sum() / 1_000
        backend.close()
    assert shares["xy"] > 0.6
    assert shares["xy"] > shares["x"] + 0.1


def test_another_mixer_is_refused():
    with pytest.raises(ValueError, match="mixer is 'z'; allowed: x, xy"):
        NoisySimulator("n", snapshot="perth", mixer="z")
