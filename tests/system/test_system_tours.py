"""Advice on routes over gRPC on the real service."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import system_requests as requests

from protos import jobs_pb2, routing_pb2

pytestmark = pytest.mark.system


def test_a_plan_is_validated_analyzed_extended_and_explained_without_a_job(service: Any) -> None:
    problem = requests.routing(deadline_s=2.0).problem
    before = len(service.call("jobs", "ListJobs", jobs_pb2.ListJobsRequest(page_size=500)).jobs)
    valid = service.call("routing", "ValidateTours", routing_pb2.ValidateToursRequest(problem=problem))
    assert valid.valid
    assert valid.stops == len(problem.visits)
    found = service.call("routing", "ExplainInfeasibility", routing_pb2.ExplainInfeasibilityRequest(problem=problem))
    assert not found.conflicts
    routes = [
        routing_pb2.InitialRoute(vehicle=route.vehicle, stops=[stop.id for stop in route.stops])
        for route in found.plan.routes
    ]
    judged = service.call("routing", "AnalyzeTours", routing_pb2.AnalyzeToursRequest(problem=problem, routes=routes))
    assert judged.feasible
    left_out = routes[0].stops.pop()
    places = service.call(
        "routing",
        "RecommendInsertion",
        routing_pb2.RecommendInsertionRequest(problem=problem, routes=routes, id=left_out),
    ).places
    assert places
    assert len(service.call("jobs", "ListJobs", jobs_pb2.ListJobsRequest(page_size=500)).jobs) == before


def test_an_unknown_visit_is_refused_by_name(service: Any) -> None:
    problem = requests.routing(deadline_s=2.0).problem
    with pytest.raises(grpc.RpcError) as error:
        service.call(
            "routing", "RecommendInsertion", routing_pb2.RecommendInsertionRequest(problem=problem, id="nobody")
        )
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "'nobody' does not exist" in error.value.details()
