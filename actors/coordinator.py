"""Coordinators: each solves many jobs at once, and takes over those whose coordinator died."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayError

from actors import logs
from actors.heartbeat import LEASE_S
from actors.lifetime import came_back
from actors.messages import Incumbent, Outcome, SolveOrder, Stored
from actors.names import SCHEDULER, actor, worker_name
from actors.restore import restore_order
from actors.seat import job_of
from actors.settings import Settings
from actors.solve import Solve
from actors.stores import open_store
from actors.upkeep import settle_leaks
from solvers.errors import CorruptRecord, InvalidProblem, JobError, NotFound
from solvers.registry import KINDS, problem_kind
from store.jobs import Claim
from store.leases import JobState
from store.observations import Observation

_RECOVER_S = 1.0
_PULSE_S = 0.5
_TAKEOVERS_MOST = 20
_RECOVER_MOST = 16
_NEWS_KEPT = 1_000
_STEP_BACK = 5
"""Niceness: behind the gateway, before solvers."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, max_concurrency=10_000)
class Coordinator:
    """Async: jobs wait for workers and devices, not for each other."""

    def __init__(self, settings: Settings, name: str) -> None:
        os.nice(_STEP_BACK)
        logs.configure(name, settings.log_level)
        self._settings, self._name = settings, name
        self._store = open_store(settings)
        self._jobs: dict[str, Solve] = {}
        self._news: dict[str, Stored] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._warming = self._keep(self._warm()) if came_back() else None
        self._keep(self._stop_orphans())
        self._observations: list[Observation] = []
        self._keep(self._recover())
        self._keep(self._watch_scheduler())

    async def pid(self) -> int:
        return os.getpid()

    async def warm(self) -> None:
        """Load what the first job needs: verifiers, and the insurance of jobs taken over."""
        if self._warming is None:
            self._warming = self._keep(self._warm())
        await asyncio.shield(self._warming)

    async def _warm(self) -> None:
        for name in KINDS:
            await asyncio.to_thread(problem_kind(name).warm)

    async def solve(self, order: SolveOrder) -> Outcome:
        """Solve a job and commit its outcome. Raises `JobError` when somebody else finished it.

        A caller that goes away takes its call with it (Ray cancels recursively), but not the job in the middle of its
        commit: `cancel` ends it in order.
        """
        task = self._keep(self._run(self._new(order, order.token)))
        return await asyncio.shield(task)

    async def draft(self, job_id: str) -> Outcome | None:
        """What is about to be committed, so that a reply can be made ready meanwhile; it must not leave before.

        ``None`` when the job ends without an outcome of ours, or is not being solved here.
        """
        solve = self._jobs.get(job_id)
        return await asyncio.shield(solve.draft) if solve is not None else None

    async def stream(self, order: SolveOrder) -> AsyncIterator[Incumbent | Outcome]:
        """As `solve`, with each improving plan on the way."""
        solve = self._new(order, order.token)
        task = self._keep(self._run(solve))
        try:
            async for incumbent in solve.incumbents():
                yield incumbent
            yield await asyncio.shield(task)
        except (asyncio.CancelledError, GeneratorExit):
            solve.cancel()
            raise

    async def submit(self, order: SolveOrder) -> None:
        """Start on a job and return; nobody waits for its outcome."""
        self._keep(self._run_quietly(self._new(order)))

    async def stored(self, news: Stored) -> None:
        """The job of a pending order is in the store now."""
        solve = self._jobs.get(news.job_id)
        if solve is not None:
            await solve.accepted(news)
            return
        self._news[news.job_id] = news  # it has overtaken its order
        while len(self._news) > _NEWS_KEPT:
            self._news.pop(next(iter(self._news)))

    async def offer(self, job_id: str, plan: Any) -> None:
        """The insurance plan of a job that is being solved."""
        solve = self._jobs.get(job_id)
        if solve is not None:
            await solve.offer(plan)

    async def cancel(self, job_id: str) -> bool:
        """End a job now; whether it was being solved here."""
        solve = self._jobs.get(job_id)
        if solve is not None:
            solve.cancel()
        return solve is not None

    async def granted(self, seat: str, worker: str) -> None:
        """The scheduler grants a worker."""
        solve = self._seated(seat)
        if solve is not None:
            solve.granted(worker)
        else:
            actor(SCHEDULER).release.remote(seat, worker)

    async def recalled(self, seat: str, worker: str) -> None:
        """The scheduler wants a worker back."""
        solve = self._seated(seat)
        if solve is not None:
            solve.recalled(worker)
        else:
            actor(SCHEDULER).release.remote(seat, worker)

    async def backend_down(self, name: str) -> None:
        """The scheduler sees no life in a backend."""
        for solve in list(self._jobs.values()):
            solve.backend_down(name)

    def _seated(self, seat: str) -> Solve | None:
        solve = self._jobs.get(job_of(seat))
        return solve if solve is not None and solve.seat.name == seat else None

    def _new(self, order: SolveOrder, token: int | None = None) -> Solve:
        return Solve(order, self._settings, self._store, self._name, token, len(self._jobs))

    async def _run(self, solve: Solve) -> Outcome:
        job_id = solve.order.job_id
        self._jobs[job_id] = solve
        news = self._news.pop(job_id, None)
        try:
            if news is not None:
                solve.early(news)
            return await solve.run()
        finally:
            solve.close_watchers()
            if not solve.draft.done():
                solve.draft.set_result(None)
            if self._jobs.get(job_id) is solve:  # and not one that took the same job over
                del self._jobs[job_id]
            self._observations += solve.observations
            for task in solve.aftermath:
                self._keep(_logged(task, job_id))
            self._keep(self._solve_prepared(solve))

    async def _solve_prepared(self, solve: Solve) -> None:
        """Go on with the plans that the job asked to be prepared; recovery does where this coordinator dies."""
        for order in await solve.ahead.orders():
            self._keep(self._run_quietly(self._new(order)))

    async def _run_quietly(self, solve: Solve) -> None:
        """For jobs that nobody waits for: an error is logged, and the lease runs out for another try."""
        try:
            await self._run(solve)
        except JobError as error:
            solve.log.info("job_taken", reason=str(error))
        except Exception:
            solve.log.error("job_failed", exc_info=True)

    def _keep(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _stop_orphans(self) -> None:
        """Workers may still run strategies for the coordinator of this name that died."""
        for index in range(self._settings.workers):
            try:
                await actor(worker_name(index)).cancel_runs_of.remote(self._name)
            except (RayError, ValueError):
                continue

    async def _watch_scheduler(self) -> None:
        """A scheduler that restarted has forgotten who waits. Runs as long as the actor."""
        epoch = ""
        while True:
            await asyncio.sleep(_PULSE_S)
            try:
                pulse = await asyncio.wait_for(actor(SCHEDULER).pulse.remote(), _RECOVER_S)
            except (RayError, TimeoutError, ValueError):
                continue
            if epoch and pulse.epoch != epoch:
                logs.logger().warning("scheduler_restarted", jobs=len(self._jobs))
                await asyncio.gather(*(solve.reopen() for solve in list(self._jobs.values())))
            epoch = pulse.epoch

    async def _recover(self) -> None:
        """Claim jobs that nobody works on: their coordinator or gateway died. Runs as long as the actor."""
        while True:
            await asyncio.sleep(_RECOVER_S)
            try:
                claims = await asyncio.to_thread(
                    self._store.jobs.claim_expired, self._name, LEASE_S, datetime.now(UTC), _RECOVER_MOST
                )
                for claim in claims:
                    await self._take_over(claim)
                await asyncio.to_thread(settle_leaks, self._store)
                await self._tell_observations()
            except Exception:  # noqa: BLE001 - without this loop no job of a dead coordinator is ever finished
                logs.logger().error("recovery_failed", exc_info=True)

    async def _tell_observations(self) -> None:
        """Store what the jobs of the last second showed, in one transaction, and let the scheduler learn from it."""
        seen, self._observations = self._observations, []
        if seen:
            await asyncio.to_thread(self._store.observations.record, *seen)
            actor(SCHEDULER).observe.remote(tuple(seen))

    async def _take_over(self, claim: Claim) -> None:
        """Go on with a claimed job; one that cannot be read, or that fails again and again, is ended as FAILED."""
        job_id = claim.job.id
        own = self._jobs.get(job_id)
        if own is not None:  # ours, whose lease ran out while the store or this process was slow
            own.token = claim.token
            return
        try:
            if claim.token > _TAKEOVERS_MOST:
                raise CorruptRecord(f"given up after {claim.token - 1} attempts to finish the job")
            order = await asyncio.to_thread(restore_order, self._store, claim.job)
        except (CorruptRecord, NotFound, InvalidProblem) as error:
            logs.logger().error("job_unreadable", job_id=job_id, exc_info=True)
            await asyncio.to_thread(self._fail, job_id, claim.token, str(error))
            return
        solve = self._new(order, claim.token)
        solve.log.info("job_taken_over", holder=self._name)
        self._keep(self._run_quietly(solve))

    def _fail(self, job_id: str, token: int, error: str) -> None:
        self._store.jobs.finish(
            job_id, token, JobState.FAILED, result_digest=None, error=error[:500], now=datetime.now(UTC)
        )


async def _logged(task: Awaitable[None], job_id: str) -> None:
    try:
        await task
    except Exception:  # noqa: BLE001 - the answer has left; what comes after is not worth more than a line
        logs.logger().error("aftermath_failed", job_id=job_id, exc_info=True)
