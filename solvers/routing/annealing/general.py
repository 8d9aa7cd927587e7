"""The engine for times, several loads, shipments, mixed fleets, several depots, backhauls and limits per route."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from solvers.routing.annealing.alone import cost_alone
from solvers.routing.annealing.build import empty_tours, log_size
from solvers.routing.annealing.capacity import unit_vectors
from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.records import AMOUNT, KIND, NODE, PAIR, PEAK, RUN, SITE, SPAN, SUM, WINDOW
from solvers.routing.annealing.rich import Rich, set_type
from solvers.routing.construction import construct
from solvers.routing.data import Metric
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.travel import Travel
from solvers.stop import Never, Stop

MATRIX_SITES = 3_000
"""Up to so many locations a matrix (72 MB) is used instead of coordinates."""

MOST_TYPES = 200
"""Vehicle types at most: each insertion looks at all of them."""

HOT_WITH_TIME, COLD_WITH_TIME = 3.0, 0.03
"""Temperatures where time matters: long routes under wide windows only lose a vehicle when it is hot."""

FIRST_WORK_WITH_TIME = 5_000
"""There, iterations per stop of the first coolings, unless visits may stay out."""

ROUTE_BONUSES = (3.0, -10.0)
"""There, what a used route saves while hot: in one cooling many routes become fewer, in the next few become more."""

HOT_OF_TYPES, COLD_OF_TYPES, REGION_HEAT_OF_TYPES = 2.0, 0.04, 0.25
"""Where vehicles differ and time does not matter: heat decides on the fleet, which regions then leave alone."""

FIRST_WORK_OF_TYPES = 4_000
"""There, iterations per stop of the first cooling."""

REMOVED_PER_ROUTE, LEAST_REMOVED = 2.0, 6.0
"""There a ruin takes out on average so many stops for each stop that a route has, so many at least: where routes are
short, more would be many vehicles at once."""

NEIGHBOURS = 40
"""Near stops of each stop."""

CANDIDATES = 2_000
"""Up to so many stops, all others are ranked by how well they fit before or after a stop, beyond as many as ..."""

NEAREST = 160
"""... the nearest in space."""

WAIT_WEIGHT, LATE_WEIGHT = 0.2, 1.0
"""What a second of waiting, or of lateness, between two stops counts against a unit of distance (Vidal et al. 2013)."""


_OF_STOPS = (
    *("stop_location", "delivery", "pickup", "shipped", "service_s", "release_s", "earliest_s", "latest_s"),
    *("optional", "prize", "compatible", "before", "after"),
)
"""Attributes of a problem with one row a stop, beside ``partner`` and the windows."""


def accepts(problem: RoutingProblem) -> bool:
    """Whether `GeneralEngine` honours every feature of ``problem``."""
    order_is_clear = not problem.data.backhauls_last or bool(
        (problem.delivery.any(axis=1) ^ problem.pickup.any(axis=1)).all()
    )
    travel = problem.profiles[int(problem.vehicle_profile[0])]
    return (
        not problem.has_pinned_places
        and not (problem.has_multiple_windows and _has_spans(problem))
        and len(set(problem.vehicle_profile.tolist())) == 1
        and len(problem.vehicle_count) <= MOST_TYPES
        and order_is_clear
        and (len(travel.x) <= MATRIX_SITES or travel.metric is not Metric.MATRIX)
    )


def _has_spans(problem: RoutingProblem) -> bool:
    """Whether releases or durations of routes matter."""
    return bool(
        (problem.release_s > 0).any()
        or np.isfinite(problem.max_duration_s).any()
        or (problem.cost_per_duration > 0).any()
    )


def part_of(problem: RoutingProblem, stops: NDArray[np.int64]) -> RoutingProblem:
    """``problem`` with these of its stops alone, in all arrays that this engine reads; ``data`` stays whole.

    ``stops`` ascend, and hold both legs of a shipment or none.
    """
    number = np.full(problem.n_stops + 1, -1)  # the last one for -1
    number[stops] = np.arange(len(stops))
    first, last = problem.window_offsets[stops], problem.window_offsets[stops + 1]
    rows = [np.arange(0), *(np.arange(a, b) for a, b in zip(first, last, strict=True))]
    return replace(
        problem,
        stop_ids=tuple(problem.stop_ids[stop] for stop in stops),
        partner=number[problem.partner[stops]],
        window_offsets=np.concatenate([[0], np.cumsum(last - first)]),
        windows=problem.windows[np.concatenate(rows)],
        **{name: getattr(problem, name)[stops] for name in _OF_STOPS},
        initial_plan=None,
    )


def _near(problem: RoutingProblem, travel: Travel) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Near stops of each stop, those that best come right before or after it, and their distances."""
    n = problem.n_stops
    site = problem.stop_location
    rows = np.arange(n)[:, None]
    if n <= CANDIDATES or travel.metric is Metric.MATRIX:
        others = np.broadcast_to(np.arange(n), (n, n))
    else:
        points = _points(travel)[site]
        others = np.asarray(cKDTree(points).query(points, NEAREST + 1)[1])
    there, back = travel.distance(site[rows], site[others]), travel.distance(site[others], site[rows])
    badness = np.minimum(there + _misfit(problem, travel, rows, others), back + _misfit(problem, travel, others, rows))
    badness[others == rows] = np.inf
    k = min(NEIGHBOURS, n - 1)
    best = np.argsort(badness, axis=1, kind="stable")[:, :k]
    near = np.take_along_axis(others, best, axis=1)
    lengths = np.take_along_axis(np.minimum(there, back), best, axis=1)
    return np.ascontiguousarray(near.astype(np.int32)), np.ascontiguousarray(lengths)


