"""Routing problems as PyVRP sees them: integers, scaled so that what is feasible there is feasible here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.routing.data import FloatArray, IntArray
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import UNLIMITED, RoutingProblem

_MAX_INT = np.iinfo(np.int64).max
_NOISE = 1e-9
_TARGET = 10.0**5
_LEAST_PENALTY, _MOST_PENALTY = 1e5, 1e9
_MEMORY_BYTES = 1.5e9


def fits_pyvrp(problem: RoutingProblem) -> bool:
    """Whether PyVRP can honour every feature that ``problem`` uses, within memory for its dense matrices.

    It refuses a release after the end of the window, which makes a visit impossible but is no error in the contract.
    """
    if problem.has_pinned_places or problem.has_multiple_windows or (problem.release_s > problem.latest_s).any():
        return False
    if problem.has_shipments and not _shipments_fit(problem):
        return False
    depots = len({*problem.vehicle_start.tolist(), *problem.vehicle_end.tolist()})
    return 2 * 8.0 * (problem.n_stops + depots) ** 2 * len(_profiles(problem)) <= _MEMORY_BYTES


def _shipments_fit(problem: RoutingProblem) -> bool:
    """PyVRP's shipments have no release time, cannot be counted as stops, and must not end before they begin."""
    first = problem.n_visits
    if problem.release_s[first:].any() or (problem.vehicle_max_stops < UNLIMITED).any():
        return False
    return bool((problem.latest_s[first + 1 :: 2] >= problem.earliest_s[first::2]).all())


def _profiles(problem: RoutingProblem) -> dict[tuple[int, bytes], int]:
    """A PyVRP profile for each travel profile and set of stops that some vehicle type may serve by it."""
    keys: dict[tuple[int, bytes], int] = {}
    for t in range(len(problem.data.vehicles)):
        keys.setdefault(_profile_key(problem, t), len(keys))
    return keys


def _profile_key(problem: RoutingProblem, t: int) -> tuple[int, bytes]:
    return int(problem.vehicle_profile[t]), np.packbits(problem.compatible[:, t]).tobytes()


@dataclass(frozen=True)
class Scale:
    """Integer units a unit of ours: ``units`` for distances and times; ``money`` integer cost a unit of distance cost.

    A cost of 1 here is ``units * money`` there.
    """

    units: float
    money: float

    def up(self, values: FloatArray | np.float64) -> IntArray:
        """Smallest integers not below, but for rounding noise."""
        scaled = np.asarray(values, dtype=np.float64) * self.units
        return np.asarray(np.ceil(scaled - _NOISE - 4 * np.spacing(np.abs(scaled))), dtype=np.int64)

    def down(self, value: float) -> int:
        """Largest integer not above, but for rounding noise; unlimited stays so."""
        if not math.isfinite(value):
            return _MAX_INT
        scaled = value * self.units
        return math.floor(scaled + _NOISE + 4 * math.ulp(scaled))


def scale_of(problem: RoutingProblem) -> Scale:
    """Scale 1 where all is whole, 10, 100 or 1,000 where that makes it so, else five digits for the longest arc."""
    longest = max(float(_sample(problem).max(initial=0.0)), 1e-9)
    times = [problem.service_s, problem.release_s, problem.earliest_s, problem.latest_s, problem.shift_earliest_s]
    values = np.concatenate([_sample(problem), *times, problem.shift_latest_s, problem.max_duration_s])
    values = values[np.isfinite(values)]
    horizon = max(float(values.max(initial=0.0)), longest)
    for units in (1.0, 10.0, 100.0, 1000.0):
        scaled = values * units
        if horizon * units < 1e10 and (np.abs(scaled - np.rint(scaled)) < 1e-6).all():
            return Scale(units, _money(problem))
    digits = math.floor(math.log10(_TARGET / longest))
    while horizon * 10.0**digits >= 1e10:
        digits -= 1
    return Scale(10.0**digits, _money(problem))


def _sample(problem: RoutingProblem) -> FloatArray:
    """Distances and durations of many arcs, to find their granularity."""
    n = len(problem.data.locations)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, n, 2_000), rng.integers(0, n, 2_000)
    arcs = [values for p in problem.profiles for values in (p.distance(a, b), p.duration_s(a, b))]
    tables = [
        table.reshape(-1) for p in problem.profiles for table in (p.distances, p.durations_s) if table is not None
    ]
    return np.concatenate([*arcs, *tables])


