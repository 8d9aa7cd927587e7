"""The way of a request through the gateway: validate, convert, accept, insure, hand over, answer in time."""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ray.exceptions import RayError

from actors import logs
from actors.finish import commit, observe
from actors.messages import Box, Incumbent, Outcome, SolveOrder, Trail
from actors.metrics import metrics
from actors.names import SCHEDULER, actor, coordinator_name
from actors.restore import restore_order
from actors.settings import Settings
from federation.admission import admit
from federation.policy import Policy
from federation.reasons import Reason
from federation.report import Contribution, Report, ServiceLevel, Timings, relative_gap, status_of
from services.convert.common import policy_from_message, policy_to_json, report_from_json, report_to_message, with_total
from services.insurance import Insurance, Insured, insure
from services.kinds import ServiceKind, service_kinds
from solvers import canonical
from solvers.errors import CorruptRecord, FieldViolation, IdempotencyConflict, InvalidProblem, JobError, TooBusy
from solvers.registry import problem_kind
from store.decisions import new_decision_id
from store.jobs import AcceptedJob, Job
from store.keys import Principal
from store.leases import JobState
from store.store import Store

_INSURANCE_LEASE_S = 10.0
_RETRY_LEFT_S = 0.3
"""Another coordinator is tried only with at least this much time left."""
_PULSE_S = 0.5
_SERVICE_S = 0.5
"""How long a job keeps a worker while others wait: the fair queue's quantum."""
_STORED_POLL_S = 0.05
_PREPARE_AFTER_S = 0.005
_ABANDONED_S = 2.0
_ABANDONED_MOST = 8


@dataclass(frozen=True)
class Accepted:
    """A job that is in the store. ``guard_at_s`` (monotonic): when the insurance takes over."""

    kind: ServiceKind
    job_id: str
    is_new: bool
    problem: Any
    order: SolveOrder
    received_s: float
    guard_at_s: float
    insurance: Future[Insured]


