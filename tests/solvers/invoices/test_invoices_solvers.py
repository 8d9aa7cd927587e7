"""Greedy, HiGHS, the relaxation and the core against brute force on small problems with every feature."""

import itertools
import math
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from benchmarks.invoice_brute import brute_force
from benchmarks.invoice_instances import make_problem, make_small
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.highs_strategy import HighsStrategy
from solvers.invoices.kind import KIND
from solvers.invoices.model import model_of
from solvers.invoices.relaxation import relax
from solvers.kind import ProblemKind
from solvers.registry import problem_kind
from solvers.stop import Cancelled, Never, WorkLimit
from solvers.strategy import Context

SEEDS = range(60)


@pytest.fixture(scope="module")
def small():
    """(problem, optimal plan or None, optimum) of many seeds."""
    problems = [make_small(seed, most=8) for seed in SEEDS]
    return [(problem, *brute_force(problem)) for problem in problems]


def test_the_kind_is_registered():
    """The registry finds invoices, with the insurance and a solver."""
    assert isinstance(KIND, ProblemKind)
    assert problem_kind("invoices") is KIND
    assert KIND.strategies


def test_brute_force_agrees_with_the_verifier(small):
    """The optimum of brute force is what the verifier says of its plan."""
    assert sum(plan is not None for _, plan, _ in small) >= 30
    for problem, plan, optimum in small:
        if plan is not None:
            verdict = problem.verify(plan)
            assert verdict.feasible
            assert verdict.objective == pytest.approx(optimum, rel=1e-9, abs=1e-9)


def test_the_insurance_is_feasible_whenever_a_plan_exists(small):
    """The insurance finds a feasible plan for each problem that has one, and never beats the optimum."""
    for problem, plan, optimum in small:
        (candidate,) = KIND.insurance.candidates(problem, Context(seed=0))
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible == (plan is not None)
        assert verdict.objective >= optimum * (1 - 1e-9) or plan is None


def test_the_bound_of_the_relaxation_is_safe(small):
    """Prices of cash never prove more than the optimum."""
    for problem, plan, optimum in small:
        if plan is not None:
            assert relax(model_of(problem), Never()).bound <= optimum + 1e-9 * max(1.0, abs(optimum))


def test_the_bound_is_safe_after_any_number_of_rounds(small):
    """A decomposition that is cut short claims less, never more."""
    for problem, plan, optimum in small[:30]:
        if plan is not None:
            for rounds in range(4):
                assert relax(model_of(problem), WorkLimit(rounds)).bound <= optimum + 1e-9 * max(1.0, abs(optimum))


def test_highs_proves_the_optimum(small):
    """HiGHS ends by itself at the optimum of brute force with a bound that is safe and within 1e-6."""
    for problem, plan, optimum in small:
        found = list(HighsStrategy().candidates(problem, Context(seed=0)))
        if plan is None:
            assert not found
            continue
        last = found[-1]
        assert problem.verify(last.plan).feasible
        assert last.claimed_objective == pytest.approx(optimum, rel=1e-6, abs=1e-6)
        assert last.lower_bound is not None
        assert last.lower_bound <= optimum
        assert optimum - last.lower_bound <= 1.2e-6 * max(abs(optimum), 1.0)


def test_highs_streams_improving_plans_with_growing_bounds():
    """Each candidate is at least as good as the one before, and so is its bound."""
    problem = make_problem(2, 25, 6, 4)
    found = list(HighsStrategy().candidates(problem, Context(seed=0)))
    objectives = [candidate.claimed_objective for candidate in found]
    bounds = [-math.inf if candidate.lower_bound is None else candidate.lower_bound for candidate in found]
    assert objectives == sorted(objectives, reverse=True)
    assert bounds == sorted(bounds)
    assert problem.verify(found[-1].plan).objective == pytest.approx(objectives[-1], rel=1e-9)


def test_highs_repeats_itself_under_a_work_limit():
    """The same problem, seed and work limit give the same plans."""
    problem = make_problem(3, 40, 6, 4)

    def run():
        return [c.plan for c in HighsStrategy().candidates(problem, Context(seed=5, stop=WorkLimit(200)))]

    assert run() == run()


