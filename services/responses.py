"""Response messages: of an outcome, of a plan on the way, of a finished job from the store."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from actors.messages import Incumbent, Outcome
from federation.report import Contribution, Report, ServiceLevel, Timings, relative_gap, status_of
from services.acceptance import Accepted
from services.convert.common import report_from_json, report_to_message
from services.kinds import service_kinds
from solvers import canonical
from solvers.errors import CorruptRecord
from solvers.registry import problem_kind
from store.jobs import Job
from store.store import Store


@dataclass(frozen=True)
class Draft:
    """A plan and its message, made while the plan was being committed."""

    plan: Any
    message: Any


def response(accepted: Accepted, outcome: Outcome, draft: Draft | None = None) -> Any:
    """The response message of an outcome; a ``draft`` of the same plan saves making its message."""
    timings = outcome.report.timings
    timings = replace(
        timings, total_s=time.monotonic() - accepted.received_s, store_s=timings.store_s + accepted.store_s
    )
    report = replace(outcome.report, timings=timings)
    if draft is not None and outcome.plan is not None and draft.plan == outcome.plan:
        return accepted.kind.response(report=report_to_message(report), plan=draft.message)
    message = accepted.kind.response(report=report_to_message(report))
    if outcome.plan is not None:
        message.plan.CopyFrom(_plan_message(accepted, outcome))
    return message


def _plan_message(accepted: Accepted, outcome: Outcome) -> Any:
    verdict = outcome.verdict or accepted.problem.verify(outcome.plan)
    return accepted.kind.convert.plan_to_message(accepted.problem, outcome.plan, verdict)


async def built(accepted: Accepted, outcome: Outcome, draft: Draft | None = None) -> Any:
    """`response`, in a thread when the plan is large: the event loop serves others meanwhile."""
    if is_small(accepted):
        return response(accepted, outcome, draft)
    return await asyncio.to_thread(response, accepted, outcome)


def drafted(accepted: Accepted, outcome: Outcome | None) -> Draft | None:
    """The plan's message of an outcome that is still being committed, where there is a plan and it is small."""
    if outcome is None or outcome.plan is None or not is_small(accepted):
        return None
    return Draft(outcome.plan, _plan_message(accepted, outcome))


def is_small(accepted: Accepted) -> bool:
    """Whether a reply is made in less time than a thread's hand-over costs others."""
    return accepted.order.problem.ref is None


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
    if job.decision_id is None:
        raise CorruptRecord(f"job {job.id!r} is finished without a result: {job.error or 'no reason was stored'}")
    record = store.decisions.get(job.decision_id).record
    message = kind.response(report=report_from_json(record["report"]))
    if record["plan_digest"] is not None:
        request = canonical.loads(store.artifacts.get(job.request_digest))
        codec = problem_kind(job.kind).codec
        problem = codec.problem_from_json(request["problem"])
        plan = codec.plan_from_json(problem, canonical.loads(store.artifacts.get(record["plan_digest"])))
        message.plan.CopyFrom(kind.convert.plan_to_message(problem, plan, problem.verify(plan)))
    return message
