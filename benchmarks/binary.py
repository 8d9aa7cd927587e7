"""Binary models: Isinglass beside its peers on the same work, one core each, at the same time.

Isinglass runs on one core (`benchmarks.binary_ours`) while the peers run on another (`benchmarks.binary_peers`, under
the interpreter that `make peers` sets up); where there is one core only, one after the other. All work is written to
files first, so that both sides read the same models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import binary_constrained
from benchmarks.binary_data import ROOT, Work, graphs, independent_sets, market_splits, mqlib, qubos
from benchmarks.binary_summary import PEERS, gap, summary, table
from benchmarks.data import data_folder
from benchmarks.peers import peers_python

__all__ = ["run", "table"]

QUICK_GRAPHS = ("G1", "G14", "G35", "G60", "G67")
QUICK_QUBO = ("bqp1000-1", "bqp1000-2", "gka1f", "be250.1", "be200.8.1")
QUICK_CLASSES = ("karate", "C125-9", "keller4", "ms_03_050_002", "ms_03_200_050")
NEAR = 0.99
TARGET_SECONDS = 5.0
TARGET_SEEDS = (1, 2, 3)
FAST_PEERS = ("dwave_sa", "openjij")
"""Peers that can be timed often; the tabu's one call on a large graph outlasts its time many times over."""

READS, SWEEPS = 64, 1000

Task = dict[str, Any]


def run(
    quick: bool = True, parts: Sequence[str] = ("rates", "graphs", "qubo", "classes", "targets", "constrained")
) -> Any:
    """Measure everything that binary models must show, or some ``parts`` of it.

    Quick: 5 graphs at 4 s, 5 QUBO instances, 5 of QOBLIB, one seed; full: 17 graphs at 10 s, every be, gka and bqp1000
    at 2 s, QOBLIB's small independent sets and market splits at 2 s, time to target over three seeds, constrained
    models of two seeds at 10 s. A run ends early at the best known.

    Returns
    -------
    dict
        A list of rows for each part, ``versions`` of the peers that were installed, and ``summary``.
        ``load_before`` is the machine's load average: above 1, other work shared the cores. ``took_s`` is the
        length of the run.

    """
    folder, begun = data_folder("gset"), time.monotonic()
    result: dict[str, Any] = {"bench": "binary", "quick": quick, "load_before": os.getloadavg()[0]}
    works = {
        "graphs": [work for work in graphs(folder) if not quick or work.name in QUICK_GRAPHS],
        "qubo": [work for work in qubos(folder) if not quick or work.name in QUICK_QUBO],
        "classes": [
            work
            for work in (*independent_sets(folder), *market_splits(folder))
            if not quick or work.name in QUICK_CLASSES
        ],
    }
    result["seconds"] = {"graphs": 4.0 if quick else 10.0, "qubo": 2.0, "classes": 2.0, "targets": TARGET_SECONDS}
    result["seconds"]["constrained"] = 5.0 if quick else 10.0
    with tempfile.TemporaryDirectory() as place:
        tasks, models = _tasks(Path(place), works, result["seconds"], quick, parts)
        found, result["versions"], result["side_by_side"] = _both(Path(place), tasks)
    rows = _rows(works, tasks, found, models, mqlib(folder))
    result |= {part: rows.get(part, []) for part in ("rates", "graphs", "qubo", "classes", "targets", "constrained")}
    result["summary"] = summary(result)
    result["took_s"] = time.monotonic() - begun
    return result


