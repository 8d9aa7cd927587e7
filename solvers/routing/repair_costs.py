"""What one or two stops cost in the gaps of a route: the numbers of the repair kernel."""

from __future__ import annotations

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost


@compiled
def single_costs(A: Arrays, vehicle: int, visits: IntArray, stop: int) -> FloatArray:
    """Cost of ``visits`` with ``stop`` in each of its gaps."""
    n = visits.size
    route = np.empty(n + 1, np.int64)
    route[0] = stop
    route[1:] = visits
    out = np.empty(n + 1)
    for gap in range(n + 1):
        out[gap] = route_cost(A, vehicle, route, n + 1)
        if gap < n:
            route[gap], route[gap + 1] = route[gap + 1], route[gap]
    return out


@compiled
def pair_costs(
    A: Arrays, vehicle: int, visits: IntArray, gaps: IntArray, stops: IntArray, owner: IntArray
) -> FloatArray:
    """Cost of ``visits`` with two stops at places k and m (their better order in one gap), for k < m, owners differ."""
    n, count = visits.size, gaps.size
    route = np.empty(n + 2, np.int64)
    out = np.zeros((count, count))
    for k in range(count):
        for m in range(k + 1, count):
            if owner[k] == owner[m]:
                continue
            a, b = (k, m) if gaps[k] <= gaps[m] else (m, k)
            low, high = gaps[a], gaps[b]
            route[:low] = visits[:low]
            route[low] = stops[a]
            route[low + 1 : high + 1] = visits[low:high]
            route[high + 1] = stops[b]
            route[high + 2 :] = visits[high:]
            cost = route_cost(A, vehicle, route, n + 2)
            if low == high:
                route[low], route[low + 1] = stops[b], stops[a]
                cost = min(cost, route_cost(A, vehicle, route, n + 2))
            out[k, m] = cost
    return out
