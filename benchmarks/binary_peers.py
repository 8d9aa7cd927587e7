"""Peers of the binary engine, in a process of their own: ``python binary_peers.py TASKS``.

Stands alone (numpy, dimod and the peers), so that it also runs under an interpreter that has peers which the product's
environment has not. TASKS is a JSON file that `benchmarks.binary` writes. Prints a JSON object a line: first the
versions of what is installed, then one a task and solver. Models are built outside the clock.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

PACKAGES = {
    "dwave_sa": "dwave-samplers",
    "dwave_tabu": "dwave-samplers",
    "openjij": "openjij",
    "highs": "highspy",
    "cp_sat": "ortools",
}
RACERS = ("dwave_sa", "dwave_tabu", "openjij")
PROGRAMS = ("highs", "cp_sat")
OUTLAST = ("dwave_tabu",)
"""Racers whose one call may outlast its time: on 10,000 spins the tabu's full matrix alone takes longer."""

OVERTIME = 3.0
"""Times its seconds, after which such a racer is ended without an answer."""

BEATEN = 2.0
"""Times what another took to the target, after which a racer is ended: it cannot be the best peer any more."""

Trace = Iterator[tuple[float, float]]
"""Seconds since the start and the least energy so far, whenever something ended."""


def model_of(path: str) -> Any:
    """The model in an ``.npz`` of `benchmarks.binary` over spins, which all three racers work on."""
    import dimod

    with np.load(path) as data:
        pairs = (data["rows"], data["columns"], data["values"])
        vartype = str(data["vartype"])
        bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(data["linear"], pairs, float(data["offset"]), vartype)
    return bqm.change_vartype("SPIN", inplace=True)


def doubling(read: Callable[[int, int], float], seconds: float, best: float) -> Trace:
    """Reads of 25, 50, 100, ... sweeps, the last ones fitted to the time left. ``read(sweeps, seed)`` -> energy."""
    begun = time.monotonic()
    lowest, sweeps, number, per_sweep_s = math.inf, 25, 0, 0.0
    while lowest > best:
        left_s = begun + seconds - time.monotonic()
        if number and (left_s <= 0 or per_sweep_s * sweeps > left_s):
            sweeps = int(0.95 * left_s / per_sweep_s)
            if sweeps < 10:
                return
        started = time.monotonic()
        lowest = min(lowest, read(sweeps, number))
        now = time.monotonic()
        per_sweep_s = (now - started) / sweeps
        yield now - begun, lowest
        sweeps, number = 2 * sweeps, number + 1


def dwave_sa(bqm: Any, seconds: float, best: float, near: float, seed: int) -> Trace:
    """``SimulatedAnnealingSampler``."""
    from dwave.samplers import SimulatedAnnealingSampler

    del near
    sampler = SimulatedAnnealingSampler()

    def read(sweeps: int, number: int) -> float:
        found = sampler.sample(bqm, num_reads=1, num_sweeps=sweeps, seed=1000 * seed + number)
        return float(found.record.energy.min())

    return doubling(read, seconds, best)


def openjij(bqm: Any, seconds: float, best: float, near: float, seed: int) -> Trace:
    """``SASampler`` over the sparse form."""
    from openjij import SASampler  # type: ignore[import-not-found]

    del near
    sampler = SASampler()

    def read(sweeps: int, number: int) -> float:
        found = sampler.sample(bqm, num_reads=1, num_sweeps=sweeps, seed=1000 * seed + number, sparse=True)
        return float(found.record.energy.min())

    return doubling(read, seconds, best)


def dwave_tabu(bqm: Any, seconds: float, best: float, near: float, seed: int) -> Trace:
    """``TabuSampler``: until ``near``, then on from there until time or ``best``; a call may outlast its time."""
    from dwave.samplers import TabuSampler

    begun = time.monotonic()
    start = None
    for goal in (near, best):
        left_ms = int(1000 * (begun + seconds - time.monotonic()))
        if left_ms < 1:
            return
        found = TabuSampler().sample(bqm, initial_states=start, timeout=left_ms, energy_threshold=goal, seed=seed)
        start = found.first.sample
        yield time.monotonic() - begun, float(found.first.energy)


RACES: dict[str, Callable[[Any, float, float, float, int], Trace]] = {
    "dwave_sa": dwave_sa,
    "dwave_tabu": dwave_tabu,
    "openjij": openjij,
}


def race(task: dict[str, Any], bqm: Any, solver: str) -> dict[str, Any]:
    """Least energy within the task's time, when it was there, and when ``near`` was."""
    lowest, at_s, near_s = math.inf, float(task["seconds"]), None
    for at, energy in RACES[solver](bqm, task["seconds"], task["best"], task["near"], task["seed"]):
        if energy < lowest:
            lowest, at_s = energy, at
        if near_s is None and lowest <= task["near"]:
            near_s = at
    return {"energy": lowest, "seconds": at_s, "near_s": near_s, "limit_s": float(task["seconds"])}


def bounded(task: dict[str, Any], bqm: Any, solver: str) -> dict[str, Any] | None:
    """`race`, in a process of its own where the racer may outlast its time; ``None`` when it had to be ended."""
    if solver not in OUTLAST:
        return race(task, bqm, solver)
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: there.send(race(task, bqm, solver)))
    child.start()
    there.close()
    try:
        found: dict[str, Any] | None = here.recv() if here.poll(OVERTIME * task["seconds"] + 1.0) else None
    finally:
        child.kill()
        child.join()
    return found


