"""Routing on made problems of features that no public set in reach has: our annealing beside PyVRP and the insurance.

``python -m benchmarks.routing_made`` measures all of `KINDS` in one run. Nothing is known about their optima: what is
reported is each engine's objective as a multiple of the best one that any engine found.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from solvers.routing.annealing import warm
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.construction import construct
from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.stop import Deadline, Never
from solvers.strategy import Context

KINDS = ("shipments", "releases", "durations", "windows")
"""Shipments with windows; visits whose goods come in during the day; costs per hour and a limit; several windows."""

DAY_S = 1_000.0


def made(kind: str, stops: int, seed: int) -> RoutingProblem:
    """A problem of ``stops`` stops on a map of 100 x 100 around one depot; ``kind`` is one of `KINDS`."""
    rng = np.random.default_rng([seed, stops, KINDS.index(kind)])
    centres = rng.uniform(0, 100, (6, 2))
    points = np.clip(centres[rng.integers(0, 6, stops)] + rng.normal(0, 12, (stops, 2)), 0, 100).round()
    places = tuple(
        LocationRow(str(i), Coordinates.POINT, float(x), float(y)) for i, (x, y) in enumerate([(50.0, 50.0), *points])
    )

    def load(low: int, high: int) -> tuple[tuple[str, int], ...]:
        return (("kg", int(rng.integers(low, high))),)

    visits: list[VisitRow] = []
    shipments: list[ShipmentRow] = []
    for i in range(1, stops + 1):
        name, at = f"v{i}", str(i)
        if kind == "shipments":
            if i % 2 == 0:
                first = float(rng.integers(0, 450))
                pickup, delivery = (Window(first, first + 150.0),), (Window(first + 150.0, first + 400.0),)
                shipments.append(
                    ShipmentRow(name, LegRow(str(i - 1), 10.0, pickup), LegRow(at, 10.0, delivery), load(5, 40))
                )
        elif kind == "releases":
            release_s = float(rng.integers(0, 400)) if rng.random() < 0.5 else 0.0
            visits.append(VisitRow(name, at, load(5, 30), service_s=10.0, release_s=release_s))
        elif kind == "durations":
            first = float(rng.integers(0, 700))
            visits.append(VisitRow(name, at, load(5, 30), service_s=10.0, time_windows=(Window(first, first + 200.0),)))
        else:
            first = float(rng.integers(0, 400))
            windows = (Window(first, first + 80.0), Window(first + 300.0, first + 380.0))
            visits.append(VisitRow(name, at, load(5, 30), service_s=10.0, time_windows=windows))
    fleet = VehicleRow(
        "van",
        stops,
        "0",
        "0",
        (("kg", 200),),
        shift=Window(0.0, DAY_S),
        max_duration_s=500.0 if kind == "durations" else np.inf,
        fixed_cost=100.0,
        cost_per_duration=0.5 if kind == "durations" else 0.0,
    )
    return RoutingProblem.of(RoutingData(places, (fleet,), tuple(visits), tuple(shipments)))


def measure(task: tuple[str, int, int, str, float]) -> dict[str, Any]:
    """One run of one engine on one problem."""
    kind, stops, seed, engine, seconds = task
    problem = made(kind, stops, seed)
    row: dict[str, Any] = {"kind": kind, "seed": seed, "engine": engine, "objective": None}
    plan: RoutingPlan | None = None
    if engine == "insurance":
        plan = construct(problem, 0, Never())
    else:
        strategy: Annealing | Pyvrp = Annealing() if engine == "annealing" else Pyvrp()
        if not strategy.accepts(problem):
            return row
        stop = Deadline(time.process_time() + seconds, time.process_time)
        for candidate in strategy.candidates(problem, Context[RoutingPlan](seed=seed, stop=stop)):
            plan = candidate.plan
    if plan is not None and (verdict := problem.verify(plan)).feasible:
        row["objective"] = verdict.objective
    return row


def run(stops: int, seconds: float, seeds: Sequence[int], kinds: Sequence[str] = KINDS, cores: int = 2) -> list[str]:
    """Measure; returns the lines of a table: medians over the seeds, 1 is the best that any engine found."""
    engines = ("annealing", "pyvrp", "insurance")
    tasks = [(kind, stops, seed, engine, seconds) for kind in kinds for seed in seeds for engine in engines]
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), initializer=warm) as pool:
        rows = list(pool.map(measure, tasks))
    lines = [f"{'kind':<12}" + "".join(f"{engine:>12}" for engine in engines)]
    for kind in kinds:
        ratios: dict[str, list[float]] = {engine: [] for engine in engines}
        for seed in seeds:
            mine = {row["engine"]: row["objective"] for row in rows if (row["kind"], row["seed"]) == (kind, seed)}
            best = min((value for value in mine.values() if value is not None), default=math.nan)
            for engine, value in mine.items():
                if value is not None:
                    ratios[engine].append(value / best)
        cells = [
            f"{statistics.median(ratios[engine]):>12.4f}" if len(ratios[engine]) == len(seeds) else f"{'-':>12}"
            for engine in engines
        ]
        lines.append(f"{kind:<12}" + "".join(cells))
    return lines


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing_made", description=__doc__)
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="of CPU, for each run on one core")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    print(
        f"{given.stops} stops, {given.seconds:g} s of CPU, median of {len(given.seeds)} problems; 1 is the best found"
    )
    print("\n".join(run(given.stops, given.seconds, given.seeds, given.kinds)))


if __name__ == "__main__":
    main()
