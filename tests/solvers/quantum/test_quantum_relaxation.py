"""The relaxation bounds every 0/1 point from below at its own minimiser, and keeps groups on their simplices."""

from __future__ import annotations

import itertools

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import QaoaSettings, run_qaoa, start_values
from solvers.quantum.relaxation import _project, _tangent, lean, relax
from solvers.quantum.subspace import OneHotStatevector


def model(size, seed, groups=(), penalty=25.0):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    for group in groups:
        bqm.add_linear_equality_constraint([(v, 1) for v in group], penalty, -1)
    return bqm


def convex_cost(cost, groups, point):
    along = _tangent(cost.size, [np.array(g) for g in groups])
    shift = max(0.0, -np.linalg.eigvalsh(along.T @ cost.quadratic @ along)[0])
    return float(cost.linear @ point + point @ cost.quadratic @ point / 2 + shift * (point @ point - point.sum()) / 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_no_valid_choice_costs_less_than_the_relaxation(seed, grouped):
    groups = ((0, 1, 2), (3, 4)) if grouped else ()
    cost = CostModel.of(model(7, seed, groups))
    found = relax(cost, groups)
    point = np.array([found[v] for v in cost.variables])
    assert point.min() >= 0
    assert point.max() <= 1 + 1e-12
    bound = convex_cost(cost, groups, point)
    for bits in itertools.product((0.0, 1.0), repeat=7):
        x = np.array(bits)
        if all(x[list(group)].sum() == 1 for group in groups):
            assert bound <= cost.linear @ x + x @ cost.quadratic @ x / 2 + 1e-5


def test_groups_sum_to_one_and_their_penalties_do_not_matter():
    groups = ((0, 1, 2), (3, 4, 5))
    weak, strong = (relax(CostModel.of(model(6, 1, groups, p)), groups) for p in (10.0, 1000.0))
    assert all(sum(weak[v] for v in group) == pytest.approx(1.0) for group in groups)
    assert [weak[v] for v in range(6)] == pytest.approx([strong[v] for v in range(6)], abs=1e-3)


def test_a_model_without_couplings_is_solved():
    cost = CostModel.of(dimod.BinaryQuadraticModel({"a": 1.0, "b": -2.0, "c": 0.5}, {}, 0.0, "BINARY"))
    assert relax(cost) == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert relax(cost, [("a", "c")]) == pytest.approx({"a": 0.0, "b": 1.0, "c": 1.0})
    assert relax(CostModel.of(dimod.BinaryQuadraticModel({}, {}, 0.0, "BINARY"))) == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_projection_is_the_nearest_point_of_the_simplex(values):
    found = _project(np.array(values), [np.arange(3)])
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0
    grid = np.array([(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)]) / 20
    assert np.square(found - values).sum() <= np.square(grid - values).sum(axis=1).min() + 1e-9


def test_leaning_moves_between_the_incumbent_and_the_relaxation():
    assert lean({"a": 1}, {"a": 0.5, "b": 0.25}, 0.5) == {"a": 0.75, "b": 0.25}
    assert lean({"a": 1}, {"a": 0.5}, 0.0) == {"a": 1.0}


def test_a_start_of_fractions_is_sampled_at_its_shares():
    cost = CostModel.of(model(4, 0))
    state = OneHotStatevector(cost, [(0, 1), (2, 3)], {0: 0.9, 1: 0.1, 2: 0.5, 3: 0.5}, 0.2)
    assert state.sample(20_000, 1).mean(axis=0) == pytest.approx([0.82, 0.18, 0.5, 0.5], abs=0.02)


def test_a_relaxed_start_still_samples_valid_choices_and_repeats():
    groups = ((0, 1, 2), (3, 4, 5))
    bqm = model(6, 3, groups)
    chosen = QaoaSettings(layers=1, evaluations=5, relaxed=0.5)
    first, _ = run_qaoa(bqm, 100, 1, chosen, {0: 1, 1: 0, 2: 0, 3: 1, 4: 0, 5: 0}, one_hot_groups=groups)
    again, _ = run_qaoa(bqm, 100, 1, chosen, {0: 1, 1: 0, 2: 0, 3: 1, 4: 0, 5: 0}, one_hot_groups=groups)
    assert first == again
    columns = [first.variables.index(v) for v in range(6)]
    rows = first.record.sample[:, columns]
    assert (rows[:, :3].sum(axis=1) == 1).all()
    assert (rows[:, 3:].sum(axis=1) == 1).all()
    with pytest.raises(ValueError, match="relaxed"):
        QaoaSettings(relaxed=1.5)


def test_a_cold_start_stays_cold_unless_the_relaxation_is_all_there_is():
    cost = CostModel.of(model(5, 2))
    assert start_values(cost, {}, 0.5) == {}
    assert start_values(cost, {}, 1.0) == relax(cost)
    assert start_values(cost, {0: 1.0}, 0.0) == {0: 1.0}
    assert start_values(cost, {0: 1.0}, 0.5)[0] == pytest.approx(0.5 + relax(cost)[0] / 2)
