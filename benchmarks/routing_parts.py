"""One large problem on several cores without the service: the same rounds of parts, in a pool of processes."""

from __future__ import annotations

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from solvers.routing.annealing import warm
from solvers.routing.annealing.parts import Part, PartDone, anneal_part
from solvers.routing.annealing.rounds import Rounds
from solvers.routing.problem import RoutingProblem
from solvers.routing.savings import Savings
from solvers.routing.vrplib_reader import read_vrplib
from solvers.stop import Deadline
from solvers.strategy import Context

_problem: RoutingProblem | None = None


def _open(path: str) -> None:
    global _problem  # noqa: PLW0603 - one problem a process, read once
    warm()
    _problem = RoutingProblem.of(read_vrplib(Path(path).read_text()).data)


def _ready() -> None:
    """Nothing: the process has read its problem."""


def _work(part: Part) -> tuple[PartDone, int]:
    assert _problem is not None
    done = anneal_part(_problem, part, Deadline(time.monotonic() + part.seconds, time.monotonic))
    return done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def solve_in_parts(problem: RoutingProblem, path: Path, seconds: float, cores: int, seed: int) -> dict[str, Any]:
    """The best plan after ``seconds`` on ``cores``: what it costs, who did how much, and the peak memory in MB.

    Processes start and compile before the clock does, as the workers of a service have long before a request.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_open, initargs=(str(path),)) as pool:
        for waiting in [pool.submit(_ready) for _ in range(8 * cores)]:
            waiting.result()
        begun = time.monotonic()
        deadline = Deadline(begun + seconds, time.monotonic)
        *_, first = Savings().candidates(problem, Context(seed, deadline))
        best = problem.verify(first.plan)
        rounds = Rounds(problem, first.plan, seed, seconds)
        iterations, peak_kb, told = 0, 0, []
        while parts := rounds.begin(cores, time.monotonic() - begun):
            results = list(pool.map(_work, parts))
            plan = rounds.end([done for done, _ in results])
            verdict = problem.verify(plan)
            if verdict.feasible and verdict.objective < best.objective:
                best = verdict
            iterations += sum(done.iterations for done, _ in results)
            peak_kb = max(peak_kb, *(peak for _, peak in results))
            told.append((time.monotonic() - begun, verdict.objective))
    return {
        "objective": best.objective,
        "feasible": best.feasible,
        "elapsed_s": told[-1][0] if told else time.monotonic() - begun,
        "iterations": iterations,
        "worker_peak_mb": peak_kb / 1024,
        "rounds": told,
    }
