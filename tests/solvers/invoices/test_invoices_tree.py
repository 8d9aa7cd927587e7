"""Branch and bound on prices: exact when it ends, and a bound on the way only when it ends."""

import math

import numpy as np

from benchmarks.invoice_brute import brute_force
from benchmarks.invoice_instances import make_problem, make_small
from solvers.invoices.engine import EngineStrategy, within
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.relaxation import relax
from solvers.invoices.tree import Tree
from solvers.stop import Never, WorkLimit
from solvers.strategy import Context


def tree_of(problem, share=1e-9):
    """A tree over everything within the gap, or None where the greedy plan is not feasible."""
    model = model_of(problem)
    plan = greedy_plan(model)
    if not model.is_feasible(plan):
        return None
    relaxed = relax(model, Never(), plan)
    kept, waits, exact = within(model, relaxed, plan, model.objective(plan) - relaxed.bound, 10**9)
    assert exact
    return Tree(model, relaxed, plan, kept, waits, share)


def test_a_tree_that_ends_has_found_the_optimum():
    """Its plan is that of going through all plans, its bound is not above it, with every feature there is."""
    ended = 0
    for seed in range(3000, 3080):
        problem = make_small(seed, 8)
        _, optimum = brute_force(problem)
        tree = tree_of(problem)
        if tree is None:
            continue
        tree.run_nodes(20_000, Never())
        verdict = problem.verify(tree.plan())
        assert verdict.feasible
        assert math.isclose(verdict.objective, tree.value, rel_tol=1e-9, abs_tol=1e-9)
        assert verdict.objective >= optimum - 1e-9 * max(1.0, optimum)
        if tree.done:
            ended += 1
            assert verdict.objective <= optimum + 1e-8 * max(1.0, optimum)
            assert tree.bound <= optimum + 1e-9 * max(1.0, optimum)
    assert ended >= 40


def test_a_wider_share_ends_sooner_and_keeps_its_promise():
    """With nodes dropped within 1 % the bound is within 1 % of the plan and below the optimum."""
    problem = make_problem(1, 20, 12, 20)
    exact, rough = tree_of(problem), tree_of(problem, share=0.01)
    exact.run_nodes(50_000, Never())
    rough.run_nodes(50_000, Never())
    assert exact.done
    assert rough.done
    assert rough.nodes <= exact.nodes
    assert rough.value * (1 - 0.01) - 1e-9 <= rough.bound <= exact.value + 1e-9


def test_a_tree_stops_and_goes_on():
    """Stopped after some questions it is not done; gone on with it ends where an uninterrupted one does."""
    problem = make_problem(1, 20, 12, 20)
    whole, parts = tree_of(problem), tree_of(problem)
    whole.run_nodes(50_000, Never())
    parts.run_nodes(50_000, WorkLimit(1))
    assert not parts.done
    assert parts.nodes < whole.nodes
    parts.run_nodes(50_000, Never())
    assert (parts.value, parts.nodes) == (whole.value, whole.nodes)
    assert np.array_equal(parts.plan().date_index, whole.plan().date_index)


def test_small_problems_are_proved_by_the_engine():
    """Twenty invoices over twelve runs are proved optimal."""
    problem = make_problem(2, 20, 12, 20)
    last = list(EngineStrategy().candidates(problem, Context(seed=0)))[-1]
    assert last.claimed_objective - last.lower_bound <= 1e-6 * last.claimed_objective
