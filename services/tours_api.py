"""RoutingService beside solving: check a problem, judge a plan, place one more visit, explain why none serves all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from protos import routing_pb2 as pb
from services.convert.routing import plan_to_message, problem_from_message
from solvers import canonical
from solvers.errors import FieldViolation, InvalidProblem
from solvers.registry import problem_kind
from solvers.routing.advice.conflicts import explain
from solvers.routing.advice.places import places
from solvers.routing.canonical import plan_from_rows
from solvers.routing.data import InitialRouteRow
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.unassigned import Reason, Unassigned, unassigned
from solvers.stop import Deadline

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

MOST_PLACES = 1000
_MAX_TIME_S = (0.1, 60.0)


class ToursApi:
    """Handlers; authentication and errors are the gateway's. ``max_message_bytes`` bounds a request.

    Work is done in a thread, one call at a time, so that a long explanation takes no more than one core.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._turn = asyncio.Semaphore(1)

    async def run(self, answer: Callable[[Q], R], request: Q) -> R:
        """``answer(request)``: one of the functions below. Raises `InvalidProblem` for a request that is too large."""
        size, limit = request.ByteSize(), self._max_message_bytes
        if size > limit:
            raise InvalidProblem([FieldViolation("problem", f"is {size} bytes", f"at most {limit} bytes a request")])
        async with self._turn:
            return await asyncio.to_thread(answer, request)


def validate(request: pb.ValidateToursRequest) -> pb.ValidateToursResponse:
    """Every fault of the problem, or what is known of it without a solve."""
    try:
        problem = _problem(request.problem)
    except InvalidProblem as error:
        faults = [
            pb.ValidateToursResponse.FieldFault(field=v.path, description=f"{v.problem}; allowed: {v.allowed}")
            for v in error.violations
        ]
        return pb.ValidateToursResponse(faults=faults)
    kind = problem_kind("routing")
    hopeless = Reason.PRIZE_BELOW_COST
    return pb.ValidateToursResponse(
        valid=True,
        impossible=[_left_out(item) for item in unassigned(problem, RoutingPlan(())) if item.reason < hopeless],
        digest=canonical.digest(canonical.dumps(kind.codec.problem_to_json(problem))),
        stops=problem.n_stops,
        mandatory_stops=int((~problem.optional).sum()),
        vehicles=int(problem.vehicle_count.sum()),
        strategies=[strategy.name for strategy in kind.strategies if strategy.accepts(problem)],
    )


def analyze(request: pb.AnalyzeToursRequest) -> pb.AnalyzeToursResponse:
    """The plan with its times and costs, judged by the verifier."""
    problem = _problem(request.problem)
    plan = _plan(problem, request.routes)
    verdict = problem.verify(plan)
    response = pb.AnalyzeToursResponse(
        plan=plan_to_message(problem, plan, verdict),
        feasible=verdict.feasible,
        objective=verdict.objective,
        terms=verdict.terms,
    )
    for violation in verdict.violations:
        response.violations.add(constraint=violation.constraint, entity=violation.entity, amount=violation.amount)
    return response


def recommend(request: pb.RecommendInsertionRequest) -> pb.RecommendInsertionResponse:
    """Places for one visit or shipment, or why there are none."""
    problem = _problem(request.problem)
    plan = _plan(problem, request.routes)
    faults = []
    stop = _first_stop(problem, request.id)
    if stop is None:
        faults.append(FieldViolation("id", f"{request.id!r} does not exist", "the id of a visit or shipment"))
    else:
        legs = {stop, int(problem.partner[stop])}
        faults += [
            FieldViolation(f"routes[{r}].stops[{k}]", f"is of {request.id!r} itself", "a plan without it")
            for r, route in enumerate(plan.routes)
            for k, there in enumerate(route.visits)
            if there in legs
        ]
    most = request.max_places if request.HasField("max_places") else 10
    if not 1 <= most <= MOST_PLACES:
        faults.append(FieldViolation("max_places", f"is {most}", f"1 - {MOST_PLACES}"))
    if faults or stop is None:
        raise InvalidProblem(faults)
    response = pb.RecommendInsertionResponse()
    for place in places(problem, plan, stop, most):
        response.places.add(
            route=place.route,
            vehicle=problem.data.vehicles[place.vehicle_type].id,
            positions=place.positions,
            extra_cost=place.extra_cost,
            start_s=place.start_s,
            delay_s=place.delay_s,
        )
    if not response.places:
        why = next(item for item in unassigned(problem, plan) if item.id == request.id)
        response.reason.CopyFrom(_left_out(why))
    return response


def explain_infeasibility(request: pb.ExplainInfeasibilityRequest) -> pb.ExplainInfeasibilityResponse:
    """A plan for all that must be served, or the conflicts."""
    problem = _problem(request.problem)
    max_time_s = request.max_time.seconds + request.max_time.nanos / 1e9 if request.HasField("max_time") else 5.0
    if not _MAX_TIME_S[0] <= max_time_s <= _MAX_TIME_S[1]:
        raise InvalidProblem(
            [FieldViolation("max_time", f"is {max_time_s:g} s", f"{_MAX_TIME_S[0]:g} - {_MAX_TIME_S[1]:g} s")]
        )
    found = explain(problem, request.seed, Deadline(time.monotonic() + max_time_s, time.monotonic))
    response = pb.ExplainInfeasibilityResponse()
    if found.plan is not None:
        response.plan.CopyFrom(plan_to_message(problem, found.plan, problem.verify(found.plan)))
    for conflict in found.conflicts:
        row = response.conflicts.add(
            ids=conflict.ids,
            cause=pb.ExplainInfeasibilityResponse.Cause.ValueType(conflict.cause),
            detail=conflict.detail,
            proved=conflict.proved,
            minimal=conflict.minimal,
        )
        for remedy in conflict.remedies:
            row.remedies.add(
                limits=pb.ExplainInfeasibilityResponse.Limits.ValueType(remedy.limits), vehicle=remedy.vehicle
            )
    return response


def _problem(message: pb.RoutingProblem) -> RoutingProblem:
    """As `problem_from_message`, with paths that start at the request."""
    try:
        return problem_from_message(message)
    except InvalidProblem as error:
        raise InvalidProblem(
            [FieldViolation(f"problem.{v.path}", v.problem, v.allowed) for v in error.violations]
        ) from error


def _plan(problem: RoutingProblem, routes: Any) -> RoutingPlan:
    return plan_from_rows(problem, tuple(InitialRouteRow(route.vehicle, tuple(route.stops)) for route in routes))


def _first_stop(problem: RoutingProblem, name: str) -> int | None:
    """The stop of a visit, the pickup of a shipment."""
    for k, visit in enumerate(problem.data.visits):
        if visit.id == name:
            return k
    for k, shipment in enumerate(problem.data.shipments):
        if shipment.id == name:
            return problem.n_visits + 2 * k
    return None


def _left_out(item: Unassigned) -> pb.UnassignedVisit:
    return pb.UnassignedVisit(id=item.id, reason=pb.UnassignedVisit.Reason.ValueType(item.reason), detail=item.detail)