def _tasks(
    place: Path, works: dict[str, list[Work]], seconds: dict[str, float], quick: bool, parts: Sequence[str]
) -> tuple[list[Task], dict[str, Any]]:
    """Every task with its model written to ``place``, and the constrained models by task."""
    tasks: list[Task] = []
    kept: dict[str, Any] = {}
    saved: dict[str, str] = {}

    def add(part: str, work: Work, seed: int, best: float, peers: Sequence[str], **more: Any) -> None:
        if work.name not in saved:
            saved[work.name] = str(place / f"{work.name}.npz")
            problem = work.read()
            names = ("linear", "rows", "columns", "values", "offset")
            arrays = {name: getattr(problem, name) for name in names}
            np.savez(saved[work.name], vartype=problem.vartype.value, **arrays)
            sizes[work.name] = problem.num_variables
        near = NEAR * work.best if work.best < 0 else work.best
        task = {"id": f"{part} {work.name} {seed}", "part": part, "name": work.name, "seed": seed, "what": "race"}
        task |= {"model": saved[work.name], "seconds": seconds.get(part, 0.0), "best": best + 1e-9 * abs(best)}
        tasks.append(task | {"near": near, "peers": list(peers), "size": sizes[work.name]} | more)

    sizes: dict[str, int] = {}
    if "rates" in parts:
        for work in graphs(data_folder("gset")):
            if work.name in ("G1", "G67"):
                add("rates", work, 1, work.best, (), what="rate", reads=READS, sweeps=SWEEPS)
    for part in ("graphs", "qubo", "classes"):
        if part in parts:
            for work in works[part]:
                add(part, work, 1, work.best, PEERS)
    if "targets" in parts:
        for work in works["graphs"]:
            for seed in TARGET_SEEDS[: 1 if quick else None]:
                add("targets", work, seed, NEAR * work.best, FAST_PEERS)
    if "constrained" in parts:
        for seed in TARGET_SEEDS[: 1 if quick else 2]:
            for name, products in (("linear", 0), ("quadratic", 4000)):
                path = str(place / f"{name}-{seed}.npz")
                problem = binary_constrained.model(seed, products=products)
                binary_constrained.save(problem, Path(path))
                task = {"id": f"constrained {name} {seed}", "part": "constrained", "name": f"{name}-{seed}"}
                kept[task["id"]] = problem
                tasks.append(
                    task | {"what": "constrained", "model": path, "seconds": seconds["constrained"], "seed": seed}
                )
    return tasks, kept


def _both(place: Path, tasks: list[Task]) -> tuple[dict[str, dict[str, Any]], dict[str, str], bool]:
    """What each solver found by task, the peers' versions, and whether both sides ran at the same time.

    Raises
    ------
    RuntimeError
        When a side ended with an error.

    """
    path = place / "tasks.json"
    path.write_text(json.dumps(tasks))
    ours = [sys.executable, "-m", "benchmarks.binary_ours", str(path)]
    theirs = [str(peers_python() or sys.executable), str(ROOT / "benchmarks" / "binary_peers.py"), str(path)]
    cores = sorted(os.sched_getaffinity(0))
    side_by_side = len(cores) > 1
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    running: list[tuple[subprocess.Popen[str], Path]] = []
    for k, command in enumerate((ours, theirs)):
        output = place / f"side{k}.jsonl"
        environment = {**os.environ, **threads, "ISINGLASS_BENCH_CORE": str(cores[k % len(cores)])}
        with output.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, text=True)
        running.append((process, output))
        if not side_by_side:
            process.wait()
    found: dict[str, dict[str, Any]] = {task["id"]: {} for task in tasks}
    versions: dict[str, str] = {}
    for process, output in running:
        if process.wait() != 0:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        for line in output.read_text().splitlines():
            row = json.loads(line)
            if "versions" in row:
                versions = row["versions"]
            else:
                found[row.pop("id")][row.pop("solver")] = row
    return found, versions, side_by_side


def _rows(
    works: dict[str, list[Work]],
    tasks: list[Task],
    found: dict[str, dict[str, Any]],
    models: dict[str, Any],
    reference: dict[str, float],
) -> dict[str, list[dict[str, Any]]]:
    """Rows by part: figures of every solver and their gaps to the best known."""
    known = {work.name: work for part in works.values() for work in part}
    rows: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        by_solver, part = found[task["id"]], task["part"]
        row: dict[str, Any] = {"instance": task["name"], "seed": task["seed"]}
        if part == "rates":
            updates = READS * SWEEPS * task["size"]
            row["per_s"] = {solver: updates / figures["seconds"] for solver, figures in by_solver.items()}
            row["mean"] = {solver: figures["mean"] for solver, figures in by_solver.items()}
        elif part == "targets":
            row["near_s"] = {s: f["near_s"] or f.get("limit_s", task["seconds"]) for s, f in by_solver.items()}
        elif part == "constrained":
            objectives = {s: binary_constrained.worth(models[task["id"]], f["values"]) for s, f in by_solver.items()}
            best = min((value for value in objectives.values() if value is not None), default=0.0)
            row |= {"best": best, "objectives": objectives}
            row["gaps"] = {s: None if value is None else gap(value, best) for s, value in objectives.items()}
        else:
            work = known[task["name"]]
            row |= {"family": work.family, "best": work.best}
            row["energies"] = {solver: figures["energy"] for solver, figures in by_solver.items()}
            row["seconds"] = {solver: figures["seconds"] for solver, figures in by_solver.items()}
            row["near_s"] = {solver: figures["near_s"] for solver, figures in by_solver.items()}
            row["gaps"] = {solver: gap(energy, work.best) for solver, energy in row["energies"].items()}
            if part == "graphs" and task["name"] in reference:
                row["gaps"]["mqlib"] = gap(reference[task["name"]], work.best)
        rows.setdefault(part, []).append(row)
    return rows
