"""What it costs to add one stop to a plan, at best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.compiled import compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.draft import draft_of
from solvers.routing.evaluation import route_cost
from solvers.routing.insertion import insertable
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem


def cheapest_placements(problem: RoutingProblem, plan: RoutingPlan, stops: Sequence[int]) -> list[float]:
    """Least extra cost of serving each of ``stops`` alone on top of ``plan``; ``inf`` when it fits nowhere.

    A shipment is given by its pickup. Places on all routes and on a free vehicle of each type are tried; routes that
    break a limit already are left alone.
    """
    A = arrays_of(problem)
    kept = []
    for t, visits in plan.routes:
        cost = route_cost(A, t, np.array(visits, dtype=np.int64), len(visits)) if visits else np.inf
        if np.isfinite(cost):
            kept.append((t, float(cost), visits))
    draft = draft_of(A, kept)
    used = np.bincount([t for t, visits in plan.routes if visits], minlength=len(A.available)).astype(np.int64)
    out = np.empty(len(stops))
    _placements(A, np.array(stops, dtype=np.int64), draft.routes, draft.size, draft.vehicle, draft.cost, used, out)
    return [float(cost) for cost in out]


@compiled
def _placements(
    A: Arrays,
    stops: IntArray,
    routes: IntArray,
    size: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    used: IntArray,
    out: FloatArray,
) -> None:
    longest = size.max() if size.shape[0] else 0
    trial = np.empty(longest + 2, np.int64)
    single = np.empty(2, np.int64)
    everywhere = np.zeros(0, np.int64)
    for k in range(stops.shape[0]):
        stop = stops[k]
        mate = A.partner[stop]
        best = np.inf
        for r in range(size.shape[0]):
            if size[r] > 0 and A.compatible[stop, vehicle[r]]:
                found = insertable(A, vehicle[r], routes[r], size[r], stop, cost[r], cost[r] + best, everywhere, trial)
                best = min(best, found[0] - cost[r])
        single[0], single[1] = stop, mate
        for t in range(A.available.shape[0]):
            if used[t] < A.available[t]:
                best = min(best, route_cost(A, t, single, 1 if mate < 0 else 2))
        out[k] = best
