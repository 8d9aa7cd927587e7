"""A job's seat at the scheduler: what it asks for there, and what it is told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayError

from actors.names import SCHEDULER, actor
from actors.planner import JobCard
from actors.scheduler import Opening

if TYPE_CHECKING:
    from actors.solve import Solve

_SCHEDULER_TRY_S = 1.0


class Seat:
    """One attempt at a job, as the scheduler knows it.

    Its ``name`` is ``job id#who/when``: a holder that lost the lease cannot give away what the next one holds.
    """

    def __init__(self, solve: Solve) -> None:
        self._solve = solve
        self.name = ""
        """Empty before the problem is open: nothing is held then."""

    def take(self) -> None:
        """Give this attempt its name."""
        self.name = f"{self._solve.order.job_id}#{self._solve.coordinator}/{time.time_ns()}"

    async def open(self, strategies: tuple[str, ...], want: int) -> Opening | None:
        """Ask for a plan of attack and ``want`` workers; ``None`` when the scheduler stays unreachable."""
        solve = self._solve
        card = JobCard(
            job_id=self.name,
            tenant=solve.order.tenant,
            coordinator=solve.coordinator,
            kind=solve.order.kind,
            features=solve.problem.features(),
            strategies=strategies,
            policy=solve.order.policy,
            want=want,
            finish_by_s=solve.solve_until_s,
            approved=solve.order.approved,
        )
        give_up_s = time.time() + min(3 * _SCHEDULER_TRY_S, 0.3 * (solve.solve_until_s - time.time()))
        while True:
            try:
                opening: Opening = await asyncio.wait_for(
                    actor(SCHEDULER).open.remote(card), max(0.05, min(_SCHEDULER_TRY_S, give_up_s - time.time()))
                )
            except (RayError, TimeoutError, ValueError) as error:
                solve.log.warning("scheduler_unreachable", error=type(error).__name__)
                if time.time() >= give_up_s:
                    return None
                await asyncio.sleep(0.05)
            else:
                return opening

    def tell(self, what: str, *arguments: Any) -> None:
        """Fire and forget: the scheduler finds out by itself what it misses."""
        getattr(actor(SCHEDULER), what).remote(self.name, *arguments)


def job_of(name: str) -> str:
    """The job of a seat."""
    return name.rsplit("#", 1)[0]
