"""What was sent to a vendor under which key: written before it is sent, so that a restart never pays twice."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

KEPT = 10_000
"""Keys that are remembered: far more than can be retried at once."""


@dataclass(frozen=True)
class Entry:
    """One submission.

    Parameters
    ----------
    key
        Our idempotency key.
    job_id
        The vendor's; empty while it is not known whether the submission was accepted.
    shots
        As submitted.
    sent_at_s
        Wall clock of the last try, seconds since 1970.
    """

    key: str
    job_id: str
    shots: int
    sent_at_s: float


class Ledger(Protocol):
    """Thread-safe memory of submissions, by key."""

    def get(self, key: str) -> Entry | None:
        """What is known of ``key``."""
        ...

    def put(self, entry: Entry) -> None:
        """Remember ``entry``; when this returns, a crash does not lose it."""
        ...

    def forget(self, key: str) -> None:
        """``key`` was certainly not accepted: it may be sent again like a new one."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A backend whose jobs outlive this process."""

    def remember_in(self, ledger: Ledger) -> None:
        """Keep submissions in ``ledger`` from now on, so that another process finds them."""
        ...


class MemoryLedger:
    """A ledger for as long as the process lives."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def put(self, entry: Entry) -> None:
        with self._lock:
            self._keep(entry)

    def forget(self, key: str) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        self._entries.move_to_end(entry.key)
        while len(self._entries) > KEPT:
            self._entries.popitem(last=False)


class FileLedger(MemoryLedger):
    """A ledger in a file of JSON lines, each flushed to the disk before the call returns.

    A line that a crash tore in two is left out. The file is written anew when it is opened, and whenever it holds four
    times as many lines as keys are kept.

    Parameters
    ----------
    path
        The file; it and its folder are made when missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text(errors="replace").splitlines():
                self._read(line)
        self._lines = 0
        self._rewrite()

    def put(self, entry: Entry) -> None:
        with self._lock:
            self._keep(entry)
            self._append(json.dumps(asdict(entry)))

    def forget(self, key: str) -> None:
        with self._lock:
            if self._entries.pop(key, None) is not None:
                self._append(json.dumps({"forget": key}))

    def _read(self, line: str) -> None:
        try:
            content = json.loads(line)
            if "forget" in content:
                self._entries.pop(str(content["forget"]), None)
            else:
                self._keep(Entry(**content))
        except (ValueError, TypeError):  # torn by a crash: what it was about had not been sent yet
            return

    def _append(self, line: str) -> None:
        if self._lines >= 4 * KEPT:
            self._rewrite()
            return
        with self._path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines += 1

    def _rewrite(self) -> None:
        beside = self._path.with_suffix(".new")
        with beside.open("w") as file:
            file.writelines(json.dumps(asdict(entry)) + "\n" for entry in self._entries.values())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        self._lines = len(self._entries)
