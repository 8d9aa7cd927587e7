"""What every strategy of binary models must hold: verified, repeatable, stoppable, optimal on small models."""

import itertools

import numpy as np
import pytest

from solvers.binary.bounds import lower_bound
from solvers.binary.descent import Descent
from solvers.binary.kind import KIND
from solvers.binary.problem import quadratic_problem
from solvers.kind import ProblemKind
from solvers.registry import problem_kind
from solvers.stop import WorkLimit
from solvers.strategy import Context

ALL = [
    Descent(),
    *(
        strategy
        for strategy in KIND.strategies
        if strategy.accepts(quadratic_problem("SPIN", [1.0, 1.0], [0], [1], [1.0]))
    ),
]
NAMES = [strategy.name for strategy in ALL]


def run(strategy, problem, seed=1, blocks=12, **more):
    return list(strategy.candidates(problem, Context(seed=seed, stop=WorkLimit(blocks), **more)))


def test_the_kind_is_registered():
    assert problem_kind("binary") is KIND
    assert isinstance(KIND, ProblemKind)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("strategy", ALL, ids=NAMES)
@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("size", [3, 14, 60])
def test_claims_are_what_the_verifier_finds(strategy, vartype, size, make_problem):
    """Each candidate is feasible at its claimed objective, none is worse than the one before, no bound is above it."""
    problem = make_problem(size, size, 3 * size, vartype, num_samples=5)
    if not strategy.accepts(problem):
        pytest.skip(f"{strategy.name} does not take {size} variables")
    found = run(strategy, problem)
    assert found
    for candidate in found:
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible, verdict.violations
        assert candidate.claimed_objective == pytest.approx(verdict.objective, abs=1e-9)
        assert candidate.lower_bound is None or candidate.lower_bound <= verdict.objective
        assert candidate.strategy == strategy.name
    for earlier, later in itertools.pairwise(found):
        assert later.claimed_objective <= earlier.claimed_objective


@pytest.mark.parametrize("strategy", ALL, ids=NAMES)
def test_small_models_are_solved(strategy, make_problem, by_brute_force):
    """On ten variables every strategy finds the least energy."""
    for seed in range(5):
        problem = make_problem(seed, 10, 25, integral=True)
        best = min(by_brute_force(problem).values())
        assert min(candidate.claimed_objective for candidate in run(strategy, problem)) == best


@pytest.mark.parametrize("strategy", ALL, ids=NAMES)
def test_same_seed_same_candidates_and_the_trace_repeats_a_run(strategy, make_problem):
    """A run repeats under the same work limit, and without any limit along its own trace."""
    problem = make_problem(4, 18, 80)
    first, again = run(strategy, problem, seed=7), run(strategy, problem, seed=7)
    assert [candidate.plan for candidate in first] == [candidate.plan for candidate in again]
    if (trace := first[-1].control_trace) is not None:
        replayed = list(strategy.candidates(problem, Context(seed=7, control_trace=trace)))
        assert [candidate.plan for candidate in replayed] == [candidate.plan for candidate in first]
        assert replayed[-1].control_trace == trace


@pytest.mark.parametrize("strategy", ALL, ids=NAMES)
@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
def test_models_without_terms_are_answered_or_not_accepted(strategy, vartype):
    """No variables, a constant, fields alone: whoever accepts it answers with the least energy."""
    for problem, best in (
        (quadratic_problem(vartype), 0.0),
        (quadratic_problem(vartype, offset=-3.0), -3.0),
        (quadratic_problem(vartype, [2.0, -1.0, 0.0]), -1.0 if vartype == "BINARY" else -3.0),
    ):
        if strategy.accepts(problem):
            found = run(strategy, problem)
            assert found[-1].claimed_objective == best
            assert problem.verify(found[-1].plan).feasible
    assert KIND.strategies[0].accepts(quadratic_problem(vartype))


def test_enumeration_proves_and_lists_the_lowest(make_problem, by_brute_force):
    """The bound is the optimum and the samples are the lowest distinct energies."""
    problem = make_problem(8, 9, 20, "BINARY", integral=True, num_samples=12)
    [candidate] = run(KIND.strategies[0], problem)
    energies = sorted(by_brute_force(problem).values())
    assert candidate.lower_bound == energies[0]
    assert sorted(problem.verify(_one(candidate.plan, k)).objective for k in range(12)) == energies[:12]


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("integral", [True, False])
def test_the_cheap_bound_is_never_above_the_optimum(vartype, integral, make_problem, by_brute_force):
    for seed in range(30):
        problem = make_problem(seed, 7, 12, vartype, integral=integral)
        assert lower_bound(problem) <= min(by_brute_force(problem).values())


def test_the_insurance_answers_when_there_is_no_time(make_problem):
    """Stopped before it begins, the quick heuristic still returns a plan, no worse than the incumbent."""
    problem = make_problem(1, 300, 2000)
    [candidate] = run(KIND.insurance, problem, blocks=0)
    assert problem.verify(candidate.plan).feasible
    better = run(KIND.strategies[1], problem)[-1].plan
    [after] = run(KIND.insurance, problem, blocks=0, incumbent=better)
    assert problem.verify(after.plan).objective <= problem.verify(better).objective


def _one(plan, k):
    return type(plan)(plan.values[k : k + 1], np.ones(1))
