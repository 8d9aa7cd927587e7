"""A vendor on loopback: its HTTP protocol, its jobs, and the ways in which it can fail.

An emulator answers the vendor's own client library. What it answers is computed (`tests.emulators.physics`); what goes
wrong is asked for, call by call.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Fault(Enum):
    """What can go wrong with one call; ``*_AFTER``: only its answer is lost, the vendor has done what was asked."""

    HANG = "hang"
    HANG_AFTER = "hang, accepted"
    RESET = "connection reset"
    RESET_AFTER = "answer lost after the job was created"
    BUSY = "429 with Retry-After"
    ERROR = "500"
    ERROR_AFTER = "502 after the job was created"
    DENIED = "401, key expired"
    FORBIDDEN = "403"
    REFUSED = "400"
    GARBAGE = "an answer that is not JSON"


class Trouble(Enum):
    """What can go wrong with one job that was accepted."""

    SLOW = "slow queue"
    FAILED = "job failed"
    CANCELLED = "job cancelled by the vendor"
    TRUNCATED = "too few samples"
    MALFORMED = "malformed samples"
    LATE_LISTED = "listed only after a while"


@dataclass
class Job:
    """One paid job of the vendor: ``tag`` is what our key became, ``polls_left`` how long it stays in the queue."""

    id: str
    tag: str
    shots: int
    payload: Any
    polls_left: int = 1
    state: str = "queued"
    trouble: Trouble | None = None
    created_s: float = field(default_factory=time.time)
    listed_at_s: float = 0.0

    def advance(self) -> None:
        """One look at it: a queued job moves on."""
        if self.state != "queued":
            return
        if self.polls_left > 0:
            self.polls_left -= 1
        elif self.trouble is Trouble.FAILED:
            self.state = "failed"
        elif self.trouble is Trouble.CANCELLED:
            self.state = "cancelled"
        else:
            self.state = "done"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int = 200
    body: bytes = b""
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def as_json(content: Any, status: int = 200, type: str = "application/json", **headers: str) -> Reply:
    return Reply(status, json.dumps(content).encode(), type, {k.replace("_", "-"): v for k, v in headers.items()})


@dataclass(frozen=True)
class Request:
    """What a client asked: ``path`` is decoded, without the query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes


class Emulator:
    """Base of the three vendors. A subclass names each request's ``operation`` and answers it.

    Parameters
    ----------
    hang_s
        How long a hanging call is held.
    retry_after_s
        What a 429 asks for.
    listing_lag_s
        How long `Trouble.LATE_LISTED` keeps a job out of the list.
    """

    vendor = ""

    def __init__(self, hang_s: float = 1.0, retry_after_s: float = 0.01, listing_lag_s: float = 0.05) -> None:
        self.hang_s, self.retry_after_s, self.listing_lag_s = hang_s, retry_after_s, listing_lag_s
        self.jobs: dict[str, Job] = {}
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.online = True
        self.queue = "0"  # as the vendor tells it
        self._faults: dict[str, deque[Fault | None]] = {}
        self._troubles: deque[tuple[Trouble, int]] = deque()
        self._released = threading.Event()
        emulator = self

        class Handler(_Handler):
            vendor = emulator

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def fail(self, operation: str, *faults: Fault | None) -> None:
        """The next calls of ``operation`` (submit, find, status, result, cancel, device, auth) go wrong so; at ``None``
        one goes well.
        """
        with self.lock:
            self._faults.setdefault(operation, deque()).extend(faults)

    def trouble(self, trouble: Trouble, polls: int = 1) -> None:
        """The next job that is accepted goes wrong so; a slow one waits for ``polls`` looks."""
        with self.lock:
            self._troubles.append((trouble, polls))

    def calm(self) -> None:
        """Nothing that was asked for and has not happened yet goes wrong any more."""
        with self.lock:
            self._faults.clear()
            self._troubles.clear()

    def paid(self) -> dict[str, int]:
        """Jobs accepted, by tag: the vendor bills each."""
        counts: dict[str, int] = {}
        with self.lock:
            for job in self.jobs.values():
                counts[job.tag] = counts.get(job.tag, 0) + 1
        return counts

    def accept(self, id: str, tag: str, shots: int, payload: Any) -> Job:
        """A new job."""
        job = Job(id, tag, shots, payload)
        with self.lock:
            if self._troubles:
                job.trouble, polls = self._troubles.popleft()
                if job.trouble is Trouble.SLOW:
                    job.polls_left = polls
                if job.trouble is Trouble.LATE_LISTED:
                    job.listed_at_s = time.time() + self.listing_lag_s
            self.jobs[id] = job
        return job

    def listed(self) -> list[Job]:
        """Jobs that a list shows by now, the newest first."""
        now_s = time.time()
        with self.lock:
            return [job for job in reversed(self.jobs.values()) if job.listed_at_s <= now_s]

    def operation(self, request: Request) -> str:
        """What ``request`` is about, for faults."""
        raise NotImplementedError

    def answer(self, operation: str, request: Request) -> Reply:
        """Do what ``request`` asks."""
        raise NotImplementedError

    def error(self, status: int, text: str, **headers: str) -> Reply:
        """The vendor's form of an error."""
        raise NotImplementedError

    def handle(self, request: Request) -> Reply | None:
        """The answer, or ``None``: the connection is reset."""
        operation = self.operation(request)
        with self.lock:
            self.calls.append(operation)
            queue = self._faults.get(operation)
            fault = queue.popleft() if queue else None
        if fault is Fault.HANG:
            self._released.wait(self.hang_s)
            return None
        if fault is Fault.RESET:
            return None
        if fault is Fault.BUSY:
            return self.error(429, "too many requests", Retry_After=f"{self.retry_after_s:g}")
        if fault is not None and fault in _STATUS:
            return self.error(_STATUS[fault], fault.value)
        reply = self.answer(operation, request)
        if fault is Fault.HANG_AFTER:
            self._released.wait(self.hang_s)
            return None
        if fault is Fault.RESET_AFTER:
            return None
        if fault is Fault.ERROR_AFTER:
            return self.error(502, "bad gateway")
        if fault is Fault.GARBAGE:
            return Reply(200, b"<html>maintenance</html>", reply.type)
        return reply


_STATUS: dict[Fault, int] = {
    Fault.ERROR: 500, Fault.DENIED: 401, Fault.FORBIDDEN: 403, Fault.REFUSED: 400,
}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vendor: Emulator
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command, unquote(parts.path), parse_qs(parts.query), self.headers, self.rfile.read(length)
        )
        try:
            reply = self.vendor.handle(request)
        except Exception as error:  # an emulator that breaks must be told from a fault that was asked for
            self.vendor.calls.append(f"broken: {type(error).__name__}: {error}")
            raise
        if reply is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
