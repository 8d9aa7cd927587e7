"""Every strategy keeps the whole contract on random problems of every feature, by a judge that shares no code."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_cases import judge, plans, routing_data

from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.routing.savings import Savings
from solvers.stop import Never, WorkLimit
from solvers.strategy import Candidate, Context


def test_savings_accepts_and_breaks_no_limit() -> None:
    """Savings honours every feature: at worst mandatory stops are missing, and a plan it calls whole is feasible."""

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(routing_data())
    def holds(data: RoutingData) -> None:
        problem = RoutingProblem.of(data)
        assert Savings().accepts(problem)
        (candidate,) = Savings().candidates(problem, Context(1))
        verdict = problem.verify(candidate.plan)
        assert {v.constraint for v in verdict.violations} <= {"mandatory"}
        assert candidate.claimed_objective == pytest.approx(verdict.objective)
        expected = judge(problem.data, candidate.plan)
        assert (expected is None) == (not verdict.feasible)
        if expected is not None:
            assert candidate.claimed_objective == pytest.approx(expected, abs=1e-6)

    holds()


@pytest.mark.parametrize(("strategy", "work", "examples"), [(Annealing(), 2, 150), (Pyvrp(), 30, 60)])
def test_improving_strategies_yield_only_feasible_plans_at_their_price(
    strategy: Annealing | Pyvrp, work: int, examples: int
) -> None:
    """Whatever they accept, candidates are feasible by the judge, cost what they claim, and only get better."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(routing_data(several_windows=isinstance(strategy, Annealing)))
    def holds(data: RoutingData) -> None:
        problem = RoutingProblem.of(data)
        if not strategy.accepts(problem):
            return
        last = float("inf")
        for candidate in strategy.candidates(problem, Context(1, stop=WorkLimit(work))):
            expected = judge(problem.data, candidate.plan)
            assert expected is not None
            assert candidate.claimed_objective == pytest.approx(expected, abs=1e-6)
            assert candidate.claimed_objective <= last
            last = candidate.claimed_objective

    holds()


def ring(n: int = 40) -> RoutingProblem:
    """Visits on a wobbly ring round the depot, a few to a vehicle."""
    import math

    places = [LocationRow("0", Coordinates.POINT, 0.0, 0.0)]
    for k in range(1, n + 1):
        radius = 50 + 13 * (k % 4)
        places.append(LocationRow(str(k), Coordinates.POINT, radius * math.cos(k), radius * math.sin(k)))
    visits = tuple(VisitRow(str(k), str(k), (("w", 1 + k % 3),)) for k in range(1, n + 1))
    return RoutingProblem.of(RoutingData(tuple(places), (VehicleRow("v", n, "0", "0", (("w", 12),)),), visits))


def run(problem: RoutingProblem, context: Context[RoutingPlan]) -> list[Candidate[RoutingPlan]]:
    return list(Pyvrp().candidates(problem, context))


def test_the_same_seed_and_work_give_the_same_candidates() -> None:
    """Under a work limit two runs with one seed agree to the last stop."""
    problem = ring()
    first = run(problem, Context(7, stop=WorkLimit(200)))
    assert first == run(problem, Context(7, stop=WorkLimit(200)))
    assert first[-1].control_trace == {"iterations": 200}


def test_a_control_trace_repeats_a_run_without_its_clock() -> None:
    """A run given the trace of another one stops at the same iteration with the same plan."""
    problem = ring()
    first = run(problem, Context(3, stop=WorkLimit(137)))
    again = run(problem, Context(3, stop=Never(), control_trace=first[-1].control_trace))
    assert again[-1].plan == first[-1].plan


def test_a_warm_start_is_never_made_worse() -> None:
    """A feasible incumbent is the first candidate, and later ones are better."""
    problem = ring()
    best = run(problem, Context(1, stop=WorkLimit(500)))[-1]
    warm = run(problem, Context(2, stop=WorkLimit(5), incumbent=best.plan))
    assert warm[0].claimed_objective <= best.claimed_objective + 1e-9


def test_closing_the_generator_ends_the_search() -> None:
    """A consumer that leaves after one candidate leaves no thread behind."""
    import threading

    candidates = Pyvrp().candidates(ring(), Context(1, stop=Never()))
    next(iter(candidates))
    candidates.close()  # type: ignore[attr-defined]
    assert all(thread.name != "pyvrp" for thread in threading.enumerate())


def test_a_stop_that_is_true_from_the_start_is_heeded() -> None:
    """With no work allowed PyVRP hands out at most its start."""
    assert len({c.plan for c in run(ring(), Context(1, stop=WorkLimit(0)))}) <= 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_pyvrp_starts_from_any_plan(case: st.DataObject) -> None:
    """An injected plan may be infeasible; candidates are feasible all the same."""
    problem = RoutingProblem.of(case.draw(routing_data(several_windows=False)))
    plan = case.draw(plans(problem))
    if Pyvrp().accepts(problem):
        for candidate in run(problem, Context(1, stop=WorkLimit(5), incumbent=plan)):
            assert judge(problem.data, candidate.plan) is not None
