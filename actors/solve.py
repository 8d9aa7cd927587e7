"""One job being solved: strategies on workers, kernels on backends, one incumbent, one commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from actors import logs
from actors.candidates import Candidates
from actors.finish import Finish
from actors.foresight import Ahead
from actors.heartbeat import LEASE_S, keep_lease
from actors.lanes import STOP_S, Lanes
from actors.messages import Box, Incumbent, Outcome, SolveOrder, Stored, Trail
from actors.names import worker_name
from actors.planner import configured
from actors.relay import Relay
from actors.scheduler import Opening
from actors.seat import Seat
from actors.settings import Settings
from actors.shadow import Shadow
from actors.store_threads import in_store
from actors.storing import Storing
from actors.upkeep import Events, observations_of
from federation.attack import Attack
from federation.flags import Flags
from federation.reasons import Reason
from federation.report import Contribution
from solvers.registry import problem_kind
from solvers.stop import Deadline
from solvers.strategy import Context
from store.observations import Observation
from store.store import Store

EACH_COMMIT_S = 0.015

COMMIT_MARGIN_S = 0.03
"""Kept back for verdict, record and commit; large plans keep more (`Solve.solve_until_s`)."""


class Solve:
    """State of one job in its coordinator. `run` ends it.

    Parameters
    ----------
    order, settings, store
        What, with what, where to.
    coordinator
        Name of the actor that this runs in.
    token
        Fencing token when the job is leased already.
    beside
        Other jobs being solved here: commits are one after the other, and many may fall on the same moment.
    """

    def __init__(
        self,
        order: SolveOrder,
        settings: Settings,
        store: Store,
        coordinator: str,
        token: int | None = None,
        beside: int = 0,
    ) -> None:
        self.order = order
        self.kind = problem_kind(order.kind)
        self.log: structlog.typing.FilteringBoundLogger = logs.logger().bind(
            job_id=order.job_id, correlation_id=order.correlation_id, kind=order.kind
        )
        self.done = asyncio.Event()
        """Set when the job is to end now."""
        self.solved = asyncio.Event()
        """Set when classical strategies have ended by themselves: the hybrid step need not wait for them."""
        self.candidates = Candidates(order.policy, self.done, self.solved, self.log)
        self.seat = Seat(self)
        self._relays: list[Relay] = []
        self._lanes = Lanes(self)
        self.trail = Trail()
        self.ahead = Ahead(self)
        self.attack: Attack | None = None
        self.token = token
        self.queue_s = 0.0
        self.store_s = 0.0
        self.insurance_s = 0.0
        self.reason = ""
        self.cancelled = False
        self.aftermath: list[asyncio.Task[None]] = []
        """What goes on after the answer has left: workers are given back."""
        self.observations: tuple[Observation, ...] = ()
        self._storing = Storing(order.pending)
        self.draft: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        """The outcome once it stands, before it is committed; ``None`` when there will be none."""
        self.began_s = time.time()
        self._beside = beside
        self._held_back: Any = None
        """The insurance of a replayable job, which must not start from it: used only when there is nothing else."""
        self.settings, self.store, self.coordinator = settings, store, coordinator

    # ---- what is known so far

    @property
    def problem(self) -> Any:
        return self.candidates.problem

    @property
    def incumbent(self) -> Incumbent | None:
        return self.candidates.incumbent

    @property
    def bound(self) -> float | None:
        return self.candidates.bound

    @property
    def pool(self) -> list[Any]:
        return self.candidates.pool

    @property
    def first(self) -> asyncio.Event:
        return self.candidates.first

    @property
    def lanes(self) -> dict[str, asyncio.Task[None]]:
        """Workers at work on the job."""
        return self._lanes.tasks

    @property
    def ended_by(self) -> Reason:
        return self.candidates.ended_by

    @property
    def solver_s(self) -> float:
        return self._lanes.solver_s

    async def consider(self, plan: Any, bound: float | None, strategy: str, backend: str, version: str) -> float:
        """As `Candidates.consider`."""
        return await self.candidates.consider(plan, bound, strategy, backend, version)

    def contributions(self) -> tuple[Contribution, ...]:
        """Classical ones, then those of backends."""
        return (*self.candidates.contributions, *self.trail.contributions)

    # ---- the way through

    async def run(self) -> Outcome:
        """Solve until the deadline, the target gap, exhausted strategies or a cancel; commit; answer.

        Raises
        ------
        StaleLease, TerminalState
            When somebody else finished the job.

        """
        order = self.order
        background: list[asyncio.Task[Any]] = []
        try:
            if order.problem.ref is not None:
                self.candidates.problem = await asyncio.to_thread(order.problem.open)
                # The object is the gateway's and dies with it: workers get one of our own.
                self.order = order = replace(self.order, problem=Box.pack(self.problem))
            else:
                self.candidates.problem = order.problem.open()
            accepted = [s.name for s in self.kind.strategies if s.accepts(self.problem)]
            self.seat.take()
            opening = asyncio.create_task(self._open_seat(tuple(accepted)))
            background.append(opening)
            if self.token is None:
                self.token = await self._timed_store(
                    self.store.jobs.lease, order.job_id, self.coordinator, LEASE_S, datetime.now(UTC), order.takeover
                )
            background.append(asyncio.create_task(self._storing.then(lambda: keep_lease(self))))
            background.append(asyncio.create_task(self._storing.then(Events(self).run)))
            self.ahead.begin(self._storing.then)
            insuring = asyncio.create_task(self._insure())
            background.append(insuring)
            opened = await opening
            if order.insurance is not None:
                await insuring
            background += self._begin(opened, accepted)
            await self._wait()
        finally:
            self.done.set()
            self.aftermath += await self._lanes.end(self._settled())
            for task in background:
                task.cancel()
            # Whoever was cancelled has his say first: what he notes belongs in the record.
            await asyncio.gather(*background, return_exceptions=True)
        if self.incumbent is None and not self.candidates.proved_infeasible:
            await self.consider(self._held_back, None, "insurance", "", self.kind.insurance.version)
        await self._storing.wait(order.job_id, order.finish_by_s)
        await self.ahead.settle()
        outcome = await Finish(self).commit()
        self.observations = observations_of(self, outcome.report)
        if self.attack is not None and self.attack.shadow is not None and not self.cancelled:
            self.aftermath.append(asyncio.create_task(Shadow(self, self.attack.shadow).run()))
        return outcome

    def _begin(self, opened: Opening | None, accepted: list[str]) -> list[asyncio.Task[Any]]:
        """Start lanes on the granted workers, and the hybrid step."""
        self.queue_s = time.time() - self.began_s
        if opened is None:
            self.reason = Reason.SCHEDULER_UNREACHABLE
            # What is switched off stays so, whoever decides.
            off = Flags(configured(self.settings)[1].flags).strategies_off(self.kind.name, accepted, self.order.job_id)
            strategies: tuple[str, ...] = tuple(name for name in accepted if name not in off)
            workers: tuple[str, ...] = tuple(worker_name(i) for i in range(self.settings.workers))
        else:
            self.attack = opened.attack
            strategies, workers = opened.attack.strategies, opened.workers
        if not self._lanes.plan(strategies):
            self.reason = self.reason or Reason.NO_STRATEGY
            self.solved.set()
        for place, worker in enumerate(workers):
            self._lanes.granted(worker, place)
        self._relays = [] if self.attack is None else [Relay(self, choice) for choice in self.attack.backends]
        tasks = [asyncio.create_task(relay.run()) for relay in self._relays]
        return [*tasks, asyncio.create_task(self._end_when_exhausted(tasks))]

    async def _wait(self) -> None:
        left_s = self.solve_until_s - time.time()
        try:
            await asyncio.wait_for(self.done.wait(), max(0.0, left_s))
        except TimeoutError:
            if not self.lanes:
                self.reason = self.reason or Reason.NO_WORKER

    async def _end_when_exhausted(self, hybrid: list[asyncio.Task[Any]]) -> None:
        """Strategies that have nothing left to try, and backends that have answered, end a job early."""
        await self.solved.wait()
        self.first.set()
        if hybrid:
            await asyncio.wait(hybrid)
        self.done.set()

    # ---- what others call while it runs

    def granted(self, worker: str) -> None:
        """The scheduler grants a worker."""
        self._lanes.granted(worker)

    def recalled(self, worker: str) -> None:
        """The scheduler needs the worker for a job that waits."""
        self._lanes.recalled(worker)

    def backend_down(self, name: str) -> None:
        """The scheduler sees no life in a backend: what it was asked is asked elsewhere."""
        for relay in self._relays:
            relay.backend_down(name)

    async def reopen(self) -> None:
        """The scheduler has restarted and forgotten us: queue again unless workers are at it."""
        if not self._lanes.waiting or self.lanes or self.done.is_set():
            return
        opened = await self._open_seat(self._lanes.waiting)
        for worker in opened.workers if opened else ():
            self.granted(worker)

    async def _open_seat(self, strategies: tuple[str, ...]) -> Opening | None:
        want = max(1, min(self.settings.workers, len(self._lanes.runs(strategies))))
        return await self.seat.open(strategies, want)

    def early(self, news: Stored) -> None:
        """The news may come before anything was begun: the insurance in it is the order's."""
        self.order = replace(
            self.order,
            request_digest=news.request_digest,
            insurance=news.insurance,
            insurance_bound=news.insurance_bound,
            pending=False,
        )
        self._storing.done()

    async def accepted(self, news: Stored) -> None:
        """The job is in the store, under the digest of its request."""
        self.early(news)
        if news.insurance is not None and self.problem is not None:  # else it is the order's by now
            version = self.kind.insurance.version
            await self.ahead.first()
            await self.consider(news.insurance, news.insurance_bound, "insurance", "", version)

    async def offer(self, plan: Any) -> None:
        """The gateway's insurance plan, when it came after the order."""
        if self.order.policy.replayable:
            self._held_back = plan
        else:
            await self.ahead.first()
            await self.consider(plan, None, "insurance", "", self.kind.insurance.version)

    def cancel(self) -> None:
        """End now with the best plan so far."""
        self.cancelled = True
        self.reason = Reason.CANCELLED
        self.done.set()
        self._storing.give_up()

    def incumbents(self) -> AsyncIterator[Incumbent]:
        """Improving plans until the job ends."""
        return self.candidates.incumbents()

    def close_watchers(self) -> None:
        """End every `incumbents`."""
        self.candidates.close_watchers()

    # ---- insurance

    async def _insure(self) -> None:
        """A first incumbent: the gateway's, or our own for a job that nobody waits for or that was taken over."""
        plan = self.order.insurance
        if self.order.pending:  # it comes with the news that the job is stored, or is offered a little later
            return
        if plan is None:
            started = time.perf_counter()
            plan = await asyncio.to_thread(self._own_insurance)
            self.insurance_s = time.perf_counter() - started
        if self.order.policy.replayable:
            self._held_back = plan
        else:
            await self.ahead.first()
            await self.consider(plan, self.order.insurance_bound, "insurance", "", self.kind.insurance.version)

    def _own_insurance(self) -> Any:
        stop = Deadline(time.monotonic() + max(0.0, self.solve_until_s - time.time()), time.monotonic)
        context: Context[Any] = Context(seed=self.order.policy.seed, stop=stop)
        plans = [candidate.plan for candidate in self.kind.insurance.candidates(self.problem, context)]
        return plans[-1] if plans else None

    def _settled(self) -> bool:
        """Whether the answer stands, whatever runs that are being stopped might still find."""
        if self.order.policy.replayable:
            return False
        return self.candidates.is_proved or self.cancelled or self.ended_by is Reason.TARGET_REACHED

    # ---- store

    async def _timed_store(self, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return await in_store(call, *arguments)
        finally:
            self.store_s += time.perf_counter() - started

    @property
    def solve_until_s(self) -> float:
        """Unix time at which solving ends, so that the commit still fits before the reply is due."""
        total_s = max(0.0, self.order.finish_by_s - self.began_s)
        margin_s = COMMIT_MARGIN_S + min(1.0, 0.01 * total_s) + (4 * STOP_S if self.order.policy.replayable else 0.0)
        margin_s += min(0.3 * total_s, EACH_COMMIT_S * self._beside)
        return self.order.finish_by_s - min(margin_s, 0.5 * total_s)
