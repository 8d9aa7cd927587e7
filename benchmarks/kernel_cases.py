"""Random kernels as the service cuts them: cores of invoice plans, route bundles of several short annealings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from benchmarks.invoice_instances import make_problem
from solvers.invoices.core import build_core
from solvers.invoices.insurance import InsuranceStrategy
from solvers.kernel import Kernel
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.set_partitioning import partition_kernel
from solvers.stop import WorkLimit
from solvers.strategy import Context

INVOICES, RUNS, SCENARIOS = 60, 6, 3
VISITS = (30, 60)
"""Least and most visits of a routing problem."""
_POOL = 6
_WORK = 4  # thousands of iterations of each annealing: plans that still differ


@dataclass(frozen=True)
class Case:
    """One kernel, the problem it was cut from and the plan that it was cut around."""

    family: str
    seed: int
    problem: Any
    incumbent: Any
    kernel: Kernel[Any]


def invoice_core(seed: int, variables: int) -> Case | None:
    """The undecided core around the quick heuristic's plan, where that is feasible."""
    problem = make_problem(seed, INVOICES, RUNS, SCENARIOS)
    incumbent = next(iter(InsuranceStrategy().candidates(problem, Context(seed)))).plan
    if not problem.verify(incumbent).feasible:
        return None
    kernel = build_core(problem, incumbent, (), Context(seed), variables)
    return None if kernel is None else Case("invoice cores", seed, problem, incumbent, kernel)


def route_pool(seed: int, variables: int) -> Case | None:
    """Bundles of several short annealings around the worst of them, so that the start is seldom the optimum."""
    problem = random_tours(seed)
    plans: list[RoutingPlan] = []
    for k in range(_POOL):
        found = list(Annealing().candidates(problem, Context(seed * _POOL + k, WorkLimit(_WORK))))
        plans.append(found[-1].plan)
    plans.sort(key=lambda plan: -problem.verify(plan).objective)
    kernel = partition_kernel(problem, plans[0], tuple(plans[1:]), Context(seed), variables)
    return None if kernel is None else Case("route pools", seed, problem, plans[0], kernel)


def random_tours(seed: int) -> RoutingProblem:
    """A capacitated problem: customers on a square, the depot anywhere, about six to a vehicle."""
    rng = np.random.default_rng(seed)
    visits = int(rng.integers(*VISITS))
    points = rng.integers(0, 1000, size=(visits + 1, 2))
    demands = rng.integers(1, 20, size=visits)
    places = tuple(LocationRow(str(i), Coordinates.POINT, float(x), float(y)) for i, (x, y) in enumerate(points))
    vehicle = VehicleRow("van", visits, "0", "0", (("load", int(6 * demands.mean()) + 10),))
    rows = tuple(VisitRow(str(i + 1), str(i + 1), (("load", int(d)),)) for i, d in enumerate(demands))
    return RoutingProblem.of(RoutingData(places, (vehicle,), rows))


FAMILIES: dict[str, Callable[[int, int], Case | None]] = {"invoice cores": invoice_core, "route pools": route_pool}


def cases(family: str, variables: int, number: int) -> Iterator[Case]:
    """``number`` kernels of exactly ``variables`` variables, seeds 0, 1, ...; smaller ones are passed over.

    Raises
    ------
    ValueError
        When ten times as many seeds do not make enough.
    """
    make, made = FAMILIES[family], 0
    for seed in count():
        if made == number:
            return
        if seed >= 10 * number + 10:
            raise ValueError(f"{family}: {made} of {number} kernels of {variables} variables from {seed} seeds")
        case = make(seed, variables)
        if case is not None and case.kernel.bqm.num_variables == variables:
            made += 1
            yield case
