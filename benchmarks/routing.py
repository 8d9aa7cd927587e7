"""Routing on public instances: our annealing beside PyVRP, one core each, or the whole service.

``python -m benchmarks.routing --set x|service|xxl|vrptw|variants`` measures one set as it is stated, in one run; its
``--help`` tells of instances, seconds, seeds and cores of one's own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder
from benchmarks.routing_peer_tasks import PEERS, run_peer
from benchmarks.routing_pyvrp import PlainPyvrp
from solvers.routing.annealing import warm
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.routing.solution_file import read_solution
from solvers.routing.vrplib_reader import read_vrplib
from solvers.stop import Deadline
from solvers.strategy import Context

ROOT = Path(__file__).resolve().parent.parent

X_SET = (
    *("X-n101-k25", "X-n200-k36", "X-n303-k21", "X-n420-k130", "X-n502-k39"),
    *("X-n613-k62", "X-n701-k44", "X-n783-k48", "X-n856-k95", "X-n957-k87"),
)
"""Ten capacity-only instances that stand for the X set."""

QUICK_SET = ("X-n200-k36", "X-n502-k39", "X-n783-k48")


NEWER_BEST = {"Brussels1": 501_584.0, "Flanders1": 7_238_970.0}
"""Best values known that are newer than the ``.sol`` files."""

ENGINES: dict[str, Callable[[], Any]] = {"annealing": Annealing, "pyvrp": PlainPyvrp, "pyvrp-strategy": Pyvrp}

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}


@dataclass(frozen=True)
class Task:
    """One run of one engine."""

    instance: str
    path: str
    engine: str
    seed: int
    seconds: float
    clock: str


def find_instances(folder: Path, names: Sequence[str] = ()) -> dict[str, Path]:
    """Files of the instances called ``names``, or of all below ``folder`` that have a ``.sol`` beside them.

    Raises
    ------
    FileNotFoundError
        Naming those that are missing.

    """
    found = {path.stem: path for path in sorted(folder.rglob("*.vrp"))}
    if not names:
        return {name: path for name, path in found.items() if path.with_suffix(".sol").exists()}
    missing = [name for name in names if name not in found]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} below {folder}")
    return {name: found[name] for name in names}


def read_instance(path: Path) -> tuple[RoutingProblem, float]:
    """The problem in ``path`` and the best objective known for it, from the plan beside it judged by the verifier."""
    instance = read_vrplib(path.read_text())
    problem = RoutingProblem.of(instance.data)
    solution = read_solution(path.with_suffix(".sol").read_text(), problem, instance.vehicle_types)
    verdict = problem.verify(solution.plan)
    if not verdict.feasible:
        raise ValueError(f"{path.with_suffix('.sol')}: {verdict.violations[:3]}")
    return problem, min(verdict.objective, NEWER_BEST.get(path.stem, verdict.objective))


def measure(task: Task) -> dict[str, Any]:
    """Run one task in this process."""
    problem, best = read_instance(Path(task.path))
    row: dict[str, Any] = {
        "instance": task.instance,
        "stops": problem.n_stops,
        "best_known": best,
        "engine": task.engine,
        "seed": task.seed,
        "load": os.getloadavg()[0],
    }
    if task.engine in PEERS:
        row |= run_peer(task.engine, problem, task.seconds)
        row["gap"] = row["objective"] / best - 1.0 if row.get("feasible") else None
        return row
    engine = ENGINES[task.engine]()
    if not engine.accepts(problem):
        return {**row, "accepted": False}
    clock = CLOCKS[task.clock]
    begun = clock()
    context = Context[RoutingPlan](seed=task.seed, stop=Deadline(begun + task.seconds, clock))
    last = None
    for candidate in engine.candidates(problem, context):
        last = candidate
    elapsed_s = clock() - begun
    row |= {"accepted": True, "elapsed_s": elapsed_s, "feasible": False, "gap": None}
    if last is not None:
        verdict = problem.verify(last.plan)
        row |= {"feasible": verdict.feasible, "objective": verdict.objective, "iterations": _iterations(last)}
        row["gap"] = verdict.objective / best - 1.0 if verdict.feasible else None
    return row


def _iterations(candidate: Any) -> int | None:
    """Iterations that the control trace tells of."""
    trace = candidate.control_trace or {}
    if "segments" in trace:
        return sum(int(iterations) for iterations, _ in trace["segments"])
    return trace.get("iterations")


def _start_worker() -> None:
    warm()


def _rows(tasks: list[Task], cores: int) -> Iterator[dict[str, Any]]:
    """Results in the order of ``tasks``, ``cores`` at a time, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_start_worker) as pool:
        yield from pool.map(measure, tasks)


