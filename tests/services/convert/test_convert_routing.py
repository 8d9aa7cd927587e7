"""Routing messages and problems say the same, whichever way they go."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "solvers" / "routing"))

from routing_cases import plans, routing_data

from protos import routing_pb2 as pb
from services.convert.routing import plan_from_message, plan_to_message, problem_from_message, problem_to_message
from solvers.errors import InvalidProblem
from solvers.routing.canonical import RoutingCodec
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

CODEC = RoutingCodec()
LINE = tuple(LocationRow(str(k), Coordinates.POINT, 10.0 * k) for k in range(5))


@settings(max_examples=80, deadline=None)
@given(routing_data())
def test_problems_survive_as_messages_and_as_proto_json(data: RoutingData) -> None:
    """Problem to message and back is the same problem; canonical JSON is what the message parses and prints."""
    problem = RoutingProblem.of(data)
    message = problem_to_message(problem)
    assert problem_from_message(message) == problem
    parsed = json_format.ParseDict(CODEC.problem_to_json(problem), pb.RoutingProblem())
    assert problem_from_message(parsed) == problem
    printed = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert CODEC.problem_from_json(printed) == problem


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_plans_survive_as_messages(case: st.DataObject) -> None:
    """Any plan that can be timed keeps its routes, and the message's totals are the verifier's."""
    problem = RoutingProblem.of(case.draw(routing_data()))
    plan = case.draw(plans(problem))
    verdict = problem.verify(plan)
    message = plan_to_message(problem, plan, verdict)
    assert plan_from_message(problem, message) == plan
    parsed = json_format.ParseDict(CODEC.plan_to_json(problem, plan), pb.RoutingPlan())
    assert plan_from_message(problem, parsed) == plan
    assert message.cost == pytest.approx(sum(route.cost for route in message.routes))
    assert message.cost + verdict.terms["prizes"] == pytest.approx(verdict.objective)
    for route in message.routes:
        assert route.duration_s == pytest.approx(route.end_s - route.start_s)
        assert all(stop.wait_s == pytest.approx(stop.start_s - stop.arrival_s) for stop in route.stops)


def test_a_route_reads_like_a_timetable() -> None:
    """Arrival, wait, service, load, slack and distance of each stop are what a driver would see."""
    vehicle = VehicleRow("van", 2, "0", "0", (("box", 5),), shift=Window(0, 100), fixed_cost=3, cost_per_duration=1)
    visits = (
        VisitRow("a", "1", (("box", 2),), service_s=5, time_windows=(Window(20, 30),)),
        VisitRow("b", "2", (("box", 1),), pickup=(("box", 3),), time_windows=(Window(50, 60),)),
    )
    problem = RoutingProblem.of(RoutingData(LINE, (vehicle,), visits))
    plan = RoutingPlan((Route(0, (0, 1)),))
    (route,) = plan_to_message(problem, plan, problem.verify(plan)).routes
    assert (route.vehicle, route.vehicle_index, dict(route.start_load)) == ("van", 0, {"box": 3})
    # 15 s of waiting could be had by leaving at 10, but leaving at 20 ends at 70 too
    assert (route.start_s, route.end_s, route.wait_s, route.distance, route.cost) == (20, 70, 5, 40, 93)
    a, b = route.stops
    assert (a.id, a.arrival_s, a.start_s, a.departure_s, a.slack_s, dict(a.load)) == ("a", 30, 30, 35, 0, {"box": 1})
    assert (b.arrival_s, b.wait_s, b.start_s, b.slack_s, dict(b.load), b.distance) == (45, 5, 50, 10, {"box": 3}, 20)


def test_slack_without_any_limit_is_called_unlimited() -> None:
    """A stop that nothing limits says so instead of writing infinity."""
    problem = RoutingProblem.of(RoutingData(LINE, (VehicleRow("v", 1, "0", "0"),), (VisitRow("a", "1"),)))
    plan = RoutingPlan((Route(0, (0,)),))
    stop = plan_to_message(problem, plan, problem.verify(plan)).routes[0].stops[0]
    assert stop.slack_unlimited
    assert stop.slack_s == 0


REASONS = [
    ("NO_VEHICLE_ALLOWED", VisitRow("x", "1", required_skills=("fly",)), VehicleRow("v", 1, "0", "0")),
    ("LOAD_EXCEEDS_VEHICLES", VisitRow("x", "1", (("w", 9),)), VehicleRow("v", 1, "0", "0", (("w", 5),))),
    ("WINDOW_UNREACHABLE", VisitRow("x", "3", time_windows=(Window(0, 5),)), VehicleRow("v", 1, "0", "0")),
    ("SHIFT_TOO_SHORT", VisitRow("x", "3"), VehicleRow("v", 1, "0", "0", shift=Window(0, 40))),
    ("SHIFT_TOO_SHORT", VisitRow("x", "3"), VehicleRow("v", 1, "0", "0", max_duration_s=40)),
    ("TOO_FAR", VisitRow("x", "3"), VehicleRow("v", 1, "0", "0", max_distance=40)),
    ("PRIZE_BELOW_COST", VisitRow("x", "3", prize=7.0), VehicleRow("v", 1, "0", "0")),
    ("DROPPED", VisitRow("x", "3", prize=99.0), VehicleRow("v", 1, "0", "0")),
]


@pytest.mark.parametrize(("reason", "visit", "vehicle"), REASONS)
def test_unassigned_visits_say_why(reason: str, visit: VisitRow, vehicle: VehicleRow) -> None:
    """The reason follows from the data, with figures in words."""
    problem = RoutingProblem.of(RoutingData(LINE, (vehicle,), (visit,)))
    plan = RoutingPlan()
    (item,) = plan_to_message(problem, plan, problem.verify(plan)).unassigned
    assert item.id == "x"
    assert pb.UnassignedVisit.Reason.Name(item.reason) == reason
    assert item.detail


def test_a_full_fleet_is_no_feasible_insertion() -> None:
    """A visit that could be served alone but finds no room on this plan says so; a shipment goes by its id."""
    vehicle = VehicleRow("v", 1, "0", "0", (("w", 5),))
    shipment = ShipmentRow("s", LegRow("1"), LegRow("2"), (("w", 5),))
    visits = (VisitRow("a", "4", (("w", 5),), time_windows=(Window(40, 40),)),)
    problem = RoutingProblem.of(RoutingData(LINE, (vehicle._replace(max_distance=80.0),), visits, (shipment,)))
    plan = RoutingPlan((Route(0, (1, 2)),))
    (item,) = plan_to_message(problem, plan, problem.verify(plan)).unassigned
    assert pb.UnassignedVisit.Reason.Name(item.reason) in {"NO_FEASIBLE_INSERTION", "DROPPED"}
    (other,) = plan_to_message(problem, RoutingPlan((Route(0, (0,)),)), problem.verify(plan)).unassigned
    assert other.id == "s"


def test_unknown_enums_and_unset_optionals() -> None:
    """An enum value from a newer contract is refused; absent optionals take their documented defaults."""
    message = pb.RoutingProblem(
        locations=[pb.Location(id="a", point=pb.Point(x=1, y=2))],
        vehicles=[pb.VehicleType(id="v", start_location="a")],
        visits=[pb.Visit(id="x", location="a", time_windows=[pb.TimeWindow(earliest_s=3)])],
    )
    data = problem_from_message(message).data
    assert data.vehicles[0].available == 1
    assert data.vehicles[0].cost_per_distance == 1.0
    assert data.vehicles[0].max_duration_s == math.inf
    assert data.visits[0].time_windows == (Window(3.0, math.inf),)
    assert data.visits[0].prize is None
    message.backhauls = 9  # type: ignore[assignment]
    message.profiles.add(metric=17)  # type: ignore[arg-type]
    with pytest.raises(InvalidProblem) as error:
        problem_from_message(message)
    assert [v.path for v in error.value.violations] == ["backhauls", "profiles[0].metric"]


def test_faults_are_named_relative_to_the_problem() -> None:
    """Paths start inside the problem message."""
    message = pb.RoutingProblem(
        locations=[pb.Location(id="a", point=pb.Point())],
        vehicles=[pb.VehicleType(id="v", reload_locations=["a"], breaks=[pb.Break(duration_s=9)])],
        visits=[pb.Visit(id="x", location="a", delivery={"w": -4})],
    )
    with pytest.raises(InvalidProblem) as error:
        problem_from_message(message)
    assert [v.path for v in error.value.violations] == [
        "vehicles[0].breaks",
        "vehicles[0].reload_locations",
        "visits[0].delivery['w']",
    ]
