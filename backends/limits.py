"""A time limit for calls of vendors' clients, which often have none of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from solvers.errors import BackendTimeout

T = TypeVar("T")


class Call(Generic[T]):
    """``work`` in a daemon thread of its own, begun at once.

    Python cannot end a thread that hangs, but nobody waits for it and the process can leave; a late answer can still
    be picked up.
    """

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._values: list[T] = []
        self._errors: list[BaseException] = []
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def over(self, timeout_s: float = 0.0) -> bool:
        """Whether it has ended, waited for at most ``timeout_s`` seconds."""
        self._thread.join(timeout_s)
        return bool(self._values or self._errors)

    def result(self) -> T:
        """What ``work`` returned or raised. Only once it is over."""
        if self._errors:
            raise self._errors[0]
        return self._values[0]

    def _run(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._errors.append(error)


def within(timeout_s: float, backend: str, what: str, call: Callable[[], T]) -> T:
    """What ``call`` returns or raises, if it does within ``timeout_s`` seconds.

    Raises
    ------
    BackendTimeout
        When it takes longer; whether ``what`` happened is unknown then.
    """
    running = Call(f"{backend}: {what}", call)
    if not running.over(timeout_s):
        raise BackendTimeout(backend, f"{what}: no answer within {timeout_s:g} s")
    return running.result()