def run(
    instances_dir: str | Path | None = None,
    seconds: float | None = None,
    cores: int = 1,
    peers: Sequence[str] = ("pyvrp",),
    quick: bool = True,
    seeds: Sequence[int] | None = None,
    instances: Sequence[str] = (),
    clock: str = "wall",
) -> dict[str, Any]:
    """Measure gaps to the best known values.

    Parameters
    ----------
    instances_dir
        Folder with ``.vrp`` and ``.sol`` files, searched in depth. Without ``instances`` all of a folder that is given
        are run; by default ten X instances of the public data, or three of them when ``quick``.
    seconds
        Per run; by default 10 when ``quick``, else 20.
    cores
        Runs at a time, each on one core.
    peers
        Beside our annealing: ``"pyvrp"``, the library as it comes, ``"pyvrp-strategy"``, our own use of it, and
        ``"ortools"`` and ``"vroom"``, which run in the interpreter of `benchmarks.peers`, always by the wall clock.
        Engines take turns on an instance, so that a noisy machine treats them alike.
    quick
        Under five minutes: one seed instead of three.
    seeds
        By default 1, or 1 to 3.
    instances
        Names of instances.
    clock
        ``"wall"``, or ``"cpu"`` where other work shares the cores.

    Returns
    -------
    dict
        ``rows`` (one a run), ``instances`` (median gap per engine) and ``summary`` (mean of those, and its ratio to
        each peer's). Gaps are fractions. ``load`` in a row is the machine's load average when it ran.

    Raises
    ------
    FileNotFoundError
        When instances are missing.
    ValueError
        When a peer or clock is unknown, or a number is out of range.

    """
    unknown = [peer for peer in peers if peer not in (*list(ENGINES)[1:], *PEERS)]
    if unknown:
        raise ValueError(f"peers are {', '.join(unknown)}; allowed: {', '.join([*list(ENGINES)[1:], *PEERS])}")
    if clock not in CLOCKS:
        raise ValueError(f"clock is {clock!r}; allowed: {', '.join(CLOCKS)}")
    if cores < 1:
        raise ValueError(f"cores is {cores}; allowed: >= 1")
    chosen_s = seconds if seconds is not None else (10.0 if quick else 20.0)
    if not chosen_s > 0:
        raise ValueError(f"seconds is {seconds}; allowed: > 0")
    chosen_seeds = tuple(seeds) if seeds else ((1,) if quick else (1, 2, 3))
    names = tuple(instances) or (() if instances_dir is not None else (QUICK_SET if quick else X_SET))
    files = find_instances(Path(instances_dir) if instances_dir is not None else data_folder("cvrp"), names)
    engines = ("annealing", *peers)
    tasks = [
        Task(name, str(path), engine, seed, chosen_s, clock)
        for name, path in files.items()
        for seed in chosen_seeds
        for engine in engines
    ]
    rows = list(_rows(tasks, cores))
    per_instance = [instance_row(name, engines, rows) for name in files]
    return {
        "bench": "routing",
        "quick": quick,
        "seconds": chosen_s,
        "seeds": list(chosen_seeds),
        "cores": cores,
        "clock": clock,
        "rows": rows,
        "instances": per_instance,
        "left_out": {
            f"{row['instance']} {row['engine']}": row.get("left_out", "a feature it has not")
            for row in rows
            if not row["accepted"]
        },
        "summary": summary_of(engines, per_instance),
    }


