"""Answers without a coordinator: the insurance plan, committed by the gateway itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from ray.exceptions import RayError

from actors import logs
from actors.finish import commit, observe
from actors.foresight import STRATEGY, VERSION, use_json
from actors.messages import Outcome, Trail
from actors.names import actor, coordinator_name
from actors.restore import restore_order
from actors.settings import Settings
from federation.reasons import Reason
from federation.report import Contribution, Report, ServiceLevel, Timings, relative_gap, status_of
from services.acceptance import Accepted
from services.background import Background, result_of
from services.insurance import Insured, insure
from services.kinds import service_kinds
from services.responses import built, stored_response
from solvers.errors import JobError
from solvers.problem import Verdict
from solvers.registry import problem_kind
from store.decisions import new_decision_id
from store.leases import JobState
from store.store import Store

_LEASE_S = 10.0
_ABANDONED_S = 2.0
_ABANDONED_MOST = 8


class Fallback:
    """Ends jobs with their insurance when nobody else does."""

    def __init__(self, settings: Settings, store: Store, background: Background) -> None:
        self._settings, self._store, self._background = settings, store, background

    @staticmethod
    async def has_plan(accepted: Accepted) -> bool:
        """Whether the quick heuristic finds a plan before it has to take over."""
        left_s = max(0.0, accepted.guard_at_s - time.monotonic())
        try:
            insured = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(accepted.insurance)), left_s)
        except TimeoutError:
            return False
        return insured.plan is not None

    async def answer(self, accepted: Accepted, reason: Reason) -> Any:
        """The insurance plan as the answer, committed under a lease of our own while the deadline allows."""
        reply_by_s = accepted.received_s + accepted.order.policy.deadline_s
        insured: Insured | None
        try:
            insured = await asyncio.wait_for(
                asyncio.wrap_future(accepted.insurance), max(0.0, reply_by_s - time.monotonic() - 0.005)
            )
        except TimeoutError:
            insured = None
        outcome = _outcome(accepted, insured, reason)
        response = await built(accepted, outcome)
        if not accepted.job_id:
            return response
        ending = self._background.spawn(self._end_with(accepted, outcome))
        try:
            stored = await asyncio.wait_for(asyncio.shield(ending), max(0.0, reply_by_s - time.monotonic() - 0.005))
        except Exception as error:  # noqa: BLE001 - the plan is verified: it leaves in time, stored or not
            logs.logger().error("insurance_not_committed", job_id=accepted.job_id, error=repr(error))
            stored = None
        return stored if stored is not None else response

    async def _end_with(self, accepted: Accepted, outcome: Outcome) -> Any:
        """Commit the insurance; the stored answer instead when somebody else finished the job first."""
        return await asyncio.to_thread(self._end_with_in_thread, accepted, outcome)

    def _end_with_in_thread(self, accepted: Accepted, outcome: Outcome) -> Any:
        now = datetime.now(UTC)
        order = accepted.order
        try:
            token = self._store.jobs.lease(order.job_id, "gateway", _LEASE_S, now, True)
            report = commit(
                self._store,
                order,
                accepted.problem,
                outcome.plan,
                outcome.report,
                Trail(),
                None,
                token,
                JobState.SUCCEEDED,
                "gateway",
            )
        except JobError:
            return stored_response(self._store, self._store.jobs.get(order.job_id))
        observe(order, report, JobState.SUCCEEDED)
        return None

    async def end_abandoned(self) -> None:
        """End jobs whose deadline has passed while no coordinator answers. Runs as long as the gateway.

        Coordinators take over each other's jobs and those of their former selves; this is for the time without any.
        """
        while True:
            await asyncio.sleep(_ABANDONED_S)
            if await self._some_coordinator():
                continue
            try:
                await asyncio.to_thread(self._end_overdue)
            except Exception:  # noqa: BLE001 - without this loop nobody ends jobs while coordinators are away
                logs.logger().error("ending_abandoned_failed", exc_info=True)

    async def _some_coordinator(self) -> bool:
        for index in range(self._settings.coordinators):
            try:
                await asyncio.wait_for(result_of(actor(coordinator_name(index)).pid.remote()), 1.0)
            except (RayError, TimeoutError, ValueError):
                continue
            return True
        return False

    def _end_overdue(self) -> None:
        now = datetime.now(UTC)
        for claim in self._store.jobs.claim_expired("gateway", _LEASE_S, now, _ABANDONED_MOST):
            if claim.job.deadline_at + timedelta(seconds=_ABANDONED_S) > now:
                continue  # its coordinator comes back first: the lease runs out again
            order = restore_order(self._store, claim.job)
            problem = order.problem.open()
            until_s = time.monotonic() + _ABANDONED_S
            insured = insure(order.kind, problem, order.policy.seed, until_s)
            accepted = Accepted(
                kind=service_kinds()[order.kind],
                job_id=order.job_id,
                is_new=False,
                problem=problem,
                order=order,
                received_s=time.monotonic(),
                guard_at_s=until_s,
                insurance=Future(),
            )
            self._end_with_in_thread(accepted, _outcome(accepted, insured, Reason.COORDINATOR_UNREACHABLE))


def _outcome(accepted: Accepted, insured: Insured | None, reason: Reason) -> Outcome:
    """The better of the heuristic's plan and one prepared in advance, whichever there is."""
    recalling = accepted.recalling
    recalled = recalling.result() if recalling is not None and recalling.done() and not recalling.cancelled() else None
    plan, verdict = (insured.plan, insured.verdict) if insured is not None else (None, None)
    kind, seconds = problem_kind(accepted.kind.name), insured.seconds if insured else 0.0
    who = [Contribution(kind.insurance.name, kind.insurance.version, seconds=seconds)]
    if recalled is not None and recalled.plan is not None:
        better = verdict is None or recalled.verdict.objective < verdict.objective
        gained = verdict.objective - recalled.verdict.objective if better and verdict is not None else 0.0
        who.append(Contribution(STRATEGY, VERSION, improvement=gained))
        plan, verdict = (recalled.plan, recalled.verdict) if better else (plan, verdict)
    began_from = use_json(accepted.kind.name, accepted.problem, recalled, plan)
    bound = insured.bound if insured else None
    return Outcome(plan, _report(accepted, verdict, bound, tuple(who), seconds, began_from, reason), verdict)


def _report(
    accepted: Accepted,
    verdict: Verdict | None,
    bound: float | None,
    who: tuple[Contribution, ...],
    seconds: float,
    began_from: Mapping[str, Any] | None,
    reason: Reason,
) -> Report:
    order = accepted.order
    objective = verdict.objective if verdict else None
    gap = relative_gap(objective, bound) if objective is not None else None
    return Report(
        job_id=order.job_id,
        decision_id=new_decision_id(datetime.now(UTC)),
        status=status_of(verdict is not None, gap, False),
        objective=objective,
        bound=bound,
        gap=gap,
        feasible=verdict is not None,
        service_level=ServiceLevel.INSURANCE,
        service_level_reason=str(reason),
        seed=order.policy.seed,
        correlation_id=order.correlation_id,
        finished_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        contributions=who,
        timings=Timings(total_s=time.monotonic() - accepted.received_s, insurance_s=seconds),
        terms=dict(verdict.terms) if verdict else {},
        began_from=began_from,
    )
