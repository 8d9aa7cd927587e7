"""The plan that exists even if every actor is gone: the quick heuristic, in threads of the gateway's own process."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from actors import logs
from actors.foresight import Recalled
from actors.metrics import metrics
from solvers.problem import Verdict
from solvers.registry import problem_kind
from solvers.stop import Deadline
from solvers.strategy import Context


@dataclass(frozen=True)
class Insured:
    """A verified insurance plan; ``plan`` is ``None`` when the heuristic found no feasible one."""

    plan: Any
    verdict: Verdict | None
    bound: float | None
    seconds: float


class Insurance:
    """Computes insurance plans; the threads share the gateway's cores with its event loop."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="insurance")

    def start(self, kind: str, problem: Any, seed: int, until_s: float, reply_by_s: float) -> Future[Insured]:
        """Begin at once, and be done ``until_s``; where the cores were busy until then, still before ``reply_by_s``.

        Both are on the monotonic clock of this process.
        """
        return self._pool.submit(_insure_or_nothing, kind, problem, seed, until_s, reply_by_s)

    def recall(self, look: Callable[[], Recalled | None]) -> Future[Recalled | None]:
        """Look for a plan prepared in advance, beside the heuristic."""
        return self._pool.submit(_recall_or_nothing, look)

    @staticmethod
    def none() -> Future[Insured]:
        """For who does not wait for an answer: coordinators insure such jobs themselves."""
        future: Future[Insured] = Future()
        future.set_result(Insured(None, None, None, 0.0))
        return future


def _insure_or_nothing(kind: str, problem: Any, seed: int, until_s: float, reply_by_s: float) -> Insured:
    """A heuristic that breaks costs its plan, not the request."""
    now_s = time.monotonic()
    if now_s >= reply_by_s:
        return Insured(None, None, None, 0.0)
    if now_s >= until_s:
        until_s = 0.5 * (now_s + reply_by_s)  # the other half is for the commit and the reply
    try:
        return insure(kind, problem, seed, until_s)
    except Exception:  # noqa: BLE001 - the solvers may still answer
        logs.logger().error("insurance_failed", kind=kind, exc_info=True)
        return Insured(None, None, None, 0.0)


def _recall_or_nothing(look: Callable[[], Recalled | None]) -> Recalled | None:
    """A prepared plan that cannot be read costs itself, not the request."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - the heuristic's plan stands
        logs.logger().error("recall_failed", exc_info=True)
        return None


def insure(kind: str, problem: Any, seed: int, until_s: float) -> Insured:
    """The best verified plan of the quick heuristic."""
    started = time.perf_counter()
    context: Context[Any] = Context(seed=seed, stop=Deadline(until_s, time.monotonic))
    best: tuple[Any, Verdict] | None = None
    bound: float | None = None
    for candidate in problem_kind(kind).insurance.candidates(problem, context):
        if candidate.lower_bound is not None:
            bound = candidate.lower_bound if bound is None else max(bound, candidate.lower_bound)
        verdict = problem.verify(candidate.plan)
        if verdict.feasible and (best is None or verdict.objective < best[1].objective):
            best = candidate.plan, verdict
    seconds = time.perf_counter() - started
    metrics().insurance_seconds.labels(kind).observe(seconds)
    plan, verdict = best if best is not None else (None, None)
    return Insured(plan, verdict, bound, seconds)
