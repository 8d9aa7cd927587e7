"""Runs HiGHS on a program in a thread of its own, so that solutions and bounds stream out and a stop comes through."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

from solvers.stop import Stop

POLL_S = 0.01
TIME_LIMIT_SLACK_S = 2.0
PATIENCE_S = 0.04
"""How long to wait for HiGHS to notice a stop before leaving it to its own thread."""


@dataclass(frozen=True, eq=False)
class Progress:
    """News of a run.

    Parameters
    ----------
    solution
        Column values of a better integer solution, or ``None`` for news of the bound alone.
    bound
        Dual bound so far; ``-inf`` without one.
    status
        ``""`` while it runs, then ``"optimal"``, ``"infeasible"`` or ``"stopped"``.
    """

    solution: npt.NDArray[np.float64] | None
    bound: float
    status: str = ""


def configured(seed: int, options: dict[str, Any] | None = None) -> highspy.Highs:
    """A silent HiGHS on one thread with the chance of ``seed``."""
    highs = highspy.Highs()
    settings = {"output_flag": False, "threads": 1, "random_seed": seed % 2**31, **(options or {})}
    for name, value in settings.items():
        highs.setOptionValue(name, value)
    return highs


def stream(
    lp: highspy.HighsLp,
    stop: Stop,
    seed: int,
    *,
    start: npt.NDArray[np.float64] | None = None,
    options: dict[str, Any] | None = None,
) -> Iterator[Progress]:
    """News of solving ``lp``, the last one with a status.

    Under a stop without a clock only HiGHS itself asks it, at fixed points of the algorithm, so that a run is
    repeatable; under a clock it is asked every 10 ms besides. ``start`` holds values of the first columns of a
    solution to start from; HiGHS fills in the others.
    """
    highs = configured(seed, options)
    timed = math.isfinite(stop.remaining_s())
    if timed:
        # Only in case that HiGHS does not ask: the stop decides.
        highs.setOptionValue("time_limit", stop.remaining_s() + TIME_LIMIT_SLACK_S)
    highs.passModel(lp)
    if start is not None:
        columns = np.arange(len(start), dtype=np.int32)
        highs.setSolution(len(start), columns, np.asarray(start, dtype=np.float64))
    # Without one HiGHS solves a linear program and leaves the bound of the integer program untouched.
    has_integers = highspy.HighsVarType.kInteger in lp.integrality_
    news: SimpleQueue[Progress] = SimpleQueue()
    stopped = threading.Event()
    # Not a daemon: one that is killed inside HiGHS at the end of the process would take the process down with it.
    thread = threading.Thread(target=_solve, args=(highs, has_integers, stop, timed, stopped, news), daemon=False)
    thread.start()
    bound, waited_s = -math.inf, 0.0
    try:
        while True:
            try:
                found = news.get(timeout=POLL_S if timed else None)
            except Empty:
                if stop():
                    stopped.set()
                if stopped.is_set():
                    waited_s += POLL_S
                    if waited_s > PATIENCE_S:
                        yield Progress(None, bound, "stopped")
                        return
                continue
            bound = max(bound, found.bound)
            yield Progress(found.solution, bound, found.status)
            if found.status:
                return
    finally:
        stopped.set()
        thread.join(PATIENCE_S)


def _solve(
    highs: highspy.Highs,
    has_integers: bool,
    stop: Stop,
    timed: bool,
    stopped: threading.Event,
    news: SimpleQueue[Progress],
) -> None:
    """The thread: run, report, end with a status whatever happens."""
    last = [-math.inf]
    main = threading.main_thread()  # once it has ended the process waits for this thread alone

    def on_event(kind: Any, _message: str, out: Any, into: Any, _user: Any) -> None:
        kinds = highspy.cb.HighsCallbackType
        if kind == kinds.kCallbackMipImprovingSolution:
            last[0] = max(last[0], _finite(out.mip_dual_bound))
            news.put(Progress(np.array(out.mip_solution, dtype=np.float64), last[0]))
            return
        if kind == kinds.kCallbackMipInterrupt:
            bound = _finite(out.mip_dual_bound)
            if bound > last[0] + 1e-6 * max(1.0, abs(bound)):
                last[0] = bound
                news.put(Progress(None, bound))
        if stopped.is_set() or not main.is_alive() or (not timed and stop()):
            stopped.set()
            into.user_interrupt = True

    status = "stopped"
    solution: npt.NDArray[np.float64] | None = None
    bound = -math.inf
    try:
        highs.setCallback(on_event, None)
        kinds = highspy.cb.HighsCallbackType
        for kind in (kinds.kCallbackMipImprovingSolution, kinds.kCallbackMipInterrupt, kinds.kCallbackSimplexInterrupt):
            highs.startCallback(kind)
        highs.run()
        model_status = highs.getModelStatus()
        info = highs.getInfo()
        bound = _finite(info.mip_dual_bound if has_integers else info.objective_function_value)
        if model_status == highspy.HighsModelStatus.kOptimal:
            status = "optimal"
            solution = np.array(highs.getSolution().col_value, dtype=np.float64)
        elif model_status == highspy.HighsModelStatus.kInfeasible:
            status = "infeasible"
        elif info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
            solution = np.array(highs.getSolution().col_value, dtype=np.float64)
    finally:
        news.put(Progress(solution, bound, status))


def _finite(bound: float) -> float:
    """HiGHS writes 1e200 and infinities where it has no bound yet."""
    return float(bound) if math.isfinite(bound) and abs(bound) < 1e100 else -math.inf
