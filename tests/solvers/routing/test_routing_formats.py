"""Solomon text and VROOM JSON come in, GeoJSON goes out."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from solvers.errors import InvalidProblem
from solvers.routing.data import Coordinates, LocationRow, Metric, RoutingData, VehicleRow, VisitRow, Window
from solvers.routing.geojson import plan_to_geojson
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.savings import Savings
from solvers.routing.solomon_reader import read_solomon
from solvers.routing.vroom_reader import read_vroom
from solvers.strategy import Context

SOLOMON = """R999

VEHICLE
NUMBER     CAPACITY
  25         200

CUSTOMER
CUST NO.  XCOORD.    YCOORD.    DEMAND   READY TIME  DUE DATE   SERVICE   TIME

    0      35         35          0          0       230          0
    1      41         49         10        161       171         10
    2      35         17          7         50        60         10
"""


def test_reads_solomon() -> None:
    """The depot's window is the shift, customers keep their numbers, distances are truncated to a decimal."""
    problem = RoutingProblem.of(read_solomon(SOLOMON))
    (vehicle,) = problem.data.vehicles
    assert (vehicle.available, vehicle.load_limits, vehicle.shift) == (25, (("load", 200),), Window(0, 230))
    assert [(v.id, v.delivery, v.service_s) for v in problem.data.visits] == [
        ("1", (("load", 10),), 10.0),
        ("2", (("load", 7),), 10.0),
    ]
    verdict = problem.verify(RoutingPlan((Route(0, (1, 0)),)))
    assert verdict.feasible
    assert verdict.objective == pytest.approx(18.0 + 32.5 + 15.2)
    exact = RoutingProblem.of(read_solomon(SOLOMON, Metric.EUCLIDEAN, 0))
    assert exact.verify(RoutingPlan((Route(0, (0,)), Route(0, (1,))))).objective == pytest.approx(
        2 * math.hypot(6, 14) + 36
    )


@pytest.mark.parametrize("text", ["", "hello", SOLOMON.replace("CUST NO.", "NODE")])
def test_refuses_what_is_not_solomon(text: str) -> None:
    """Other text is an invalid file, not a crash."""
    with pytest.raises(InvalidProblem, match="cannot be read"):
        read_solomon(text)


def vroom() -> dict[str, Any]:
    return {
        "vehicles": [
            {"id": 7, "start_index": 0, "end_index": 0, "capacity": [4], "skills": [1], "time_window": [0, 5000]},
            {"id": 8, "start_index": 3, "capacity": [9], "max_tasks": 3, "speed_factor": 2, "costs": {"fixed": 5}},
        ],
        "jobs": [
            {"id": 1414, "location_index": 1, "delivery": [3], "skills": [1], "service": 60},
            {"id": 1515, "location_index": 2, "pickup": [2], "time_windows": [[0, 900], [2000, 3000]], "priority": 10},
        ],
        "shipments": [
            {"amount": [1], "pickup": {"id": 4, "location_index": 2}, "delivery": {"id": 4, "location_index": 3}}
        ],
        "matrices": {
            "car": {"durations": [[0, 210, 197, 129], [210, 0, 225, 315], [197, 225, 0, 110], [129, 315, 110, 0]]}
        },
    }


def test_reads_vroom_with_matrices() -> None:
    """Jobs, shipments and vehicles carry over; driving seconds are what is minimised; everything can be served."""
    data = read_vroom(vroom())
    problem = RoutingProblem.of(data)
    assert [v.id for v in data.visits] == ["1414", "1515"]
    assert data.visits[1].time_windows == (Window(0, 900), Window(2000, 3000))
    assert data.visits[1].prize == pytest.approx(11 * (data.visits[0].prize or 0))
    assert [(v.id, v.end_location, v.max_stops, v.fixed_cost) for v in data.vehicles] == [
        ("7", "0", None, 0),
        ("8", "", 3, 5),
    ]
    assert problem.compatible.tolist() == [[True, False], [True, True], [True, True], [True, True]]
    # the second vehicle drives twice as fast, from 3 to 2 and back for the shipment
    verdict = problem.verify(RoutingPlan((Route(0, (0,)), Route(1, (1, 2, 3)))))
    assert verdict.feasible, verdict.violations
    assert verdict.objective == pytest.approx(420 + 5 + 55 + 55)
    (candidate,) = Savings().candidates(problem, Context(1))
    assert {s for route in candidate.plan.routes for s in route.visits} == {0, 1, 2, 3}


