"""Isinglass on the tasks of `benchmarks.binary`, in a process of its own: ``python -m benchmarks.binary_ours TASKS``.

Prints a JSON object a line, as the peers do (`benchmarks.binary_peers`). Converting a model for the engine counts.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks import binary_constrained
from solvers.binary.annealing import anneal
from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.kind import KIND
from solvers.binary.problem import BinaryProblem, quadratic_problem
from solvers.binary.warm import warm
from solvers.stop import Deadline
from solvers.strategy import Context, Strategy


def problem_of(path: str) -> BinaryProblem:
    """The model in an ``.npz`` of `benchmarks.binary`."""
    with np.load(path) as data:
        return quadratic_problem(
            str(data["vartype"]),
            data["linear"],
            data["rows"],
            data["columns"],
            data["values"],
            offset=float(data["offset"]),
        )


def first_strategy(problem: BinaryProblem | ConstrainedProblem) -> Strategy[Any]:
    """The strategy that the service starts first on ``problem``."""
    return next(strategy for strategy in KIND.strategies if strategy.accepts(problem))


def race(problem: BinaryProblem, seconds: float, best: float, near: float, seed: int) -> dict[str, Any]:
    """Least energy within ``seconds``, when it was there, and when ``near`` was; ends at ``best``."""
    begun = time.monotonic()
    stop = Deadline(begun + seconds, time.monotonic)
    lowest, at_s, near_s = math.inf, seconds, None
    for candidate in first_strategy(problem).candidates(problem, Context(seed=seed, stop=stop)):
        now_s = time.monotonic() - begun
        if candidate.claimed_objective < lowest:
            lowest, at_s = candidate.claimed_objective, now_s
        if near_s is None and lowest <= near:
            near_s = now_s
        if lowest <= best:
            break
    return {"energy": lowest, "seconds": at_s, "near_s": near_s}


def rate(problem: BinaryProblem, reads: int, sweeps: int, seed: int) -> dict[str, Any]:
    """Seconds of processor time that the reads took, and their mean energy."""
    model = problem.ising
    begun = time.process_time()
    found = anneal(model, reads, sweeps, np.random.default_rng(seed), lambda: True)
    seconds = time.process_time() - begun
    return {"seconds": seconds, "mean": float(model.energies(found).mean())}


def main() -> None:
    """Every task of the file."""
    if core := os.environ.get("ISINGLASS_BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    with open(sys.argv[1]) as file:
        tasks = json.load(file)
    warm()
    for task in tasks:
        row: dict[str, Any] = {"id": task["id"], "solver": "isinglass"}
        if task["what"] == "constrained":
            problem = binary_constrained.load(task["model"])
            row["values"] = binary_constrained.solve(problem, task["seconds"], task["seed"])
        elif task["what"] == "rate":
            row |= rate(problem_of(task["model"]), task["reads"], task["sweeps"], task["seed"])
        else:
            row |= race(problem_of(task["model"]), task["seconds"], task["best"], task["near"], task["seed"])
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
