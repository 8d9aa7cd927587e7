"""Routes in and out of the formats that people have: what goes in comes back, and what does not fit is said at once."""

from __future__ import annotations

import json
from pathlib import Path

from cli_fake_service import FakeService, Run

from examples import city_day
from protos.common_pb2 import SolveReport
from protos.routing_pb2 import (
    OptimizeToursRequest,
    OptimizeToursResponse,
    PlannedRoute,
    PlannedStop,
    RoutingPlan,
    UnassignedVisit,
)

ROOT = Path(__file__).parents[3]
SOLOMON = """C1

VEHICLE
NUMBER     CAPACITY
  2         200

CUSTOMER
CUST NO.  XCOORD.   YCOORD.    DEMAND   READY TIME  DUE DATE   SERVICE TIME

    0      40         50          0          0       1236          0
    1      45         68         10        912        967         90
    2      45         70         30        825        870         90
"""
VROOM = {
    "vehicles": [{"id": 1, "start": [2.35, 48.85], "end": [2.35, 48.85], "capacity": [4]}],
    "jobs": [{"id": 14, "location": [2.39, 48.86], "delivery": [1]}, {"id": 15, "location": [2.30, 48.9]}],
}
FLEET = """NAME : mixed
TYPE : CVRP
DIMENSION : 4
VEHICLES : 3
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0 0
2 10 0
3 20 0
4 0 5
DEMAND_SECTION
1 0
2 1
3 2
4 1
CAPACITY_SECTION
1 1
2 5
3 1
DEPOT_SECTION
1
-1
EOF
"""


def answers(service: FakeService, report: SolveReport, *routes: tuple[str, list[str]]) -> None:
    plan = RoutingPlan(
        routes=[PlannedRoute(vehicle=vehicle, stops=[PlannedStop(id=s) for s in stops]) for vehicle, stops in routes],
        unassigned=[UnassignedVisit(id="x", reason=UnassignedVisit.PRIZE_BELOW_COST, detail="dear", forcing_cost=7.5)],
    )
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=report)


def asked(service: FakeService) -> OptimizeToursRequest:
    (request,) = service.requests("OptimizeTours")
    assert isinstance(request, OptimizeToursRequest)
    return request


def test_solomon_text_is_solved_with_or_without_its_kind(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    file = tmp_path / "c1.txt"
    file.write_text(SOLOMON)
    answers(service, report, ("vehicle", ["2", "1"]))
    outcome = run("solve", file, "--json")
    assert (outcome.code, outcome.json["routes"]) == (0, [[2, 1]])
    assert asked(service).problem.visits[0].time_windows[0].latest_s == 967
    file.write_text("nothing of the kind")
    assert run("solve", file, "--kind", "routing").code == 1
    assert ".txt" in run("solve", file).err


def test_vroom_json_is_known_by_its_fields_and_drawn_on_a_map(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    file, target = tmp_path / "vroom.json", tmp_path / "routes.geojson"
    file.write_text(json.dumps(VROOM))
    answers(service, report, ("1", ["15", "14"]))
    outcome = run("solve", file, "--geojson", target)
    assert outcome.code == 0, outcome.err
    assert asked(service).problem.visits[0].id == "14"
    features = json.loads(target.read_text())["features"]
    assert [f["geometry"]["type"] for f in features] == ["LineString", "Point", "Point"]
    assert features[1]["geometry"]["coordinates"] == [2.30, 48.9]


def test_what_an_answer_cannot_fill_is_refused_before_it_is_asked(
    run: Run, service: FakeService, tmp_path: Path
) -> None:
    file = tmp_path / "c1.txt"
    file.write_text(SOLOMON)
    outcome = run("solve", file, "--geojson", tmp_path / "out.geojson")
    assert (outcome.code, service.asked) == (2, [])
    assert "latitude" in outcome.err
    outcome = run("solve", ROOT / "examples" / "quarter.csv", "--sol", tmp_path / "out.sol")
    assert (outcome.code, service.asked) == (2, [])
    assert "--sol is about routes" in outcome.err


def test_an_answer_goes_back_in_as_the_plan_to_improve(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    """From .sol, with the vehicles in the file's own order, from the whole answer, and from --json."""
    file = tmp_path / "mixed.vrp"
    file.write_text(FLEET)
    types = ["vehicle-1", "vehicle-2"]
    answers(service, report, ("placeholder", []))
    run("solve", file)
    small, large = (row.id for row in asked(service).problem.vehicles)
    assert small != large, types
    service.asked.clear()
    answers(service, report, (small, ["3"]), (large, ["2", "1"]))
    sol, whole = tmp_path / "plan.sol", tmp_path / "plan.json"
    assert run("solve", file, "--sol", sol, "--answer", whole).code == 0
    assert sol.read_text().splitlines()[:3] == ["Route #1: 3", "Route #2: 2 1", "Route #3:"]
    for plan in (sol, whole):
        service.asked.clear()
        assert run("solve", file, "--initial", plan).code == 0
        routes = asked(service).problem.initial_plan.routes
        assert [(row.vehicle, list(row.stops)) for row in routes] == [(small, ["3"]), (large, ["2", "1"])]


def test_the_routes_that_json_prints_go_back_in(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    file, plan = tmp_path / "c1.txt", tmp_path / "plan.json"
    file.write_text(SOLOMON)
    answers(service, report, ("vehicle", ["2", "1"]))
    plan.write_text(run("solve", file, "--json").out)
    service.asked.clear()
    assert run("solve", file, "--initial", plan).code == 0
    assert list(asked(service).problem.initial_plan.routes[0].stops) == ["2", "1"]
    plan.write_text("[]")
    outcome = run("solve", file, "--initial", plan)
    assert outcome.code == 1
    assert "is no plan" in outcome.err


def test_tables_show_every_stop_and_what_serving_the_rest_costs(
    run: Run, service: FakeService, report: SolveReport
) -> None:
    answers(service, report, ("van-north", ["stop-001", "stop-002"]))
    outcome = run("solve", city_day.FILE, "--stops")
    assert outcome.code == 0
    for heading in ("duration", "wait", "arrival", "slack", "load after", "serving it costs"):
        assert heading in outcome.out, heading
    assert "7.5" in outcome.out
