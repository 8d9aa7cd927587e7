"""A large problem on all workers of a job at once: rounds of parts, each part on a worker of its own.

A worker that comes, goes or dies changes how the next round is cut, nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayError

from actors.messages import PartOrder
from actors.names import actor

if TYPE_CHECKING:
    from actors.solve import Solve
    from solvers.kind import ScaleOut

_GRACE_S = 5.0
"""How long after its time a part is waited for before its worker counts as lost."""

_LAST_VERDICT_S = 0.25
"""Kept back of the time for putting together and judging the last round ..."""

_VERDICT_STOP_S = 2e-5
"""... and so much for each unit of the problem's size."""


class Team:
    """The rounds of one job.

    Parameters
    ----------
    solve
        The job.
    scale_out
        How its kind of problem is cut, improved and put together.
    live
        Worker -> id of what it is doing; kept up to date for whoever cancels.
    over
        Called once, when nothing is left to try.

    """

    def __init__(self, solve: Solve, scale_out: ScaleOut[Any], live: dict[str, str], over: Callable[[], None]) -> None:
        self._solve, self._scale_out, self._live, self._over = solve, scale_out, live, over
        self._members: dict[str, asyncio.Event] = {}
        """Worker -> set when it leaves."""
        self._going: set[str] = set()
        self._come = asyncio.Event()
        self._records: dict[str, dict[str, Any]] = {}
        self._conductor: asyncio.Task[None] | None = None
        self.solver_s = 0.0
        """Longest time that a worker was at it, in seconds."""

    async def lane(self, worker: str) -> bool:
        """Take part until the rounds are over, the worker is recalled or dies; whether it is still alive."""
        if self._conductor is not None and self._conductor.done():
            return True
        self._going.discard(worker)
        left = self._members[worker] = asyncio.Event()
        self._come.set()
        if self._conductor is None:
            self._conductor = asyncio.create_task(self._conduct())
        started = time.time()
        record: dict[str, Any] = {
            "strategy": self._scale_out.name,
            "version": self._version,
            "seed": self._solve.order.policy.seed,
            "worker": worker,
        }
        record |= {"control_trace": None, "seconds": None, "completed": False, "asked": None, "error": ""}
        self._records[worker] = record
        self._solve.trail.runs.append(record)
        try:
            await left.wait()
        finally:
            self._members.pop(worker, None)
            record["seconds"] = time.time() - started
            self.solver_s = max(self.solver_s, record["seconds"])
            self._solve.candidates.credit(self._scale_out.name, self._version, seconds=record["seconds"])
        return not record["error"]

    def recalled(self, worker: str) -> bool:
        """The worker is needed elsewhere: it ends its part now, which counts as far as it got. False: not of us."""
        if worker not in self._members:
            return False
        self._going.add(worker)
        run_id = self._live.get(worker)
        if run_id is not None:
            actor(worker).cancel.remote(run_id)
        else:
            self._members[worker].set()
        return True

    def end(self) -> None:
        """No more rounds. Lanes stay until they are cancelled, since their workers are still at it for a moment."""
        if self._conductor is not None:
            self._conductor.cancel()

    @property
    def _version(self) -> str:
        return next(s.version for s in self._solve.kind.strategies if s.name == self._scale_out.name)

    async def _conduct(self) -> None:
        solve = self._solve
        try:
            await self._go_round()
        except Exception:
            solve.log.error("team_failed", exc_info=True)
        for left in self._members.values():
            left.set()
        self._over()

    async def _go_round(self) -> None:
        solve = self._solve
        await solve.first.wait()
        if solve.incumbent is None:
            return
        seconds = solve.solve_until_s - time.time() - _LAST_VERDICT_S
        seconds -= _VERDICT_STOP_S * solve.problem.features().values["size"]
        if seconds <= 0:
            return
        begun = time.time()
        rounds = await asyncio.to_thread(
            self._scale_out.rounds, solve.problem, solve.incumbent.plan, solve.order.policy.seed, seconds
        )
        while not solve.done.is_set():
            workers = [worker for worker in self._members if worker not in self._going]
            if not workers:
                self._come.clear()
                await self._come.wait()
                continue
            parts = await asyncio.to_thread(rounds.begin, len(workers), time.time() - begun)
            if not parts:
                return
            done = await asyncio.gather(
                *(self._run(worker, part) for worker, part in zip(workers, parts, strict=False))
            )
            plan = await asyncio.to_thread(rounds.end, done)
            await solve.consider(plan, None, self._scale_out.name, "", self._version)

    async def _run(self, worker: str, part: Any) -> Any:
        """What became of a part; ``None`` when its worker died."""
        solve, order = self._solve, self._solve.order
        run_id = f"{order.job_id}/{self._scale_out.name}/{part.turn}/{time.time_ns()}"
        command = PartOrder(
            run_id=run_id,
            coordinator=solve.coordinator,
            seat=solve.seat.name,
            job_id=order.job_id,
            tenant=order.tenant,
            kind=order.kind,
            problem=order.problem,
            part=part,
            finish_by_s=time.time() + part.seconds,
        )
        self._live[worker] = run_id
        try:
            return await asyncio.wait_for(actor(worker).run_part.remote(command), part.seconds + _GRACE_S)
        except (RayError, TimeoutError) as error:
            solve.log.warning("worker_lost", worker=worker, strategy=self._scale_out.name, error=type(error).__name__)
            if worker in self._records:
                self._records[worker]["error"] = type(error).__name__
            self._going.add(worker)
            return None
        finally:
            self._live.pop(worker, None)
            if worker in self._going and worker in self._members:
                self._members[worker].set()
