"""Plans from outside: made well formed, then feasible, changing as little as possible."""

from __future__ import annotations

from collections import Counter

import numpy as np

from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.draft import draft_of, insert, leaders, repair
from solvers.routing.evaluation import route_cost
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Stop


def well_formed(problem: RoutingProblem, plan: RoutingPlan) -> RoutingPlan:
    """``plan`` without stops served before, legs whose partner is not behind or before them, and surplus vehicles."""
    seen: set[int] = set()
    used: Counter[int] = Counter()
    routes = []
    for t, visits in plan.routes:
        fresh = [stop for k, stop in enumerate(visits) if stop not in seen and stop not in visits[:k]]
        place = {stop: k for k, stop in enumerate(fresh)}
        kept = tuple(stop for stop in fresh if _paired(problem, stop, place))
        if kept and used[t] < problem.vehicle_count[t]:
            used[t] += 1
            seen.update(kept)
            routes.append(Route(t, kept))
    return RoutingPlan(tuple(routes))


def _paired(problem: RoutingProblem, stop: int, place: dict[int, int]) -> bool:
    mate = int(problem.partner[stop])
    if mate < 0:
        return True
    return mate in place and (place[mate] > place[stop]) == (mate > stop)


def repaired(problem: RoutingProblem, plan: RoutingPlan, seed: int, stop: Stop) -> RoutingPlan:
    """A plan that keeps every limit and as much of ``plan`` as it can.

    Stops that break their route are taken out in the order of the route; what is missing is inserted where it costs
    least. As with the insurance, mandatory stops may remain unserved when the fleet is too tight.
    """
    if problem.verify(plan).feasible:
        return plan
    A = arrays_of(problem)
    kept = []
    for t, visits in well_formed(problem, plan).routes:
        stops = _feasible_part(A, t, visits)
        cost = route_cost(A, t, np.array(stops, dtype=np.int64), len(stops))
        if stops and np.isfinite(cost):
            kept.append((t, float(cost), stops))
    draft = draft_of(A, kept)
    near = nearest_stops(problem, 40)
    insert(A, draft, leaders(A, np.flatnonzero(draft.route_of < 0).tolist()), near)
    repair(A, draft, near, seed, stop)
    return draft.plan()


def _feasible_part(A: Arrays, t: int, visits: tuple[int, ...]) -> list[int]:
    """The stops of a route that can be served by type ``t`` in this order, taken greedily from the front."""
    if np.isfinite(route_cost(A, t, np.array(visits, dtype=np.int64), len(visits))):
        return list(visits)
    part: list[int] = []
    for stop in visits:
        if A.partner[stop] >= 0 and stop > A.partner[stop]:
            continue  # comes with its pickup
        pair = {stop, int(A.partner[stop])}
        trial = [s for s in visits if s in pair or s in part]
        if np.isfinite(route_cost(A, t, np.array(trial, dtype=np.int64), len(trial))):
            part = trial
    return part
