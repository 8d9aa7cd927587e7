"""Binary models: Isinglass's annealing beside dwave-samplers' annealing and tabu, one core each, in one run."""

from __future__ import annotations

import csv
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import binary_constrained
from solvers.binary import readers
from solvers.binary.annealing import Annealing, anneal
from solvers.binary.interop import ising_to_dimod
from solvers.binary.ising import Ising
from solvers.binary.problem import BinaryProblem
from solvers.binary.warm import warm
from solvers.stop import Deadline
from solvers.strategy import Context

ROOT = Path(__file__).resolve().parent.parent
QUICK_GRAPHS = ("G1", "G14", "G35", "G60", "G67")
QUICK_QUBO = ("bqp1000-1", "bqp1000-2", "gka1f", "be250.1", "be200.8.1")
TARGETS = {
    "mean_gap": 0.0008,
    "max_gap": 0.004,
    "speed": 5.0,
    "time_ratio": 0.33,
    "bqp1000": 9,
    "constrained_gap": 0.01,
}
SEED = 1


@dataclass(frozen=True)
class Work:
    """One instance and the least energy that is known for it."""

    name: str
    family: str
    path: Path
    best: float


Solve = Callable[[BinaryProblem, float, float], tuple[float, float]]
"""Solver: problem, seconds, energy at which to stop early -> least energy, seconds until it was there."""


