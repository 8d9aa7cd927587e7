"""Threads that wait for the store: so many that writes which come together can share a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 64
"""Python's own pool has cores + 4 threads: on a small machine no more writes than that could come together."""

_pool = ThreadPoolExecutor(_MOST, thread_name_prefix="store")


async def in_store(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """``call(*arguments)`` in a thread that is there to wait for the store."""
    return await asyncio.wrap_future(_pool.submit(call, *arguments, **named))
