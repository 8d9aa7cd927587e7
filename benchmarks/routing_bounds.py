"""Proved lower bounds of routing problems against the best plans known: ``python -m benchmarks.routing_bounds``.

One core a run. The gap is that of the bound to the best value known, or to the plan that the run found where that is
better: best values known of some small instances are for a number of vehicles that these files do not fix. A bound is
*wrong* when it exceeds either.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder
from benchmarks.routing import CLOCKS
from solvers.routing.bounds import warm
from solvers.routing.bounds.strategy import RoutingBound
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.solution_file import read_solution
from solvers.routing.vrplib_reader import read_vrplib
from solvers.stop import Deadline
from solvers.strategy import Context

X_SET = ("X-n101-k25", "X-n125-k30", "X-n148-k46", "X-n176-k26", "X-n200-k36")
"""Up to 200 customers with short routes."""

QUICK_X_SET = ("X-n101-k25",)

SMALL_S, X_S = 10.0, 100.0
QUICK_SMALL_S, QUICK_X_S = 5.0, 60.0
QUICK_EVERY = 8
"""Of the small instances, how far apart those of the quick run are."""


@dataclass(frozen=True)
class Task:
    """One run on one instance."""

    set: str
    instance: str
    path: str
    seconds: float
    clock: str
    best_known: float


def measure(task: Task) -> dict[str, Any]:
    """Run one task in this process."""
    problem = RoutingProblem.of(read_vrplib(Path(task.path).read_text()).data)
    clock = CLOCKS[task.clock]
    begun = clock()
    context = Context[RoutingPlan](seed=1, stop=Deadline(begun + task.seconds, clock))
    bound = bound_s = None
    found = float("inf")
    for candidate in RoutingBound().candidates(problem, context):
        verdict = problem.verify(candidate.plan)
        if verdict.feasible:
            found = min(found, verdict.objective)
        if candidate.lower_bound is not None:
            bound, bound_s = candidate.lower_bound, clock() - begun
    elapsed_s = clock() - begun
    least = min(task.best_known, found)
    return {
        "set": task.set,
        "instance": task.instance,
        "nodes": problem.n_stops + 1,
        "best_known": task.best_known,
        "found": found,
        "bound": bound,
        "gap": None if bound is None else (least - bound) / least,
        "wrong": bound is not None and bound > least + 1e-6,
        "bound_s": bound_s,
        "elapsed_s": elapsed_s,
    }


def best_known(folder: Path) -> dict[str, float]:
    """Best values known: the table of the small sets, and the ``.sol`` files beside the others."""
    with (folder / "cvrp" / "best_known.csv").open() as file:
        return {row["instance"]: float(row["best"]) for row in csv.DictReader(file)}


def tasks_of(
    folder: Path, quick: bool, clock: str, seconds: float | None = None, more: Sequence[Path] = ()
) -> tuple[list[Task], list[str]]:
    """What to run, and the names of instances that are not there, nor in one of the folders ``more``."""
    known = best_known(folder)
    small = sorted((folder / "cvrp" / "small").glob("*.vrp"))
    tasks = [
        Task("small", path.stem, str(path), seconds or (QUICK_SMALL_S if quick else SMALL_S), clock, known[path.stem])
        for path in (small[::QUICK_EVERY] if quick else small)
    ]
    absent = []
    for name in QUICK_X_SET if quick else X_SET:
        places = [place / f"{name}.vrp" for place in (folder / "cvrp" / "x", *more)]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            absent.append(name)
            continue
        instance = read_vrplib(path.read_text())
        problem = RoutingProblem.of(instance.data)
        plan = read_solution(path.with_suffix(".sol").read_text(), problem, instance.vehicle_types).plan
        best = problem.verify(plan).objective
        tasks.append(Task("X", name, str(path), seconds or (QUICK_X_S if quick else X_S), clock, best))
    return tasks, absent


def run(
    quick: bool = True,
    cores: int = 1,
    clock: str = "wall",
    sets: Sequence[str] = ("small", "X"),
    seconds: float | None = None,
    instances: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> dict[str, Any]:
    """Bounds of the small sets (10 s each) and of X instances with short routes (100 s each).

    Parameters
    ----------
    quick
        Every eighth small instance for 5 s and one X instance for 60 s.
    cores
        Runs at a time, each on one core.
    clock
        ``"wall"``, or ``"cpu"`` where other work shares the cores.
    sets
        Of ``"small"`` and ``"X"``.
    seconds
        Per run, instead of the set's.
    instances
        Names, instead of all.
    folders
        Where X instances that the public data lack are looked for, each with its ``.sol``.

    Returns
    -------
    dict
        ``rows`` (one a run; gaps are fractions), ``absent`` and ``summary`` per set.

    Raises
    ------
    FileNotFoundError
        Without the public instances.
    """
    folder = data_folder("cvrp")
    tasks, absent = tasks_of(folder, quick and not instances, clock, seconds, folders)
    tasks = [t for t in tasks if t.set in sets and (not instances or t.instance in instances)]
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=warm) as pool:
        rows = list(pool.map(measure, tasks))
    return {
        "rows": rows,
        "absent": absent,
        "clock": clock,
        "cores": cores,
        "summary": {name: _summary([row for row in rows if row["set"] == name]) for name in sets},
        "elapsed_s": time.perf_counter() - started,
    }


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    up_to_60 = [row for row in rows if row["nodes"] <= 60]

    def share(rows: list[dict[str, Any]], gap: float) -> float | None:
        return sum(row["gap"] is not None and row["gap"] <= gap for row in rows) / len(rows) if rows else None

    gaps = [row["gap"] for row in rows if row["gap"] is not None]
    return {
        "instances": len(rows),
        "bounded": len(gaps),
        "mean_gap": sum(gaps) / len(gaps) if gaps else None,
        "worst_gap": max(gaps, default=None),
        "within_1_percent": share(rows, 0.01),
        "within_2_percent": share(rows, 0.02),
        "up_to_60_nodes": len(up_to_60),
        "up_to_60_nodes_within_2_percent": share(up_to_60, 0.02),
        "proved_optimal": sum(row["bound"] is not None and row["bound"] >= row["found"] - 1e-6 for row in rows),
        "wrong": sum(row["wrong"] for row in rows),
    }


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [
        f"{'instance':14}{'nodes':>6}{'best known':>12}{'found':>9}{'bound':>9}{'gap %':>8}{'bound s':>9}{'all s':>8}"
    ]
    for row in result["rows"]:
        bound = "-" if row["bound"] is None else f"{row['bound']:.0f}"
        gap = "-" if row["gap"] is None else f"{100 * row['gap']:.2f}"
        at = "-" if row["bound_s"] is None else f"{row['bound_s']:.1f}"
        wrong = "  WRONG" if row["wrong"] else ""
        lines.append(
            f"{row['instance']:14}{row['nodes']:6}{row['best_known']:12.0f}{row['found']:9.0f}{bound:>9}{gap:>8}{at:>9}"
            f"{row['elapsed_s']:8.1f}{wrong}"
        )
    for name, s in result["summary"].items():
        if not s["instances"]:
            continue
        lines.append(
            f"{name}: {s['instances']} instances, {s['bounded']} bounded, mean gap {_percent(s['mean_gap'], 2)}, worst "
            f"{_percent(s['worst_gap'], 2)}, {_percent(s['within_1_percent'])} within 1 %, "
            f"{_percent(s['within_2_percent'])} within 2 %, {s['proved_optimal']} proved optimal, {s['wrong']} wrong"
        )
        if s["up_to_60_nodes"]:
            share = _percent(s["up_to_60_nodes_within_2_percent"])
            lines.append(f"{name} up to 60 nodes: {s['up_to_60_nodes']} instances, {share} within 2 %")
    lines += must(result)
    if result["absent"]:
        lines.append(f"not in the data, not run: {', '.join(result['absent'])}")
    lines.append(f"{result['cores']} at a time, {result['clock']} clock, {result['elapsed_s']:.0f} s in all")
    return "\n".join(lines)


MUST_X = ("X-n101-k25", "X-n125-k30", "X-n200-k36")


def must(result: dict[str, Any]) -> list[str]:
    """What has to hold, of what was run: 2 % on 90 % of the small ones, 1 % on three X instances, and none wrong."""
    lines = []
    small = result["summary"].get("small")
    if small and small["up_to_60_nodes"]:
        share = small["up_to_60_nodes_within_2_percent"]
        lines.append(f"must: 90 % of those up to 60 nodes within 2 %: {'yes' if share >= 0.9 else 'NO'}")
    named = [row for row in result["rows"] if row["instance"] in MUST_X]
    if named:
        late = [row["instance"] for row in named if row["gap"] is None or row["gap"] > 0.01]
        lines.append(f"must: {', '.join(row['instance'] for row in named)} within 1 %: {'NO' if late else 'yes'}")
    wrong = sum(row["wrong"] for row in result["rows"])
    lines.append(f"must: none above a best value known: {'yes' if not wrong else f'NO, {wrong}'}")
    return lines


def _percent(share: float | None, decimals: int = 0) -> str:
    return "-" if share is None else f"{100 * share:.{decimals}f} %"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some of the instances, about two minutes")
    parser.add_argument("--cores", type=int, default=1, help="runs at a time (default 1)")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--sets", default="small,X", help="comma-separated: small, X")
    parser.add_argument("--seconds", type=float, help="per run, instead of 10 (small) and 100 (X)")
    parser.add_argument("--only", default="", help="comma-separated names of instances")
    parser.add_argument("--folder", type=Path, action="append", default=[], help="with more X instances; repeatable")
    parser.add_argument("--json", action="store_true", help="one object with every figure")
    given = parser.parse_args()
    only = tuple(name for name in given.only.split(",") if name)
    result = run(given.quick, given.cores, given.clock, tuple(given.sets.split(",")), given.seconds, only, given.folder)
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
