"""The door of a request: validate everything, convert, store the job, start its insurance."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ray.exceptions import RayError

from actors import logs
from actors.foresight import Recalled, recall
from actors.heartbeat import LEASE_S
from actors.messages import Box, SolveOrder
from actors.names import SCHEDULER, actor
from actors.settings import Settings
from actors.store_threads import in_store
from backends.config import backends_from_tables
from federation.admission import admit_tenant
from federation.policy import Policy, Profile
from federation.pressure import Relief
from federation.settings import settings_from_table
from services.background import Background, result_of
from services.convert.common import policy_from_message, policy_to_json
from services.insurance import Insurance, Insured
from services.kinds import ServiceKind, service_kinds
from solvers import canonical
from solvers.errors import FieldViolation, IdempotencyConflict, InvalidProblem, TooBusy
from solvers.registry import problem_kind
from solvers.stop import Deadline
from store.jobs import AcceptedJob, new_job_id
from store.keys import Principal, Role
from store.store import Store

_PULSE_S = 0.5
_SERVICE_S = 0.5
"""How long a job keeps a worker while others wait: the fair queue's quantum."""


@dataclass(frozen=True)
class Accepted:
    """A job that is in the store. ``guard_at_s`` (monotonic): when the insurance takes over.

    ``coordinator``: who it was leased to as it was accepted; empty when nobody waits for it. ``store_s``: how long
    storing it took. ``call``: the coordinator's answer to come, where it was asked while the job was being stored, by
    the name of ``drawn_id``. ``recalling``: a plan prepared in advance, where the problem may have one. ``relief``:
    what the request is spared, because too many came.
    """

    kind: ServiceKind
    job_id: str
    is_new: bool
    problem: Any
    order: SolveOrder
    received_s: float
    guard_at_s: float
    insurance: Future[Insured]
    coordinator: str = ""
    store_s: float = 0.0
    call: Any = None
    drawn_id: str = ""
    recalling: Future[Recalled | None] | None = None
    relief: Relief = Relief.NOTHING


class Acceptance:
    """Takes requests in, as long as the queue has room."""

    def __init__(
        self, settings: Settings, store: Store, known_backends: frozenset[str], background: Background
    ) -> None:
        self._settings, self._store, self._known_backends = settings, store, known_backends
        self._background = background
        self._insurance = Insurance(threads=2)
        names = [config.name for config in backends_from_tables(settings.backends).backends]
        self._fairness = settings_from_table(settings.federation, names).fairness
        self._waiting: Counter[str] = Counter()
        """Jobs that wait, by tenant: as of the scheduler's last pulse, and what was submitted since."""
        self._workers = settings.workers
        self.in_flight = 0
        """Calls being answered: many may end at the same moment."""

    async def accept(
        self,
        principal: Principal,
        kind_name: str,
        request: Any,
        correlation_id: str,
        coordinator: str,
        hand_over: Callable[[SolveOrder], Any] | None = None,
    ) -> Accepted:
        """Validate everything, store the job, start its insurance.

        With ``hand_over``, a job that is certain to be new and that spends nothing is handed over while it is being
        stored: its order is pending, and `actors.messages.Stored` is to follow.

        Where the caller waits, the job is leased to ``coordinator`` in the same step; nobody waits when that is empty,
        and then there is no insurance either. While the store does not answer, a caller who waits gets the insurance
        alone: the job has no id then.

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
        awaited = bool(coordinator)
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
        admit_tenant(
            principal.tenant,
            self._waiting,
            self._fairness.weight,
            self._workers,
            _SERVICE_S,
            self._settings.max_queued_jobs,
        )
        guard_at_s = received_s + policy.deadline_s - reply_s(policy.deadline_s, self.in_flight, size)
        order = SolveOrder(
            job_id=new_job_id(now),
            tenant=principal.tenant,
            project=request.project,
            kind=kind_name,
            correlation_id=correlation_id,
            request_digest="",
            policy=policy,
            problem=Box.pack(problem),
            accepted_at=now,
            finish_by_s=time.time() + guard_at_s - time.monotonic() - commit_s(policy.deadline_s),
            token=1 if awaited else None,
            pending=True,
            approved=Role.OPERATOR in principal.roles,
        )
        # Before the insurance, which would have the interpreter for itself for a moment.
        call = None
        if hand_over is not None and awaited and _spends_nothing(policy):
            call = hand_over(order)
        insurance = self._insurance.none()
        if awaited:
            reply_by_s = received_s + policy.deadline_s
            insurance = self._insurance.start(kind_name, problem, policy.seed, guard_at_s, reply_by_s)
        recalling = self._recalling(order, problem, guard_at_s) if awaited else None
        storing_s = time.monotonic()
        storing = self._background.spawn(in_store(self._store_job, kind, problem, request, order, coordinator))
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
        store_s = time.monotonic() - storing_s
        if job.is_new and not awaited:  # who waits for an answer sends no flood: he has to wait for it
            self._waiting[principal.tenant] += 1
        drawn_id = order.job_id
        order = replace(order, job_id=job.job_id, request_digest=digest, token=job.token or None, pending=False)
        return Accepted(
            kind,
            job.job_id,
            job.is_new,
            problem,
            order,
            received_s,
            guard_at_s,
            insurance,
            coordinator,
            store_s,
            call,
            drawn_id,
            recalling,
        )

    def _recalling(self, order: SolveOrder, problem: Any, until_s: float) -> Future[Recalled | None] | None:
        """A plan that the tenant has prepared for such a problem, so that it is at hand even without a coordinator."""
        foresight = problem_kind(order.kind).foresight
        if foresight is None or not foresight.scope(problem):
            return None
        stop = Deadline(time.monotonic() + 0.5 * (until_s - time.monotonic()), time.monotonic)
        return self._insurance.recall(
            lambda: recall(self._store, order.kind, order.tenant, order.project, problem, stop)
        )

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
        self, kind: ServiceKind, problem: Any, request: Any, order: SolveOrder, coordinator: str
    ) -> tuple[str, AcceptedJob]:
        policy, now = order.policy, order.accepted_at
        stored = canonical.dumps(
            {
                "kind": kind.name,
                "project": request.project,
                "policy": policy_to_json(request.policy),
                "problem": problem_kind(kind.name).codec.problem_to_json(problem),
            }
        )
        digest, durable = self._store.artifacts.put_beside(stored)
        job = self._store.jobs.accept(
            tenant=order.tenant,
            kind=kind.name,
            request_digest=digest,
            idempotency_key=policy.idempotency_key or None,
            deadline_at=now + timedelta(seconds=policy.deadline_s),
            priority=policy.priority,
            labels=dict(policy.labels),
            policy_json=policy.to_json(),
            correlation_id=order.correlation_id,
            now=now,
            holder=coordinator,
            ttl_s=LEASE_S,
            durable=durable,
            job_id=order.job_id,
        )
        return digest, job

    async def watch_scheduler(self) -> None:
        """Keep the queue length that admission goes by. Runs as long as the gateway."""
        while True:
            try:
                pulse = await asyncio.wait_for(result_of(actor(SCHEDULER).pulse.remote()), 1.0)
            except (RayError, TimeoutError, ValueError):
                self._waiting.clear()  # unknown: insurance answers
            else:
                self._waiting, self._workers = Counter(pulse.waiting), pulse.workers
            await asyncio.sleep(_PULSE_S)


def _spends_nothing(policy: Policy) -> bool:
    """Whether a job may be begun before it is stored: new for certain, no backend, nothing to be replayed."""
    return policy.profile is Profile.CLASSICAL and not policy.idempotency_key and not policy.replayable


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
