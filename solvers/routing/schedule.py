"""What a plan means in practice: when each vehicle is where, with what on board, at what cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from solvers.routing.data import IntArray
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.timing import least_duration, slack_s
from solvers.routing.verify import distance_legs, loads_on_board, timed_route


@dataclass(frozen=True)
class PlannedStop:
    """One stop: times in seconds, ``load`` on board after it, ``distance`` driven since the start of the route.

    ``slack_s`` is by how much its service may slip before a window or the shift breaks; ``inf`` when nothing does.
    """

    stop: int
    arrival_s: float
    wait_s: float
    start_s: float
    departure_s: float
    slack_s: float
    load: Mapping[str, int]
    distance: float


@dataclass(frozen=True)
class PlannedRoute:
    """One route with the least duration its stops allow; ``vehicle_index`` counts vehicles within the type from 0."""

    vehicle_type: int
    vehicle_index: int
    stops: tuple[PlannedStop, ...]
    start_s: float
    end_s: float
    distance: float
    wait_s: float
    cost: float
    start_load: Mapping[str, int]

    @property
    def duration_s(self) -> float:
        """Start to end."""
        return self.end_s - self.start_s


def schedule(problem: RoutingProblem, plan: RoutingPlan) -> tuple[PlannedRoute, ...]:
    """All routes of ``plan`` that have stops. Its indices must exist; it may be infeasible."""
    used: Counter[int] = Counter()
    routes = []
    for route in plan.routes:
        if route.visits:
            routes.append(_planned(problem, route, used[route.vehicle_type]))
            used[route.vehicle_type] += 1
    return tuple(routes)


def _named(problem: RoutingProblem, loads: IntArray) -> dict[str, int]:
    return {name: int(load) for name, load in zip(problem.dimensions, loads, strict=True) if load}


def _planned(problem: RoutingProblem, route: Route, index: int) -> PlannedRoute:
    t = route.vehicle_type
    timed = timed_route(problem, route)
    timing = least_duration(timed)
    slacks = slack_s(timed, timing)
    legs = distance_legs(problem, route)
    driven = list(accumulate(legs))
    loads = loads_on_board(problem, route)
    stops = tuple(
        PlannedStop(
            stop=stop,
            arrival_s=timing.arrival_s[k],
            wait_s=max(0.0, timing.service_start_s[k] - timing.arrival_s[k]),
            start_s=timing.service_start_s[k],
            departure_s=timing.service_start_s[k] + timed.service_s[k],
            slack_s=slacks[k],
            load=_named(problem, loads[k + 1]),
            distance=driven[k],
        )
        for k, stop in enumerate(route.visits)
    )
    distance = math.fsum(legs)
    cost = (
        float(problem.fixed_cost[t])
        + float(problem.cost_per_distance[t]) * distance
        + float(problem.cost_per_duration[t]) * timing.duration_s
    )
    return PlannedRoute(
        vehicle_type=t,
        vehicle_index=index,
        stops=stops,
        start_s=timing.start_s,
        end_s=timing.end_s,
        distance=distance,
        wait_s=math.fsum(stop.wait_s for stop in stops),
        cost=cost,
        start_load=_named(problem, loads[0]),
    )