def data_folder() -> Path:
    """Where the public instances are: ``$ISINGLASS_DATA`` or ``../shared/data``.

    Raises
    ------
    FileNotFoundError
        When they are in neither place.

    """
    folder = Path(os.environ.get("ISINGLASS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "gset").is_dir():
        raise FileNotFoundError(f"{folder / 'gset'}; set ISINGLASS_DATA to the folder of instances")
    return folder


def run(quick: bool = True) -> dict[str, Any]:
    """Measure: spin updates a second, G graphs, QUBO instances, time to 99 % of the best known.

    Quick: 5 graphs at 4 s and 5 QUBO instances; full: 17 graphs at 10 s and all QUBO instances of the be, gka and
    bqp1000 sets at 2 s, stopped when the best known is reached.

    Returns
    -------
    dict
        ``rates``, ``graphs``, ``qubo``, ``targets`` and ``constrained`` with a row per instance, and what must hold
        under ``met``.
        ``load_before`` is the machine's load average: above 1, other work shared the cores.

    """
    warm()
    folder = data_folder()
    seconds = 4.0 if quick else 10.0
    graphs = [work for work in _graphs(folder) if not quick or work.name in QUICK_GRAPHS]
    qubos = [work for work in _qubos(folder) if not quick or work.name in QUICK_QUBO]
    result: dict[str, Any] = {"bench": "binary", "quick": quick, "load_before": os.getloadavg()[0]}
    result["rates"] = [_rate(folder / "gset" / name) for name in ("G1.txt.gz", "G67.txt.gz")]
    result["graph_seconds"], result["qubo_seconds"] = seconds, 2.0
    result["graphs"] = [_row(work, seconds, _mqlib(folder)) for work in graphs]
    result["qubo"] = [_row(work, 2.0, {}) for work in qubos]
    result["targets"] = [_target_row(work) for work in graphs]
    result["constrained"] = binary_constrained.compare(5.0 if quick else 10.0)
    result["summary"] = _summary(result)
    return result


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"load before: {result['load_before']:.1f} (above 1, other work shared the cores)", ""]
    lines.append(f"{'spin updates/s':<22}{'Isinglass':>14}{'dwave SA':>14}{'ratio':>8}{'mean E':>12}{'dwave E':>12}")
    lines += [
        f"{row['instance']:<22}{row['isinglass_per_s']:>14,.0f}{row['dwave_sa_per_s']:>14,.0f}{row['ratio']:>8.1f}"
        f"{row['isinglass_mean']:>12,.1f}{row['dwave_sa_mean']:>12,.1f}"
        for row in result["rates"]
    ]
    for part, seconds in (("graphs", result["graph_seconds"]), ("qubo", result["qubo_seconds"])):
        lines += ["", f"{part}, gap to best known in % ({seconds:g} s)"]
        lines.append(f"{'instance':<14}{'best':>12}{'Isinglass':>12}{'dwave SA':>12}{'dwave tabu':>12}{'MQLib':>12}")
        for row in result[part]:
            gaps = "".join(_percent(row["gaps"].get(name)) for name in ("isinglass", "dwave_sa", "dwave_tabu", "mqlib"))
            lines.append(f"{row['instance']:<14}{row['best']:>12,.0f}{gaps}")
    lines += ["", "seconds to 99 % of the best known"]
    lines.append(f"{'instance':<14}{'Isinglass':>12}{'best peer':>12}{'ratio':>8}")
    lines += [
        f"{row['instance']:<14}{row['isinglass_s']:>12.3f}{row['peer_s']:>12.3f}{row['ratio']:>8.2f}"
        for row in result["targets"]
    ]
    lines += ["", "constrained: 2,000 binaries, 200 constraints; gap to the best of all in %"]
    for row in result["constrained"]:
        gaps = "".join(f"  {name} {_percent(gap).strip()}" for name, gap in row["gaps"].items())
        lines.append(f"{row['instance']:<14}{row['best']:>12,.0f}{gaps}")
    lines += ["", *(f"{name}: {value}" for name, value in result["summary"].items())]
    return "\n".join(lines)


def isinglass(problem: BinaryProblem, seconds: float, target: float) -> tuple[float, float]:
    """Our first strategy under a clock."""
    begun = time.monotonic()
    stop = Deadline(begun + seconds, time.monotonic)
    best, at = np.inf, seconds
    for candidate in Annealing().candidates(problem, Context(seed=SEED, stop=stop)):
        if candidate.claimed_objective < best:
            best, at = candidate.claimed_objective, time.monotonic() - begun
        if best <= target:
            break
    return best, at


def dwave_annealing(problem: BinaryProblem, seconds: float, target: float) -> tuple[float, float]:
    """``SimulatedAnnealingSampler``: reads twice as long each time, the last ones fitted to the time left."""
    from dwave.samplers import SimulatedAnnealingSampler

    bqm, sampler = ising_to_dimod(problem), SimulatedAnnealingSampler()
    begun = time.monotonic()
    best, at, sweeps, read, per_sweep_s = np.inf, seconds, 25, 0, 0.0
    while best > target:
        left_s = begun + seconds - time.monotonic()
        if read and (left_s <= 0 or per_sweep_s * sweeps > left_s):
            sweeps = int(0.95 * left_s / per_sweep_s)
            if sweeps < 10:
                break
        started = time.monotonic()
        found = sampler.sample(bqm, num_reads=1, num_sweeps=sweeps, seed=SEED + read)
        now = time.monotonic()
        per_sweep_s = (now - started) / sweeps
        energy = float(found.record.energy.min())
        if energy < best:
            best, at = energy, now - begun
        sweeps, read = 2 * sweeps, read + 1
    return best, at


def dwave_tabu(problem: BinaryProblem, seconds: float, target: float) -> tuple[float, float]:
    """``TabuSampler`` with restarts until time or target."""
    from dwave.samplers import TabuSampler

    bqm = ising_to_dimod(problem)
    begun = time.monotonic()
    found = TabuSampler().sample(bqm, timeout=int(1000 * seconds), energy_threshold=target, seed=SEED)
    return float(found.record.energy.min()), time.monotonic() - begun


SOLVERS: dict[str, Solve] = {"isinglass": isinglass, "dwave_sa": dwave_annealing, "dwave_tabu": dwave_tabu}


def _rate(path: Path) -> dict[str, Any]:
    """64 reads of 1,000 sweeps: updates per second of processor time, and the mean energy of the reads."""
    from dwave.samplers import SimulatedAnnealingSampler

    problem = _read(path)
    model: Ising = problem.ising
    bqm, sampler = ising_to_dimod(problem), SimulatedAnnealingSampler()
    reads, sweeps = 64, 1000
    begun = time.process_time()
    ours = model.energies(anneal(model, reads, sweeps, np.random.default_rng(SEED), lambda: True))
    ours_s = time.process_time() - begun
    begun = time.process_time()
    theirs = sampler.sample(bqm, num_reads=reads, num_sweeps=sweeps, seed=SEED)
    theirs_s = time.process_time() - begun
    updates = float(reads * sweeps * model.size)
    return {
        "instance": path.name.split(".")[0],
        "variables": model.size,
        "isinglass_per_s": updates / ours_s,
        "dwave_sa_per_s": updates / theirs_s,
        "ratio": theirs_s / ours_s,
        "isinglass_mean": float(ours.mean()),
        "dwave_sa_mean": float(np.mean(theirs.record.energy)),
    }


def _row(work: Work, seconds: float, mqlib: dict[str, float]) -> dict[str, Any]:
    problem = _read(work.path)
    found = {name: solve(problem, seconds, work.best) for name, solve in SOLVERS.items()}
    gaps = {name: _gap(energy, work.best) for name, (energy, _) in found.items()}
    if work.name in mqlib:
        gaps["mqlib"] = _gap(mqlib[work.name], work.best)
    return {
        "instance": work.name,
        "family": work.family,
        "best": work.best,
        "energies": {name: energy for name, (energy, _) in found.items()},
        "seconds": {name: at for name, (_, at) in found.items()},
        "gaps": gaps,
    }


def _target_row(work: Work) -> dict[str, Any]:
    """Seconds until 99 % of the best known; 10 s where it was not reached by then."""
    problem = _read(work.path)
    target = 0.99 * work.best
    times = {}
    for name, solve in SOLVERS.items():
        energy, at = solve(problem, 10.0, target)
        times[name] = at if energy <= target else 10.0
    peer = min(times["dwave_sa"], times["dwave_tabu"])
    return {
        "instance": work.name,
        "isinglass_s": times["isinglass"],
        "peer_s": peer,
        "ratio": times["isinglass"] / peer,
    }


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    def mean(name: str) -> float:
        return statistics.fmean(row["gaps"][name] for row in result["graphs"])

    peers = min(mean("dwave_sa"), mean("dwave_tabu"), mean("mqlib"))
    speed = min(row["ratio"] for row in result["rates"])
    quality = all(row["isinglass_mean"] <= row["dwave_sa_mean"] for row in result["rates"])
    missed = [row["instance"] for row in result["qubo"] if row["gaps"]["isinglass"] > 1e-9]
    large = [row for row in result["qubo"] if row["family"] == "beasley1000"]
    ratio = statistics.median(row["ratio"] for row in result["targets"])
    worst = max(row["gaps"]["isinglass"] for row in result["graphs"])
    return {
        "mean_gap": mean("isinglass"),
        "max_gap": worst,
        "best_peer_mean_gap": peers,
        "speed_ratio": speed,
        "equal_or_better_mean_energy": quality,
        "qubo_missed": missed,
        "bqp1000_reached": sum(row["instance"] not in missed for row in large),
        "median_time_ratio": ratio,
        "met": {
            "speed": speed >= TARGETS["speed"] and quality,
            "graphs": mean("isinglass") <= min(TARGETS["mean_gap"], peers / 2) and worst <= TARGETS["max_gap"],
            "qubo": not [name for name in missed if not name.startswith("bqp1000")]
            and sum(row["instance"] in missed for row in large) <= len(large) - TARGETS["bqp1000"] * len(large) / 10,
            "constrained": all(
                row["gaps"]["isinglass"] is not None and row["gaps"]["isinglass"] <= TARGETS["constrained_gap"]
                for row in result["constrained"]
            ),
            "time_to_target": ratio <= TARGETS["time_ratio"],
        },
    }


def _graphs(folder: Path) -> Iterator[Work]:
    with (folder / "gset" / "best_known.csv").open() as file:
        best = {row["instance"]: -float(row["best_reported"]) for row in csv.DictReader(file)}
    paths = (folder / "gset").glob("G*.txt*")
    for path in sorted(paths, key=lambda path: int(path.name.split(".")[0][1:])):
        name = path.name.split(".")[0]
        yield Work(name, "gset", path, best[name])


def _qubos(folder: Path) -> Iterator[Work]:
    for family in ("be", "gka", "beasley1000"):
        with (folder / "qubo" / family / "best_known.csv").open() as file:
            rows = {row["instance"]: row for row in csv.DictReader(file)}
        for path in sorted((folder / "qubo" / family).glob("*.sparse*")):
            name = path.name.split(".sparse")[0]
            known = [float(v) for key, v in rows[name].items() if key.startswith("best_known") and v]
            yield Work(name, family, path, min(known))


def _mqlib(folder: Path) -> dict[str, float]:
    """Energies of the best of MQLib's four strongest heuristics, by graph."""
    with (folder / "gset" / "mqlib_10s.csv").open() as file:
        return {row["instance"]: -float(row["cut_10s_one_core"]) for row in csv.DictReader(file)}


def _read(path: Path) -> BinaryProblem:
    problem = readers.read(path)
    if not isinstance(problem, BinaryProblem):
        raise TypeError(f"{path} holds a constrained model")
    return problem


def _gap(energy: float, best: float) -> float:
    return (energy - best) / abs(best)


def _percent(gap: float | None) -> str:
    return f"{'-':>12}" if gap is None else f"{100 * gap:>12.4f}"
