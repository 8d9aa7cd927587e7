"""Routes against time."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from services.plots_gantt import gantt_svg
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow, Window
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem


def drawn(*routes: Route) -> str:
    places = tuple(LocationRow(f"p{k}", Coordinates.POINT, 10.0 * k, 0.0) for k in range(3))
    visits = (
        VisitRow("early", "p1", service_s=5.0, time_windows=(Window(10.0, 20.0),)),
        VisitRow("late", "p2", service_s=5.0, time_windows=(Window(60.0, 70.0),)),
    )
    van = VehicleRow("van", available=2, start_location="p0", end_location="p0")
    problem = RoutingProblem.of(RoutingData(locations=places, vehicles=(van,), visits=visits))
    plan = RoutingPlan(routes)
    return gantt_svg(problem, plan, problem.verify(plan))


def test_stops_vehicles_and_waiting_are_named():
    text = drawn(Route(0, (0, 1)))
    assert ET.fromstring(text).tag.endswith("svg")
    assert all(word in text for word in ("van #0", "early", "late", "1 route, 2 of 2 stops, 75 s on the way, 25 s"))


def test_a_plan_that_breaks_a_limit_says_so():
    assert "not feasible: 1 broken, first time_window at early" in drawn(Route(0, (1, 0)))


def test_the_same_plan_gives_the_same_bytes():
    assert drawn(Route(0, (0,)), Route(0, (1,))) == drawn(Route(0, (0,)), Route(0, (1,)))
