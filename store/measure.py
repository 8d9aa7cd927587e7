"""How fast a database keeps the promises of the store: whole lives of jobs, from several processes at once."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from store.amounts import TOTAL, Amounts
from store.commit import Settlement
from store.leases import JobState
from store.store import Store

STEPS = ("accept", "lease", "reserve", "commit")

_PLENTY = Amounts(10**12, 10**12, 10**12)
_RECORD = {"plan": {str(visit): visit * 1.5 for visit in range(200)}}

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """Figures of one run.

    Parameters
    ----------
    jobs_per_s
        Jobs accepted, leased, reserved for, settled and committed per second, all processes together.
    seconds
        How long each call of each of `STEPS` took, sorted.
    """

    jobs_per_s: float
    seconds: dict[str, list[float]]

    def lines(self) -> list[str]:
        """The figures as text, in milliseconds."""
        return [f"{self.jobs_per_s:.0f} jobs/s", *(_line(step, self.seconds[step]) for step in STEPS)]


def measure(url: str, processes: int, jobs: int) -> Measured:
    """Take ``jobs`` jobs through their lives in each of ``processes`` processes.

    Raises
    ------
    ValueError
        When the database at ``url`` holds jobs: those of this run stay in it.
    """
    with tempfile.TemporaryDirectory(prefix="isinglass-measure-") as folder:
        store = Store.open(url, folder, folder)
        if store.jobs.list(None, page_size=1).items:
            store.close()
            raise ValueError("the database holds jobs; measure an empty one")
        store.budgets.set_limit("measure", "", TOTAL, _PLENTY)
        store.close()
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(processes), context.Queue()
        workers = [context.Process(target=_work, args=(url, folder, jobs, barrier, results)) for _ in range(processes)]
        for worker in workers:
            worker.start()
        found = [results.get(timeout=600) for _ in workers]
        for worker in workers:
            worker.join()
    wall_s = max(one[0] for one in found)
    return Measured(
        processes * jobs / wall_s, {step: sorted(s for one in found for s in one[1][step]) for step in STEPS}
    )


def _work(url: str, folder: str, jobs: int, barrier: Any, results: Any) -> None:
    store = Store.open(url, folder, folder)
    seconds: dict[str, list[float]] = {step: [] for step in STEPS}

    def timed(step: str, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        start = time.perf_counter()
        result = call(*args, **kwargs)
        seconds[step].append(time.perf_counter() - start)
        return result

    barrier.wait(timeout=60)
    start = time.perf_counter()
    for _ in range(jobs):
        now = datetime.now(UTC)
        job_id = timed(
            "accept",
            store.jobs.accept,
            tenant="measure",
            kind="routing",
            request_digest="sha256:" + "0" * 64,
            idempotency_key=None,
            deadline_at=now,
            priority=5,
            labels={},
            policy_json={"seed": 1},
            correlation_id="measure",
            now=now,
        ).job_id
        token = timed("lease", store.jobs.lease, job_id, "measure", 10.0, now)
        held = timed(
            "reserve",
            store.budgets.reserve,
            tenant="measure",
            project="",
            period=TOTAL,
            job_id=job_id,
            backend="none",
            idempotency_key=job_id,
            amounts=Amounts(1, 1, 1),
            now=now,
            request_limit=_PLENTY,
        )
        timed(
            "commit",
            store.commit_result,
            job_id,
            token,
            JobState.SUCCEEDED,
            result_digest=None,
            error=None,
            record=_RECORD,
            settlements=[Settlement(held, Amounts(1, 1, 0))],
            now=now,
        )
    results.put((time.perf_counter() - start, seconds))
    store.close()


def _line(step: str, seconds: Sequence[float]) -> str:
    def at(share: float) -> str:
        return f"{seconds[min(len(seconds) - 1, int(share * len(seconds)))] * 1e3:7.2f}"

    return f"{step:8} p50 {at(0.5)} ms  p95 {at(0.95)} ms  p99 {at(0.99)} ms  max {at(1)} ms"
