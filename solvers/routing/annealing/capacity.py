"""The engine for problems whose only limits are the load of a vehicle and the number of vehicles."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.build import NEIGHBOURS, build_tours, load_routes, near_by_coordinates
from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.kernel import anneal
from solvers.routing.annealing.savings import savings_routes
from solvers.routing.annealing.tour import keep_best
from solvers.routing.data import Metric
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.travel import Travel
from solvers.stop import Stop

MATRIX_STOPS = 2_000
"""Up to so many stops a matrix (32 MB) is faster than coordinates, by a tenth to a third."""


SPARE_ROUTES = 16
"""Routes kept ready beside a fifth more than the fewest."""


def fewest_routes(demand: NDArray[np.int64], capacity: int) -> int:
    """A lower bound on the vehicles: by the sum, and by visits of which at most 1, 2, ... fit together."""
    sizes = [int((demand * (k + 1) > capacity).sum()) / k for k in range(1, 11)]
    return max(math.ceil(size) for size in (int(demand.sum()) / max(capacity, 1), *sizes))


def load_of(problem: RoutingProblem) -> NDArray[np.int64] | None:
    """(n,) what each stop adds to its route's load, where one number says it; else ``None``."""
    delivered, picked = bool(problem.delivery.any()), bool(problem.pickup.any())
    if problem.has_shipments or (delivered and picked) or len(problem.dimensions) > 1:
        return None
    amounts = problem.pickup if picked else problem.delivery
    return amounts[:, 0] if amounts.shape[1] else np.zeros(problem.n_stops, np.int64)


def is_symmetric(problem: RoutingProblem) -> bool:
    """Whether the first vehicle type's distances are the same both ways."""
    matrix = problem.profiles[problem.vehicle_profile[0]].distances
    return matrix is None or bool((matrix == matrix.T).all())


class CapacityEngine(TourEngine):
    """Annealing under load limits alone."""

    def __init__(
        self,
        problem: RoutingProblem,
        seed: int,
        *,
        stops: NDArray[np.int64] | None = None,
        vehicles: int | None = None,
    ) -> None:
        """``stops``: only these, of a part of the problem; ``vehicles``: no more than so many."""
        travel = problem.profiles[problem.vehicle_profile[0]]
        unit = float(problem.cost_per_distance[0])
        demand = load_of(problem)
        assert demand is not None  # noqa: S101 - accepted
        capacity = int(problem.capacity[0, 0]) if problem.capacity.shape[1] else 0
        capacity = min(capacity, int(demand.sum()))
        some = np.arange(problem.n_stops) if stops is None else stops
        some = some[along_curve(travel, problem.stop_location[some])]
        n = len(some)
        demand = demand[some]
        places = np.append(problem.stop_location[some], problem.vehicle_start[0])
        points = np.column_stack([travel.x[places], travel.y[places]])
        matrix = None
        if travel.metric is Metric.MATRIX or n <= MATRIX_STOPS:
            matrix = travel.distance_matrix(places, places)
        if travel.metric is Metric.HAVERSINE:
            points = unit_vectors(points)
        to_depot = travel.distance(places[:-1], places[-1:])
        fixed = float(problem.fixed_cost[0]) / unit
        prize = problem.prize[some]
        # A mandatory stop outside is worse than every stop on a vehicle of its own.
        outside = 2.0 * float(to_depot.sum()) + n * fixed + float(prize.sum()) / unit + 1.0
        penalty = np.where(problem.optional[some], prize / unit, outside)
        fewest = fewest_routes(demand, capacity)
        most = int(problem.vehicle_count[0]) if vehicles is None else vehicles
        tours = build_tours(
            points,
            demand,
            capacity,
            penalty,
            min(most, n, fewest + fewest // 5 + SPARE_ROUTES) if vehicles is None else min(most, n),
            seed,
            metric=travel.metric,
            decimals=travel.decimals,
            fixed=fixed,
            matrix=matrix,
        )
        super().__init__(tours, ~problem.optional[some], unit, some)

    @staticmethod
    def scale_of(problem: RoutingProblem) -> float:
        """As `scale`, without an engine."""
        travel = problem.profiles[problem.vehicle_profile[0]]
        places = problem.stop_location
        points = np.column_stack([travel.x[places], travel.y[places]])
        near = near_by_coordinates(points, NEIGHBOURS)
        lengths = travel.distance(places[:, None], places[near])
        return float(problem.cost_per_distance[0]) * (float(lengths.mean()) if lengths.size else 1.0) or 1.0

    @staticmethod
    def accepts(problem: RoutingProblem) -> bool:
        """Whether the problem has nothing but symmetric distances, one kind of vehicle, one load and prizes."""
        demand = load_of(problem)
        return (
            demand is not None
            and len(problem.data.vehicles) == 1
            and problem.vehicle_start[0] >= 0
            and problem.vehicle_start[0] == problem.vehicle_end[0]
            and problem.cost_per_distance[0] > 0
            and not problem.has_pinned_places
            and not problem.has_time
            and not np.isfinite(problem.max_distance).any()
            and problem.vehicle_max_stops[0] >= problem.n_stops
            and bool(problem.compatible.all())
            and not problem.data.backhauls_last
            and int(demand.sum()) < 2**31
            and is_symmetric(problem)
        )

    def start(self, plan: RoutingPlan | None, stop: Stop) -> None:  # noqa: ARG002
        """Begin from ``plan``, or from savings."""
        t = self.tours
        if plan is None:
            demand = t.nodes["demand"][: len(t.near)].astype(np.int64)
            routes = savings_routes(t.near, t.near_length, t.depot_length, demand, int(t.given["capacity"][0]))
            routes = [self.stops[route].tolist() for route in routes]
        else:
            routes = [list(route.visits) for route in plan.routes if route.visits]
        self.load(sorted(routes, key=len, reverse=True))


def along_curve(travel: Travel, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) order of ``places`` along a Z-curve: what is near in space is then mostly near in memory."""
    if travel.metric is Metric.MATRIX:
        return np.arange(len(places))
    points = np.column_stack([travel.x[places], travel.y[places]])
    low = points.min(axis=0)
    cells = ((points - low) * (65_535 / max(float((points.max(axis=0) - low).max()), 1e-300))).astype(np.int64)
    code = np.zeros(len(places), np.int64)
    for bit in range(16):
        for axis in range(2):
            code |= ((cells[:, axis] >> bit) & 1) << (2 * bit + axis)
    return np.argsort(code, kind="stable")


def unit_vectors(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes and latitudes as points of the unit sphere, shape (n, 3)."""
    longitude, latitude = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )


def warm_capacity() -> None:
    """Compile both forms of the kernels, with and without a matrix."""
    points = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    demand = np.ones(3, np.int64)
    for matrix in (None, np.ones((4, 4))):
        tours = build_tours(points, demand, 2, np.full(3, 99.0), 3, 0, metric=Metric.EUCLIDEAN, matrix=matrix)
        load_routes(tours, savings_routes(tours.near, tours.near_length, tours.depot_length, demand, 2))
        keep_best(tours)
        anneal(tours, 10, 1.0, CapacityEngine.mean_removed, CapacityEngine.longest_string)
