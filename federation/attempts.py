"""A submission and its retries: the same again, changed under a key of its own, or no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from federation.retry import Attempt, FailureClass, RetryDecision
from solvers.errors import BackendError

T = TypeVar("T")


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt, for the decision record.

    Parameters
    ----------
    number
        From 1.
    idempotency_key
        What it was sent under; a retry of the same program has the same.
    shots, layers, seed
        As sent.
    changes
        What differs from the attempt before: ``"shots 1000 -> 500"``.
    seconds
        How long it took.
    error
        What went wrong; empty for the one that succeeded.
    next
        What was decided then: ``retry_same``, ``retry_changed`` or ``fall_back``; empty for the one that succeeded.
    """

    number: int
    idempotency_key: str
    shots: int
    layers: int
    seed: int
    changes: tuple[str, ...]
    seconds: float
    error: str = ""
    next: str = ""


async def persist(
    send: Callable[[Attempt, str], Awaitable[T]],
    first: Attempt,
    key: str,
    remaining_s: Callable[[], float],
    decide: Callable[[Exception, Attempt, float], Awaitable[RetryDecision]],
    record: Callable[[AttemptRecord], None],
) -> tuple[T, Attempt]:
    """What ``send`` brought at last, and the attempt that did.

    Parameters
    ----------
    send
        Sends an attempt under an idempotency key; raises `BackendError`.
    first, key
        The first attempt and its key. A changed attempt gets ``key:number``: it is another job, reserved for itself.
    remaining_s
        Seconds left for the request: no retry starts that cannot finish.
    decide
        What to do after a failure, as `federation.retry.next_attempt` says.
    record
        Told of each attempt when it is over.

    Raises
    ------
    BackendError
        Of the last attempt.
    """
    attempt, sent_under = first, key
    changes: tuple[str, ...] = ()
    while True:
        began_s = time.monotonic()
        try:
            found = await send(attempt, sent_under)
        except BackendError as error:
            decision = await decide(error, attempt, remaining_s())
            record(
                _record(
                    attempt, sent_under, changes, began_s, f"{type(error).__name__}: {error}", decision.action.value
                )
            )
            if decision.attempt is None:
                raise
            if decision.action is FailureClass.RETRY_CHANGED:
                sent_under = f"{key}:{decision.attempt.number}"
            attempt, changes = decision.attempt, decision.changes
            await asyncio.sleep(decision.delay_s)
        else:
            record(_record(attempt, sent_under, changes, began_s))
            return found, attempt


def _record(
    attempt: Attempt, key: str, changes: tuple[str, ...], began_s: float, error: str = "", next: str = ""
) -> AttemptRecord:
    seconds = time.monotonic() - began_s
    return AttemptRecord(
        attempt.number, key, attempt.shots, attempt.layers, attempt.seed, changes, seconds, error, next
    )
