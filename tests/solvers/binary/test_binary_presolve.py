"""Presolve: whatever it takes out, an optimum stays, and what is lifted is worth what was promised."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.binary import presolve
from solvers.binary.ising import to_ising
from solvers.binary.presolve import reduce
from solvers.binary.roof import roof
from tests.solvers.binary.binary_models import random_problem


def all_spins(n):
    return np.array(list(itertools.product((-1, 1), repeat=n)), dtype=np.int8).reshape(-1, n)


def tree_with_fields(n, seed):
    rng = np.random.default_rng(seed)
    parents = [int(rng.integers(0, k)) for k in range(1, n)]
    return to_ising(
        False, rng.normal(size=n), np.array(parents), np.arange(1, n), rng.normal(size=n - 1), float(rng.normal())
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(0, 20), st.booleans(), st.booleans())
def test_the_optimum_survives_and_every_lift_has_the_energy_of_its_parts(seed, n, m, integral, fieldless):
    problem = random_problem(seed, n, m, integral=integral)
    model = problem.ising
    if fieldless:
        model = to_ising(False, np.zeros(n), problem.rows, problem.columns, problem.values, 1.0)
    reduced = reduce(model)
    assert sum(part.size for part in reduced.components) + len(reduced.steps) == n
    best = reduced.offset
    lowest = []
    for part in reduced.components:
        spins = all_spins(part.size)
        energies = part.energies(spins)
        best += energies.min()
        lowest.append(spins[int(energies.argmin())])
    assert best == pytest.approx(model.energies(all_spins(n)).min(), abs=1e-9)
    assert model.energies(reduced.lift(lowest)[None, :])[0] == pytest.approx(best, abs=1e-9)
    rng = np.random.default_rng(seed)
    parts = [(2 * rng.integers(0, 2, part.size) - 1).astype(np.int8) for part in reduced.components]
    worth = reduced.offset + sum(
        part.energies(row[None, :])[0] for part, row in zip(reduced.components, parts, strict=True)
    )
    assert model.energies(reduced.lift(parts)[None, :])[0] == pytest.approx(worth, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(0, 14))
def test_roof_duality_decides_only_what_some_optimum_has_all_at_once(seed, n, m):
    model = random_problem(seed, n, m, integral=True).ising
    spins = all_spins(n)
    energies = model.energies(spins)
    kept = np.ones(spins.shape[0], dtype=bool)
    found = roof(model)
    if found is None:
        assert not model.field.any()
        return
    for spin, value in found.decided:
        kept &= spins[:, spin] == value
    assert energies[kept].min() == energies.min()
    assert found.bound <= energies.min()
    assert found.bound >= model.offset - np.abs(model.field).sum() - np.abs(model.weights).sum() / 2
    if len(found.decided) == n:
        assert found.bound == energies.min()


def test_roof_duality_decides_a_chain_that_a_strong_field_pulls_along():
    """First-order rules see the end alone; the flow sees the whole chain."""
    model = to_ising(False, np.array([5.0, -1.0, -1.0]), np.array([0, 1]), np.array([1, 2]), np.array([-3.0, -3.0]), 0)
    found = roof(model)
    assert found is not None
    assert found.decided == ((0, -1), (1, -1), (2, -1))
    assert found.bound == -9.0


@pytest.mark.parametrize("seed", range(5))
def test_a_tree_is_solved_to_the_end(seed):
    model = tree_with_fields(200, seed)
    reduced = reduce(model)
    assert reduced.components == ()
    assert model.energies(reduced.lift([])[None, :])[0] == pytest.approx(reduced.offset)


def test_rules_that_are_stopped_leave_a_model_of_the_same_optimum(monkeypatch):
    monkeypatch.setattr(presolve, "TRIES_PER_BLOCK", 3)
    model = tree_with_fields(200, 1)
    asked = iter([True, True, True])
    reduced = reduce(model, lambda: next(asked, False))
    assert 0 < sum(part.size for part in reduced.components) < 200
    parts = [np.ones(part.size, dtype=np.int8) for part in reduced.components]
    worth = reduced.offset + sum(
        part.energies(row[None, :])[0] for part, row in zip(reduced.components, parts, strict=True)
    )
    assert model.energies(reduced.lift(parts)[None, :])[0] == pytest.approx(worth)


def test_components_come_apart_the_largest_first():
    rng = np.random.default_rng(1)
    blocks = [np.array(list(itertools.combinations(range(first, last), 2))) for first, last in ((0, 12), (12, 30))]
    pairs = np.concatenate([*blocks, [[30, 31]]])
    model = to_ising(False, np.zeros(32), pairs[:, 0], pairs[:, 1], rng.normal(size=pairs.shape[0]), 0.0)
    reduced = reduce(model)
    assert [part.size for part in reduced.components] == [18, 12]
    assert [where.tolist() for where in reduced.spins] == [list(range(12, 30)), list(range(12))]


def test_what_no_rule_touches_is_left_as_it_is():
    problem = random_problem(3, 70, 2000)
    reduced = reduce(problem.ising)
    assert reduced.steps == ()
    assert np.array_equal(reduced.components[0].weights, problem.ising.weights)


def test_a_model_of_no_spins_is_its_offset():
    model = to_ising(False, np.empty(0), np.empty(0, int), np.empty(0, int), np.empty(0), 2.5)
    reduced = reduce(model)
    assert (reduced.offset, reduced.components) == (2.5, ())
    assert reduced.lift([]).shape == (0,)
