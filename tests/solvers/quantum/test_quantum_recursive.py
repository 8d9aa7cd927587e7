"""Recursive QAOA: correlations are the state's own, eliminations keep the model, and what comes out is good."""

from __future__ import annotations

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import QaoaSettings
from solvers.quantum.recursive import _Left, correlations, recursive_qaoa
from solvers.quantum.schedules import fixed_angles
from solvers.quantum.statevector import Statevector
from solvers.stop import WorkLimit


def glass(size, seed, fields=True):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(size):
        bqm.add_linear(f"v{i}", rng.normal() if fields else 0.0)
        for j in range(i):
            bqm.add_quadratic(f"v{i}", f"v{j}", rng.normal())
    return bqm.change_vartype("BINARY", inplace=False)


def test_correlations_are_the_means_of_products_of_spins():
    state = Statevector(CostModel.of(glass(6, 0)))
    state.run(fixed_angles(2, state.cost.local_spread()))
    spins = 1 - 2 * ((np.arange(64)[:, None] >> np.arange(6)) & 1)
    p = state.probabilities()
    expected = (spins * p[:, None]).T @ spins
    np.fill_diagonal(expected, p @ spins)
    assert correlations(state) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000), st.booleans(), st.integers(0, 2**30))
def test_an_imposed_relation_leaves_the_cost_of_every_state_that_keeps_it(size, seed, fields, chance):
    whole = CostModel.of(glass(size, seed, fields))
    h, J, mean = whole.spins()
    left = _Left.of(whole)
    signs = np.random.default_rng(chance).uniform(-1, 1, (size, size))
    relation = left.impose((signs + signs.T) / 2, whole.variables)
    rng = np.random.default_rng(seed)
    costs, reduced = [], []
    for _ in range(6):
        spins = rng.choice([-1.0, 1.0], size)
        column = whole.variables.index(relation.variable)
        partner = 1.0 if relation.partner is None else spins[whole.variables.index(relation.partner)]
        spins[column] = relation.sign * partner
        costs.append(mean + h @ spins + spins @ J @ spins / 2)
        rest = spins[left.columns]
        reduced.append(left.fields @ rest + rest @ left.couplings @ rest / 2)
    assert np.ptp(np.array(costs) - np.array(reduced)) == pytest.approx(0.0, abs=1e-9)


def test_energy_is_that_of_the_sample_and_every_variable_has_a_value():
    bqm = glass(11, 3)
    found = recursive_qaoa(bqm, cutoff=4)
    assert set(found.sample) == set(bqm.variables)
    assert found.energy == pytest.approx(bqm.energy(found.sample))
    assert len(found.relations) == 7
    assert found.completed


def test_recursion_meets_most_optima_and_beats_half_of_random_descents():
    exact = sum(
        recursive_qaoa(glass(12, seed), QaoaSettings(layers=1, alpha=1.0, evaluations=30), cutoff=5).energy
        <= dimod.ExactSolver().sample(glass(12, seed)).first.energy + 1e-6
        for seed in range(6)
    )
    assert exact >= 4


def test_a_cutoff_at_the_size_is_exact():
    bqm = glass(9, 1)
    found = recursive_qaoa(bqm, cutoff=9)
    assert found.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy)
    assert found.evaluations == 0


def test_the_same_model_gives_the_same_run():
    assert recursive_qaoa(glass(9, 2), cutoff=3) == recursive_qaoa(glass(9, 2), cutoff=3)


def test_a_stop_ends_it_with_an_answer_after_one_evaluation():
    bqm = glass(10, 4)
    found = recursive_qaoa(bqm, cutoff=3, stop=WorkLimit(0))
    assert found.evaluations == 1
    assert not found.completed
    assert found.energy == pytest.approx(bqm.energy(found.sample))


@pytest.mark.parametrize("model", [{}, {"a": 0.0, "b": 0.0, "c": 0.0}])
def test_models_without_terms_have_an_answer(model):
    bqm = dimod.BinaryQuadraticModel(model, {}, 1.5, "BINARY")
    found = recursive_qaoa(bqm, cutoff=1)
    assert found.energy == 1.5
    assert set(found.sample) == set(model)


def test_what_does_not_fit_is_refused_with_the_figure():
    with pytest.raises(InvalidProblem, match="GiB"):
        recursive_qaoa(glass(12, 0), QaoaSettings(limit_bytes=1000))
    with pytest.raises(ValueError, match="cutoff is 0"):
        recursive_qaoa(glass(4, 0), cutoff=0)
