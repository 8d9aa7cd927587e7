"""One job being solved: strategies on workers, kernels on backends, one incumbent, one commit."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from ray.exceptions import RayError

from actors import logs
from actors.finish import Finish
from actors.hybrid import HybridStep
from actors.messages import Box, Found, Incumbent, Outcome, RunEnd, SolveOrder, StrategyOrder, Trail
from actors.names import SCHEDULER, actor, worker_name
from actors.scheduler import JobCard, Opening
from actors.settings import Settings
from actors.upkeep import Events, observations_of
from federation.attack import Attack
from federation.reasons import Reason
from federation.report import OPTIMAL_GAP, Contribution, relative_gap
from solvers.errors import JobError
from solvers.problem import Verdict
from solvers.registry import problem_kind
from solvers.stop import Deadline
from solvers.strategy import Context
from store.observations import Observation
from store.store import Store

LEASE_S = 5.0
STOP_S = 0.05
"""A worker stops within this; a replayable run is waited for longer, since its end holds what a replay needs."""
EACH_COMMIT_S = 0.015
QUICK_VERDICT_S = 0.003
HEAD_START_S = 0.25

_DRAIN_S = 2.0
COMMIT_MARGIN_S = 0.03
"""Kept back for verdict, record and commit; large plans keep more (`Solve._solve_until_s`)."""
_SCHEDULER_TRY_S = 1.0
_WORKER_BACK_S = 10.0
_POOL = 24
_RUNS_MOST = 64


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
        self.problem: Any = None
        self.trail = Trail()
        self.incumbent: Incumbent | None = None
        self.bound: float | None = None
        self.proved_infeasible = False
        self.pool: list[Any] = []
        self.attack: Attack | None = None
        self.token = token
        self.verify_s = 0.0
        self._verdict_s = math.inf
        self.queue_s = 0.0
        self.solver_s = 0.0
        self.store_s = 0.0
        self.insurance_s = 0.0
        self.reason = ""
        self.ended_by = Reason.DEADLINE
        """What ends those that still run when the job does."""
        self.cancelled = False
        self.aftermath: list[asyncio.Task[None]] = []
        """What goes on after the answer has left: workers are given back."""
        self.observations: tuple[Observation, ...] = ()
        self._draining = False
        self.began_s = time.time()
        self._beside = beside
        self._settings, self.store, self.coordinator = settings, store, coordinator
        self._done = asyncio.Event()
        self.solved = asyncio.Event()
        """Set when classical strategies have ended by themselves: the hybrid step need not wait for them."""
        self.first = asyncio.Event()
        """Set with the first incumbent, or when there will be none."""
        self.lanes: dict[str, asyncio.Task[None]] = {}
        self._live: dict[str, str] = {}  # worker -> run id
        self._recalled: set[str] = set()
        self._give_back: set[str] = set()
        self._held_back: Any = None
        """The insurance of a replayable job, which must not start from it: used only when there is nothing else."""
        self.seat = ""
        self._todo: list[tuple[str, int]] = []
        self._runs_left = 0
        self._contributions: dict[tuple[str, str], Contribution] = {}
        self._watchers: list[asyncio.Queue[Incumbent | None]] = []
        self.log: structlog.typing.FilteringBoundLogger = logs.logger().bind(
            job_id=order.job_id, correlation_id=order.correlation_id, kind=order.kind
        )

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
                self.problem = await asyncio.to_thread(order.problem.open)
                # The object is the gateway's and dies with it: workers get one of our own.
                self.order = order = replace(order, problem=Box.pack(self.problem))
            else:
                self.problem = order.problem.open()
            accepted = [s.name for s in self.kind.strategies if s.accepts(self.problem)]
            self.seat = f"{order.job_id}#{self.coordinator}/{time.time_ns()}"
            opening = asyncio.create_task(self._open(tuple(accepted)))
            background.append(opening)
            if self.token is None:
                self.token = await self._timed_store(
                    self.store.jobs.lease, order.job_id, self.coordinator, LEASE_S, datetime.now(UTC), order.takeover
                )
            background.append(asyncio.create_task(self._heartbeat()))
            background.append(asyncio.create_task(Events(self).run()))
            insuring = asyncio.create_task(self._insure())
            background.append(insuring)
            opened = await opening
            if order.insurance is not None:
                await insuring
            background += self._begin(opened, accepted)
            await self._wait()
        finally:
            self._done.set()
            await self._end_lanes()
            for task in background:
                task.cancel()
            # Whoever was cancelled has his say first: what he notes belongs in the record.
            await asyncio.gather(*background, return_exceptions=True)
        if self.incumbent is None and not self.proved_infeasible:
            await self.consider(self._held_back, None, "insurance", "", self.kind.insurance.version)
        outcome = await Finish(self).commit()
        self.observations = observations_of(self, outcome.report)
        return outcome

    def _begin(self, opened: Opening | None, accepted: list[str]) -> list[asyncio.Task[Any]]:
        """Start lanes on the granted workers, and the hybrid step."""
        self.queue_s = time.time() - self.began_s
        if opened is None:
            self.reason = Reason.SCHEDULER_UNREACHABLE
            strategies: tuple[str, ...] = tuple(accepted)
            workers: tuple[str, ...] = tuple(worker_name(i) for i in range(self._settings.workers))
        else:
            self.attack = opened.attack
            strategies, workers = opened.attack.strategies, opened.workers
        self._todo = self._runs(strategies)
        self._runs_left = len(self._todo)
        if not self._todo:
            self.reason = self.reason or Reason.NO_STRATEGY
            self.solved.set()
        for place, worker in enumerate(workers):
            self.granted(worker, place)
        hybrid = [] if self.attack is None else [HybridStep(self, choice) for choice in self.attack.backends]
        tasks = [asyncio.create_task(step.run()) for step in hybrid]
        return [*tasks, asyncio.create_task(self._end_when_exhausted(tasks))]

    def _runs(self, strategies: tuple[str, ...]) -> list[tuple[str, int]]:
        """(strategy, seed) in the order in which workers take them."""
        seed = self.order.policy.seed
        if self.order.policy.replayable:
            return [(strategies[0], seed)] if strategies else []
        runs = [(name, seed + i) for i, name in enumerate(strategies)]
        again = [name for name in strategies if name in self.kind.reseeded]
        while again and len(runs) < self._settings.workers:
            runs.append((again[len(runs) % len(again)], seed + len(runs)))
        return runs[:_RUNS_MOST]

    async def _wait(self) -> None:
        left_s = self.solve_until_s - time.time()
        try:
            await asyncio.wait_for(self._done.wait(), max(0.0, left_s))
        except TimeoutError:
            if not self.lanes:
                self.reason = self.reason or Reason.NO_WORKER

    async def _end_when_exhausted(self, hybrid: list[asyncio.Task[Any]]) -> None:
        """Strategies that have nothing left to try, and backends that have answered, end a job early."""
        await self.solved.wait()
        self.first.set()
        if hybrid:
            await asyncio.wait(hybrid)
        self._done.set()

    # ---- what others call while it runs

    def granted(self, worker: str, place: int = 0) -> None:
        """A worker is ours until it is released or recalled. All but the first begin a little later (`place` > 0)."""
        if worker in self.lanes:  # told twice
            return
        if self._done.is_set() or not self._todo or worker in self._give_back:
            self._give_back.discard(worker)
            self.tell_scheduler("release", worker)
            return
        self.lanes[worker] = asyncio.create_task(self._lane(worker, place))

    def recalled(self, worker: str) -> None:
        """The scheduler needs the worker for a job that waits."""
        run_id = self._live.get(worker)
        if run_id is None:  # between two runs: its lane gives it back before the next
            self._give_back.add(worker)
            return
        self._recalled.add(run_id)
        actor(worker).cancel.remote(run_id)

    async def reopen(self) -> None:
        """The scheduler has restarted and forgotten us: queue again unless workers are at it."""
        if not self._todo or self.lanes or self._done.is_set():
            return
        opened = await self._open(tuple(dict.fromkeys(name for name, _ in self._todo)))
        for worker in opened.workers if opened else ():
            self.granted(worker)

    async def offer(self, plan: Any) -> None:
        """The gateway's insurance plan, when it came after the order."""
        if self.order.policy.replayable:
            self._held_back = plan
        else:
            await self.consider(plan, None, "insurance", "", self.kind.insurance.version)

    def cancel(self) -> None:
        """End now with the best plan so far."""
        self.cancelled = True
        self.reason = Reason.CANCELLED
        self._done.set()

    async def incumbents(self) -> AsyncIterator[Incumbent]:
        """Improving plans until the job ends; a slow reader sees only the newest."""
        queue: asyncio.Queue[Incumbent | None] = asyncio.Queue()
        self._watchers.append(queue)
        if self.incumbent is not None:
            queue.put_nowait(self.incumbent)
        if self._done.is_set():
            return
        while (incumbent := await queue.get()) is not None:
            newest: Incumbent | None = incumbent
            while not queue.empty():
                newest = queue.get_nowait()
                if newest is None:
                    return
                incumbent = newest
            yield incumbent

    def close_watchers(self) -> None:
        for queue in self._watchers:
            queue.put_nowait(None)

    # ---- candidates

    async def consider(self, plan: Any, bound: float | None, strategy: str, backend: str, version: str) -> float:
        """Verify a plan and keep it when it is better; by how much it lowered the incumbent's objective."""
        if bound is not None:
            self._raise_bound(bound, strategy)
        if plan is None:
            return 0.0
        started = time.perf_counter()
        # A verdict that takes less than a thread's hand-over is not worth one; the first tells.
        verdict: Verdict
        if self._verdict_s < QUICK_VERDICT_S:
            verdict = self.problem.verify(plan)
        else:
            verdict = await asyncio.to_thread(self.problem.verify, plan)
        self._verdict_s = time.perf_counter() - started
        self.verify_s += self._verdict_s
        if not verdict.feasible:
            return 0.0
        if not any(plan == known for known in self.pool):
            self.pool = [*self.pool[-_POOL + 1 :], plan]
        before = self.incumbent.verdict.objective if self.incumbent else None
        if before is not None and verdict.objective >= before - 1e-9 * max(1.0, abs(before)):
            self._check_gap()
            return 0.0
        found_by = f"{strategy}@{backend}" if backend else strategy
        if self.bound is not None and verdict.objective < self.bound - 1e-6 * max(1.0, abs(self.bound)):
            self.log.error("bound_refuted", bound=self.bound, objective=verdict.objective, found_by=found_by)
            self.bound = None
        if self.bound is not None:
            self.bound = min(self.bound, verdict.objective)
        self.incumbent = Incumbent(plan, verdict, found_by, self.bound, time.time())
        self.first.set()
        improvement = 0.0 if before is None else before - verdict.objective
        if not backend:
            self._credit(strategy, version, improvement=improvement)
        for queue in self._watchers:
            queue.put_nowait(self.incumbent)
        self._check_gap()
        return improvement

    def _raise_bound(self, bound: float, strategy: str) -> None:
        if bound == math.inf and self.incumbent is None:
            self.proved_infeasible = True
            self._done.set()
            return
        if math.isnan(bound) or bound == -math.inf:
            return
        if self.incumbent is not None:
            objective = self.incumbent.verdict.objective
            if bound > objective + 1e-6 * max(1.0, abs(objective)):
                self.log.error("bound_refuted", bound=bound, objective=objective, found_by=strategy)
                return
            bound = min(bound, objective)
        if self.bound is None or bound > self.bound:
            self.bound = bound
            self._check_gap()

    def _check_gap(self) -> None:
        """Stop at the target gap, or at proved optimality when no backend is wanted any more."""
        if self.incumbent is None:
            return
        gap = relative_gap(self.incumbent.verdict.objective, self.bound)
        if gap is None:
            return
        target = self.order.policy.target_gap
        if target is not None and gap <= target:
            self.ended_by = Reason.TARGET_REACHED
            self._done.set()
        elif gap <= OPTIMAL_GAP:
            self.solved.set()

    def _credit(
        self, strategy: str, version: str, improvement: float = 0.0, seconds: float = 0.0, error: str = ""
    ) -> None:
        old = self._contributions.get((strategy, "")) or Contribution(strategy, version)
        self._contributions[strategy, ""] = Contribution(
            strategy,
            version,
            improvement=old.improvement + improvement,
            seconds=old.seconds + seconds,
            outcome="FAILED" if error else old.outcome,
            reason=Reason.STRATEGY_FAILED if error else old.reason,
        )

    def contributions(self) -> tuple[Contribution, ...]:
        """Classical ones, then those of backends."""
        return (*self._contributions.values(), *self.trail.contributions)

    # ---- insurance, lanes

    async def _insure(self) -> None:
        """A first incumbent: the gateway's, or our own for a job that nobody waits for or that was taken over."""
        plan = self.order.insurance
        if plan is None:
            started = time.perf_counter()
            plan = await asyncio.to_thread(self._own_insurance)
            self.insurance_s = time.perf_counter() - started
        if self.order.policy.replayable:
            self._held_back = plan
        else:
            await self.consider(plan, self.order.insurance_bound, "insurance", "", self.kind.insurance.version)

    def _own_insurance(self) -> Any:
        stop = Deadline(time.monotonic() + max(0.0, self.solve_until_s - time.time()), time.monotonic)
        context: Context[Any] = Context(seed=self.order.policy.seed, stop=stop)
        plans = [candidate.plan for candidate in self.kind.insurance.candidates(self.problem, context)]
        return plans[-1] if plans else None

    async def _lane(self, worker: str, place: int) -> None:
        """Run strategies on one worker until there are none, the job is done, or the worker is recalled."""
        try:
            if place:  # what the first strategy proves in a moment needs no second one in its way
                await asyncio.sleep(min(HEAD_START_S, 0.05 * max(0.0, self.solve_until_s - time.time())))
            while self._todo and not self._done.is_set() and worker not in self._give_back:
                run = self._todo.pop(0)
                ended = await self._run_on(worker, *run)
                if ended is None:  # the worker died under it: the same run again once it is back
                    self._put_back(run)
                    if not await self._worker_back(worker):
                        self.tell_scheduler("failed", worker)
                        return
                    continue
                if ended:
                    self._run_over()
                elif not self._done.is_set():  # recalled
                    self._put_back(run)
                    return
        finally:
            self.lanes.pop(worker, None)
            self._give_back.discard(worker)
            if not self._draining:
                self.tell_scheduler("release", worker)

    def _put_back(self, run: tuple[str, int]) -> None:
        """Another worker takes the run from its start; what a replay repeats is that one alone."""
        self._todo.insert(0, run)
        if self.order.policy.replayable:
            self.incumbent, self.bound, self.pool = None, None, []
            for record in self.trail.runs:
                record["asked"] = None

    def _run_over(self) -> None:
        self._runs_left -= 1
        if self._runs_left <= 0:
            self.solved.set()

    async def _run_on(self, worker: str, strategy: str, seed: int) -> bool | None:
        """Whether the run is over (True) or was recalled (False); ``None`` when the worker died."""
        order = self.order
        run_id = f"{order.job_id}/{strategy}/{seed}/{time.time_ns()}"
        replayable = order.policy.replayable
        command = StrategyOrder(
            run_id=run_id,
            coordinator=self.coordinator,
            seat=self.seat,
            job_id=order.job_id,
            tenant=order.tenant,
            correlation_id=order.correlation_id,
            kind=order.kind,
            strategy=strategy,
            problem=order.problem,
            seed=seed,
            finish_by_s=self.solve_until_s,
            target_gap=order.policy.target_gap,
            incumbent=None if replayable or self.incumbent is None else self.incumbent.plan,
            hide_clock=replayable,
        )
        version = next(s.version for s in self.kind.strategies if s.name == strategy)
        self._live[worker] = run_id
        started = time.time()
        record: dict[str, Any] = {"strategy": strategy, "version": version, "seed": seed, "worker": worker}
        record |= {"control_trace": None, "seconds": None, "completed": False, "asked": None, "error": ""}
        self.trail.runs.append(record)  # a run counts from its start, whether its end is seen or not
        try:
            async for reference in actor(worker).run.options(num_returns="streaming").remote(command):
                item: Found | RunEnd = await reference
                if isinstance(item, Found):
                    record["control_trace"] = item.control_trace or record["control_trace"]
                    await self.consider(item.plan, item.lower_bound, strategy, "", version)
                    continue
                self._credit(strategy, version, seconds=item.seconds, error=item.error)
                self.solver_s = max(self.solver_s, item.seconds)
                record |= asdict(item)
                return run_id not in self._recalled
        except RayError as error:
            self.log.warning("worker_lost", worker=worker, strategy=strategy, error=type(error).__name__)
            record["error"] = type(error).__name__
            return None
        finally:
            self._live.pop(worker, None)
            if record["seconds"] is None:
                seconds = record["seconds"] = time.time() - started
                self._credit(strategy, version, seconds=seconds)
                self.solver_s = max(self.solver_s, seconds)
        return True

    async def _worker_back(self, worker: str) -> bool:
        until_s = min(self.solve_until_s, time.time() + _WORKER_BACK_S)
        while time.time() < until_s and not self._done.is_set():
            try:
                await asyncio.wait_for(actor(worker).status.remote(), 1.0)
            except (RayError, TimeoutError):
                await asyncio.sleep(0.05)
            else:
                return True
        return False

    async def _end_lanes(self) -> None:
        """Cancel what still runs, and see the ends of runs that stop in time, unless nothing they say can matter."""
        for worker, run_id in self._live.items():
            actor(worker).cancel.remote(run_id)
        lanes = list(self.lanes.values())
        if lanes and not self._settled():
            await asyncio.wait(lanes, timeout=STOP_S * (4 if self.order.policy.replayable else 1))
        busy = list(self.lanes)
        self._draining = True
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        if self.seat:
            self.aftermath.append(asyncio.create_task(self._drain(busy)))

    def _settled(self) -> bool:
        """Whether the answer stands, whatever runs that are being stopped might still find."""
        if self.order.policy.replayable:
            return False
        gap = relative_gap(self.incumbent.verdict.objective, self.bound) if self.incumbent else None
        proved = self.proved_infeasible or (gap is not None and gap <= OPTIMAL_GAP)
        return proved or self.cancelled or self.ended_by is Reason.TARGET_REACHED

    async def _drain(self, busy: list[str]) -> None:
        """Give the workers back once they have really stopped: whoever gets one next must not wait behind us."""
        give_up_s = time.monotonic() + _DRAIN_S
        for worker in busy:
            while time.monotonic() < give_up_s:
                try:
                    status = await asyncio.wait_for(actor(worker).status.remote(), _DRAIN_S)
                except (RayError, TimeoutError):
                    break
                if status["seat"] != self.seat:
                    break
                await asyncio.sleep(0.02)
        actor(SCHEDULER).close.remote(self.seat)

    # ---- scheduler and store

    async def _open(self, strategies: tuple[str, ...]) -> Opening | None:
        """Ask the scheduler for a plan of attack; ``None`` when it stays unreachable."""
        order = self.order
        card = JobCard(
            job_id=self.seat,
            tenant=order.tenant,
            coordinator=self.coordinator,
            kind=order.kind,
            features=self.problem.features(),
            strategies=strategies,
            policy=order.policy,
            want=max(1, min(self._settings.workers, len(self._runs(strategies)))),
            finish_by_s=self.solve_until_s,
        )
        give_up_s = time.time() + min(3 * _SCHEDULER_TRY_S, 0.3 * (self.solve_until_s - time.time()))
        while True:
            try:
                opening: Opening = await asyncio.wait_for(
                    actor(SCHEDULER).open.remote(card), max(0.05, min(_SCHEDULER_TRY_S, give_up_s - time.time()))
                )
            except (RayError, TimeoutError, ValueError) as error:
                self.log.warning("scheduler_unreachable", error=type(error).__name__)
                if time.time() >= give_up_s:
                    return None
                await asyncio.sleep(0.05)
            else:
                return opening

    def tell_scheduler(self, what: str, *arguments: Any) -> None:
        """Fire and forget: the scheduler finds out by itself what it misses."""
        getattr(actor(SCHEDULER), what).remote(self.seat, *arguments)

    async def _timed_store(self, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return await asyncio.to_thread(call, *arguments)
        finally:
            self.store_s += time.perf_counter() - started

    async def _heartbeat(self) -> None:
        """Keep the lease, and see a cancel that another process asked for."""
        while True:
            await asyncio.sleep(LEASE_S / 4)
            token = self.token or 0
            try:
                if await asyncio.to_thread(
                    self.store.jobs.heartbeat, self.order.job_id, token, LEASE_S, datetime.now(UTC)
                ):
                    self.cancel()
            except JobError as error:  # somebody else finished or took the job: nothing of ours can be committed
                self.log.info("lease_lost", reason=str(error))
                self._done.set()
                return
            except Exception:
                self.log.warning("heartbeat_failed", exc_info=True)

    @property
    def solve_until_s(self) -> float:
        """Unix time at which solving ends, so that the commit still fits before the reply is due."""
        total_s = max(0.0, self.order.finish_by_s - self.began_s)
        margin_s = COMMIT_MARGIN_S + min(1.0, 0.01 * total_s) + (4 * STOP_S if self.order.policy.replayable else 0.0)
        margin_s += min(0.3 * total_s, EACH_COMMIT_S * self._beside)
        return self.order.finish_by_s - min(margin_s, 0.5 * total_s)


def job_of(seat: str) -> str:
    """The job of a seat, which is ``job id#who/when``: each attempt at a job has its own."""
    return seat.rsplit("#", 1)[0]
