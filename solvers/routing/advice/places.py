"""Where one more visit or shipment would fit on a plan, the cheapest places first."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.compiled import compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.schedule import schedule


class Place(NamedTuple):
    """One place for a stop.

    Parameters
    ----------
    route
        Index into the plan's routes; ``None``: a vehicle that has no route yet.
    vehicle_type
        Index of the type that would serve it.
    positions
        Place of the stop on the route after the insertion, from 0; of a shipment, of its pickup and its delivery.
    extra_cost
        What the route costs more, in the problem's currency; the whole route's cost on a new one.
    start_s
        When service starts, as ``positions``.
    delay_s
        The most that the start of service of another stop of the route moves back.

    """

    route: int | None
    vehicle_type: int
    positions: tuple[int, ...]
    extra_cost: float
    start_s: tuple[float, ...]
    delay_s: float


def places(problem: RoutingProblem, plan: RoutingPlan, stop: int, most: int = 10) -> tuple[Place, ...]:
    """The cheapest places for ``stop`` on ``plan``, at most ``most``, each checked by the verifier's own rules.

    ``stop`` is on no route; a shipment is given by its pickup. Of a visit every place on every route counts, of a
    shipment the cheapest pair of places on each route; a free vehicle counts once for each type. Routes that break a
    limit already are left alone. Ties go to the earlier route and place.
    """
    A = arrays_of(problem)
    pair = problem.partner[stop] >= 0
    stops = (stop, int(problem.partner[stop])) if pair else (stop,)
    found: list[tuple[float, int, tuple[int, ...]]] = []
    for r, (t, visits) in enumerate(plan.routes):
        route = np.array(visits, dtype=np.int64)
        base = float(route_cost(A, t, route, len(visits)))
        if visits and math.isfinite(base) and problem.compatible[stop, t]:
            found += [(cost - base, r, at) for cost, at in _on_route(A, t, route, stops)]
    used = np.bincount([t for t, visits in plan.routes if visits], minlength=len(A.available))
    for t in np.flatnonzero(used < A.available).tolist():
        cost = float(route_cost(A, t, np.array(stops, dtype=np.int64), len(stops)))
        if math.isfinite(cost):
            found.append((cost, len(plan.routes) + t, tuple(range(len(stops)))))
    found.sort()
    out: list[Place] = []
    for extra, r, at in found:
        if len(out) == most:
            break
        place = _checked(problem, plan, stops, extra, r, at)
        if place is not None:
            out.append(place)
    return tuple(out)


def _on_route(A: Arrays, t: int, route: IntArray, stops: tuple[int, ...]) -> list[tuple[float, tuple[int, ...]]]:
    """Cost of the whole route with ``stops`` at each place that keeps every limit; of a pair, at the best place."""
    if len(stops) == 1:
        costs = _costs_at(A, t, route, stops[0])
        return [(float(costs[p]), (int(p),)) for p in np.flatnonzero(np.isfinite(costs))]
    cost, p, q = _best_pair(A, t, route, stops[0], stops[1])
    return [(float(cost), (int(p), int(q)))] if math.isfinite(cost) else []


@compiled
def _costs_at(A: Arrays, t: int, route: IntArray, stop: int) -> FloatArray:
    """Cost of the route with ``stop`` at each place, ``inf`` where that breaks a limit; shape (stops + 1,)."""
    m = route.shape[0]
    trial = np.empty(m + 1, np.int64)
    trial[0] = stop
    trial[1:] = route
    costs = np.empty(m + 1)
    for p in range(m + 1):
        costs[p] = route_cost(A, t, trial, m + 1)
        if p < m:
            trial[p], trial[p + 1] = trial[p + 1], trial[p]
    return costs


@compiled
def _best_pair(A: Arrays, t: int, route: IntArray, first: int, second: int) -> tuple[float, int, int]:
    """Cheapest places of ``first`` and, after it, ``second``; the cost is ``inf`` when there are none."""
    m = route.shape[0]
    trial = np.empty(m + 2, np.int64)
    best, best_p, best_q = np.inf, -1, -1
    for p in range(m + 1):
        for q in range(p + 1, m + 2):
            k = 0
            for at in range(m + 2):
                if at == p:
                    trial[at] = first
                elif at == q:
                    trial[at] = second
                else:
                    trial[at] = route[k]
                    k += 1
            cost = route_cost(A, t, trial, m + 2)
            if cost < best:
                best, best_p, best_q = cost, p, q
    return best, best_p, best_q


def _checked(
    problem: RoutingProblem, plan: RoutingPlan, stops: tuple[int, ...], extra: float, r: int, at: tuple[int, ...]
) -> Place | None:
    """The place with its times, or None where the verifier does not agree that the route keeps its limits."""
    new = r >= len(plan.routes)
    old = Route(r - len(plan.routes), ()) if new else plan.routes[r]
    visits = list(old.visits)
    for stop, position in zip(stops, at, strict=True):
        visits.insert(position, stop)
    route = Route(old.vehicle_type, tuple(visits))
    alone = problem.verify(RoutingPlan((route,)))
    if any(violation.constraint != "mandatory" for violation in alone.violations):
        return None
    after, before = _starts(problem, route), _starts(problem, old)
    return Place(
        route=None if new else r,
        vehicle_type=old.vehicle_type,
        positions=at,
        extra_cost=extra,
        start_s=tuple(after[stop] for stop in stops),
        delay_s=max((after[stop] - start for stop, start in before.items()), default=0.0),
    )


def _starts(problem: RoutingProblem, route: Route) -> dict[int, float]:
    """Start of service of each stop of ``route``."""
    return {stop.stop: stop.start_s for row in schedule(problem, RoutingPlan((route,))) for stop in row.stops}
