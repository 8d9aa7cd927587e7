"""Response messages: of an outcome, of a plan on the way, of a finished job from the store."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from actors.messages import Incumbent, Outcome
from federation.report import Contribution, Report, ServiceLevel, Timings, relative_gap, status_of
from services.acceptance import Accepted
from services.convert.common import report_from_json, report_to_message, with_total
from services.kinds import service_kinds
from solvers import canonical
from solvers.errors import CorruptRecord
from solvers.registry import problem_kind
from store.jobs import Job
from store.store import Store


def response(accepted: Accepted, outcome: Outcome) -> Any:
    """The response message of an outcome."""
    report = with_total(outcome.report, time.monotonic() - accepted.received_s)
    message = accepted.kind.response(report=report_to_message(report))
    if outcome.plan is not None:
        verdict = outcome.verdict or accepted.problem.verify(outcome.plan)
        message.plan.CopyFrom(accepted.kind.convert.plan_to_message(accepted.problem, outcome.plan, verdict))
    return message


async def built(accepted: Accepted, outcome: Outcome) -> Any:
    """`response`, in a thread when the plan is large: the event loop serves others meanwhile."""
    if accepted.order.problem.ref is None:
        return response(accepted, outcome)
    return await asyncio.to_thread(response, accepted, outcome)


def partial(accepted: Accepted, incumbent: Incumbent) -> Any:
    """The response message of a verified plan on the way."""
    verdict = incumbent.verdict
    gap = relative_gap(verdict.objective, incumbent.bound)
    order = accepted.order
    report = Report(
        job_id=order.job_id,
        decision_id="",
        status=status_of(True, gap, False),
        objective=verdict.objective,
        bound=incumbent.bound,
        gap=gap,
        feasible=True,
        service_level=ServiceLevel.FULL,
        service_level_reason="",
        seed=order.policy.seed,
        correlation_id=order.correlation_id,
        finished_at=datetime.fromtimestamp(incumbent.at_s, UTC).isoformat().replace("+00:00", "Z"),
        contributions=(Contribution(incumbent.found_by, ""),),
        timings=Timings(total_s=time.monotonic() - accepted.received_s),
        terms=dict(verdict.terms),
    )
    message = accepted.kind.response(report=report_to_message(report))
    message.plan.CopyFrom(accepted.kind.convert.plan_to_message(accepted.problem, incumbent.plan, verdict))
    return message


def stored_response(store: Store, job: Job) -> Any:
    """The response of a finished job from the store alone."""
    kind = service_kinds()[job.kind]
    if job.result_digest is None:
        raise CorruptRecord(f"job {job.id!r} is finished without a result: {job.error or 'no reason was stored'}")
    result = canonical.loads(store.artifacts.get(job.result_digest))
    message = kind.response(report=report_from_json(result["report"]))
    if "plan" in result:
        request = canonical.loads(store.artifacts.get(job.request_digest))
        codec = problem_kind(job.kind).codec
        problem = codec.problem_from_json(request["problem"])
        plan = codec.plan_from_json(problem, result["plan"])
        message.plan.CopyFrom(kind.convert.plan_to_message(problem, plan, problem.verify(plan)))
    return message
