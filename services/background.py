"""What goes on beside calls, kept until it ends."""

from __future__ import annotations

import asyncio
from typing import Any


class Background:
    """Tasks that nobody waits for; the event loop alone would let them be collected."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run ``work`` beside the call; it is kept until it ends."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def result_of(reference: Any) -> Any:
    """What an actor's call returns, as a coroutine."""
    return await reference
