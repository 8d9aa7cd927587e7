"""Whether a job that is being solved is in the store yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from solvers.errors import NotFound


class Storing:
    """Nothing of a job may be written or answered before the job itself is stored."""

    def __init__(self, pending: bool) -> None:
        self._is_stored = not pending
        self._known = asyncio.Event()
        if not pending:
            self._known.set()

    def done(self) -> None:
        """The job is in the store."""
        self._is_stored = True
        self._known.set()

    def give_up(self) -> None:
        """The job is cancelled: who still waits for the store waits no longer."""
        self._known.set()

    async def wait(self, job_id: str, until_s: float) -> None:
        """Return once the job is stored, which has to be before ``until_s`` (Unix time).

        Raises
        ------
        NotFound
            When it is not stored in time, or was given up before.

        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._known.wait(), max(0.0, until_s - time.time()))
        if not self._is_stored:
            raise NotFound("job", job_id)

    async def then(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` once the job is stored, or never."""
        await self._known.wait()
        if self._is_stored:
            await work()
