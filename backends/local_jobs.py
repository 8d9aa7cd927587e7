"""Jobs of backends that run in this process: a few threads, one job per idempotency key, cancel."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

import dimod

from backends.backend import RemoteJob, RemoteStatus
from solvers.errors import BackendError, BackendTimeout

Work = Callable[[Callable[[], bool]], dimod.SampleSet]
"""Computes the samples; given a question to ask now and then: was I cancelled?"""

KEYS_KEPT = 10_000
"""Idempotency keys of finished jobs that are remembered: far more than can be retried at once."""


@dataclass
class _Entry:
    """One job. ``samples`` is set once DONE, ``error`` once FAILED."""

    job: RemoteJob
    work: Work | None
    status: RemoteStatus = RemoteStatus.QUEUED
    samples: dimod.SampleSet | None = None
    error: Exception | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class LocalJobs:
    """Runs work in at most ``max_parallel`` daemon threads (so that a process can leave while a job runs).

    A job's id follows from the name and the idempotency key, so that a key submitted again after a restart has the
    same id and is not counted twice by whoever keeps the bill.

    Parameters
    ----------
    name
        Name of the backend, for job ids and errors.
    max_parallel
        Threads (>= 1).
    keep
        Finished jobs whose samples are kept for `fetch` (>= 1); older ones are forgotten, their keys only when another
        `KEYS_KEPT` jobs have finished since.
    """

    def __init__(self, name: str, max_parallel: int = 1, keep: int = 256) -> None:
        if max_parallel < 1 or keep < 1:
            raise ValueError(f"max_parallel is {max_parallel} and keep is {keep}; allowed: >= 1")
        self.name, self._max_parallel, self._keep = name, max_parallel, keep
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._open = 0
        self._held: deque[_Entry] = deque()  # with samples, oldest first
        self._finished: deque[str] = deque()
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, key: str, shots: int, work: Work) -> RemoteJob:
        """Queue ``work`` unless ``key`` is known already; either way, the key's one job.

        ``work`` may set ``info["seconds"]`` and ``info["cost_usd_micros"]``; the measured time and 0 stand in.
        """
        if not key:
            raise ValueError("idempotency key is empty; allowed: any other text")
        id = f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        with self._lock:
            if self._closed:
                raise BackendError(self.name, "is closed")
            known = self._entries.get(id)
            if known is not None:
                return known.job
            entry = _Entry(RemoteJob(self.name, id, key, shots), work)
            self._entries[id] = entry
            self._open += 1
            if len(self._threads) < self._max_parallel:
                thread = threading.Thread(target=self._serve, name=f"{self.name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(entry)
        return entry.job

    def poll(self, job: RemoteJob) -> RemoteStatus:
        """State of ``job`` now.

        Raises
        ------
        BackendError
            When it was never submitted here (or before a restart).
        """
        return self._entry(job).status

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        """Samples of a finished job; its own failure, cancel or absence as a `BackendError`."""
        entry = self._entry(job)
        with self._lock:
            if entry.status is RemoteStatus.DONE:
                if entry.samples is None:
                    raise BackendError(self.name, f"samples of job {job.id} are no longer kept")
                return entry.samples.copy()
        if isinstance(entry.error, BackendError):
            raise entry.error
        if entry.error is not None:
            reason = f"job {job.id} failed: {type(entry.error).__name__}: {entry.error}"
            raise BackendError(self.name, reason) from entry.error
        raise BackendError(self.name, f"job {job.id} is {entry.status.value}, not done")

    def cancel(self, job: RemoteJob) -> None:
        """Stop it if it still waits or runs; a finished job stays as it is."""
        entry = self._entry(job)
        with self._lock:
            entry.cancelled.set()
            if entry.status is RemoteStatus.QUEUED:
                self._finish(entry, RemoteStatus.CANCELLED)

    def wait(self, job: RemoteJob, timeout_s: float) -> RemoteStatus:
        """Wait until ``job`` is over, at most ``timeout_s`` seconds; its final state.

        Raises
        ------
        BackendTimeout
            When it still waits or runs by then.
        """
        entry = self._entry(job)
        if not entry.over.wait(timeout_s):
            raise BackendTimeout(self.name, f"job {job.id} is still {entry.status.value} after {timeout_s:.1f} s")
        return entry.status

    def queue_length(self) -> int:
        """Jobs that wait or run."""
        with self._lock:
            return self._open

    def close(self) -> None:
        """Cancel what waits or runs and let the threads end. Nothing more is accepted."""
        with self._lock:
            self._closed = True
            for entry in list(self._entries.values()):
                entry.cancelled.set()
                if entry.status is RemoteStatus.QUEUED:
                    self._finish(entry, RemoteStatus.CANCELLED)
            for _ in self._threads:
                self._queue.put(None)

    def _entry(self, job: RemoteJob) -> _Entry:
        with self._lock:
            entry = self._entries.get(job.id)
        if entry is None:
            raise BackendError(self.name, f"job {job.id} is not known here; it may have ended with an earlier process")
        return entry

    def _serve(self) -> None:
        while (entry := self._queue.get()) is not None:
            with self._lock:
                if entry.status is not RemoteStatus.QUEUED or entry.work is None:
                    continue
                entry.status, work = RemoteStatus.RUNNING, entry.work
            samples: dimod.SampleSet | None = None
            begun_s = time.monotonic()
            try:
                samples = work(entry.cancelled.is_set)
                samples.resolve()
                samples.info.setdefault("seconds", time.monotonic() - begun_s)
                samples.info.setdefault("cost_usd_micros", 0)
            except Exception as error:  # noqa: BLE001 - whatever work raises is the job's failure, told by fetch
                entry.error = error
            with self._lock:
                if entry.error is None and not entry.cancelled.is_set():
                    entry.samples = samples
                    self._finish(entry, RemoteStatus.DONE)
                else:
                    self._finish(entry, RemoteStatus.CANCELLED if entry.cancelled.is_set() else RemoteStatus.FAILED)

    def _finish(self, entry: _Entry, status: RemoteStatus) -> None:
        """Mark ``entry`` over and forget samples beyond ``keep``. The lock is held."""
        entry.status, entry.work = status, None
        entry.over.set()
        self._open -= 1
        self._finished.append(entry.job.id)
        if len(self._finished) > KEYS_KEPT:
            del self._entries[self._finished.popleft()]
        if entry.samples is not None:
            self._held.append(entry)
            if len(self._held) > self._keep:
                self._held.popleft().samples = None
