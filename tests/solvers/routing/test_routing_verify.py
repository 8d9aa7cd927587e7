"""The verifier judges as the contract says, and names what is broken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_cases import judge, plans, routing_data

from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem

LINE = tuple(LocationRow(str(k), Coordinates.POINT, 10.0 * k) for k in range(5))


def line(vehicle: VehicleRow | None = None, *visits: VisitRow, **more: object) -> RoutingProblem:
    """Places 10 apart on a line; one type of vehicle based at 0."""
    base = vehicle or VehicleRow("v", 2, "0", "0")
    return RoutingProblem.of(RoutingData(LINE, (base,), visits, **more))  # type: ignore[arg-type]


def names(problem: RoutingProblem, *routes: tuple[int, ...]) -> dict[str, tuple[str, float]]:
    verdict = problem.verify(RoutingPlan(tuple(Route(0, route) for route in routes)))
    assert verdict.feasible == (not verdict.violations)
    return {v.constraint: (v.entity, v.amount) for v in verdict.violations}


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_agrees_with_a_slow_judge_on_any_plan(case: st.DataObject) -> None:
    """Feasibility and objective are those of a judge that tries every start second and shares no code."""
    data = case.draw(routing_data())
    problem = RoutingProblem.of(data)
    plan = case.draw(plans(problem))
    verdict = problem.verify(plan)
    expected = judge(problem.data, plan)
    assert verdict.feasible == (expected is not None), verdict.violations
    if expected is not None:
        assert verdict.objective == pytest.approx(expected, abs=1e-6)
        assert verdict.objective == pytest.approx(math.fsum(verdict.terms.values()))


def test_prices_distance_duration_and_vehicles() -> None:
    """The objective adds up fixed cost, distance and duration, by their names."""
    vehicle = VehicleRow("v", 2, "0", "0", fixed_cost=7.0, cost_per_distance=2.0, cost_per_duration=3.0)
    problem = line(vehicle, VisitRow("a", "1", service_s=5.0), VisitRow("b", "2"))
    verdict = problem.verify(RoutingPlan((Route(0, (0, 1)),)))
    assert verdict.terms == {"fixed": 7.0, "distance": 80.0, "duration": 135.0, "prizes": 0.0}
    assert verdict.objective == 222.0


def test_waits_are_avoided_by_leaving_late() -> None:
    """Duration counts from the latest departure that is still in time for the window."""
    vehicle = VehicleRow("v", 1, "0", "0", cost_per_duration=1.0, cost_per_distance=0.0)
    problem = line(vehicle, VisitRow("a", "1", time_windows=(Window(100, 110),)))
    assert problem.verify(RoutingPlan((Route(0, (0,)),))).objective == 20.0


def test_a_later_window_can_make_a_shorter_route() -> None:
    """With several windows the best start need not be the earliest feasible one."""
    vehicle = VehicleRow("v", 1, "0", "0", cost_per_duration=1.0, cost_per_distance=0.0)
    first = VisitRow("a", "1", time_windows=(Window(0, 10), Window(200, 210)))
    second = VisitRow("b", "2", time_windows=(Window(215, 230),))
    problem = line(vehicle, first, second)
    assert problem.verify(RoutingPlan((Route(0, (0, 1)),))).objective == pytest.approx(10 + 10 + 20)


@pytest.mark.parametrize(
    ("visit", "vehicle", "expected"),
    [
        (VisitRow("a", "1", (("w", 9),)), VehicleRow("v", 1, "0", "0", (("w", 5),)), ("capacity", "v#0 w", 4.0)),
        (
            VisitRow("a", "1", time_windows=(Window(0, 4),)),
            VehicleRow("v", 1, "0", "0"),
            ("time_window", "a on v#0", 6.0),
        ),
        (VisitRow("a", "1"), VehicleRow("v", 1, "0", "0", shift=Window(0, 15)), ("shift", "v#0", 5.0)),
        (VisitRow("a", "1"), VehicleRow("v", 1, "0", "0", max_duration_s=15.0), ("max_duration", "v#0", 5.0)),
        (VisitRow("a", "1"), VehicleRow("v", 1, "0", "0", max_distance=12.0), ("max_distance", "v#0", 8.0)),
        (
            VisitRow("a", "1", required_skills=("lift",)),
            VehicleRow("v", 1, "0", "0"),
            ("vehicle_not_allowed", "a on v#0", 1.0),
        ),
    ],
)
def test_names_the_broken_limit(visit: VisitRow, vehicle: VehicleRow, expected: tuple[str, str, float]) -> None:
    """Each limit of a route is reported with its entity and by how much it is missed."""
    constraint, entity, amount = expected
    assert names(line(vehicle, visit), (0,)) == {constraint: (entity, pytest.approx(amount))}


def test_names_what_is_wrong_between_routes() -> None:
    """Too many vehicles, stops served twice and mandatory stops left out are reported."""
    problem = line(VehicleRow("v", 1, "0", "0"), VisitRow("a", "1"), VisitRow("b", "2"), VisitRow("c", "3"))
    assert names(problem, (0,), (0, 1)) == {"fleet": ("v", 1.0), "duplicate": ("a", 1.0), "mandatory": ("c", 1.0)}


def test_names_broken_shipments() -> None:
    """A delivery before its pickup, on another route, or alone is reported by the shipment's id."""
    shipments = (ShipmentRow("s", LegRow("1"), LegRow("2")),)
    problem = RoutingProblem.of(RoutingData(LINE, (VehicleRow("v", 2, "0", "0"),), shipments=shipments))
    assert names(problem, (1, 0)) == {"precedence": ("s", 1.0)}
    assert names(problem, (0,), (1,)) == {"pairing": ("s", 1.0)}
    assert names(problem, (0,)) == {"pairing": ("s", 1.0)}
    assert names(problem) == {"mandatory": ("s", 1.0)}


def test_unknown_indices_are_violations_not_errors() -> None:
    """A plan of other stops or vehicles has no price, and verifying it does not raise."""
    problem = line(None, VisitRow("a", "1"))
    verdict = problem.verify(RoutingPlan((Route(3, (0,)), Route(0, (7,)), Route(0, (-1,)))))
    assert verdict.objective == math.inf
    assert sorted(v.constraint for v in verdict.violations) == [
        "mandatory",
        "unknown_stop",
        "unknown_stop",
        "unknown_vehicle",
    ]


def test_an_empty_route_uses_no_vehicle() -> None:
    """A route without stops costs nothing and does not count against the fleet."""
    problem = line(VehicleRow("v", 1, "0", "0", fixed_cost=50.0), VisitRow("a", "1"))
    verdict = problem.verify(RoutingPlan((Route(0, ()), Route(0, (0,)), Route(0, ()))))
    assert verdict.feasible
    assert verdict.objective == 70.0
