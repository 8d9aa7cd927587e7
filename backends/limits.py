"""A time limit for calls of vendors' clients, which often have none of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from solvers.errors import BackendTimeout

T = TypeVar("T")


def within(timeout_s: float, backend: str, what: str, call: Callable[[], T]) -> T:
    """What ``call`` returns or raises, if it does within ``timeout_s`` seconds.

    A call that hangs is left to its daemon thread: Python cannot end it, but nobody waits for it and the process can
    leave.

    Raises
    ------
    BackendTimeout
        When it takes longer; whether ``what`` happened is unknown then.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name=f"{backend}: {what}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not values:
        raise BackendTimeout(backend, f"{what}: no answer within {timeout_s:g} s")
    return values[0]