class Solving:
    """What all solving RPCs share."""

    def __init__(self, settings: Settings, store: Store, known_backends: frozenset[str]) -> None:
        self._settings, self._store, self._known_backends = settings, store, known_backends
        self._insurance = Insurance(threads=2)
        self._turn = itertools.count()
        self._queue_length, self._workers = 0, settings.workers
        self._background: set[asyncio.Task[Any]] = set()
        self._in_flight = 0

    # ---- accept

    async def accept(
        self, principal: Principal, kind_name: str, request: Any, correlation_id: str, awaited: bool = True
    ) -> Accepted:
        """Validate everything, store the job, start its insurance (where the caller waits: ``awaited``).

        While the store does not answer, a caller who waits gets the insurance alone: the job has no id then.

        Raises
        ------
        InvalidProblem
            Naming every field at fault; nothing is stored.
        TooBusy
            When the queue is full, or the store does not answer and nobody waits for an insurance.
        IdempotencyConflict
            When the key was used with another request.

        """
        received_s = time.monotonic()
        now = datetime.now(UTC)
        kind = service_kinds()[kind_name]
        size = request.ByteSize()
        if size > self._settings.max_message_bytes:
            limit = self._settings.max_message_bytes
            raise InvalidProblem([FieldViolation("problem", f"is {size} bytes", f"at most {limit} bytes a request")])
        if size > 100_000:  # keep the event loop free
            problem, policy = await asyncio.to_thread(self._convert, kind, request)
        else:
            problem, policy = self._convert(kind, request)
        # However long the queue is, the insurance answers by the deadline: only a full queue turns a request away.
        admit(self._queue_length, self._workers, _SERVICE_S, math.inf, self._settings.max_queued_jobs)
        guard_at_s = received_s + policy.deadline_s - reply_s(policy.deadline_s, self._in_flight, size)
        insurance = (
            self._insurance.start(kind_name, problem, policy.seed, guard_at_s) if awaited else self._insurance.none()
        )
        storing = self.spawn(
            asyncio.to_thread(self._store_job, principal.tenant, kind, problem, request, policy, correlation_id, now)
        )
        try:
            digest, job = await asyncio.wait_for(
                asyncio.shield(storing), max(0.01, guard_at_s - commit_s(policy.deadline_s) - time.monotonic())
            )
        except (InvalidProblem, IdempotencyConflict):
            raise
        except Exception as error:
            logs.logger().error("store_unreachable", exc_info=True)
            if not awaited:
                raise TooBusy("the store does not answer, so nothing can be accepted", 1.0) from error
            digest, job = "", AcceptedJob("", is_new=True)
        order = SolveOrder(
            job_id=job.job_id,
            tenant=principal.tenant,
            project=request.project,
            kind=kind_name,
            correlation_id=correlation_id,
            request_digest=digest,
            policy=policy,
            problem=Box.pack(problem),
            accepted_at=now,
            finish_by_s=time.time() + guard_at_s - time.monotonic() - commit_s(policy.deadline_s),
        )
        return Accepted(kind, job.job_id, job.is_new, problem, order, received_s, guard_at_s, insurance)

    def _convert(self, kind: ServiceKind, request: Any) -> tuple[Any, Policy]:
        """Problem and policy; raises one `InvalidProblem` with the violations of both."""
        violations: list[FieldViolation] = []
        problem: Any = None
        policy = Policy()
        try:
            policy = policy_from_message(request.policy, self._known_backends, secrets.randbits(52))
        except InvalidProblem as error:
            violations += error.violations
        if len(request.project) > 63:
            violations.append(FieldViolation("project", f"has {len(request.project)} characters", "at most 63"))
        try:
            problem = kind.convert.problem_from_message(request.problem)
        except InvalidProblem as error:
            violations += [replace(v, path=f"problem.{v.path}" if v.path else "problem") for v in error.violations]
        if violations:
            raise InvalidProblem(violations)
        return problem, policy

    def _store_job(
        self,
        tenant: str,
        kind: ServiceKind,
        problem: Any,
        request: Any,
        policy: Policy,
        correlation_id: str,
        now: datetime,
    ) -> tuple[str, Any]:
        stored = canonical.dumps(
            {
                "kind": kind.name,
                "project": request.project,
                "policy": policy_to_json(request.policy),
                "problem": problem_kind(kind.name).codec.problem_to_json(problem),
            }
        )
        digest = self._store.artifacts.put(stored)
        job = self._store.jobs.accept(
            tenant=tenant,
            kind=kind.name,
            request_digest=digest,
            idempotency_key=policy.idempotency_key or None,
            deadline_at=now + timedelta(seconds=policy.deadline_s),
            priority=policy.priority,
            labels=dict(policy.labels),
            policy_json=policy.to_json(),
            correlation_id=correlation_id,
            now=now,
        )
        return digest, job

    # ---- answer

    async def answer(self, accepted: Accepted) -> Any:
        """The response message, before the deadline."""
        if not accepted.job_id:
            return await self._insured_answer(accepted, Reason.STORE_UNREACHABLE)
        if not accepted.is_new:
            return await self._stored_answer(accepted)
        self._in_flight += 1
        try:
            return await self._fresh_answer(accepted)
        finally:
            self._in_flight -= 1
            accepted.insurance.cancel()

    async def _fresh_answer(self, accepted: Accepted) -> Any:
        try:
            outcome, reason = await self._coordinated(accepted)
        except asyncio.CancelledError:  # the client went away: a synchronous job ends with it
            self.spawn(self._cancel(accepted.job_id))
            raise
        if outcome is not None:
            return await self._built(accepted, outcome)
        if reason is Reason.CANCELLED:  # somebody else has it, or has finished it
            return await self._stored_answer(accepted)
        return await self._insured_answer(accepted, reason)

    async def stream(self, accepted: Accepted) -> AsyncIterator[Any]:
        """Improving responses; the last one is the answer."""
        if not accepted.is_new or not accepted.job_id:
            yield await self.answer(accepted)
            return
        name = self._next_coordinator()
        items = actor(name).stream.options(num_returns="streaming").remote(self._with_insurance(accepted))
        iterator = aiter(items)
        try:
            while True:
                left_s = accepted.guard_at_s - time.monotonic()
                item = await asyncio.wait_for(_next(iterator), max(0.0, left_s))
                if isinstance(item, Outcome):
                    yield await self._built(accepted, item)
                    return
                yield self._partial(accepted, item)
        except (RayError, TimeoutError, StopAsyncIteration, JobError) as error:
            logs.logger().warning("stream_lost", job_id=accepted.job_id, error=type(error).__name__)
        except (asyncio.CancelledError, GeneratorExit):
            self.spawn(self._cancel(accepted.job_id))
            raise
        if self._time_to_retry(accepted):
            yield await self.answer(replace(accepted, order=replace(accepted.order, takeover=True)))
        else:
            yield await self._insured_answer(accepted, Reason.DEADLINE)

    async def submit(self, accepted: Accepted) -> None:
        """Hand an accepted job over and return; recovery picks it up when no coordinator takes it."""
        if not accepted.is_new:
            return
        for _ in range(self._settings.coordinators):
            try:
                await asyncio.wait_for(actor(self._next_coordinator()).submit.remote(accepted.order), 1.0)
            except (RayError, TimeoutError, ValueError) as error:
                logs.logger().warning("coordinator_unreachable", job_id=accepted.job_id, error=type(error).__name__)
            else:
                return

    async def _coordinated(self, accepted: Accepted) -> tuple[Outcome | None, Reason]:
        """The committed outcome; ``None`` and why when no coordinator brought one in time.

        ``CANCELLED``: the job is somebody else's by now.
        """
        order = self._with_insurance(accepted)
        first = next(self._turn)
        for attempt in range(self._settings.coordinators):
            name = coordinator_name((first + attempt) % self._settings.coordinators)
            if attempt:
                order = replace(self._with_insurance(accepted), takeover=True)
            offering: asyncio.Task[None] | None = None
            try:
                call = actor(name).solve.remote(order)
                self.spawn(self._prepare(accepted))
                if order.insurance is None:
                    offering = self.spawn(self._offer(accepted, name))
                outcome: Outcome = await asyncio.wait_for(_result(call), accepted.guard_at_s - time.monotonic())
            except TimeoutError:
                return None, Reason.DEADLINE
            except JobError:
                return None, Reason.CANCELLED
            except Exception as error:  # noqa: BLE001 - whatever broke there, the insurance stands
                logs.logger().warning(
                    "coordinator_lost", job_id=accepted.job_id, coordinator=name, error=str(error).splitlines()[0]
                )
                if not self._time_to_retry(accepted):
                    break
            else:
                return outcome, Reason.DEADLINE
            finally:
                if offering is not None:
                    offering.cancel()
        return None, Reason.COORDINATOR_UNREACHABLE

    def _with_insurance(self, accepted: Accepted) -> SolveOrder:
        if not accepted.insurance.done():
            return accepted.order
        insured = accepted.insurance.result()
        return replace(accepted.order, insurance=insured.plan, insurance_bound=insured.bound)

    async def _prepare(self, accepted: Accepted) -> None:
        """Let a converter that explains plans work out its part while the solvers are at theirs."""
        prepare = getattr(accepted.kind.convert, "prepare", None)
        insured = await asyncio.wrap_future(accepted.insurance)
        if prepare is None or insured.plan is None:
            return
        await asyncio.sleep(_PREPARE_AFTER_S)  # the hand-over first
        await asyncio.to_thread(prepare, accepted.problem, insured.plan)

    async def _offer(self, accepted: Accepted, coordinator: str) -> None:
        insured = await asyncio.wrap_future(accepted.insurance)
        if insured.plan is not None:
            await actor(coordinator).offer.remote(accepted.job_id, insured.plan)

    async def _cancel(self, job_id: str) -> None:
        await asyncio.to_thread(self._store.jobs.request_cancel, job_id, datetime.now(UTC))
        for index in range(self._settings.coordinators):
            try:
                await asyncio.wait_for(actor(coordinator_name(index)).cancel.remote(job_id), 1.0)
            except (RayError, TimeoutError, ValueError):
                continue

    # ---- insurance

    async def _insured_answer(self, accepted: Accepted, reason: Reason) -> Any:
        """The insurance plan as the answer, committed under a lease of our own while the deadline allows."""
        reply_by_s = accepted.received_s + accepted.order.policy.deadline_s
        insured: Insured | None
        try:
            insured = await asyncio.wait_for(
                asyncio.wrap_future(accepted.insurance), max(0.0, reply_by_s - time.monotonic() - 0.005)
            )
        except TimeoutError:
            insured = None
        report = self._insured_report(accepted, insured, reason)
        outcome = Outcome(insured.plan, report, insured.verdict) if insured else Outcome(None, report)
        response = await self._built(accepted, outcome)
        if not accepted.job_id:
            return response
        ending = self.spawn(self._end_with(accepted, outcome))
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
            token = self._store.jobs.lease(order.job_id, "gateway", _INSURANCE_LEASE_S, now, True)
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
            return self.stored_response(self._store.jobs.get(order.job_id))
        observe(order, report, JobState.SUCCEEDED)
        return None

    def _insured_report(self, accepted: Accepted, insured: Insured | None, reason: Reason) -> Report:
        order, kind = accepted.order, problem_kind(accepted.kind.name)
        verdict = insured.verdict if insured else None
        objective = verdict.objective if verdict else None
        bound = insured.bound if insured else None
        gap = relative_gap(objective, bound) if objective is not None else None
        seconds = insured.seconds if insured else 0.0
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
            contributions=(Contribution(kind.insurance.name, kind.insurance.version, seconds=seconds),),
            timings=Timings(total_s=time.monotonic() - accepted.received_s, insurance_s=seconds),
            terms=dict(verdict.terms) if verdict else {},
        )

    # ---- responses

    def response(self, accepted: Accepted, outcome: Outcome) -> Any:
        """The response message of an outcome."""
        report = with_total(outcome.report, time.monotonic() - accepted.received_s)
        response = accepted.kind.response(report=report_to_message(report))
        if outcome.plan is not None:
            verdict = outcome.verdict or accepted.problem.verify(outcome.plan)
            response.plan.CopyFrom(accepted.kind.convert.plan_to_message(accepted.problem, outcome.plan, verdict))
        return response

    async def _built(self, accepted: Accepted, outcome: Outcome) -> Any:
        """`response`, in a thread when the plan is large: the event loop serves others meanwhile."""
        if accepted.order.problem.ref is None:
            return self.response(accepted, outcome)
        return await asyncio.to_thread(self.response, accepted, outcome)

    def _partial(self, accepted: Accepted, incumbent: Incumbent) -> Any:
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
        response = accepted.kind.response(report=report_to_message(report))
        response.plan.CopyFrom(accepted.kind.convert.plan_to_message(accepted.problem, incumbent.plan, verdict))
        return response

    def stored_response(self, job: Job) -> Any:
        """The response of a finished job from the store alone."""
        kind = service_kinds()[job.kind]
        if job.result_digest is None:
            raise CorruptRecord(f"job {job.id!r} is finished without a result: {job.error or 'no reason was stored'}")
        result = canonical.loads(self._store.artifacts.get(job.result_digest))
        response = kind.response(report=report_from_json(result["report"]))
        if "plan" in result:
            request = canonical.loads(self._store.artifacts.get(job.request_digest))
            codec = problem_kind(job.kind).codec
            problem = codec.problem_from_json(request["problem"])
            plan = codec.plan_from_json(problem, result["plan"])
            response.plan.CopyFrom(kind.convert.plan_to_message(problem, plan, problem.verify(plan)))
        return response

    async def _stored_answer(self, accepted: Accepted) -> Any:
        """A request that came before: its answer, once it is there."""
        while True:
            job = await asyncio.to_thread(self._store.jobs.get, accepted.job_id)
            if job.state.is_terminal:
                return await asyncio.to_thread(self.stored_response, job)
            if time.monotonic() >= accepted.guard_at_s:
                return await self._insured_answer(accepted, Reason.DEADLINE)
            await asyncio.sleep(_STORED_POLL_S)

    # ---- upkeep

    async def watch_scheduler(self) -> None:
        """Keep the queue length that admission goes by. Runs as long as the gateway."""
        while True:
            try:
                pulse = await asyncio.wait_for(_result(actor(SCHEDULER).pulse.remote()), 1.0)
            except (RayError, TimeoutError, ValueError):
                self._queue_length = 0  # unknown: insurance answers
            else:
                self._queue_length, self._workers = pulse.queue_length, pulse.workers
            await asyncio.sleep(_PULSE_S)

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
                await asyncio.wait_for(_result(actor(coordinator_name(index)).pid.remote()), 1.0)
            except (RayError, TimeoutError, ValueError):
                continue
            return True
        return False

    def _end_overdue(self) -> None:
        now = datetime.now(UTC)
        for claim in self._store.jobs.claim_expired("gateway", _INSURANCE_LEASE_S, now, _ABANDONED_MOST):
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
            report = self._insured_report(accepted, insured, Reason.COORDINATOR_UNREACHABLE)
            self._end_with_in_thread(accepted, Outcome(insured.plan, report))

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run ``work`` beside the call; it is kept until it ends."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _next_coordinator(self) -> str:
        return coordinator_name(next(self._turn) % self._settings.coordinators)

    def _time_to_retry(self, accepted: Accepted) -> bool:
        return accepted.guard_at_s - time.monotonic() > _RETRY_LEFT_S


def reply_s(deadline_s: float, in_flight: int = 0, size_bytes: int = 0) -> float:
    """Kept back for the insurance's commit and the reply, in seconds.

    More when many may end at the same moment, and for large plans: building a reply takes about 0.5 us a byte of its
    request.
    """
    crowd_s = min(0.15 * deadline_s, 0.008 * in_flight)
    building_s = min(0.2 * deadline_s, 0.5e-6 * size_bytes)
    return 0.025 + min(0.2, 0.005 * deadline_s) + crowd_s + building_s


def commit_s(deadline_s: float) -> float:
    """How much sooner than the insurance takes over a coordinator has to be done, in seconds."""
    return 0.01 + min(0.1, 0.005 * deadline_s)


async def _result(reference: Any) -> Any:
    return await reference


async def _next(iterator: Any) -> Any:
    return await (await anext(iterator))


def count_request(method: str, code: str) -> None:
    """Count one gRPC call."""
    metrics().requests.labels(method, code).inc()