def _misfit(
    problem: RoutingProblem, travel: Travel, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Waiting and lateness that going from ``first`` straight to ``second`` cannot avoid, weighted."""
    if not problem.has_time:
        return np.zeros(np.broadcast_shapes(first.shape, second.shape))
    took = problem.service_s[first] + travel.duration_s(problem.stop_location[first], problem.stop_location[second])
    wait = np.maximum(problem.earliest_s[second] - took - problem.latest_s[first], 0.0)
    late = np.maximum(problem.earliest_s[first] + took - problem.latest_s[second], 0.0)
    return (WAIT_WEIGHT * wait + LATE_WEIGHT * late) * travel.speed


def _points(travel: Travel) -> NDArray[np.float64]:
    """Coordinates of the locations, shape (locations, 3)."""
    if travel.metric is Metric.HAVERSINE:
        return unit_vectors(np.column_stack([travel.x, travel.y]))
    return np.column_stack([travel.x, travel.y, np.zeros(len(travel.x))])


def _depot_lengths(problem: RoutingProblem, travel: Travel) -> NDArray[np.float64]:
    """(n,) distance from the nearest start."""
    starts = sorted(set(problem.vehicle_start.tolist()) - {-1})
    if not starts:
        return np.zeros(problem.n_stops)
    return np.asarray(np.min([travel.distance(start, problem.stop_location) for start in starts], axis=0), np.float64)


def _records(dtype: np.dtype[Any], shape: tuple[int, ...], **values: Any) -> NDArray[Any]:
    """Records of ``dtype``; fields that are not given are 0."""
    made = np.zeros(shape, dtype)
    for name, value in values.items():
        made[name] = value
    return made


def _places(used: NDArray[np.int64], locations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where ``locations`` stand in the ascending ``used`` ones; -1 stays."""
    return np.where(locations < 0, -1, np.searchsorted(used, locations))


def _sites(problem: RoutingProblem, slots: int, used: NDArray[np.int64]) -> NDArray[Any]:
    """(n + slots,) the stops and, last, the sentinels, which belong to no vehicle type yet."""
    n = problem.n_stops
    sites = np.zeros(n + slots, SITE)
    sites["leaves"] = sites["arrives"] = np.append(_places(used, problem.stop_location), np.full(slots, -1))
    sites["service"][:n] = problem.service_s
    sites["opens"][:n], sites["closes"][:n] = problem.earliest_s, problem.latest_s
    sites["delivers"][:n] = problem.delivery.any(axis=1)
    sites["partner"] = -1
    sites["partner"][:n] = problem.partner
    return sites


def _windows(problem: RoutingProblem) -> NDArray[Any]:
    """(at least n + 1,) all windows where some stop has several, else none."""
    if not problem.has_multiple_windows:
        return np.zeros(0, WINDOW)
    windows = np.zeros(max(len(problem.windows), problem.n_stops + 1), WINDOW)
    windows["opens"][: len(problem.windows)], windows["closes"][: len(problem.windows)] = problem.windows.T
    windows["first"][: problem.n_stops + 1] = problem.window_offsets
    return windows


def _kinds(problem: RoutingProblem, used: NDArray[np.int64]) -> NDArray[Any]:
    """(T,) the vehicle types."""
    own = np.column_stack(
        [problem.vehicle_start, problem.vehicle_end, problem.shift_earliest_s, problem.shift_latest_s]
    )
    return _records(
        KIND,
        problem.vehicle_count.shape,
        unit_cost=problem.cost_per_distance,
        fixed_cost=problem.fixed_cost,
        most_stops=problem.vehicle_max_stops,
        most_distance=problem.max_distance,
        most_span=problem.max_duration_s,
        time_cost=problem.cost_per_duration,
        shift_start=problem.shift_earliest_s,
        shift_end=problem.shift_latest_s,
        start_site=_places(used, problem.vehicle_start),
        end_site=_places(used, problem.vehicle_end),
        available=problem.vehicle_count,
        like=np.unique(own, axis=0, return_inverse=True)[1].ravel(),
        takes_all=problem.compatible.all(axis=0),
    )


class GeneralEngine(TourEngine):
    """Annealing with every feature of `accepts`."""

    def __init__(
        self,
        problem: RoutingProblem,
        seed: int,
        *,
        stops: NDArray[np.int64] | None = None,
        vehicles: NDArray[np.int64] | None = None,
        matrix_sites: int = MATRIX_SITES,
    ) -> None:
        """``stops``: only these, of a part of the problem; ``vehicles``: no more than so many of each type, (t,)."""
        if stops is not None:
            problem = part_of(problem, stops)
        if vehicles is not None:
            problem = replace(problem, vehicle_count=vehicles)
        self.problem = problem
        travel = problem.profiles[int(problem.vehicle_profile[0])]
        n, types = problem.compatible.shape
        dimensions = len(problem.dimensions)
        self.slots = min(n, int(np.minimum(problem.vehicle_count, n).sum()))
        size = n + self.slots
        used = np.unique(np.concatenate([problem.stop_location, problem.vehicle_start, problem.vehicle_end]))
        used = used[used >= 0]
        matrix = np.zeros((0, 0))
        if len(used) <= matrix_sites:
            matrix = np.asarray(travel.distance_matrix(used, used), np.float64)
        times = travel.durations_s
        alone = cost_alone(problem, travel)
        possible = np.where(np.isfinite(alone), alone, 0.0)
        outside = float(possible.max(axis=1).sum() + problem.prize.sum() + 1.0) * 2.0
        mixed = bool(problem.delivery.any() and problem.pickup.any()) and not problem.data.backhauls_last
        mixed |= problem.has_shipments
        has_spans = _has_spans(problem)
        flags = [
            *(problem.has_time, mixed, problem.data.backhauls_last, types > 1),
            *(has_spans, problem.has_shipments),
        ]
        spans = np.zeros(size if has_spans else 0, SPAN)
        spans["release"][:n] = problem.release_s if has_spans else 0.0
        runs = np.zeros(self.slots, RUN)
        runs["touched_at"] = -1
        runs["released"] = -np.inf
        rich = Rich(
            flags=np.array(flags, np.int64),
            speed=np.array([float(travel.speed)]),
            points=_points(travel)[used],
            time_matrix=np.zeros((0, 0)) if times is None else times[np.ix_(used, used)],
            sites=_sites(problem, self.slots, used),
            windows=_windows(problem),
            spans=spans,
            amounts=_records(
                AMOUNT, (n, dimensions), brings=problem.delivery, takes=problem.pickup, ships=problem.shipped
            ),
            pairs=_records(PAIR, (n, types), alone=alone, compatible=problem.compatible),
            kinds=_kinds(problem, used),
            capacity=problem.capacity.copy(),
            runs=runs,
            sums=np.zeros((self.slots, dimensions), SUM),
            peaks=np.zeros((size, dimensions), PEAK),
            log_type=np.zeros(log_size(n, rich=True), np.int64),
        )
        near, lengths = _near(problem, travel)
        nodes = np.zeros(size, NODE)
        weight = problem.delivery + problem.pickup + np.abs(problem.shipped)
        widest = np.maximum(problem.capacity.max(axis=0), 1)
        # only the order by demand reads it
        nodes["demand"][:n] = np.minimum(weight / widest, 1.0).max(axis=1, initial=0.0) * 1e6
        tours = empty_tours(
            nodes,
            near,
            np.where(problem.optional, problem.prize, outside),
            seed,
            metric=travel.metric,
            decimals=travel.decimals,
            rich=rich,
            matrix=matrix,
        )
        tours.near_length[:] = lengths
        ways_s = travel.duration_s(problem.stop_location[:, None], problem.stop_location[near])
        self._seconds_per_distance = float(ways_s.sum() / max(lengths.sum(), 1e-9))
        tours.visits["depot_length"] = _depot_lengths(problem, travel)
        super().__init__(tours, ~problem.optional, 1.0, stops)
        if problem.has_time:
            self.hot, self.cold = HOT_WITH_TIME, COLD_WITH_TIME
            if not problem.optional.any():
                self.route_bonuses = ROUTE_BONUSES if stops is None else ()
                self.first_work = FIRST_WORK_WITH_TIME
        elif types > 1:
            self.hot, self.cold, self.region_heat = HOT_OF_TYPES, COLD_OF_TYPES, REGION_HEAT_OF_TYPES
            self.first_work = FIRST_WORK_OF_TYPES

    def start(self, plan: RoutingPlan | None, stop: Stop) -> None:
        """Begin from ``plan``, or from savings and insertion."""
        if plan is None:
            plan = construct(self.problem, 0, stop)
        routes = [route for route in plan.routes if route.visits][: self.slots]
        rich, n = self.tours.rich, self.problem.n_stops
        rich.kinds["available"] = self.problem.vehicle_count
        rich.runs["length"] = 0.0
        rich.runs["deliveries"] = 0
        rich.sums[:] = 0
        for r in range(self.slots):
            set_type(rich, n + r, r, routes[r].vehicle_type if r < len(routes) else 0)
        self.load([route.visits for route in routes])
        if routes and not self.problem.has_time and len(rich.kinds) > 1:
            size = sum(len(route.visits) for route in routes) / len(routes)
            self.mean_removed = min(max(REMOVED_PER_ROUTE * size, LEAST_REMOVED), self.mean_removed)

    @property
    def scale(self) -> float:
        """Mean cost of the way to a near stop, by the cheapest vehicle: what temperatures are measured in."""
        rates = self.problem.cost_per_distance
        unit = float(rates[rates > 0].min()) if rates.any() else 0.0
        unit += float(self.problem.cost_per_duration.mean()) * self._seconds_per_distance
        return super().scale * unit if unit > 0 else max(float(self.problem.fixed_cost.mean()), 1.0)

    def vehicle_type(self, route: int) -> int:
        """Type of vehicle that route number ``route`` of the best tours has."""
        return int(self.tours.rich.runs["best_type"][route])

    def current_type(self, route: int) -> int:
        """Type of vehicle that route number ``route`` of the tours as they are now has."""
        return int(self.tours.rich.runs["type"][route])


def warm_general() -> None:
    """Compile the kernels."""
    from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow, Window

    places = tuple(LocationRow(str(i), Coordinates.POINT, float(i), 0.0) for i in range(4))
    visits = tuple(VisitRow(str(i), str(i), (("load", 1),), time_windows=(Window(0.0, 99.0),)) for i in range(1, 4))
    fleet = (VehicleRow("vehicle", 3, "0", "0", (("load", 2),)),)
    problem = RoutingProblem.of(RoutingData(places, fleet, visits))
    engine = GeneralEngine(problem, 0)
    engine.start(None, Never())
    engine.run(10, 1.0)
