"""The verifier of routing plans, written from the contract. It shares no code with any solver."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from solvers.problem import Verdict, Violation
from solvers.routing.data import IntArray
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import TOLERANCE, RoutingProblem
from solvers.routing.timing import TimedRoute, Timing, least_duration


def verify(problem: RoutingProblem, plan: RoutingPlan) -> Verdict:
    """Recompute the objective and every constraint of ``plan`` from the problem's data.

    Constraints, each with the entity and the unit of the amount: ``capacity`` (vehicle and dimension; load),
    ``time_window`` (stop; seconds late), ``shift`` (vehicle; seconds late), ``max_duration`` (vehicle; seconds),
    ``max_distance`` (vehicle; distance), ``max_stops`` (vehicle; stops), ``fleet`` (type; vehicles), ``mandatory``
    (visit or shipment; 1), ``duplicate`` (stop; times too often), ``pairing`` (shipment with one leg missing or on
    another route; 1), ``precedence`` (shipment delivered before pickup; places), ``vehicle_not_allowed`` (stop; 1),
    ``position`` (pinned stop; places from its own),
    ``backhaul_order`` (vehicle; visits out of order), ``unknown_vehicle`` and ``unknown_stop`` (index; 1).

    A vehicle is named ``<type>#<index within the type>``. The objective of a plan with unknown indices is ``inf``.
    """
    violations: list[Violation] = []
    costs: dict[str, list[float]] = {"fixed": [], "distance": [], "duration": []}
    used: Counter[int] = Counter()
    served: Counter[int] = Counter()
    place: dict[int, tuple[int, int]] = {}
    priced = True
    for r, route in enumerate(plan.routes):
        if not route.visits:
            continue
        if not _known(problem, route, r, violations):
            priced = False
            continue
        name = f"{problem.data.vehicles[route.vehicle_type].id}#{used[route.vehicle_type]}"
        used[route.vehicle_type] += 1
        for position, stop in enumerate(route.visits):
            served[stop] += 1
            place[stop] = (r, position)
        _route(problem, route, name, violations, costs)
    for t, number in used.items():
        if number > problem.vehicle_count[t]:
            excess = float(number - problem.vehicle_count[t])
            violations.append(Violation("fleet", problem.data.vehicles[t].id, excess))
    # exactly rounded sums: the same routes in another order have the same objective
    terms = {name: math.fsum(values) for name, values in costs.items()}
    terms["prizes"] = _service(problem, served, violations)
    _pairs(problem, place, violations)
    objective = math.fsum(terms.values()) if priced else math.inf
    return Verdict(objective, not violations, tuple(violations), terms)


def _known(problem: RoutingProblem, route: Route, r: int, violations: list[Violation]) -> bool:
    """Whether all indices of ``route`` exist."""
    before = len(violations)
    if not 0 <= route.vehicle_type < len(problem.data.vehicles):
        violations.append(Violation("unknown_vehicle", f"route {r}: {route.vehicle_type}", 1.0))
    violations.extend(
        Violation("unknown_stop", f"route {r}: {stop}", 1.0) for stop in route.visits if not 0 <= stop < problem.n_stops
    )
    return len(violations) == before


def path_of(problem: RoutingProblem, route: Route) -> IntArray:
    """Locations that ``route`` passes, with its start and end where it has them."""
    start, end = problem.vehicle_start[route.vehicle_type], problem.vehicle_end[route.vehicle_type]
    stops = problem.stop_location[np.array(route.visits, dtype=np.int64)]
    first = stops[:1] if start < 0 else [start]
    last = stops[-1:] if end < 0 else [end]
    return np.concatenate((first, stops, last)).astype(np.int64)


def timed_route(problem: RoutingProblem, route: Route) -> TimedRoute:
    """What timing ``route`` needs."""
    t = route.vehicle_type
    stops = np.array(route.visits, dtype=np.int64)
    path = path_of(problem, route)
    travel = problem.profiles[problem.vehicle_profile[t]].duration_s(path[:-1], path[1:])
    if problem.vehicle_start[t] < 0:  # an open end costs nothing even where a matrix has a diagonal
        travel[0] = 0.0
    if problem.vehicle_end[t] < 0:
        travel[-1] = 0.0
    offsets = problem.window_offsets
    windows: list[list[tuple[float, float]]]
    if problem.has_multiple_windows:
        windows = [[(a, b) for a, b in problem.windows[offsets[s] : offsets[s + 1]].tolist()] for s in route.visits]
    else:
        bounds = zip(problem.earliest_s[stops].tolist(), problem.latest_s[stops].tolist(), strict=True)
        windows = [[bound] for bound in bounds]
    return TimedRoute(
        travel_s=travel.tolist(),
        service_s=problem.service_s[stops].tolist(),
        windows=windows,
        earliest_start_s=max(float(problem.shift_earliest_s[t]), float(problem.release_s[stops].max())),
        latest_end_s=float(problem.shift_latest_s[t]),
    )


def distance_legs(problem: RoutingProblem, route: Route) -> list[float]:
    """Distances driven: to the first stop, between stops, and from the last one to the end."""
    t = route.vehicle_type
    path = path_of(problem, route)
    legs = problem.profiles[problem.vehicle_profile[t]].distance(path[:-1], path[1:])
    if problem.vehicle_start[t] < 0:
        legs[0] = 0.0
    if problem.vehicle_end[t] < 0:
        legs[-1] = 0.0
    return [float(leg) for leg in legs]


def loads_on_board(problem: RoutingProblem, route: Route) -> IntArray:
    """Loads at the start and after each stop, shape (stops + 1, dimensions)."""
    stops = np.array(route.visits, dtype=np.int64)
    change = problem.pickup[stops] + problem.shipped[stops] - problem.delivery[stops]
    start = problem.delivery[stops].sum(axis=0, keepdims=True)
    return np.concatenate((start, start + np.cumsum(change, axis=0)))


def _route(
    problem: RoutingProblem, route: Route, name: str, violations: list[Violation], costs: dict[str, list[float]]
) -> None:
    """Check one route by itself and add its parts of the objective to ``costs``."""
    t = route.vehicle_type
    stops = np.array(route.visits, dtype=np.int64)
    violations.extend(
        Violation("vehicle_not_allowed", f"{problem.stop_ids[stop]} on {name}", 1.0)
        for stop in stops[~problem.compatible[stops, t]]
    )
    excess = (loads_on_board(problem, route) - problem.capacity[t]).max(axis=0)
    violations.extend(
        Violation("capacity", f"{name} {problem.dimensions[d]}", float(excess[d])) for d in np.flatnonzero(excess > 0)
    )
    if len(stops) > problem.vehicle_max_stops[t]:
        violations.append(Violation("max_stops", name, float(len(stops) - problem.vehicle_max_stops[t])))
    if problem.has_pinned_places:
        _positions(problem, route, name, violations)
    if problem.data.backhauls_last:
        _backhauls(problem, stops, name, violations)

    distance = math.fsum(distance_legs(problem, route))
    if distance > problem.max_distance[t] + TOLERANCE:
        violations.append(Violation("max_distance", name, distance - float(problem.max_distance[t])))
    timing = least_duration(timed_route(problem, route))
    _times(problem, route, timing, name, violations)
    costs["fixed"].append(float(problem.fixed_cost[t]))
    costs["distance"].append(float(problem.cost_per_distance[t]) * distance)
    costs["duration"].append(float(problem.cost_per_duration[t]) * timing.duration_s)


def _times(problem: RoutingProblem, route: Route, timing: Timing, name: str, violations: list[Violation]) -> None:
    violations.extend(
        Violation("time_window", f"{problem.stop_ids[stop]} on {name}", late)
        for stop, late in zip(route.visits, timing.lateness_s, strict=True)
        if late > 0
    )
    if timing.overtime_s > 0:
        violations.append(Violation("shift", name, timing.overtime_s))
    excess = timing.duration_s - float(problem.max_duration_s[route.vehicle_type])
    if excess > TOLERANCE:
        violations.append(Violation("max_duration", name, excess))


def _positions(problem: RoutingProblem, route: Route, name: str, violations: list[Violation]) -> None:
    """A visit pinned to a place on its route, counted from its start or its end, has that place."""
    for k, stop in enumerate(route.visits):
        places = ((k, problem.before[stop]), (len(route.visits) - 1 - k, problem.after[stop]))
        off = max(max(float(least) - place, place - float(most)) for place, (least, most) in places)
        if off > 0:
            violations.append(Violation("position", f"{problem.stop_ids[stop]} on {name}", off))


def _backhauls(problem: RoutingProblem, stops: IntArray, name: str, violations: list[Violation]) -> None:
    """Deliveries come first, and a route has at least one when it has a pickup."""
    delivers = problem.delivery[stops].any(axis=1)
    picks = problem.pickup[stops].any(axis=1)
    after_a_pickup = np.maximum.accumulate(picks)
    wrong = int((delivers & after_a_pickup).sum())
    if picks.any() and not delivers.any():
        wrong = int(picks.sum())
    if wrong:
        violations.append(Violation("backhaul_order", name, float(wrong)))


def _service(problem: RoutingProblem, served: Counter[int], violations: list[Violation]) -> float:
    """Every stop at most once, and what must be served is; returns the prizes of what is left out."""
    counts = np.zeros(problem.n_stops, dtype=np.int64)
    for stop, number in served.items():
        counts[stop] = number
    violations.extend(
        Violation("duplicate", problem.stop_ids[stop], float(counts[stop] - 1)) for stop in np.flatnonzero(counts > 1)
    )
    missing = np.flatnonzero(counts == 0)
    first_leg = problem.n_visits
    for stop in missing[~problem.optional[missing]].tolist():
        if stop < first_leg:
            violations.append(Violation("mandatory", problem.stop_ids[stop], 1.0))
        elif (stop - first_leg) % 2 == 0 and counts[stop + 1] == 0:  # with one leg only it is a pairing violation
            violations.append(Violation("mandatory", problem.data.shipments[(stop - first_leg) // 2].id, 1.0))
    return math.fsum(problem.prize[missing].tolist())


def _pairs(problem: RoutingProblem, place: dict[int, tuple[int, int]], violations: list[Violation]) -> None:
    """Both legs of a shipment are on one route, the pickup first."""
    for j, shipment in enumerate(problem.data.shipments):
        pickup = place.get(problem.n_visits + 2 * j)
        delivery = place.get(problem.n_visits + 2 * j + 1)
        if pickup is None and delivery is None:
            continue
        if pickup is None or delivery is None or pickup[0] != delivery[0]:
            violations.append(Violation("pairing", shipment.id, 1.0))
        elif delivery[1] < pickup[1]:
            violations.append(Violation("precedence", shipment.id, float(pickup[1] - delivery[1])))
