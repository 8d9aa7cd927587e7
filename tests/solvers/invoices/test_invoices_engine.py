"""The engine, its dives and the rules that it must beat."""

import math

import numpy as np
import pytest

from benchmarks.invoice_brute import brute_force
from benchmarks.invoice_instances import make_problem, make_small
from solvers.invoices.dive import heaviest, merged, settle
from solvers.invoices.engine import EngineStrategy, excesses, make_core
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.kind import KIND
from solvers.invoices.local_search import improve, swap
from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER
from solvers.invoices.relaxation import relax
from solvers.invoices.rules import BASELINES
from solvers.stop import Never, WorkLimit
from solvers.strategy import Context


def test_the_engine_is_preferred():
    """It is the first strategy of the kind, HiGHS the second."""
    assert [strategy.name for strategy in KIND.strategies] == ["invoices-engine", "invoices-highs"]


def check_against_brute_force(seeds, most):
    """(optimal plans, feasible problems); every bound on the way is safe, every plan feasible."""
    optimal = feasible = 0
    for seed in seeds:
        problem = make_small(seed, most)
        plan, optimum = brute_force(problem)
        found = list(EngineStrategy().candidates(problem, Context(seed=0)))
        if plan is None:
            assert not found
            continue
        feasible += 1
        for candidate in found:
            verdict = problem.verify(candidate.plan)
            assert verdict.feasible
            assert verdict.objective >= optimum - 1e-9 * max(1.0, optimum)
            if candidate.lower_bound is not None:
                assert candidate.lower_bound <= optimum + 1e-9 * max(1.0, optimum)
        optimal += problem.verify(found[-1].plan).objective <= optimum + 1e-9 * max(1.0, optimum)
    return optimal, feasible


def test_bounds_and_plans_hold_against_brute_force():
    """bound <= optimum <= plan on every small problem, and the plan is optimal on 99 %."""
    optimal, feasible = check_against_brute_force(range(1000, 1060), 8)
    assert feasible >= 30
    assert optimal >= 0.99 * feasible


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_bounds_and_plans_hold_against_brute_force_on_a_thousand_problems():
    """The same over 1,000 problems of up to 12 items."""
    optimal, feasible = check_against_brute_force(range(1000), 12)
    assert feasible >= 500
    assert optimal >= 0.99 * feasible


def test_a_large_gap_closes_without_a_general_solver():
    """400 invoices: prices and dives alone leave less than half a per cent, and every bound is below every plan."""
    problem = make_problem(3, 400, 8, 6)
    found = list(EngineStrategy().candidates(problem, Context(seed=0, target_gap=5e-3)))
    last = found[-1]
    assert problem.verify(last.plan).feasible
    assert last.lower_bound is not None
    assert last.claimed_objective - last.lower_bound <= 5e-3 * last.claimed_objective
    assert [c.claimed_objective for c in found] == sorted((c.claimed_objective for c in found), reverse=True)


def test_the_engine_repeats_itself_under_a_work_limit():
    """The same problem, seed and work limit give the same plans and bounds."""
    problem = make_problem(4, 150, 6, 4)

    def run():
        context = Context(seed=2, stop=WorkLimit(120))
        return [(c.plan, c.lower_bound) for c in EngineStrategy().candidates(problem, context)]

    assert run() == run()


def test_the_engine_starts_from_an_incumbent():
    """It never tells a plan worse than the one it was given."""
    problem = make_problem(5, 60, 5, 3)
    best = list(EngineStrategy().candidates(problem, Context(seed=0)))[-1]
    again = next(EngineStrategy().candidates(problem, Context(seed=1, incumbent=best.plan)))
    assert again.claimed_objective <= best.claimed_objective * (1 + 1e-12)


def test_the_engine_stops_at_once_when_asked():
    """Under a stop that is already due it tells its first plan and ends."""
    problem = make_problem(5, 200, 6, 4)
    found = list(EngineStrategy().candidates(problem, Context(seed=0, stop=WorkLimit(0))))
    assert 1 <= len(found) <= 2
    assert problem.verify(found[0].plan).feasible


@pytest.mark.parametrize("seed", range(4))
def test_rules_keep_every_constraint_and_the_engine_beats_them(seed):
    """Each rule's plan is feasible, and none is better than the engine's."""
    problem = make_problem(seed, 80, 6, 5)
    model = model_of(problem)
    ours = list(EngineStrategy().candidates(problem, Context(seed=0, target_gap=0.02)))[-1].claimed_objective
    for name, rule in BASELINES.items():
        verdict = problem.verify(rule(problem, model))
        assert verdict.feasible, name
        assert ours <= verdict.objective * (1 + 1e-12), name


def test_rules_are_feasible_wherever_deferring_is():
    """On problems with every feature a rule's plan is feasible when a plan exists, except where must-pays collide."""
    for seed in range(60):
        problem = make_small(seed, 6)
        model = model_of(problem)
        if brute_force(problem)[0] is None or np.isinf(model.options.never).any():
            continue
        for rule in BASELINES.values():
            assert problem.verify(rule(problem, model)).feasible


def test_an_exact_core_keeps_what_could_be_better():
    """Options that an optimal plan uses are never cut off by reduced costs."""
    for seed in range(40):
        problem = make_small(seed, 6)
        plan, optimum = brute_force(problem)
        model = model_of(problem)
        incumbent = greedy_plan(model)
        if plan is None:
            continue
        relaxed = relax(model, Never())
        gap = model.objective(incumbent) - relaxed.bound
        value, never = excesses(model, relaxed)
        core = make_core(model, relaxed, incumbent, gap, 10**6)
        assert core.exact
        for item in range(model.items):
            run, account = int(plan.date_index[item]), int(plan.account_index[item])
            excess = never[item] if run == NEVER else value[item, account, run]
            assert excess <= gap * (1 + 1e-9) + 1e-6
        assert optimum <= model.objective(incumbent) * (1 + 1e-12)


def test_settled_items_have_one_option_left():
    """A dive's smaller model leaves settled items no choice and the others all of theirs."""
    problem = make_problem(1, 30, 4, 3)
    model = model_of(problem)
    plan = greedy_plan(model)
    items = np.arange(10)
    smaller = settle(model, items, plan)
    finite = np.isfinite(smaller.options.cost).sum(axis=1) + np.isfinite(smaller.options.never)
    assert (finite[:10] == 1).all()
    assert (finite[10:] == (np.isfinite(model.options.cost).sum(axis=1) + np.isfinite(model.options.never))[10:]).all()
    again = heaviest(smaller, relax(smaller, Never(), merged(plan, items, plan)))
    assert (again.date_index[:10] == plan.date_index[:10]).all()


def test_local_search_only_improves():
    """Single and joint moves lower the objective, keep feasibility, and their books stay right."""
    for seed in range(5):
        problem = make_problem(seed, 40, 5, 4)
        model = model_of(problem)
        plan = greedy_plan(model)
        items = np.arange(model.items)
        better = improve(model, plan, items)
        assert better is not None
        assert problem.verify(better).feasible
        assert model.objective(better) <= model.objective(plan) * (1 + 1e-12)
        runs = np.tile(np.arange(-1, 4), (model.items, 1))
        allowed = np.isfinite(np.column_stack([model.options.never, model.options.cost[:, :4]]))
        runs = np.where(allowed, runs, -2)
        accounts = np.where(runs < 0, NEVER, 0)
        swapped = swap(model, better, items, runs, accounts, Never())
        verdict = problem.verify(swapped)
        assert verdict.feasible
        assert verdict.objective <= model.objective(better) * (1 + 1e-12)
        assert math.isfinite(verdict.objective)
