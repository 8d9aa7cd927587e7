"""Proofs that no plan serves everything, for sets small or heavy enough to see it."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np

from solvers.routing.arrays import arrays_of
from solvers.routing.data import FloatArray, Metric
from solvers.routing.evaluation import route_cost
from solvers.routing.problem import UNLIMITED, RoutingProblem

_MOST_LOCATIONS = 500
_MOST_STOPS = 6
_MOST_TYPES = 8


def hereditary(problem: RoutingProblem) -> bool:
    """Whether a route that keeps its limits still does when stops are taken out, so that parts prove for the whole.

    It takes that no way is shorter over a third place (rounded distances and matrices can break that; they are looked
    at up to 500 locations), and that routes may be of pickups alone.
    """
    if problem.data.backhauls_last:
        return False
    everywhere = np.arange(len(problem.data.locations))
    for profile in problem.profiles:
        if profile.metric in (Metric.EUCLIDEAN, Metric.HAVERSINE):
            continue
        if len(everywhere) > _MOST_LOCATIONS:
            return False
        for table in (
            profile.distance_matrix(everywhere, everywhere),
            profile.duration_matrix_s(everywhere, everywhere),
        ):
            if not _direct_is_shortest(table):
                return False
    return True


def _direct_is_shortest(table: FloatArray) -> bool:
    return all(bool((table <= table[:, [k]] + table[[k], :] + 1e-9).all()) for k in range(len(table)))


def loads_exceed_fleet(problem: RoutingProblem) -> tuple[list[str], str] | None:
    """Visits that may only use vehicles which, all together, cannot carry their load once; the fewest, largest first.

    Every vehicle drives one route, on which all deliveries are on board at the start and all pickups at the end.
    """
    n = problem.n_visits
    if n == 0:
        return None
    allowed = [frozenset(np.flatnonzero(row).tolist()) for row in problem.compatible[:n]]
    for group in sorted(set(allowed) | {frozenset().union(*allowed)}, key=lambda types: (len(types), sorted(types))):
        inside = [k for k in range(n) if allowed[k] <= group]
        types = sorted(group)
        for d, name in enumerate(problem.dimensions):
            if any(problem.capacity[t, d] >= UNLIMITED for t in types):
                continue
            room = sum(int(problem.capacity[t, d]) * int(problem.vehicle_count[t]) for t in types)
            for what, loads in (("delivery", problem.delivery[:n, d]), ("pickup", problem.pickup[:n, d])):
                if sum(int(loads[k]) for k in inside) <= room:
                    continue
                chosen, total = [], 0
                for k in sorted(inside, key=lambda k: (-int(loads[k]), k)):
                    chosen.append(problem.stop_ids[k])
                    total += int(loads[k])
                    if total > room:
                        break
                fleet = ", ".join(problem.data.vehicles[t].id for t in types[:5])
                more = ", ..." if len(types) > 5 else ""
                detail = f"{what} of {name}: {total} in all; the vehicles they may use ({fleet}{more}) carry {room}"
                return chosen, detail
    return None


def serves_all(problem: RoutingProblem) -> bool | None:
    """Whether some plan serves every stop, by trying all; ``None`` beyond 6 stops or 8 vehicle types."""
    n, types = problem.n_stops, len(problem.data.vehicles)
    if n > _MOST_STOPS or types > _MOST_TYPES:
        return None
    A = arrays_of(problem)
    partner = problem.partner.tolist()
    drivable = [[False] * (1 << n) for _ in range(types)]
    for mask in range(1, 1 << n):
        stops = [k for k in range(n) if mask >> k & 1]
        if any(partner[k] >= 0 and not mask >> partner[k] & 1 for k in stops):
            continue
        for order in permutations(stops):
            if any(0 <= partner[k] < k and order.index(partner[k]) > at for at, k in enumerate(order)):
                continue
            route = np.array(order, dtype=np.int64)
            for t in range(types):
                if not drivable[t][mask] and math.isfinite(route_cost(A, t, route, len(order))):
                    drivable[t][mask] = True
    return _covered((1 << n) - 1, [int(count) for count in problem.vehicle_count], drivable)


def _covered(left: int, free: list[int], drivable: list[list[bool]]) -> bool:
    if left == 0:
        return True
    lowest = left & -left
    mask = left
    while mask:
        if mask & lowest:
            for t in range(len(free)):
                if free[t] and drivable[t][mask]:
                    free[t] -= 1
                    done = _covered(left & ~mask, free, drivable)
                    free[t] += 1
                    if done:
                        return True
        mask = (mask - 1) & left
    return False
