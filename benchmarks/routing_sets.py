"""Sets of public instances that are measured together, each as its figure is stated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import routing_service
from benchmarks.data import data_folder
from benchmarks.routing import X_SET, find_instances, instance_row, read_instance, run, summary_of


@dataclass(frozen=True)
class Set:
    """Instances that are measured together, and how.

    Parameters
    ----------
    folder
        Below the folder of instances.
    seconds
        For each run.
    names
        Of instances; empty: all in the folder.
    by_service
        Through the service with all its workers, instead of beside PyVRP with one core each.

    """

    folder: str
    seconds: float
    names: tuple[str, ...] = ()
    by_service: bool = False


SETS = {
    "x": Set("cvrp/x", 20.0, X_SET),
    "service": Set("cvrp/x", 10.0, by_service=True),
    "xxl": Set("cvrp/xxl", 100.0, ("Leuven1", "Antwerp1", "Ghent1", "Brussels1", "Flanders1"), by_service=True),
    "vrptw": Set("vrptw", 60.0),
    **{name: Set(name, 30.0) for name in ("pcvrptw", "hfvrp", "mdvrptw", "vrpb", "tsp")},
}

VARIANTS = ("pcvrptw", "hfvrp", "mdvrptw", "vrpb", "tsp")
"""What ``--set variants`` runs, one after the other."""


def run_set(
    name: str,
    seconds: float | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    cores: int = 2,
    peers: Sequence[str] = ("pyvrp",),
    clock: str = "wall",
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure one of `SETS` as `run` does; what goes through the service has one engine, ``"service"``.

    Raises
    ------
    FileNotFoundError
        When instances are missing.

    """
    chosen = SETS[name]
    chosen_s = seconds if seconds is not None else chosen.seconds
    folder = data_folder(chosen.folder) / chosen.folder
    wanted = tuple(names) or chosen.names
    if not chosen.by_service:
        result = run(folder, chosen_s, cores, peers, quick=False, seeds=seeds, instances=wanted, clock=clock)
        return {**result, "set": name}
    files = find_instances(folder, wanted)
    known = {stem: read_instance(path) for stem, path in files.items()}
    rows = routing_service.rows(files, {stem: best for stem, (_, best) in known.items()}, chosen_s, tuple(seeds))
    for row in rows:
        row["stops"] = known[row["instance"]][0].n_stops
        row["gap"] = row["objective"] / row["best_known"] - 1.0 if row["feasible"] else None
    per_instance = [instance_row(stem, ("service",), rows) for stem in files]
    return {
        "bench": "routing",
        "set": name,
        "quick": False,
        "seconds": chosen_s,
        "seeds": list(seeds),
        "cores": os.cpu_count(),
        "clock": "wall",
        "rows": rows,
        "instances": per_instance,
        "summary": summary_of(("service",), per_instance),
        "late": sum(not row["in_time"] for row in rows),
        "infeasible": sum(not row["feasible"] for row in rows),
    }
