"""Answers of this gateway that may be given again: to the same tenant, for the same problem and options, while fresh.

Opt-in by ``SolvePolicy.max_age``: a request without it neither reads nor fills the cache. The cache is this process's
own, so the solvers' versions are the same for all of it, and a restart empties it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Any

from protos.common_pb2 import FULL, SolvePolicy
from solvers.errors import FieldViolation, InvalidProblem
from solvers.registry import problem_kind

MOST_BYTES = 64_000_000
"""Answers kept, by their size; the one not asked for longest goes first."""

_NOT_OPTIONS = ("deadline", "priority", "labels", "max_age")
"""Fields of a policy that do not change what a good answer is."""


class ResultCache:
    """Answers by tenant, kind, problem and options.

    Parameters
    ----------
    most_bytes
        Answers kept at most, by size (>= 0).
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, tenant: str, kind: str, request: Any) -> bytes | None:
        """What the request's answer is kept under; ``None``: it takes no part in the cache.

        A request with an idempotency key is a job of its own, and one to be replayed must be solved.
        """
        policy: SolvePolicy = request.policy
        if not policy.HasField("max_age") or policy.idempotency_key or policy.replayable:
            return None
        options = SolvePolicy()
        options.CopyFrom(policy)
        for name in _NOT_OPTIONS:
            options.ClearField(name)  # type: ignore[arg-type]
        solvers = problem_kind(kind)
        digest = hashlib.sha256()
        parts = [tenant, kind, request.project]
        parts += [f"{strategy.name} {strategy.version}" for strategy in (*solvers.strategies, solvers.insurance)]
        for part in (
            *(part.encode() for part in parts),
            options.SerializeToString(deterministic=True),
            request.problem.SerializeToString(deterministic=True),
        ):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def get(self, key: bytes, max_age_s: float, response: Any) -> Any | None:
        """A kept answer of at most this age, as a message of ``response``'s type that says so; ``None``: none."""
        with self._lock:
            found = self._kept.get(key)
            if found is None or time.monotonic() - found[0] > max_age_s:
                return None
            self._kept.move_to_end(key)
        message = response.FromString(found[1])
        report = message.report
        report.cached = True
        report.cost_usd, report.shots = 0.0, 0
        for entry in report.contributions:  # what they cost was charged to the request that asked first
            entry.cost_usd, entry.shots = 0.0, 0
        return message

    def put(self, key: bytes, message: Any) -> None:
        """Keep an answer that is worth giving again: a feasible one, of all that the profile allows."""
        report = message.report
        if not report.feasible or report.service_level != FULL or not report.job_id:
            return
        data = message.SerializeToString()
        with self._lock:
            old = self._kept.pop(key, None)
            self._bytes += len(data) - (len(old[1]) if old else 0)
            self._kept[key] = time.monotonic(), data
            while self._bytes > self._most_bytes:
                _, (_, gone) = self._kept.popitem(last=False)
                self._bytes -= len(gone)


def refuse_max_age(request: Any) -> None:
    """Refuse ``max_age`` in a SubmitJobRequest: an asynchronous job is always solved.

    Raises
    ------
    InvalidProblem
        When its policy has one.
    """
    kind = request.WhichOneof("problem")
    if kind is not None and getattr(request, kind).policy.HasField("max_age"):
        allowed = "absent in SubmitJob; give the job an idempotency_key to find it again"
        raise InvalidProblem([FieldViolation(f"{kind}.policy.max_age", "is set", allowed)])
