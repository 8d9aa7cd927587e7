"""Whether one more job may join the queue, or is told when to come back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from solvers.errors import TooBusy

MAX_QUEUE = 100_000
"""Most jobs that wait at once, whatever their deadlines: beyond, memory is the concern."""

MIN_RETRY_AFTER_S = 0.1
MAX_RETRY_AFTER_S = 600.0


def expected_wait_s(queue_length: int, workers: int, service_s: float) -> float:
    """Seconds until a job that joins now gets its first worker.

    Parameters
    ----------
    queue_length
        Jobs ahead of it (>= 0).
    workers
        Workers that serve the queue (>= 0); without any the wait has no end.
    service_s
        How long a job keeps a worker while others wait, on average, in seconds (>= 0).
    """
    if queue_length < 0 or workers < 0 or not 0 <= service_s < math.inf:
        raise ValueError(f"queue_length {queue_length}, workers {workers}, service_s {service_s}: out of range")
    if queue_length == 0:
        return 0.0
    return math.inf if workers == 0 else queue_length * service_s / workers


def admit(queue_length: int, workers: int, service_s: float, deadline_s: float, max_queue: int = MAX_QUEUE) -> float:
    """The expected wait, in seconds, of a job that joins a queue of ``queue_length`` with ``deadline_s`` seconds left.

    With no worker at all it is admitted all the same while the queue is short (no longer than ``max_queue``): workers
    come back, and its insurance answers meanwhile; the wait is then ``math.inf``.

    Raises
    ------
    TooBusy
        When the queue is full, or so long that the job would be served after its deadline. ``retry_after_s`` is when
        the queue will have drained enough for the same request to fit.
    """
    wait_s = expected_wait_s(queue_length, workers, service_s)
    if queue_length >= max_queue:
        drained_s = service_s * (queue_length - max_queue + 1) / workers if workers else MAX_RETRY_AFTER_S
        raise TooBusy(f"{queue_length} jobs wait; allowed: {max_queue}", _bounded(drained_s))
    if math.isfinite(wait_s) and wait_s > deadline_s:
        raise TooBusy(
            f"{queue_length} jobs wait, {wait_s:.1f} s for a worker; the deadline is {deadline_s:.1f} s",
            _bounded(wait_s - deadline_s),
        )
    return wait_s


def admit_tenant(
    tenant: str,
    waiting: Mapping[str, int],
    weight: Callable[[str], float],
    workers: int,
    service_s: float,
    max_queue: int = MAX_QUEUE,
) -> None:
    """Let one more job of ``tenant`` wait, while there is room: a full queue is full for who fills it.

    A tenant whose jobs take up less than its share of ``max_queue`` joins even then, so that nobody can keep the others
    out; never beyond twice ``max_queue`` jobs in all.

    Parameters
    ----------
    tenant
        Whose job it is.
    waiting
        Jobs that wait, by tenant.
    weight
        Share of each tenant relative to the others (> 0).
    workers, service_s
        As in `expected_wait_s`.
    max_queue
        Most jobs that wait before any is refused (>= 1).

    Raises
    ------
    TooBusy
        When there is no room; ``retry_after_s`` is when there will be.
    """
    total = sum(waiting.values())
    if total < max_queue:
        return
    shares = {name: weight(name) for name, jobs in waiting.items() if jobs} | {tenant: weight(tenant)}
    share = max_queue * shares[tenant] / sum(shares.values())
    own = waiting.get(tenant, 0)
    if own < share and total < 2 * max_queue:
        return
    more = total - max_queue + 1
    drained_s = service_s * more / workers if workers else MAX_RETRY_AFTER_S
    raise TooBusy(f"{total} jobs wait, {own} of them yours; allowed: {max_queue}", _bounded(drained_s))


def _bounded(seconds: float) -> float:
    return min(MAX_RETRY_AFTER_S, max(MIN_RETRY_AFTER_S, seconds))