def instance_row(name: str, engines: Sequence[str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [row for row in rows if row["instance"] == name]
    gaps: dict[str, float | None] = {}
    for engine in engines:
        found = [row.get("gap") for row in mine if row["engine"] == engine]
        known = [gap for gap in found if gap is not None]
        gaps[engine] = statistics.median(known) if known and len(known) == len(found) else None
    return {
        "instance": name,
        "stops": mine[0]["stops"],
        "best_known": mine[0]["best_known"],
        "load": max(row["load"] for row in mine),
        "gaps": gaps,
    }


def summary_of(engines: Sequence[str], instances: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean gaps over the instances that every engine answered; an engine that answered none does not count."""
    engines = [e for e in engines if e == engines[0] or any(row["gaps"][e] is not None for row in instances)]
    common = [row for row in instances if all(row["gaps"][engine] is not None for engine in engines)]
    means = {engine: statistics.fmean(row["gaps"][engine] for row in common) for engine in engines} if common else {}
    ours = means.get(engines[0])
    return {
        "instances": len(common),
        "mean_gap": means,
        "ratio": {
            peer: ours / means[peer] if ours is not None and means[peer] > 0 else None
            for peer in engines[1:]
            if peer in means
        },
    }


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    engines = list(result["instances"][0]["gaps"])
    where = "on one core" if "late" not in result else f"through the service on {result['cores']} cores"
    head = f"{result['seconds']:g} s ({result['clock']}) {where}, median of {len(result['seeds'])} seed(s)"
    lines = [f"gap to the best known in %, {head}", ""]
    lines.append(
        f"{'instance':<16}{'stops':>7}{'best known':>14}" + "".join(f"{e:>16}" for e in engines) + f"{'load':>7}"
    )
    lines += [
        f"{row['instance']:<16}{row['stops']:>7}{row['best_known']:>14,.1f}"
        + "".join(_percent(row["gaps"][engine]) for engine in engines)
        + f"{row['load']:>7.1f}"
        for row in result["instances"]
    ]
    summary = result["summary"]
    means = "".join(_percent(summary["mean_gap"].get(engine)) for engine in engines)
    lines.append(f"{'mean of ' + str(summary['instances']):<37}{means}")
    lines += [f"annealing / {peer}: {ratio:.2f}" for peer, ratio in summary["ratio"].items() if ratio is not None]
    if "late" in result:
        lines.append(f"{result['late']} replies late, {result['infeasible']} infeasible, of {len(result['rows'])}")
    lines += [f"left out: {what}: {why}" for what, why in result.get("left_out", {}).items()]
    lines.append("load above the number of cores: other work shared them")
    return "\n".join(lines)


def _percent(gap: float | None) -> str:
    return f"{'-':>16}" if gap is None else f"{100 * gap:>16.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    from benchmarks.routing_sets import SETS, VARIANTS, run_set

    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--instances", metavar="DIR", help="folder of .vrp and .sol files")
    parser.add_argument("--names", default="", help="instances, separated by commas")
    parser.add_argument(
        "--set", choices=[*SETS, "variants"], help="as it is stated; two runs at a time on one core each"
    )
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--cores", type=int, help="runs at a time; default: 2 of a set, else 1")
    parser.add_argument("--peers", default="pyvrp", help="pyvrp, ortools, vroom, separated by commas; empty: none")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    peers = tuple(filter(None, given.peers.split(",")))
    if given.set is not None:
        names = tuple(filter(None, given.names.split(",")))
        for name in VARIANTS if given.set == "variants" else (given.set,):
            result = run_set(name, given.seconds, given.seeds or (1, 2, 3), given.cores or 2, peers, given.clock, names)
            print(json.dumps(result) if given.json else f"{name}: {table(result)}\n", flush=True)
        return
    result = run(
        given.instances,
        given.seconds,
        given.cores or 1,
        peers,
        given.quick,
        given.seeds,
        tuple(filter(None, given.names.split(","))),
        given.clock,
    )
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
