"""RoutingService beside solving, message in and message out."""

from __future__ import annotations

import asyncio

import pytest

from protos import routing_pb2 as pb
from services.tours_api import ToursApi, analyze, explain_infeasibility, recommend, validate
from solvers.errors import InvalidProblem


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """Explaining looks for plans until a time: compiling must not take it."""
    explain_infeasibility(pb.ExplainInfeasibilityRequest(problem=problem()))


def problem(vans: int = 2, kg: int = 10) -> pb.RoutingProblem:
    """Four visits of 5 kg along a line, 10 apart; the depot is at one end."""
    message = pb.RoutingProblem()
    for k in range(5):
        message.locations.add(id=f"p{k}").point.x = 10.0 * k
    van = message.vehicles.add(id="van", count=vans, start_location="p0", end_location="p0")
    van.load_limits["kg"] = kg
    for k in range(1, 5):
        message.visits.add(id=f"v{k}", location=f"p{k}").delivery["kg"] = 5
    return message


def routes(*stops: list[str]) -> list[pb.InitialRoute]:
    return [pb.InitialRoute(vehicle="van", stops=row) for row in stops]


def test_a_sound_problem_is_described():
    answer = validate(pb.ValidateToursRequest(problem=problem()))
    assert answer.valid
    assert (answer.stops, answer.mandatory_stops, answer.vehicles) == (4, 4, 2)
    assert {"annealing", "pyvrp"} <= set(answer.strategies)
    assert answer.digest.startswith("sha256:")
    assert not answer.impossible


def test_faults_are_part_of_the_answer_and_all_are_named():
    bad = problem()
    bad.visits[0].service_s = -1.0
    bad.visits[1].location = "nowhere"
    answer = validate(pb.ValidateToursRequest(problem=bad))
    assert not answer.valid
    assert {fault.field for fault in answer.faults} == {"problem.visits[0].service_s", "problem.visits[1].location"}
    assert all("allowed" in fault.description for fault in answer.faults)


def test_what_no_vehicle_can_serve_is_named_before_a_solve():
    answer = validate(pb.ValidateToursRequest(problem=problem(kg=4)))
    assert {(v.id, v.reason) for v in answer.impossible} == {
        (f"v{k}", pb.UnassignedVisit.LOAD_EXCEEDS_VEHICLES) for k in range(1, 5)
    }


def test_a_plan_is_priced_and_its_broken_limits_named():
    good = analyze(pb.AnalyzeToursRequest(problem=problem(), routes=routes(["v1", "v2"], ["v3", "v4"])))
    assert (good.feasible, good.objective) == (True, 120.0)
    assert sum(good.terms.values()) == good.objective
    assert [route.distance for route in good.plan.routes] == [40.0, 80.0]
    bad = analyze(pb.AnalyzeToursRequest(problem=problem(), routes=routes(["v1", "v2", "v3"])))
    assert not bad.feasible
    assert {(v.constraint, v.amount) for v in bad.violations} == {("capacity", 5.0), ("mandatory", 1.0)}


def test_places_are_ranked_and_only_those_with_room_are_named():
    request = pb.RecommendInsertionRequest(problem=problem(vans=3), routes=routes(["v1", "v2"], ["v4"]), id="v3")
    answer = recommend(request)
    assert [(p.HasField("route"), p.route, p.extra_cost) for p in answer.places] == [
        (True, 1, 0.0), (True, 1, 0.0), (False, 0, 60.0),
    ]  # fmt: skip
    assert {tuple(p.positions) for p in answer.places[:2]} == {(0,), (1,)}
    full = recommend(pb.RecommendInsertionRequest(problem=problem(vans=1), routes=routes(["v1", "v2"]), id="v3"))
    assert not full.places
    assert full.reason.reason == pb.UnassignedVisit.NO_FEASIBLE_INSERTION


def test_every_fault_of_an_insertion_is_named():
    request = pb.RecommendInsertionRequest(problem=problem(), routes=routes(["v1", "v2"]), id="v2", max_places=0)
    with pytest.raises(InvalidProblem) as error:
        recommend(request)
    assert {v.path for v in error.value.violations} == {"routes[0].stops[1]", "max_places"}
    request.id = "v9"
    with pytest.raises(InvalidProblem, match="'v9' does not exist"):
        recommend(request)


def test_a_feasible_problem_comes_back_with_a_plan_and_an_impossible_one_with_its_conflict():
    answer = explain_infeasibility(pb.ExplainInfeasibilityRequest(problem=problem()))
    assert len(answer.plan.routes) == 2
    assert not answer.conflicts
    answer = explain_infeasibility(pb.ExplainInfeasibilityRequest(problem=problem(vans=1)))
    assert not answer.HasField("plan")
    (conflict,) = answer.conflicts
    assert (len(conflict.ids), conflict.cause, conflict.proved) == (3, pb.ExplainInfeasibilityResponse.FLEET_LOAD, True)
    assert {(r.limits, r.vehicle) for r in conflict.remedies} == {
        (pb.ExplainInfeasibilityResponse.FLEET_SIZE, "van"),
        (pb.ExplainInfeasibilityResponse.LOAD_LIMITS, ""),
    }


def test_a_search_beyond_a_minute_is_refused():
    request = pb.ExplainInfeasibilityRequest(problem=problem())
    request.max_time.FromSeconds(61)
    with pytest.raises(InvalidProblem, match="max_time is 61 s"):
        explain_infeasibility(request)


def test_a_request_beyond_the_limit_is_refused_before_it_is_read():
    request = pb.ValidateToursRequest(problem=problem())
    with pytest.raises(InvalidProblem, match="bytes"):
        asyncio.run(ToursApi(max_message_bytes=10).run(validate, request))
