"""What an adapter has sent, by idempotency key, while its process lives; across restarts the ledger remembers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from backends.backend import RemoteJob
from backends.ledger import KEPT
from solvers.errors import BackendError

S = TypeVar("S")


class SentJobs(Generic[S]):
    """Jobs of ``backend`` and what their samples are read with; beyond `KEPT` the oldest is forgotten."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._jobs: OrderedDict[str, tuple[RemoteJob, S]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: str) -> RemoteJob | None:
        """The job that was sent under ``key``."""
        with self._lock:
            found = self._jobs.get(key)
        return None if found is None else found[0]

    def keep(self, job: RemoteJob, what: S) -> RemoteJob:
        """Remember ``job``; returns it."""
        with self._lock:
            self._jobs[job.idempotency_key] = (job, what)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        return job

    def of(self, job: RemoteJob) -> S:
        """What was kept with ``job``. Raises `BackendError` for a job that this process has not sent."""
        with self._lock:
            found = self._jobs.get(job.idempotency_key)
        if found is None or found[0].id != job.id:
            reason = f"job {job.id} is not known to this process: submit again under the same key to pick it up"
            raise BackendError(self._backend, reason)
        return found[1]
