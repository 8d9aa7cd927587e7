"""One submission from its sending to its samples, within a time limit, whatever the vendor does meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import dimod

from backends.backend import Backend, Program, RemoteJob, RemoteStatus
from solvers.errors import BackendDenied, BackendError, BackendTimeout, BackendUnavailable, ResultCorrupt

_POLL_FIRST_S = 0.002
_POLL_MOST_S = 0.25
_TROUBLE_FIRST_S = 0.02
_CORRUPT_MOST = 2
_DENIED_MOST = 3


async def run_errand(
    backend: Backend,
    program: Program,
    shots: int,
    idempotency_key: str,
    timeout_s: float,
    uncancelled: Callable[[RemoteJob, BackendError], None],
) -> dimod.SampleSet:
    """Submit once under ``idempotency_key``, wait at most ``timeout_s`` seconds, return the samples.

    A paid job is not given up because the vendor could not be asked how it does: it is asked again until the time is
    up, after a pause that doubles. A corrupt result is fetched again, which is free. ``uncancelled`` is told of a job
    that could not be cancelled.

    Raises
    ------
    BackendTimeout
        When it takes longer; the job is cancelled, and what it cost so far is unknown (settle the worst case).
    BackendError
        As the backend says. After the submission it is never `BackendUnavailable` or `BackendDenied`, which would say
        that nothing was spent.
    """
    give_up_at_s = time.monotonic() + timeout_s
    job = await asyncio.to_thread(backend.submit, program, shots, idempotency_key)
    pause_s, corrupt, denied = _POLL_FIRST_S, 0, 0
    last: BackendError | None = None
    try:
        while True:
            try:
                status = await asyncio.to_thread(backend.poll, job)
                if status not in (RemoteStatus.QUEUED, RemoteStatus.RUNNING):
                    return await asyncio.to_thread(backend.fetch, job)
                last = None
            except BackendDenied as error:
                denied += 1
                if denied > _DENIED_MOST:
                    raise BackendError(error.backend, f"after the submission, cost unknown: {error.reason}") from error
                last, pause_s = error, max(pause_s, _TROUBLE_FIRST_S)
            except ResultCorrupt as error:
                corrupt += 1
                if corrupt > _CORRUPT_MOST:
                    raise
                last, pause_s = error, max(pause_s, _TROUBLE_FIRST_S)
            except (BackendUnavailable, BackendTimeout) as error:
                asked_s = error.retry_after_s if isinstance(error, BackendUnavailable) else 0.0
                last, pause_s = error, max(pause_s, _TROUBLE_FIRST_S, asked_s)
            left_s = give_up_at_s - time.monotonic()
            if left_s <= 0:
                why = f"; the last thing heard: {last.reason}" if last is not None else ""
                raise BackendTimeout(job.backend, f"no samples within {timeout_s:.1f} s{why}")
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(_POLL_MOST_S, pause_s * 1.5)
    except (BackendTimeout, asyncio.CancelledError):
        try:
            await asyncio.to_thread(backend.cancel, job)
        except BackendError as error:
            uncancelled(job, error)
        raise
