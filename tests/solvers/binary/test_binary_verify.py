"""The judge of sample plans."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.binary.plan import SamplePlan
from solvers.binary.problem import quadratic_problem


def plan(values, occurrences=None):
    values = np.array(values, dtype=np.int32)
    return SamplePlan(values, np.array(occurrences or [1] * len(values)))


@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), vartype=st.sampled_from(["BINARY", "SPIN"]))
@settings(max_examples=40, deadline=None)
def test_objective_is_the_energy_by_plain_sums(make_problem, by_brute_force, seed, n, vartype):
    problem = make_problem(seed, n, 20, vartype)
    for values, energy in by_brute_force(problem).items():
        verdict = problem.verify(plan([values]))
        assert verdict.feasible
        assert verdict.objective == energy
        assert sum(verdict.terms.values()) == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "occurrences", "constraint"),
    [
        ([[0, 2]], None, "domain"),
        ([[-1, 1]], None, "domain"),
        ([[1, 1], [1, 1]], None, "distinct"),
        ([[0, 0], [1, 1]], None, "order"),
        ([[1, 1]], [0], "occurrences"),
        ([[1, 1], [1, 0], [0, 1], [0, 0]], None, "num_samples"),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(values, occurrences, constraint):
    """Each rule that a plan breaks is a violation by its name, with an amount above zero."""
    problem = quadratic_problem("BINARY", [-1.0, -1.0], [0], [1], [0.5], num_samples=3)
    verdict = problem.verify(plan(values, occurrences))
    assert not verdict.feasible
    assert constraint in {violation.constraint for violation in verdict.violations}
    assert all(violation.amount > 0 for violation in verdict.violations)


def test_a_plan_of_another_shape_cannot_be_priced():
    verdict = quadratic_problem("BINARY", [1.0, 1.0]).verify(plan([[1, 1, 1]]))
    assert verdict.objective == math.inf
    assert not verdict.feasible


def test_an_empty_model_has_the_energy_of_its_constant():
    verdict = quadratic_problem("SPIN", offset=2.5).verify(plan(np.empty((1, 0))))
    assert verdict.feasible
    assert verdict.objective == 2.5


def test_terms_that_cancel_are_added_exactly():
    """1e16 + 1 - 1e16 is 1, whatever the order of the terms."""
    problem = quadratic_problem("BINARY", [1e16, 1.0, -1e16])
    assert problem.verify(plan([[1, 1, 1]])).objective == 1.0


def test_plans_compare_and_hash_by_value():
    one, other = plan([[1, 0], [0, 0]], [2, 1]), plan([[1, 0], [0, 0]], [2, 1])
    assert one == other
    assert hash(one) == hash(other)
    assert one != plan([[1, 0], [0, 0]], [2, 2])
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 0