def _money(problem: RoutingProblem) -> float:
    """Multiplier that makes unit costs whole numbers, or at least three digits of them."""
    rates = np.concatenate((problem.cost_per_distance, problem.cost_per_duration))
    rates = rates[rates > 0]
    for money in (1.0, 10.0, 100.0, 1000.0):
        if (np.abs(rates * money - np.rint(rates * money)) < 1e-9).all():
            return money
    return 10.0 ** math.ceil(math.log10(1000.0 / float(rates.min())))


class PyvrpModel:
    """``problem`` as ``pyvrp.ProblemData``, and plans both ways."""

    def __init__(self, problem: RoutingProblem) -> None:
        import pyvrp

        self.problem = problem
        self.scale = scale_of(problem)
        self.cost_unit = self.scale.units * self.scale.money
        self._nowhere = len(problem.data.locations)  # where open routes start and end: at no distance from anywhere
        ends = sorted({int(v) for v in (*problem.vehicle_start, *problem.vehicle_end)})
        self._depot = {location: index for index, location in enumerate(ends)}
        profiles = _profiles(problem)
        self._capped = bool((problem.vehicle_max_stops < UNLIMITED).any())
        self._has_forbidden = problem.data.backhauls_last or not problem.compatible.all()
        self._longest_route = _MAX_INT
        distances, durations = [], []
        for (profile, packed), _ in sorted(profiles.items(), key=lambda item: item[1]):
            allowed = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=problem.n_stops).astype(bool)
            distance, duration = self._matrices(profile, allowed)
            distances.append(distance)
            durations.append(duration)
        # each stop is a location of its own: what is forbidden is forbidden for a stop, not for a place
        self.data: Any = pyvrp.ProblemData(
            locations=[pyvrp.Location(*self._xy(place)) for place in self._places()],
            clients=[self._client(i) for i in range(problem.n_visits)],
            depots=[pyvrp.Depot(location=problem.n_stops + k) for k in range(len(ends))],
            vehicle_types=[self._vehicle(t, profiles) for t in range(len(problem.data.vehicles))],
            distance_matrices=distances,
            duration_matrices=durations,
            shipments=[self._shipment(j) for j in range(len(problem.data.shipments))],
        )

    @property
    def max_penalty(self) -> float:
        """Most that PyVRP should charge for one unit of load, time or distance too much: ten of the dearest arcs."""
        rate = float(max(self.problem.cost_per_distance.max(), self.problem.cost_per_duration.max()))
        arc = float(_sample(self.problem).max(initial=0.0)) * self.cost_unit * rate
        return min(max(10.0 * arc, _LEAST_PENALTY), _MOST_PENALTY)

    def _places(self) -> IntArray:
        """Our location of each of PyVRP's: the stops, then the depots; ``_nowhere`` for open ends."""
        depots = [self._nowhere if location < 0 else location for location in self._depot]
        return np.concatenate((self.problem.stop_location, np.array(depots, dtype=np.int64)))

    def _xy(self, place: int) -> tuple[float, float]:
        if place == self._nowhere:
            return 0.0, 0.0
        row = self.problem.data.locations[place]
        return row.x, row.y

    def _matrices(self, profile: int, allowed: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[IntArray, IntArray]:
        """Scaled distances and durations between PyVRP's locations; arcs that the contract forbids are very long."""
        problem, places = self.problem, self._places()
        nowhere = places == self._nowhere
        rows = np.where(nowhere, 0, places)
        travel = problem.profiles[profile]
        distance = self.scale.up(travel.distance_matrix(rows, rows))
        duration = self.scale.up(travel.duration_matrix_s(rows, rows))
        forbidden = np.zeros_like(distance, dtype=np.bool_)
        n = problem.n_stops
        banned = np.flatnonzero(~allowed)
        forbidden[:, banned] = forbidden[banned, :] = True
        if problem.data.backhauls_last:
            delivers = np.flatnonzero(problem.delivery.any(axis=1))
            picks = np.flatnonzero(problem.pickup.any(axis=1))
            forbidden[np.ix_(picks, delivers)] = True
            forbidden[n:, picks] = True  # a route does not begin with a pickup
        for matrix in (distance, duration):
            matrix[nowhere, :] = matrix[:, nowhere] = 0
        if self._has_forbidden:
            # longer than any route can be, so that the limit of distance forbids it; short enough not to overflow
            beyond = (n + 2) * (int(distance.max(initial=0)) + 1)
            distance[forbidden] = beyond
            self._longest_route = min(self._longest_route, beyond - 1)
        np.fill_diagonal(distance, 0)
        np.fill_diagonal(duration, 0)
        return distance, duration

    def _money_of(self, amount: float) -> int:
        return round(amount * self.cost_unit)

    def _loads(self, row: IntArray) -> list[int]:
        return [int(value) for value in row] + ([1] if self._capped else [])

    def _client(self, i: int) -> Any:
        import pyvrp

        problem = self.problem
        pickup = [int(value) for value in problem.pickup[i]] + ([0] if self._capped else [])
        return pyvrp.Client(
            location=i,
            delivery=self._loads(problem.delivery[i]),
            pickup=pickup,
            service_duration=int(self.scale.up(problem.service_s[i])),
            tw_early=int(self.scale.up(problem.earliest_s[i])),
            tw_late=self._late(problem.earliest_s[i], problem.latest_s[i]),
            release_time=int(self.scale.up(problem.release_s[i])),
            prize=self._money_of(problem.prize[i]),
            required=not problem.optional[i],
        )

    def _late(self, earliest: float, latest: float) -> int:
        """End of a window. One that holds no integer becomes the next one: late by less than a unit, as verified."""
        return max(self.scale.down(float(latest)), int(self.scale.up(np.float64(earliest))))

    def _shipment(self, j: int) -> Any:
        import pyvrp

        problem = self.problem
        p = problem.n_visits + 2 * j
        up = self.scale.up
        return pyvrp.Shipment(
            pickup_location=p,
            delivery_location=p + 1,
            pickup_tw_early=int(up(problem.earliest_s[p])),
            pickup_tw_late=self._late(problem.earliest_s[p], problem.latest_s[p]),
            pickup_service_duration=int(up(problem.service_s[p])),
            delivery_tw_early=int(up(problem.earliest_s[p + 1])),
            delivery_tw_late=self._late(problem.earliest_s[p + 1], problem.latest_s[p + 1]),
            delivery_service_duration=int(up(problem.service_s[p + 1])),
            amount=[int(value) for value in problem.shipped[p]],
            prize=self._money_of(problem.prize[p]),
            required=not problem.optional[p],
        )

    def _vehicle(self, t: int, profiles: dict[tuple[int, bytes], int]) -> Any:
        import pyvrp

        problem = self.problem
        capacity = [min(int(value), _MAX_INT) for value in problem.capacity[t]]
        if self._capped:
            capacity.append(int(min(problem.vehicle_max_stops[t], problem.n_stops)))
        early = int(self.scale.up(problem.shift_earliest_s[t]))
        return pyvrp.VehicleType(
            num_available=int(min(problem.vehicle_count[t], problem.n_stops)),
            capacity=capacity,
            start_depot=self._depot[int(problem.vehicle_start[t])],
            end_depot=self._depot[int(problem.vehicle_end[t])],
            fixed_cost=self._money_of(problem.fixed_cost[t]),
            tw_early=early,
            tw_late=max(self.scale.down(float(problem.shift_latest_s[t])), early),
            shift_duration=self.scale.down(float(problem.max_duration_s[t])),
            max_distance=min(self.scale.down(float(problem.max_distance[t])), self._longest_route),
            unit_distance_cost=round(float(problem.cost_per_distance[t]) * self.scale.money),
            unit_duration_cost=round(float(problem.cost_per_duration[t]) * self.scale.money),
            profile=profiles[_profile_key(problem, t)],
        )

    def plan(self, solution: Any) -> RoutingPlan:
        """Our plan for a PyVRP solution."""
        first = self.problem.n_visits
        routes = []
        for route in solution.routes():
            stops = []
            for activity in route:
                if activity.is_client():
                    stops.append(activity.idx)
                elif activity.is_pickup():
                    stops.append(first + 2 * activity.idx)
                elif activity.is_delivery():
                    stops.append(first + 2 * activity.idx + 1)
            if stops:
                routes.append(Route(route.vehicle_type(), tuple(stops)))
        return RoutingPlan(tuple(routes))

    def solution(self, plan: RoutingPlan) -> Any:
        """PyVRP's solution for our plan."""
        import pyvrp

        routes = [
            pyvrp.Route(self.data, [self._activity(stop) for stop in route.visits], route.vehicle_type)
            for route in plan.routes
            if route.visits
        ]
        return pyvrp.Solution(self.data, routes)

    def _activity(self, stop: int) -> Any:
        from pyvrp import Activity, ActivityType

        first = self.problem.n_visits
        if stop < first:
            return Activity(ActivityType.CLIENT, stop)
        kind = ActivityType.DELIVERY if (stop - first) % 2 else ActivityType.PICKUP
        return Activity(kind, (stop - first) // 2)
