"""Plans from outside are kept where they hold, repaired where they do not, and never made worse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_cases import judge, plans, routing_data

from solvers.routing.data import Coordinates, InitialRouteRow, LocationRow, RoutingData, VehicleRow, VisitRow, Window
from solvers.routing.injection import repaired, well_formed
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.savings import Savings
from solvers.stop import Never
from solvers.strategy import Context


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_repair_leaves_nothing_broken_but_what_has_no_place(case: st.DataObject) -> None:
    """A repaired plan breaks no limit; a feasible one is returned untouched."""
    problem = RoutingProblem.of(case.draw(routing_data()))
    plan = case.draw(plans(problem))
    fixed = repaired(problem, plan, 1, Never())
    assert {v.constraint for v in problem.verify(fixed).violations} <= {"mandatory"}
    if judge(problem.data, plan) is not None:
        assert fixed == plan


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_insurance_is_never_worse_than_a_feasible_initial_plan(case: st.DataObject) -> None:
    """With an initial plan in the problem, the one candidate costs at most as much."""
    bare = RoutingProblem.of(case.draw(routing_data()))
    plan = case.draw(plans(bare))
    expected = judge(bare.data, plan)
    if expected is None or not plan.routes:
        return
    rows = tuple(
        InitialRouteRow(bare.data.vehicles[t].id, tuple(bare.stop_ids[stop] for stop in visits))
        for t, visits in plan.routes
    )
    problem = RoutingProblem.of(replace(bare.data, initial_plan=rows))
    assert problem.initial_plan == plan
    (candidate,) = Savings().candidates(problem, Context(1))
    assert candidate.claimed_objective <= expected + 1e-6


def test_well_formed_drops_only_what_cannot_be() -> None:
    """Repeated stops, parted legs and surplus vehicles go; the rest stays in order."""
    from solvers.routing.data import LegRow, ShipmentRow

    places = tuple(LocationRow(str(k), Coordinates.POINT, float(k)) for k in range(4))
    shipment = ShipmentRow("s", LegRow("1"), LegRow("2"))
    visits = (VisitRow("a", "1"), VisitRow("b", "2"))
    problem = RoutingProblem.of(RoutingData(places, (VehicleRow("v", 2, "0", "0"),), visits, (shipment,)))
    plan = RoutingPlan((Route(0, (0, 2, 0)), Route(0, (3, 1, 0)), Route(0, (1,))))
    assert well_formed(problem, plan) == RoutingPlan((Route(0, (0,)), Route(0, (1,))))
    assert well_formed(problem, RoutingPlan((Route(0, (3, 2)),))) == RoutingPlan()
    kept = RoutingPlan((Route(0, (2, 1, 3)),))
    assert well_formed(problem, kept) == kept


def big(n: int, **vehicle: object) -> RoutingProblem:
    import numpy as np

    rng = np.random.default_rng(4)
    xy = rng.integers(0, 1000, (n + 1, 2)).tolist()
    places = tuple(LocationRow(str(k), Coordinates.POINT, float(x), float(y)) for k, (x, y) in enumerate(xy))
    opens = rng.integers(0, 5000, n + 1).tolist()
    visits = tuple(
        VisitRow(str(k), str(k), (("w", 1 + k % 9),), time_windows=(Window(opens[k], opens[k] + 2500.0),))
        for k in range(1, n + 1)
    )
    base = VehicleRow("v", n, "0", "0", (("w", 60),), Window(0, 12000))
    return RoutingProblem.of(RoutingData(places, (base._replace(**vehicle),), visits))  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [{}, {"max_distance": 6000.0}, {"max_duration_s": 7000.0, "max_stops": 9}])
def test_a_thousand_stops_with_windows_are_all_served(limits: dict[str, object]) -> None:
    """The insurance serves 1,000 stops with windows within every limit of the route."""
    problem = big(1000, **limits)
    (candidate,) = Savings().candidates(problem, Context(1))
    verdict = problem.verify(candidate.plan)
    assert verdict.feasible, verdict.violations[:3]
    alone = problem.verify(RoutingPlan(tuple(Route(0, (stop,)) for stop in range(1000)))).objective
    assert verdict.objective < 0.5 * alone