def test_highs_stops_when_cancelled():
    """A cancelled run of a problem too large to solve ends with what it has, and its thread goes away."""
    problem = make_problem(4, 300, 12, 10)
    cancelled = threading.Event()
    before = threading.active_count()
    candidates = HighsStrategy().candidates(problem, Context(seed=0, stop=Cancelled(cancelled.is_set)))
    first = next(candidates)
    cancelled.set()
    rest = list(candidates)
    assert problem.verify(first.plan).feasible
    assert all(problem.verify(candidate.plan).feasible for candidate in rest)
    for thread in threading.enumerate()[before:]:
        thread.join(10)
        assert not thread.is_alive()


def energies(kernel):
    """(least energy sample, every sample's energy in order) by going through all of them."""
    order = list(kernel.bqm.variables)
    samples = np.array(list(itertools.product((0, 1), repeat=len(order))), dtype=np.int8)
    values = kernel.bqm.energies((samples, order))
    return dict(zip(order, samples[values.argmin()].tolist(), strict=True)), values


@pytest.mark.parametrize("size", [8, 12])
def test_the_optimum_of_the_core_lifts_to_a_plan_no_worse_than_the_incumbent(size):
    """On problems of several sizes the kernel's best sample and its warm start lift to feasible, no worse plans."""
    improved = 0
    for seed, invoices in itertools.product(range(4), (20, 120)):
        problem = make_problem(seed, invoices, 6, 5)
        model = model_of(problem)
        incumbent = greedy_plan(model)
        kernel = KIND.kernel(problem, incumbent, (), Context(seed=1), size)
        assert kernel is not None
        assert 2 <= kernel.bqm.num_variables <= size
        kernel = pickle.loads(pickle.dumps(kernel))
        best, _ = energies(kernel)
        for sample in (best, kernel.warm_start):
            verdict = problem.verify(kernel.lift(sample))
            assert verdict.feasible
            assert verdict.objective <= model.objective(incumbent) * (1 + 1e-12)
        improved += problem.verify(kernel.lift(best)).objective < model.objective(incumbent) - 1e-6
    assert improved >= 4


def test_the_core_is_one_hot():
    """Groups are disjoint, cover the variables, and the least energy takes exactly one of each."""
    problem = make_problem(1, 60, 6, 5)
    kernel = KIND.kernel(problem, greedy_plan(model_of(problem)), (), Context(seed=1), 12)
    names = [name for group in kernel.one_hot_groups for name in group]
    assert sorted(names) == sorted(kernel.bqm.variables)
    best, _ = energies(kernel)
    assert all(sum(best[name] for name in group) == 1 for group in kernel.one_hot_groups)
    assert all(sum(kernel.warm_start[name] for name in group) == 1 for group in kernel.one_hot_groups)


def test_any_sample_lifts_to_a_feasible_plan():
    """Samples that break every one-hot group are repaired."""
    problem = make_problem(5, 60, 6, 5)
    kernel = KIND.kernel(problem, greedy_plan(model_of(problem)), (), Context(seed=1), 16)
    for value in (0, 1):
        assert problem.verify(kernel.lift(dict.fromkeys(kernel.bqm.variables, value))).feasible


def test_features_are_finite_and_named():
    """Selection gets size, density and tightness of every problem."""
    for seed in range(10):
        values = make_small(seed).features().values
        assert {"size", "density", "tightness"} <= set(values)
        assert all(math.isfinite(value) for value in values.values())
        assert 0.0 <= values["tightness"] <= 1.0


def test_a_process_may_end_in_the_middle_of_a_run():
    """Neither a run that was closed nor one that was left open keeps a process from ending cleanly."""
    program = """
from benchmarks.invoice_instances import make_problem
from solvers.invoices.highs_strategy import HighsStrategy
from solvers.strategy import Context
runs = [HighsStrategy().candidates(make_problem(4, 300, 12, 10), Context(seed=s)) for s in range(2)]
for run in runs:
    next(run), next(run)
runs[0].close()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
