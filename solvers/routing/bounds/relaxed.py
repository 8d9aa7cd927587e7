"""The capacitated routing problem that a routing problem is relaxed to, in whole numbers.

Costs are multiplied by a power of two and rounded *down* to even integers, so that every figure computed from them in
integers is a lower bound on ``scale`` times the true one, whatever the metric; costs that are whole numbers are kept
exactly. Constraints that the relaxed problem does not know (time windows, limits on distance, duration and stops,
compatibilities) are left out, which can only lower the optimum: a bound for it holds for the problem itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from solvers.routing.data import FloatArray, IntArray
from solvers.routing.problem import UNLIMITED, RoutingProblem

MOST_VISITS = 400
"""Beyond this the dense arrays of the prices would take more than 200 MB and no bound would be ready in minutes."""

_SCALED_COST_BITS = 34
"""Scaled costs stay below 2**34: with at most 400 visits all sums stay far below 2**62."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Node 0 is the depot, node ``i + 1`` is visit ``i``; every visit is on one route, loads of a route fit a vehicle.

    Parameters
    ----------
    cost
        (n + 1, n + 1) scaled even integers >= 0; half of the fixed cost of a vehicle is on each of its depot arcs.
    demand
        (n + 1,) >= 0, divided by their greatest common divisor; 0 at the depot.
    capacity
        Of a vehicle, in the unit of ``demand``; at least the largest demand and at most their sum.
    vehicles
        Routes that a plan may have at most.
    routes
        Routes that some optimal plan has at most (<= ``vehicles``).
    scale
        Scaled cost of one unit of the objective: a power of two, at least 4.
    integral
        Whether every plan costs a whole number.
    """

    cost: IntArray
    demand: IntArray
    capacity: int
    vehicles: int
    routes: int
    scale: int
    integral: bool

    @property
    def n(self) -> int:
        """Visits."""
        return len(self.demand) - 1

    @property
    def is_symmetric(self) -> bool:
        """Whether all costs are the same both ways."""
        return bool((self.cost == self.cost.T).all())

    @property
    def fewest_routes(self) -> int:
        """Routes that every plan has at least."""
        return max(1, -(-int(self.demand.sum()) // self.capacity))

    def objective(self, scaled: int) -> float:
        """The lower bound on the objective that a ``scaled`` one means: rounded up where plans cost whole numbers."""
        if self.integral:
            return float(-(-scaled // self.scale))
        value = scaled / self.scale
        return value - 1e-9 * max(1.0, abs(value))  # the verifier adds floats in an order of its own

    def cutoff(self, objective: float) -> int:
        """Largest scaled cost that a plan better than ``objective`` can have."""
        if self.integral:
            return (math.ceil(objective - 1e-6) - 1) * self.scale
        return math.ceil(objective * self.scale)


def can_relax(problem: RoutingProblem) -> bool:
    """Whether `relax` takes ``problem``: mandatory visits, one kind of load, one vehicle type, one depot."""
    if problem.has_shipments or not 2 <= problem.n_visits <= MOST_VISITS or problem.optional.any():
        return False
    if len(problem.vehicle_count) != 1 or not problem.vehicle_start[0] == problem.vehicle_end[0] >= 0:
        return False
    if len(problem.dimensions) > 1 or (problem.delivery.any() and problem.pickup.any()):
        return False
    load = problem.delivery.sum(axis=1) + problem.pickup.sum(axis=1)
    return bool(problem.compatible.all()) and (
        not len(problem.dimensions) or int(load.max()) <= int(problem.capacity[0, 0])
    )


def relax(problem: RoutingProblem) -> Relaxed:
    """The relaxed problem; only where `can_relax`."""
    load = problem.delivery.sum(axis=1) + problem.pickup.sum(axis=1)
    limit = int(problem.capacity[0, 0]) if len(problem.dimensions) else UNLIMITED
    divisor = max(1, math.gcd(*(int(amount) for amount in load)))
    demand = np.concatenate([[0], load // divisor]).astype(np.int64)
    capacity = max(1, min(limit // divisor, int(demand.sum())))
    travel = problem.profiles[problem.vehicle_profile[0]]
    places = np.concatenate([problem.vehicle_start[:1], problem.stop_location])
    cost, fixed = travel.distance_matrix(places, places) * problem.cost_per_distance[0], float(problem.fixed_cost[0])
    np.fill_diagonal(cost, 0.0)
    integral = (
        bool((cost == np.floor(cost)).all()) and fixed == math.floor(fixed) and not problem.cost_per_duration.any()
    )
    scaled, scale = _scaled(cost, fixed)
    vehicles = int(min(problem.vehicle_count[0], len(load)))
    # Where two routes can always be joined without loss, some optimal plan has no two that fit one vehicle: the loads
    # of any two exceed it, so those of k routes exceed k/2 vehicles.
    joins_pay = bool((scaled[1:, 1:] <= scaled[1:, :1] + scaled[:1, 1:]).all())
    total = int(demand.sum())
    routes = min(vehicles, max(1, 2 * total // capacity)) if joins_pay else vehicles
    return Relaxed(scaled, demand, capacity, vehicles, routes, scale, integral)


def _scaled(cost: FloatArray, fixed: float) -> tuple[IntArray, int]:
    """Even integers that are at most ``scale`` times the costs, the fixed cost split over leaving and returning."""
    largest = max(1.0, float(cost.max()) + fixed)
    bits = max(2, _SCALED_COST_BITS - math.ceil(math.log2(largest)))
    scale = 2 ** min(bits, 22)
    scaled = 2 * np.floor(cost * (scale / 2)).astype(np.int64)
    half = 2 * math.floor(fixed * (scale / 4))
    scaled[0, 1:] += half
    scaled[1:, 0] += half
    return scaled, scale
