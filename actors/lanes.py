"""The lanes of one job: strategies taking turns on the workers that the scheduler granted."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayError

from actors.messages import Found, RunEnd, StrategyOrder
from actors.names import SCHEDULER, actor
from actors.team import Team

if TYPE_CHECKING:
    from actors.solve import Solve
    from solvers.kind import ScaleOut

STOP_S = 0.05
"""A worker stops within this; a replayable run is waited for longer, since its end holds what a replay needs."""
HEAD_START_S = 0.25

_DRAIN_S = 2.0
_WORKER_BACK_S = 10.0
_RUNS_MOST = 64


class Lanes:
    """One lane a worker; runs are taken from a common list, and put back when their worker dies or is recalled."""

    def __init__(self, solve: Solve) -> None:
        self._solve = solve
        self.tasks: dict[str, asyncio.Task[None]] = {}
        """Worker -> its lane."""
        self.solver_s = 0.0
        """Longest run of a strategy, in seconds."""
        self._live: dict[str, str] = {}  # worker -> run id
        self._recalled: set[str] = set()
        self._give_back: set[str] = set()
        self._todo: list[tuple[str, int]] = []
        self._runs_left = 0
        self._draining = False
        self._team: Team | None = None

    def runs(self, strategies: tuple[str, ...]) -> list[tuple[str, int]]:
        """(strategy, seed) in the order in which workers take them."""
        solve = self._solve
        seed = solve.order.policy.seed
        if solve.order.policy.replayable:
            return [(self._second(strategies)[0], seed)] if strategies else []
        if self._scale_out(strategies) is not None:  # the team needs no run of its own for each worker
            name = solve.kind.scale_out.name if solve.kind.scale_out else ""
            return [(name, seed)] * min(solve.settings.workers, _RUNS_MOST)
        runs = [(name, seed + i) for i, name in enumerate(self._second(strategies))]
        again = [name for name in strategies if name in solve.kind.reseeded]
        while again and len(runs) < solve.settings.workers:
            runs.append((again[len(runs) % len(again)], seed + len(runs)))
        return runs[:_RUNS_MOST]

    def _second(self, strategies: tuple[str, ...]) -> tuple[str, ...]:
        """Provers right after the first that looks for plans, however little they have ever improved one."""
        provers = self._solve.kind.provers
        finders = tuple(name for name in strategies if name not in provers)
        return (*finders[:1], *(name for name in strategies if name in provers), *finders[1:])

    def _scale_out(self, strategies: tuple[str, ...]) -> ScaleOut[Any] | None:
        """How all workers share the problem, where there are several and it is large enough."""
        solve = self._solve
        scale_out = solve.kind.scale_out
        if scale_out is None or scale_out.name not in strategies or solve.order.policy.replayable:
            return None
        return scale_out if solve.settings.workers > 1 and scale_out.accepts(solve.problem) else None

    def plan(self, strategies: tuple[str, ...]) -> bool:
        """Set what is to be run; whether there is anything."""
        self._todo = self.runs(strategies)
        self._runs_left = len(self._todo)
        scale_out = self._scale_out(strategies)
        if scale_out is not None:
            self._runs_left = 1
            self._team = Team(self._solve, scale_out, self._live, self._run_over)
        return bool(self._todo)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Strategies that wait for a worker."""
        return tuple(dict.fromkeys(name for name, _ in self._todo))

    def granted(self, worker: str, place: int = 0) -> None:
        """A worker is ours until it is released or recalled. All but the first begin a little later (`place` > 0)."""
        if worker in self.tasks:  # told twice
            return
        if self._solve.done.is_set() or not self._todo or worker in self._give_back:
            self._give_back.discard(worker)
            self._solve.seat.tell("release", worker)
            return
        lane = self._lane(worker, place) if self._team is None else self._team_lane(worker, self._team)
        self.tasks[worker] = asyncio.create_task(lane)

    def recalled(self, worker: str) -> None:
        """The scheduler needs the worker for a job that waits."""
        if self._team is not None and self._team.recalled(worker):
            return
        run_id = self._live.get(worker)
        if run_id is None:  # between two runs: its lane gives it back before the next
            self._give_back.add(worker)
            return
        self._recalled.add(run_id)
        actor(worker).cancel.remote(run_id)

    async def _lane(self, worker: str, place: int) -> None:
        """Run strategies on one worker until there are none, the job is done, or the worker is recalled."""
        solve = self._solve
        try:
            if place:  # what the first strategy proves in a moment needs no second one in its way
                await asyncio.sleep(min(HEAD_START_S, 0.05 * max(0.0, solve.solve_until_s - time.time())))
            while self._todo and not solve.done.is_set() and worker not in self._give_back:
                run = self._todo.pop(0)
                ended = await self._run_on(worker, *run)
                if ended is None:  # the worker died under it: the same run again once it is back
                    self._put_back(run)
                    if not await self._worker_back(worker):
                        solve.seat.tell("failed", worker)
                        return
                    continue
                if ended:
                    self._run_over()
                elif not solve.done.is_set():  # recalled
                    self._put_back(run)
                    return
        finally:
            self.tasks.pop(worker, None)
            self._give_back.discard(worker)
            if not self._draining:
                solve.seat.tell("release", worker)

    async def _team_lane(self, worker: str, team: Team) -> None:
        """Take part in the rounds that all workers share."""
        try:
            # A worker that died under its part goes on with another once it is back.
            while worker not in self._give_back and not await team.lane(worker):
                if not await self._worker_back(worker):
                    self._solve.seat.tell("failed", worker)
                    return
        finally:
            self.solver_s = max(self.solver_s, team.solver_s)
            self.tasks.pop(worker, None)
            self._give_back.discard(worker)
            if not self._draining:
                self._solve.seat.tell("release", worker)

    def _put_back(self, run: tuple[str, int]) -> None:
        """Another worker takes the run from its start; what a replay repeats is that one alone."""
        self._todo.insert(0, run)
        if self._solve.order.policy.replayable:
            self._solve.candidates.forget()
            for record in self._solve.trail.runs:
                record["asked"] = None

    def _run_over(self) -> None:
        self._runs_left -= 1
        if self._runs_left <= 0:
            self._solve.solved.set()

    async def _run_on(self, worker: str, strategy: str, seed: int) -> bool | None:
        """Whether the run is over (True) or was recalled (False); ``None`` when the worker died."""
        solve = self._solve
        order = self._order(strategy, seed)
        version = next(s.version for s in solve.kind.strategies if s.name == strategy)
        self._live[worker] = order.run_id
        started, told_s = time.time(), 0.0
        record: dict[str, Any] = {"strategy": strategy, "version": version, "seed": seed, "worker": worker}
        record |= {"control_trace": None, "seconds": None, "completed": False, "asked": None, "error": ""}
        solve.trail.runs.append(record)  # a run counts from its start, whether its end is seen or not
        try:
            async for reference in actor(worker).run.options(num_returns="streaming").remote(order):
                item: Found | RunEnd = await reference
                if isinstance(item, Found):
                    record["control_trace"] = item.control_trace or record["control_trace"]
                    told_s = item.seconds
                    await solve.consider(item.plan, item.lower_bound, strategy, "", version)
                    continue
                solve.candidates.credit(strategy, version, seconds=item.seconds, error=item.error)
                self.solver_s = max(self.solver_s, item.seconds)
                record |= asdict(item)
                return order.run_id not in self._recalled
        except RayError as error:
            solve.log.warning("worker_lost", worker=worker, strategy=strategy, error=type(error).__name__)
            record["error"] = type(error).__name__
            return None
        finally:
            self._live.pop(worker, None)
            if record["seconds"] is None:
                # What ended the job by a proof ran until it sent that: the way here is not its time.
                seconds = record["seconds"] = told_s if solve.candidates.is_proved else time.time() - started
                solve.candidates.credit(strategy, version, seconds=seconds)
                self.solver_s = max(self.solver_s, seconds)
        return True

    def _order(self, strategy: str, seed: int) -> StrategyOrder:
        solve, order = self._solve, self._solve.order
        replayable = order.policy.replayable
        return StrategyOrder(
            run_id=f"{order.job_id}/{strategy}/{seed}/{time.time_ns()}",
            coordinator=solve.coordinator,
            seat=solve.seat.name,
            job_id=order.job_id,
            tenant=order.tenant,
            correlation_id=order.correlation_id,
            kind=order.kind,
            strategy=strategy,
            problem=order.problem,
            seed=seed,
            finish_by_s=solve.solve_until_s,
            target_gap=order.policy.target_gap,
            incumbent=None if replayable or solve.incumbent is None else solve.incumbent.plan,
            hide_clock=replayable,
        )

    async def _worker_back(self, worker: str) -> bool:
        until_s = min(self._solve.solve_until_s, time.time() + _WORKER_BACK_S)
        while time.time() < until_s and not self._solve.done.is_set():
            try:
                await asyncio.wait_for(actor(worker).status.remote(), 1.0)
            except (RayError, TimeoutError):
                await asyncio.sleep(0.05)
            else:
                return True
        return False

    async def end(self, settled: bool) -> list[asyncio.Task[None]]:
        """Cancel what still runs, and see the ends of runs that stop in time, unless (``settled``) none can matter.

        Returns what goes on afterwards: the workers are given back once they have stopped.
        """
        if self._team is not None:
            self._team.end()
        for worker, run_id in self._live.items():
            actor(worker).cancel.remote(run_id)
        lanes = list(self.tasks.values())
        if lanes and not settled:
            await asyncio.wait(lanes, timeout=STOP_S * (4 if self._solve.order.policy.replayable else 1))
        busy = list(self.tasks)
        self._draining = True
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        seat = self._solve.seat.name
        return [asyncio.create_task(_drain(busy, seat))] if seat else []


async def _drain(busy: list[str], seat: str) -> None:
    """Give the workers back once they have really stopped: whoever gets one next must not wait behind us."""
    give_up_s = time.monotonic() + _DRAIN_S
    for worker in busy:
        while time.monotonic() < give_up_s:
            try:
                status = await asyncio.wait_for(actor(worker).status.remote(), _DRAIN_S)
            except (RayError, TimeoutError):
                break
            if status["seat"] != seat:
                break
            await asyncio.sleep(0.02)
    actor(SCHEDULER).close.remote(seat)
