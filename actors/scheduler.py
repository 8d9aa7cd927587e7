"""The one scheduler: admission, fair share of workers, choice of backends, reservations.

What it knows is a cache. Budgets are in the store; who runs what is asked of the workers after a restart; waiting
jobs are enqueued again by their coordinators.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayError

from actors import logs
from actors.metrics import metrics
from actors.names import actor, coordinator_name, worker_name
from actors.planner import JobCard, Planner
from actors.settings import Settings
from actors.stores import open_store
from federation.attack import Attack
from federation.fairness import Ticket
from federation.watch import Happened
from store.amounts import Amounts, month_of
from store.observations import Observation

_TICK_S = 0.1
_WORKER_CHECK_S = 1.0
_CALL_S = 2.0
_ADOPTED_S = 3600.0
_RELEASE_LOST_S = 3.0
"""A held worker that rests so long was released by a call that never arrived."""


@dataclass(frozen=True)
class Pulse:
    """``epoch`` changes when the scheduler restarts; ``workers``: those that answer; ``waiting``: jobs by tenant."""

    epoch: str
    queue_length: int
    workers: int
    waiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Opening:
    """Plan of attack and the workers granted at once; more may be granted later."""

    attack: Attack
    workers: tuple[str, ...]


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, max_concurrency=10_000)
class Scheduler:
    """Async; every decision is made by `federation/`, every amount is in the store."""

    def __init__(self, settings: Settings) -> None:
        logs.configure("scheduler", settings.log_level)
        self._settings = settings
        self._store = open_store(settings)
        self._idle: set[str] = set()
        self._held: dict[str, str] = {}  # worker -> job id
        self._cards: dict[str, JobCard] = {}
        self._epoch = secrets.token_hex(8)
        self._planner = Planner(settings, self._store, self._backend_down)
        self._queue = self._planner.fairness.queue()
        self._devices = self._planner.devices
        self._rested: dict[str, tuple[str, float]] = {}
        """Held worker -> the job that holds it, and since when the worker was seen not to work on it."""
        steps = (self._tick, self._look_at_workers, *self._devices.loops())
        self._tasks = [asyncio.ensure_future(self._loop(step)) for step in steps]
        self._tasks.append(asyncio.ensure_future(self._planner.learn_from_store()))

    async def pid(self) -> int:
        return os.getpid()

    async def pulse(self) -> Pulse:
        """What gateways admit by, and what coordinators notice a restart by."""
        return Pulse(
            self._epoch, self._queue.queue_length, len(self._idle) + len(self._held), self._queue.waiting_by_tenant()
        )

    async def idle(self) -> tuple[str, ...]:
        """Workers that wait for a job."""
        return tuple(sorted(self._idle))

    async def open(self, card: JobCard) -> Opening:
        """Plan the attack on a job and queue it for workers."""
        now_s = time.time()
        attack = self._planner.attack(card, self._queue.queue_length, len(self._idle) + len(self._held))
        self._cards[card.job_id] = card
        self._queue.enqueue(Ticket(card.job_id, card.tenant, card.policy.priority, card.want, card.finish_by_s, now_s))
        self._grant(now_s, opening=card.job_id)
        # Also those of an earlier call whose answer was lost.
        return Opening(attack, tuple(worker for worker, seat in self._held.items() if seat == card.job_id))

    async def release(self, job_id: str, worker: str) -> None:
        """The job is done with the worker, or gives it back after a recall and queues again."""
        if self._held.get(worker) == job_id:
            now_s = time.time()
            del self._held[worker]
            self._queue.release(worker, now_s)
            self._idle.add(worker)
            self._grant(now_s)

    async def failed(self, job_id: str, worker: str) -> None:
        """The worker died under the job and stays away: the job queues again, the worker is granted once it answers."""
        if self._held.get(worker) == job_id:
            del self._held[worker]
            self._queue.release(worker, time.time(), again=True)
        self._idle.discard(worker)

    async def close(self, job_id: str) -> None:
        """The job is over: it waits for nothing and holds nothing."""
        held = self._queue.remove(job_id)
        self._cards.pop(job_id, None)
        self._planner.over(job_id)
        for worker in held:
            await self.release(job_id, worker)

    async def reserve(
        self,
        tenant: str,
        project: str,
        job_id: str,
        backend: str,
        idempotency_key: str,
        amounts: Amounts,
        request_limit: Amounts,
    ) -> str:
        """Reserve ``amounts`` for a submission; the reservation id. Raises `solvers.errors.BudgetExceeded`."""
        now = datetime.now(UTC)
        reservation: str = await asyncio.to_thread(
            self._store.budgets.reserve,
            tenant=tenant,
            project=project,
            period=month_of(now),
            job_id=job_id,
            backend=backend,
            idempotency_key=idempotency_key,
            amounts=amounts,
            now=now,
            request_limit=self._planner.request_limit(job_id, request_limit),
        )
        return reservation

    async def unreserve(self, reservation_id: str) -> None:
        """Give back what was reserved for a submission that was never made."""
        await asyncio.to_thread(self._store.budgets.release, reservation_id)

    async def allow(self, backend: str, job_id: str = "") -> bool:
        """Whether a submission may go out now; a true answer is followed by `report` or `withdraw`."""
        return self._devices.allow(backend, job_id)

    async def withdraw(self, backend: str, job_id: str = "") -> None:
        """A submission that `allow` let through was not made, or says nothing of the backend's health."""
        self._devices.withdraw(backend, job_id)

    async def report(self, backend: str, ok: bool, job_id: str = "") -> None:
        """How a submission went."""
        self._devices.report(backend, ok, job_id)

    async def observe(self, observations: tuple[Observation, ...]) -> None:
        """Learn from a finished job."""
        for observation in observations:
            self._planner.learn(observation)

    async def substitute(
        self, seat: str, failed: str, tried: tuple[str, ...], usd_micros: int, shots: int, hedges: bool = False
    ) -> Any:
        """The backend that takes over from ``failed`` for a job, a `BackendChoice`; ``None``: none can.

        ``tried``: those that have been asked before, ``failed`` among them. ``usd_micros``, ``shots``: what the job may
        still spend on it. ``hedges``: it is asked beside one that is slow.
        """
        card = self._cards.get(seat)
        return None if card is None else self._planner.substitute(card, failed, tried, usd_micros, shots, hedges)

    async def backends(self) -> list[dict[str, Any]]:
        """Facts, circuit, reason of unavailability, health and weight of every configured backend."""
        return self._devices.table()

    async def happened(self, since_s: float) -> tuple[Happened, ...]:
        """What happened to backends at or after ``since_s`` (Unix time), oldest first."""
        return self._devices.since(since_s)

    def _backend_down(self, name: str) -> None:
        """Jobs that wait for it are told to go elsewhere."""
        for index in range(self._settings.coordinators):
            try:
                actor(coordinator_name(index)).backend_down.remote(name)
            except ValueError:  # not there yet: it has no jobs either
                continue

    def _grant(self, now_s: float, opening: str = "") -> None:
        """Hand out idle workers and tell their jobs' coordinators, but for job ``opening``, which is being answered."""
        for grant in self._queue.grant(sorted(self._idle), now_s):
            self._idle.discard(grant.worker)
            self._held[grant.worker] = grant.job_id
            card = self._cards.get(grant.job_id)
            if grant.job_id != opening and card is not None:
                actor(card.coordinator).granted.remote(grant.job_id, grant.worker)
        metrics().queue_length.set(self._queue.queue_length)

    async def _loop(self, step: Callable[[], Awaitable[float]]) -> None:
        """Repeat ``step``, which returns the pause after it in seconds; a step that fails is logged and comes again."""
        while True:
            try:
                pause_s = await step()
            except Exception:  # noqa: BLE001 - without its loops a scheduler is dead and nobody restarts it
                logs.logger().error("scheduler_step_failed", step=step.__name__, exc_info=True)
                pause_s = _WORKER_CHECK_S
            await asyncio.sleep(pause_s)

    async def _tick(self) -> float:
        """Recall workers for jobs that wait, and hand out what is idle."""
        now_s = time.time()
        self._queue.expire(now_s)
        for worker in self._queue.recall(now_s):
            seat = self._held.get(worker, "")
            card = self._cards.get(seat)
            if card is not None:
                actor(card.coordinator).recalled.remote(seat, worker)
        self._grant(now_s)
        return _TICK_S

    async def _look_at_workers(self) -> float:
        """Find workers that came (back), those busy since before a restart, and those held by nobody who remembers."""
        for name in map(worker_name, range(self._settings.workers)):
            if name in self._idle:
                continue
            try:
                status = await asyncio.wait_for(actor(name).status.remote(), _CALL_S)
            except (RayError, TimeoutError, ValueError):
                continue
            await self._seen(name, status["seat"], status["tenant"])
        self._grant(time.time())
        complete = len(self._idle) + len(self._held) == self._settings.workers
        return _WORKER_CHECK_S if complete else _TICK_S

    async def _seen(self, worker: str, seat: str, tenant: str) -> None:
        """A worker that is not idle said what it works on (``seat`` is empty: on nothing)."""
        holder, now_s = self._held.get(worker), time.monotonic()
        if holder is None and seat:
            self._adopt(worker, seat, tenant)
        elif holder is None:
            self._idle.add(worker)
        elif not seat:
            rests, since_s = self._rested.setdefault(worker, (holder, now_s))
            if rests == holder and now_s - since_s >= _RELEASE_LOST_S:
                await self.release(holder, worker)  # its release was lost
            elif rests != holder:
                self._rested[worker] = holder, now_s
            return
        self._rested.pop(worker, None)

    def _adopt(self, worker: str, seat: str, tenant: str) -> None:
        """A worker is busy with a job of before our restart: it counts in its tenant's share until it is released."""
        now_s = time.time()
        self._held[worker] = seat
        self._queue.adopt(Ticket(seat, tenant, 5, 1, now_s + _ADOPTED_S, now_s), [worker], now_s)
