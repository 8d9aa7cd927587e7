"""One paid submission a key, whatever happens on the way: look up, write down, send, look up again."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from backends.ledger import Entry, Ledger, MemoryLedger
from backends.limits import Call, within
from backends.vendor_errors import meaning
from solvers.errors import BackendError, BackendTimeout, SubmissionUnknown

T = TypeVar("T")

TAG_PREFIX = "isinglass-"


class Submissions:
    """The calls of one adapter to its vendor, each within a time limit, and its submissions, each at most once.

    A key is written to the ledger before it is sent and with the vendor's job id after it. Without an id, the vendor is
    asked for the key's tag before anything is sent again; and since a vendor may list a job only a while after it
    accepted it, a look-up that finds nothing counts only ``listing_lag_s`` after the last try. A submission that hangs
    may still be accepted: while it does, nothing is sent under its key, and its late answer is taken.

    Parameters
    ----------
    backend
        Name, for tags and errors.
    call_timeout_s
        Limit of every call (> 0), seconds.
    listing_lag_s
        How long after its submission a job may be missing from the vendor's list (>= 0), seconds.
    """

    def __init__(self, backend: str, call_timeout_s: float, listing_lag_s: float) -> None:
        if call_timeout_s <= 0 or listing_lag_s < 0:
            raise ValueError(
                f"call_timeout_s is {call_timeout_s}, listing_lag_s {listing_lag_s}; allowed: > 0 and >= 0"
            )
        self.backend, self._timeout_s, self._lag_s = backend, call_timeout_s, listing_lag_s
        self.ledger: Ledger = MemoryLedger()
        self._lock = threading.Lock()
        self._busy: dict[str, tuple[threading.Lock, int]] = {}
        self._hanging: dict[str, Call[str]] = {}

    def tag(self, key: str) -> str:
        """What the vendor is told about ``key``: 50 letters, digits and a dash."""
        return TAG_PREFIX + hashlib.sha256(f"{self.backend}\n{key}".encode()).hexdigest()[:40]

    def call(self, what: str, work: Callable[[], T], *, is_result: bool = False) -> T:
        """``work()`` within the limit; whatever the vendor's client raises becomes one of our errors."""
        try:
            return within(self._timeout_s, self.backend, what, work)
        except BackendError:
            raise
        except Exception as error:  # every error of a client is given a meaning
            raise meaning(self.backend, what, error, is_result=is_result).error from error

    def once(self, key: str, shots: int, find: Callable[[str], str | None], send: Callable[[str], str]) -> str:
        """The vendor's id of the one job of ``key``, sent now unless it was before.

        Parameters
        ----------
        key
            Not empty.
        shots
            For the ledger.
        find
            The id of the job with a tag, or ``None``; asked of the vendor.
        send
            Submits under a tag; the id of the new job.

        Raises
        ------
        SubmissionUnknown
            When it got no answer and is not found (yet): the same key may be submitted again.
        BackendError
            When it was certainly not accepted.
        """
        tag = self.tag(key)
        with self._alone(key):
            found = self._late(key, shots)
            if found is not None:
                self.ledger.put(Entry(key, found, shots, time.time()))
            entry = self.ledger.get(key)
            if entry is not None and entry.job_id:
                return entry.job_id
            if entry is not None:  # the clock of another machine may be ahead: never wait longer than the lag
                time.sleep(min(self._lag_s, max(0.0, entry.sent_at_s + self._lag_s - time.time())))
            found = self.call("look-up by tag", lambda: find(tag))
            if found is None:
                if key in self._hanging:
                    raise SubmissionUnknown(self.backend, "an earlier submission under this key has not come back yet")
                self.ledger.put(Entry(key, "", shots, time.time()))
                found = self._send(key, tag, find, send)
            self._hanging.pop(key, None)
            self.ledger.put(Entry(key, found, shots, time.time()))
            return found

    def _send(self, key: str, tag: str, find: Callable[[str], str | None], send: Callable[[str], str]) -> str:
        sending = Call(f"{self.backend}: submit", lambda: send(tag))
        try:
            if not sending.over(self._timeout_s):
                self._hanging[key] = sending
                raise BackendTimeout(self.backend, f"submit: no answer within {self._timeout_s:g} s")
            return sending.result()
        except Exception as error:
            told = meaning(self.backend, "submit", error)
            if not told.accepted_maybe:
                self.ledger.forget(key)
                raise told.error from error
            try:
                found = self.call("look-up by tag", lambda: find(tag))
            except BackendError:
                found = None
            if found is not None:
                return found
            reason = f"{told.error.reason}; whether it was accepted is unknown: submit again under the same key"
            raise SubmissionUnknown(self.backend, reason) from error

    def _late(self, key: str, shots: int) -> str | None:
        """The id that a submission answered after we had stopped waiting for it."""
        sending = self._hanging.get(key)
        if sending is None or not sending.over():
            return None
        del self._hanging[key]
        try:
            return sending.result()
        except Exception as error:
            told = meaning(self.backend, "submit", error)
            if told.accepted_maybe:
                self.ledger.put(Entry(key, "", shots, time.time()))  # it may have been accepted just before it broke
                return None
            self.ledger.forget(key)
            raise told.error from error

    @contextmanager
    def unless_sent(self, key: str) -> Iterator[None]:
        """An error within says that nothing was spent only if ``key`` was never sent; else it is `SubmissionUnknown`.

        An earlier try may have been accepted, whatever stops this one: the vendor away, or a calibration under which
        the program would be refused now.
        """
        try:
            yield
        except SubmissionUnknown:
            raise
        except BackendError as error:
            if self.ledger.get(key) is None:
                raise
            reason = f"{error.reason}; it was sent before: submit again under the same key"
            raise SubmissionUnknown(self.backend, reason) from error

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Nobody else is at ``key`` meanwhile; other keys go on."""
        with self._lock:
            lock, users = self._busy.get(key, (threading.Lock(), 0))
            self._busy[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._busy[key]
                if users > 1:
                    self._busy[key] = (lock, users - 1)
                else:
                    del self._busy[key]
