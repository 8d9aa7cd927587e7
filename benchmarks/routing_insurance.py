"""The first plan of a routing request, warm: ``python -m benchmarks.routing_insurance``.

Savings and a first descent on public instances and on generated problems of every feature, in milliseconds of CPU time
of one core, the median of a few runs. Every plan goes through the verifier. What must hold: under 50 ms at 1,000 stops,
under 1 s at 20,000.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.data import data_folder
from benchmarks.routing import find_instances
from solvers.routing.construction import construct
from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    PinRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.problem import RoutingProblem
from solvers.routing.vrplib_reader import read_vrplib
from solvers.stop import Never

RUNS, QUICK_RUNS = 7, 3
LIMITS_MS = ((1_100, 50.0), (20_100, 1_000.0))
"""Up to so many stops, what must be kept; between them, in proportion to the stops."""

FEATURES = ("capacity", "windows", "fleet", "prizes", "pickups", "durations", "shipments", "pins")


def rich(feature: str, n: int) -> RoutingProblem:
    """``n`` stops on a square of 100 by 100 km with ``feature`` on top of a load; always the same for the same two."""
    rng = random.Random(f"{feature} {n}")
    places = [LocationRow("depot", Coordinates.POINT, 50_000.0, 50_000.0)]
    places += [
        LocationRow(f"p{k}", Coordinates.POINT, float(rng.randint(0, 100_000)), float(rng.randint(0, 100_000)))
        for k in range(n)
    ]
    van = VehicleRow("van", n, "depot", "depot", (("w", 100),))
    vehicles = [van]
    if feature == "fleet":
        limits = zip((60, 100, 160), (20_000.0, 30_000.0, 45_000.0), strict=True)
        vehicles = [VehicleRow(f"v{w}", n, "depot", "depot", (("w", w),), fixed_cost=c) for w, c in limits]
    if feature == "durations":
        vehicles = [van._replace(max_duration_s=200_000.0, cost_per_duration=0.5)]
    visits = []
    for k in range(0 if feature != "shipments" else n // 2, n):
        row = VisitRow(f"c{k}", f"p{k}", (("w", rng.randint(1, 20)),), service_s=600.0)
        if feature == "windows":
            opens = float(rng.randint(0, 300_000))
            row = row._replace(time_windows=(Window(opens, opens + 100_000.0),))
        elif feature == "prizes":
            row = row._replace(prize=float(rng.randint(1_000, 40_000)))
        elif feature == "pickups" and k % 2:
            row = row._replace(delivery=(), pickup=row.delivery)
        elif feature == "pins" and k % 50 == 0:
            row = row._replace(pin=PinRow(position=0) if k % 100 else PinRow(position_from_end=0))
        visits.append(row)
    pairs = range(0, n // 2 if feature == "shipments" else 0, 2)
    shipments = tuple(
        ShipmentRow(f"s{k}", LegRow(f"p{k}", 600.0), LegRow(f"p{k + 1}", 600.0), (("w", rng.randint(1, 20)),))
        for k in pairs
    )
    return RoutingProblem.of(RoutingData(tuple(places), tuple(vehicles), tuple(visits), shipments))


def problems(quick: bool) -> Iterator[tuple[str, RoutingProblem]]:
    """What is measured: public instances where they are, and generated ones."""
    folder = data_folder("cvrp") / "cvrp"
    files = find_instances(folder / "x", ("X-n1001-k43",)) | ({} if quick else find_instances(folder / "xxl"))
    for name, path in files.items():
        yield name, RoutingProblem.of(read_vrplib(path.read_text()).data)
    for n in (1_000,) if quick else (1_000, 20_000):
        for feature in FEATURES:
            yield f"{feature} {n}", rich(feature, n)


def limit_ms(stops: int) -> float:
    """What a first plan for ``stops`` stops may take."""
    (few, least), (many, most) = LIMITS_MS
    return least if stops <= few else most * min(1.0, max(stops / many, least / most))


def run(quick: bool = True, only: Sequence[str] = ()) -> dict[str, Any]:
    """Measure; ``quick`` leaves out what is larger than about 1,000 stops.

    Returns
    -------
    dict
        ``rows``: stops, median and worst CPU milliseconds, what they may be, whether the plan is feasible, and its
        objective.

    Raises
    ------
    FileNotFoundError
        Without the public instances.

    """
    rows = []
    for name, problem in problems(quick):
        if only and not any(text in name for text in only):
            continue
        construct(problem, 1, Never())  # compiled for these arrays, read into the caches
        times = []
        for _ in range(QUICK_RUNS if quick else RUNS):
            begun = time.process_time()
            plan = construct(problem, 1, Never())
            times.append(1000 * (time.process_time() - begun))
        verdict = problem.verify(plan)
        median = statistics.median(times)
        rows.append(
            {
                "problem": name,
                "stops": problem.n_stops,
                "median_ms": median,
                "worst_ms": max(times),
                "limit_ms": limit_ms(problem.n_stops),
                "within": median <= limit_ms(problem.n_stops),
                "feasible": verdict.feasible,
                "objective": verdict.objective,
            }
        )
    return {"bench": "routing-insurance", "clock": "cpu", "rows": rows}


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"{'problem':<20}{'stops':>7}{'median ms':>11}{'worst ms':>10}{'may be':>8}  feasible"]
    lines += [
        f"{row['problem']:<20}{row['stops']:>7}{row['median_ms']:>11.1f}{row['worst_ms']:>10.1f}{row['limit_ms']:>8.0f}"
        f"  {'yes' if row['feasible'] else 'NO'}{'' if row['within'] else '  too slow'}"
        for row in result["rows"]
    ]
    return "\n".join([*lines, "CPU time of one core"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing_insurance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 1,000 stops only")
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    result = run(given.quick, tuple(filter(None, given.only.split(","))))
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
