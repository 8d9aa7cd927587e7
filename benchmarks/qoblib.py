"""The routing instances of QOBLIB through the service, profile hybrid: optimum or not, and what each backend added.

``python -m benchmarks.qoblib --seconds 10`` prints a row an instance; it uses the running service, or starts one. The
fleet is fixed at the four vehicles that the instances are made for: with a fifth some could be served for less. Costs
are recomputed here from the file, routes checked against it, and the optima are those of the library's own solutions
(QOBLIB, arXiv 2504.03832).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder
from services.cli.session import Session
from services.client import Client, solve_timeout_s

FOLDER = "qoblib/09-routing"
TARGET = 53
"""Instances of 55 whose optimum must be found."""
ANNEALER = "local-annealer"
"""Classical: its contributions stand in the table and do not count as quantum ones."""


@dataclass(frozen=True)
class Instance:
    """One file: capacity, demands and points by node (depot first), number of vehicles, and the optimal cost."""

    name: str
    path: Path
    capacity: int
    demands: tuple[int, ...]
    points: tuple[tuple[float, float], ...]
    vehicles: int
    optimum: int

    @classmethod
    def read(cls, path: Path, optimum: int) -> Instance:
        """The instance in ``path``, read by this file's own few lines, so that nothing checks itself."""
        text = path.read_text()
        capacity = int(_match(r"CAPACITY\s*:\s*(\d+)", text))
        coordinates = [float(x) for x in _match(r"NODE_COORD_SECTION\s+(.*?)\n\s*[A-Z]", text).split()]
        demands = [int(x) for x in _match(r"DEMAND_SECTION\s+(.*?)\n\s*[A-Z]", text).split()]
        points = tuple(zip(coordinates[1::3], coordinates[2::3], strict=True))
        vehicles = int(_match(r"-k(\d+)", path.stem))
        return cls(path.stem, path, capacity, tuple(demands[1::2]), points, vehicles, optimum)

    def cost(self, routes: Sequence[Sequence[int]]) -> int:
        """Length of ``routes`` (customers 1 ...) in rounded distances.

        Raises
        ------
        ValueError
            When they are not a plan of this instance.
        """
        if sorted(node for route in routes for node in route) != list(range(1, len(self.demands))):
            raise ValueError(f"{self.name}: not every customer is served once")
        if len(routes) > self.vehicles or any(sum(self.demands[n] for n in r) > self.capacity for r in routes):
            raise ValueError(f"{self.name}: routes exceed the fleet or its capacity")
        total = 0
        for route in routes:
            stops = [0, *route, 0]
            total += sum(
                math.floor(math.dist(self.points[a], self.points[b]) + 0.5) for a, b in itertools.pairwise(stops)
            )
        return total


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.DOTALL)
    if found is None:
        raise ValueError(f"no match of {pattern!r}")
    return found.group(1)


def instances() -> list[Instance]:
    """All of them, with their optima.

    Raises
    ------
    FileNotFoundError
        When the data are not there.
    """
    folder = data_folder(FOLDER) / FOLDER
    files = sorted((folder / "instances").glob("*.vrp"))
    if not files:
        raise FileNotFoundError(f"XSH-n20-k4-*.vrp below {folder}")
    with (folder / "recomputed.csv").open() as file:
        optima = {row["instance"]: int(row["recomputed"]) for row in csv.DictReader(file)}
    return [Instance.read(path, optima[path.stem]) for path in files]


def solve(client: Client, instance: Instance, seconds: float, budget_usd: float, seed: int) -> dict[str, Any]:
    """One instance through the service's stream."""
    from services.cli.policy import PolicyOptions
    from services.cli.read import read_file
    from services.cli.tables import CsvOptions

    request = read_file(instance.path, None, CsvOptions()).request
    request.problem.vehicles[0].count = instance.vehicles
    PolicyOptions(deadline_s=seconds, budget_usd=budget_usd, profile="hybrid", seed=seed).apply(request.policy)
    begun = time.monotonic()
    last, best_s, best = None, math.nan, math.inf
    for last in client.stream(client.routing.StreamTours, request, solve_timeout_s(request.policy)):
        if last.report.feasible and last.report.objective < best - 1e-6:
            best, best_s = last.report.objective, time.monotonic() - begun
    if last is None or not last.report.feasible:
        return {"instance": instance.name, "optimum": instance.optimum, "cost": None, "contributions": []}
    cost = instance.cost([[int(stop.id) for stop in route.stops] for route in last.plan.routes if route.stops])
    if abs(cost - last.report.objective) > 1e-6:
        raise ValueError(f"{instance.name}: the service says {last.report.objective}, the file says {cost}")
    return {
        "instance": instance.name,
        "optimum": instance.optimum,
        "cost": cost,
        "gap": cost / instance.optimum - 1.0,
        "best_after_s": best_s,
        "wall_s": time.monotonic() - begun,
        "contributions": [_contribution(c) for c in last.report.contributions if c.backend],
    }