def test_reads_vroom_with_coordinates_and_steps() -> None:
    """Coordinates are longitude and latitude; a vehicle's steps are a plan to start from."""
    data = read_vroom(
        {
            "vehicles": [
                {
                    "id": 0,
                    "start": [2.35, 48.86],
                    "end": [2.35, 48.86],
                    "steps": [{"type": "start"}, {"type": "job", "id": 1}],
                }
            ],
            "jobs": [{"id": 1, "location": [2.36, 48.85]}],
        },
        speed_m_per_s=10.0,
    )
    problem = RoutingProblem.of(data)
    assert problem.coordinates is Coordinates.LAT_LNG
    assert problem.initial_plan == RoutingPlan((Route(0, (0,)),))
    verdict = problem.verify(problem.initial_plan)
    assert verdict.objective == pytest.approx(2 * 1331.6 / 10.0, rel=1e-3)


def test_vroom_by_kilometre() -> None:
    """With per_km alone, driven kilometres are minimised and may be limited."""
    data = vroom()
    data["matrices"]["car"]["distances"] = [[1000 * abs(i - j) for j in range(4)] for i in range(4)]
    data["vehicles"] = [
        {"id": 1, "start_index": 0, "end_index": 0, "costs": {"per_km": 3, "per_hour": 0}, "max_distance": 4000}
    ]
    data["jobs"] = [{"id": 1, "location_index": 2}]
    data["shipments"] = []
    problem = RoutingProblem.of(read_vroom(data))
    verdict = problem.verify(RoutingPlan((Route(0, (0,)),)))
    assert verdict.feasible
    assert verdict.objective == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("where", "value", "path"),
    [
        (("vehicles", 0, "breaks"), [{"id": 1}], "vehicles[0].breaks"),
        (("vehicles", 0, "max_travel_time"), 600, "vehicles[0].max_travel_time"),
        (("vehicles", 0, "costs"), {"per_km": 2}, "vehicles[0].costs.per_hour"),
        (("vehicles", 0, "profile"), "bike", "vehicles[0].profile"),
        (("vehicles", 0, "wings"), 2, "vehicles[0].wings"),
        (("vehicles", 0, "steps"), [{"type": "nap"}], "vehicles[0].steps[0].type"),
        (("jobs", 0, "setup"), 30, "jobs[0].setup"),
        (("jobs", 0, "location_index"), 9, "location_index 9"),
        (("jobs", 1, "time_windows"), [[1]], "jobs[1].time_windows[0]"),
        (("jobs", 1, "id"), "x", "jobs[1].id"),
        (("matrices", "car", "durations"), [[1, 2]], "matrices.car.durations"),
    ],
)
def test_vroom_without_counterpart_is_refused(where: tuple[Any, ...], value: object, path: str) -> None:
    """What this contract cannot say is named, never ignored."""
    data = vroom()
    target: Any = data
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    with pytest.raises(InvalidProblem) as error:
        read_vroom(data)
    assert path in [violation.path for violation in error.value.violations]


def test_geojson_has_lines_and_points() -> None:
    """A line a route and a point a stop, in longitude and latitude, with names and times."""
    places = tuple(LocationRow(str(k), Coordinates.LAT_LNG, 4.9 + k / 100, 52.3) for k in range(3))
    visits = (VisitRow("a", "1"), VisitRow("b", "2"))
    problem = RoutingProblem.of(RoutingData(places, (VehicleRow("van", 1, "0", "0"),), visits))
    data = json.loads(json.dumps(plan_to_geojson(problem, RoutingPlan((Route(0, (0, 1)),)))))
    line, a, b = data["features"]
    assert line["geometry"] == {
        "type": "LineString",
        "coordinates": [[4.9, 52.3], [4.91, 52.3], [4.92, 52.3], [4.9, 52.3]],
    }
    assert line["properties"]["vehicle"] == "van"
    assert (a["properties"]["id"], b["properties"]["position"]) == ("a", 1)
    assert b["geometry"] == {"type": "Point", "coordinates": [4.92, 52.3]}


def test_geojson_wants_latitude_and_longitude() -> None:
    """Points of a plane are no GeoJSON."""
    places = (LocationRow("0", Coordinates.POINT),)
    problem = RoutingProblem.of(RoutingData(places, (VehicleRow("v", 1, "0", "0"),), (VisitRow("a", "0"),)))
    with pytest.raises(InvalidProblem, match="latitude"):
        plan_to_geojson(problem, RoutingPlan())