def races(task: dict[str, Any], bqm: Any, solvers: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each of ``solvers`` found on one task; on times to target none runs on once it is beaten."""
    for solver in solvers:
        found = bounded(task, bqm, solver)
        if found is None:
            continue
        yield solver, found
        if task.get("part") == "targets" and found["near_s"] is not None:
            task = task | {"seconds": min(task["seconds"], BEATEN * found["near_s"])}


def rate(task: dict[str, Any], bqm: Any) -> dict[str, Any]:
    """Seconds of processor time that the reads took, and their mean energy."""
    from dwave.samplers import SimulatedAnnealingSampler

    begun = time.process_time()
    found = SimulatedAnnealingSampler().sample(
        bqm, num_reads=task["reads"], num_sweeps=task["sweeps"], seed=task["seed"]
    )
    return {"seconds": time.process_time() - begun, "mean": float(np.mean(found.record.energy))}


def highs(data: Any, seconds: float) -> list[int] | None:
    """HiGHS, one thread; a product of two binaries is a column tied to both."""
    import highspy
    from scipy.sparse import coo_array

    n, k, m = data["linear"].shape[0], data["values"].shape[0], data["right"].shape[0]
    y = n + np.arange(k)
    below = np.arange(k)
    one = np.ones(k)
    counts = np.diff(data["starts"])
    rows = [np.repeat(np.arange(m), counts), *([m + below] * 3), *([m + k + below] * 2), *([m + 2 * k + below] * 2)]
    columns = [data["members"], data["rows"], data["columns"], y, y, data["rows"], y, data["columns"]]
    values = [data["weights"], one, one, -one, one, -one, one, -one]
    low = np.where(data["senses"] > 0, -np.inf, data["right"])
    high = np.where(data["senses"] < 0, np.inf, data["right"])
    where = (np.concatenate(rows), np.concatenate(columns))
    matrix = coo_array((np.concatenate(values), where), shape=(m + 3 * k, n + k)).tocsr()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n + k, m + 3 * k
    lp.col_cost_ = np.concatenate([data["linear"], data["values"]])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + k), np.ones(n + k)
    lp.row_lower_ = np.concatenate([low, np.full(3 * k, -np.inf)])
    lp.row_upper_ = np.concatenate([high, np.ones(k), np.zeros(2 * k)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * k
    solver = highspy.Highs()
    options = {"output_flag": False, "time_limit": float(seconds), "threads": 1, "mip_rel_gap": 0.0}
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(lp)
    solver.run()
    if not math.isfinite(solver.getInfo().objective_function_value):
        return None
    return [round(value) for value in list(solver.getSolution().col_value)[:n]] or None


def cp_sat(data: Any, seconds: float) -> list[int] | None:
    """CP-SAT on one worker; a product becomes a boolean that is true when both are."""
    from ortools.sat.python import cp_model

    program = cp_model.CpModel()
    x = [program.new_bool_var(f"x{k}") for k in range(data["linear"].shape[0])]
    for c, (sense, right) in enumerate(zip(data["senses"].tolist(), data["right"].tolist(), strict=True)):
        part = slice(data["starts"][c], data["starts"][c + 1])
        entries = zip(data["weights"][part].tolist(), data["members"][part].tolist(), strict=True)
        left = sum(int(weight) * x[i] for weight, i in entries)
        program.add(left <= int(right) if sense > 0 else left >= int(right) if sense < 0 else left == int(right))
    terms = [int(c) * x[i] for i, c in enumerate(data["linear"].tolist())]
    products = (data["rows"].tolist(), data["columns"].tolist(), data["values"].tolist())
    for i, j, weight in zip(*products, strict=True):
        both = program.new_bool_var("")
        program.add_bool_or([x[i].negated(), x[j].negated(), both])
        program.add_implication(both, x[i])
        program.add_implication(both, x[j])
        terms.append(int(weight) * both)
    program.minimize(sum(terms))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    status = solver.solve(program)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return [int(solver.boolean_value(variable)) for variable in x]


def _versions() -> dict[str, str]:
    """Version by solver, of those that are installed."""
    found = {}
    for solver, package in PACKAGES.items():
        try:
            found[solver] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _tell(row: Any) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def apart(task: dict[str, Any], solver: str) -> list[int] | None:
    """`solve` in a process of its own: HiGHS and OR-Tools carry different builds of one library."""
    command = [sys.executable, __file__, sys.argv[1], task["id"], solver]
    values: list[int] | None = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return values


def solve(task: dict[str, Any], solver: str) -> list[int] | None:
    """Best values of a constrained model that ``solver`` found in the task's time."""
    with np.load(task["model"]) as file:
        data = dict(file)
    return {"highs": highs, "cp_sat": cp_sat}[solver](data, task["seconds"])


def main() -> None:
    """Every task of the file, each by every solver that it is for."""
    if core := os.environ.get("ISINGLASS_BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    with open(sys.argv[1]) as file:
        tasks = json.load(file)
    if len(sys.argv) > 2:
        _tell(solve(next(task for task in tasks if task["id"] == sys.argv[2]), sys.argv[3]))
        return
    versions = _versions()
    _tell({"versions": versions})
    for task in tasks:
        head = {"id": task["id"]}
        if task["what"] == "constrained":
            for solver in PROGRAMS:
                if solver in versions:
                    _tell({**head, "solver": solver, "values": apart(task, solver)})
            continue
        bqm = model_of(task["model"])
        if task["what"] == "rate" and "dwave_sa" in versions:
            _tell({**head, "solver": "dwave_sa", **rate(task, bqm)})
        elif task["what"] == "race":
            racers = [solver for solver in RACERS if solver in versions and solver in task["peers"]]
            for solver, found in races(task, bqm, racers):
                _tell({**head, "solver": solver, **found})


if __name__ == "__main__":
    main()