def _contribution(contribution: Any) -> dict[str, Any]:
    lift = contribution.quantum_lift if contribution.HasField("quantum_lift") else None
    return {
        "backend": contribution.backend,
        "outcome": contribution.outcome,
        "reason": contribution.reason,
        "improvement": contribution.improvement,
        "shots": contribution.shots,
        "lift": None
        if lift is None
        else {
            "mean_difference": lift.mean_difference,
            "mean_low": lift.mean_low,
            "mean_high": lift.mean_high,
            "best_difference": lift.best_difference,
            "samples": lift.samples,
            "control_samples": lift.control_samples,
            "kernel_variables": lift.kernel_variables,
            "kernel": lift.kernel,
        },
    }


def measure(
    seconds: float = 10.0, limit: int | None = None, parallel: int = 1, budget_usd: float = 0.0, seed: int = 1
) -> dict[str, Any]:
    """Solve the first ``limit`` instances, ``parallel`` at a time, each under a deadline of ``seconds``."""
    chosen = instances()[:limit]
    session = Session(address=os.environ.get("ISINGLASS_ADDRESS", ""))
    begun = time.monotonic()
    with session.client() as client, ThreadPoolExecutor(parallel) as pool:
        rows = list(pool.map(lambda instance: solve(client, instance, seconds, budget_usd, seed), chosen))
    optimal = sum(row["cost"] == row["optimum"] for row in rows)
    with_control = sum(has_control(row) for row in rows)
    return {
        "bench": "qoblib",
        "deadline_s": seconds,
        "parallel": parallel,
        "budget_usd": budget_usd,
        "seed": seed,
        "wall_s": time.monotonic() - begun,
        "rows": rows,
        "optimal": optimal,
        "with_quantum_and_control": with_control,
        "targets": {
            "optimal": {
                "value": optimal,
                "target": TARGET,
                "met": optimal >= TARGET if len(rows) == len(instances()) else None,
            },
            "with_quantum_and_control": {
                "value": with_control,
                "target": len(rows),
                "met": with_control == len(rows),
            },
        },
    }


def has_control(row: dict[str, Any]) -> bool:
    """Whether a quantum backend contributed to ``row`` with both arms sampled."""
    lifts = [c["lift"] for c in row["contributions"] if c["backend"] != ANNEALER and c["outcome"] == "OK"]
    return any(lift and lift["samples"] > 0 and lift["control_samples"] > 0 for lift in lifts)


def run(quick: bool = True) -> dict[str, Any]:
    """All 55: 3 s each, two at a time, when ``quick``; else 10 s each, one after the other (nine minutes)."""
    return measure(seconds=3.0, parallel=2) if quick else measure()


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"QOBLIB routing through the service, profile hybrid, {result['deadline_s']:g} s each, "
        f"{result['parallel']} at a time, ${result['budget_usd']:g} each; {result['wall_s']:.0f} s in all",
        "",
        f"{'instance':<15}{'cost':>6}{'optimum':>9}{'gap':>8}{'best at':>9}  "
        "quantum contributions: variables, mean difference against control [95 %], of bests",
    ]
    for row in result["rows"]:
        if row["cost"] is None:
            lines.append(f"{row['instance']:<15}{'-':>6}{row['optimum']:>9}  no feasible plan")
            continue
        lines.append(
            f"{row['instance']:<15}{row['cost']:>6}{row['optimum']:>9}{row['gap']:>8.2%}{row['best_after_s']:>8.2f}s  "
            + "; ".join(_told(c) for c in row["contributions"])
        )
    lines += ["", f"optimum on {result['optimal']} of {len(result['rows'])} (target {TARGET} of 55)"]
    quantum = f"{result['with_quantum_and_control']} of {len(result['rows'])}"
    lines.append(f"quantum contribution with control arm on {quantum}")
    lines.append(_summary(result["rows"]))
    return "\n".join(lines)


def _told(contribution: dict[str, Any]) -> str:
    lift = contribution["lift"]
    if lift is None:
        return f"{contribution['backend']} {contribution['outcome']} {contribution['reason']}".rstrip()
    return (
        f"{contribution['backend']} {lift['kernel_variables']}v {lift['mean_difference']:+.2f} "
        f"[{lift['mean_low']:+.2f}, {lift['mean_high']:+.2f}], {lift['best_difference']:+.2f}"
    )


def _summary(rows: list[dict[str, Any]]) -> str:
    """In how many runs each backend's samples were better or worse than the control's, surely."""
    names = sorted({c["backend"] for row in rows for c in row["contributions"]})
    parts = []
    for name in names:
        lifts = [c["lift"] for row in rows for c in row["contributions"] if c["backend"] == name and c["lift"]]
        better = sum(lift["mean_low"] > 0 for lift in lifts)
        worse = sum(lift["mean_high"] < 0 for lift in lifts)
        improved = sum(c["improvement"] > 0 for row in rows for c in row["contributions"] if c["backend"] == name)
        parts.append(
            f"{name}: {len(lifts)} lifts, mean better than control's in {better}, worse in {worse}, "
            f"the rest within noise; improved the plan in {improved}"
        )
    return "\n".join(parts)


def main() -> None:
    """Command line of this benchmark alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="deadline of each instance")
    parser.add_argument("--limit", type=int, help="only the first so many instances")
    parser.add_argument("--parallel", type=int, default=1, help="instances at a time")
    parser.add_argument("--budget-usd", type=float, default=0.0, help="what each may spend on metered backends")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(table(measure(given.seconds, given.limit, given.parallel, given.budget_usd, given.seed)))


if __name__ == "__main__":
    main()
