"""VRPLIB files are read whole or refused, and their solutions cost what is published."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from routing_cases import data_folder

from solvers.errors import InvalidProblem
from solvers.routing.data import Metric, Window
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.solution_file import read_solution, write_solution
from solvers.routing.tsplib_distances import att_distances, geo_distances
from solvers.routing.vrplib_reader import read_vrplib

# .sol files that are one worse than the best known value that the table names
_WORSE_BY_ONE = {"B-n50-k8", "P-n50-k10"}


def test_every_small_instance_costs_what_is_published() -> None:
    """All 97 small instances parse, and their solutions are feasible at the best known value."""
    folder = data_folder() / "cvrp"
    with (folder / "best_known.csv").open() as table:
        best = {row["instance"]: float(row["best"]) for row in csv.DictReader(table)}
    names = sorted(path.stem for path in (folder / "small").glob("*.vrp"))
    assert len(names) == 97
    for name in names:
        instance = read_vrplib((folder / "small" / f"{name}.vrp").read_text())
        problem = RoutingProblem.of(instance.data)
        solution = folder / "small" / f"{name}.sol"
        if not solution.exists():
            continue
        verdict = problem.verify(read_solution(solution.read_text(), problem).plan)
        assert verdict.feasible, name
        assert verdict.objective == best[name] + (name in _WORSE_BY_ONE), name


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("cvrp/x/X-n1001-k43", 1.0),
        ("vrptw/R1_10_1", 1.0),
        ("vrptw/RC2_10_4", 1.0),
        ("pcvrptw/R1_10_4", 0.1),
        ("hfvrp/X200-HD", 100.0),
        ("hfvrp/X101-FSMFD", 100.0),
        ("mdvrptw/PR11A", 0.001),
        ("vrpb/X-n783-80-k38", 1.0),
        ("tsp/d1291", 1.0),
    ],
)
def test_extra_sections_mean_what_their_solutions_say(name: str, unit: float) -> None:
    """Windows, prizes, fleets, depots and backhauls are read so that published solutions are feasible at their cost."""
    folder = data_folder()
    instance = read_vrplib((folder / f"{name}.vrp").read_text())
    problem = RoutingProblem.of(instance.data)
    solution = read_solution((folder / f"{name}.sol").read_text(), problem, instance.vehicle_types)
    verdict = problem.verify(solution.plan)
    assert verdict.feasible
    assert solution.cost is not None
    assert verdict.objective == pytest.approx(solution.cost * unit, rel=1e-6)


SMALL = """NAME : tiny
TYPE : CVRP
DIMENSION : 3
VEHICLES : 2
CAPACITY : 10
SERVICE_TIME : 5
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0 0
2 3 4
3 0 1
DEMAND_SECTION
1 0
2 4
3 5
DEPOT_SECTION
1
-1
EOF
"""


def test_reads_scalars_for_all() -> None:
    """A scalar capacity and service time hold for every vehicle and customer, and ids are node numbers minus 1."""
    data = read_vrplib(SMALL).data
    assert [(v.id, v.delivery, v.service_s) for v in data.visits] == [
        ("1", (("load", 4),), 5.0),
        ("2", (("load", 5),), 5.0),
    ]
    (vehicle,) = data.vehicles
    assert (vehicle.available, vehicle.load_limits, vehicle.start_location) == (2, (("load", 10),), "0")
    assert data.profiles[0].metric is Metric.EUCLIDEAN_ROUNDED


def test_groups_vehicles_and_keeps_their_numbers() -> None:
    """Vehicles that are alike are one type, and route numbers of a solution find it again."""
    text = SMALL.replace("CAPACITY : 10\n", "").replace(
        "DEPOT_SECTION", "CAPACITY_SECTION\n1 10\n2 20\nTIME_WINDOW_SECTION\n1 0 90\n2 1 9\n3 0 9\nDEPOT_SECTION"
    )
    instance = read_vrplib(text)
    assert instance.vehicle_types == (0, 1)
    assert [v.id for v in instance.data.vehicles] == ["vehicle-1", "vehicle-2"]
    assert instance.data.vehicles[0].shift == Window(0.0, 90.0)
    assert instance.data.visits[0].time_windows == (Window(1.0, 9.0),)
    problem = RoutingProblem.of(instance.data)
    plan = RoutingPlan((Route(1, (1, 0)),))
    written = write_solution(problem, plan, 12.5)
    assert written == "Route #1:\nRoute #2: 2 1\nCost 12.5\n"
    again = read_solution(written, problem, instance.vehicle_types)
    assert again.plan == plan
    assert again.cost == 12.5


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("DEPOT_SECTION", "FUEL_SECTION\n1 2\n2 2\n3 2\nDEPOT_SECTION", "FUEL"),
        ("EUC_2D", "XRAY1", "EDGE_WEIGHT_TYPE"),
        ("3 5\nDEPOT", "DEPOT", "DEMAND_SECTION"),
        ("2 4\n3 5", "2 4.5\n3 5", "DEMAND_SECTION"),
        ("DIMENSION : 3", "DIMENSION : x", "DIMENSION"),
        ("DEPOT_SECTION\n1", "DEPOT_SECTION\n9", "DEPOT_SECTION"),
        (SMALL, "hello", "file"),
    ],
)
def test_refuses_what_it_does_not_understand(old: str, new: str, path: str) -> None:
    """Unknown or broken sections are refused by name, none is dropped silently."""
    with pytest.raises(InvalidProblem) as error:
        read_vrplib(SMALL.replace(old, new))
    assert [violation.path for violation in error.value.violations] == [path]


def test_explicit_lower_rows_are_a_matrix() -> None:
    """LOWER_ROW weights become a symmetric matrix in node order."""
    text = SMALL[: SMALL.index("NODE_COORD")].replace("EUC_2D", "EXPLICIT\nEDGE_WEIGHT_FORMAT : LOWER_ROW")
    text += "EDGE_WEIGHT_SECTION\n7\n8 9\n" + SMALL[SMALL.index("DEMAND") :]
    problem = RoutingProblem.of(read_vrplib(text).data)
    assert problem.verify(RoutingPlan((Route(0, (0, 1)),))).objective == 7 + 9 + 8


def test_unknown_customers_of_a_solution_are_named() -> None:
    """A solution of another instance is refused by its route."""
    problem = RoutingProblem.of(read_vrplib(SMALL).data)
    with pytest.raises(InvalidProblem, match="customer 7"):
        read_solution("Route #1: 1 7\nCost 3\n", problem)


def test_tsplib_rules() -> None:
    """ATT rounds up a tenth of the squares; GEO is whole kilometres on TSPLIB's sphere, zero from a place to itself."""
    assert att_distances(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0, math.ceil(math.sqrt(2.5))], [2, 0]]
    # Ulysses: nodes 1 and 2 of ulysses16 are 509 km apart by TSPLIB's documentation
    geo = geo_distances(np.array([[38.24, 20.42], [39.57, 26.15]]))
    assert geo.tolist() == [[0, 509], [509, 0]]
