"""Putting stops into routes where they cost least, compiled: repairs, leftovers, shipments and optional visits."""

from __future__ import annotations

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import borrowing, compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import detour, route_cost, seated


@borrowing
def insertable(
    A: Arrays,
    t: int,
    route: IntArray,
    m: int,
    stop: int,
    base: float,
    limit: float,
    wanted: IntArray,
    trial: IntArray,
) -> tuple[float, int, int]:
    """Cheapest way to put ``stop`` (and its partner, after it) into a route; cost of the route, place, partner's place.

    Places are indices in the new route. ``wanted`` marks stops beside which a place is worth trying (empty: all).
    ``base`` is the route's cost now; only routes cheaper than ``limit`` are reported, else the cost is ``inf``. Places
    whose detour alone costs too much are passed over; that misses nothing but, with time-dependent costs, the odd
    place where a longer way is a shorter time.
    """
    best, best_at, best_mate = limit, -1, -1
    mate = A.partner[stop]
    near = wanted.shape[0] > 0 and not seated(A, stop)  # a pinned place need not be beside a near stop
    here = A.location[stop]
    for p in range(m + 1):
        if near and p > 0 and p < m and wanted[route[p - 1]] == 0 and wanted[route[p]] == 0:
            continue
        before = A.location[route[p - 1]] if p > 0 else A.start[t]
        after = A.location[route[p]] if p < m else A.end[t]
        if mate < 0:
            if base + detour(A, t, before, here, after) >= best:
                continue
            for k in range(p):
                trial[k] = route[k]
            trial[p] = stop
            for k in range(p, m):
                trial[k + 1] = route[k]
            cost = route_cost(A, t, trial, m + 1)
            if cost < best:
                best, best_at = cost, p
            continue
        there = A.location[mate]
        pickup = detour(A, t, before, here, after)
        # to the pickup on the way to the delivery, and to the delivery on the way on
        together = detour(A, t, before, here, there) + detour(A, t, before, there, after)
        for q in range(p + 1, m + 2):
            if q > p + 1:
                last = A.location[route[q - 2]]
                following = A.location[route[q - 1]] if q - 1 < m else A.end[t]
                if base + pickup + detour(A, t, last, there, following) >= best:
                    continue
            elif base + together >= best and before >= 0 and after >= 0:
                continue
            for k in range(p):
                trial[k] = route[k]
            trial[p] = stop
            for k in range(p + 1, q):
                trial[k] = route[k - 1]
            trial[q] = mate
            for k in range(q + 1, m + 2):
                trial[k] = route[k - 2]
            cost = route_cost(A, t, trial, m + 2)
            if cost < best:
                best, best_at, best_mate = cost, p, q
    return (best, best_at, best_mate) if best_at >= 0 else (np.inf, -1, -1)


@borrowing
def _put(route: IntArray, m: int, stop: int, p: int, mate: int, q: int) -> int:
    """Insert ``stop`` at ``p`` and, if ``q`` >= 0, ``mate`` at ``q``; returns the new length."""
    for k in range(m, p, -1):
        route[k] = route[k - 1]
    route[p] = stop
    m += 1
    if q >= 0:
        for k in range(m, q, -1):
            route[k] = route[k - 1]
        route[q] = mate
        m += 1
    return m


@compiled
def insert_all(
    A: Arrays,
    order: IntArray,
    routes: IntArray,
    size: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    route_of: IntArray,
    used: IntArray,
    near: IntArray,
    dimensions_full: bool,
) -> int:
    """Insert the stops ``order`` (of a shipment: its pickup) one by one where they cost least.

    ``routes`` (routes, longest), ``size``, ``vehicle``, ``cost``, ``route_of`` (stops; -1: on none) and ``used``
    vehicles by type are updated; rows with size 0 are free to be opened. ``near`` (stops, k) restricts the places to
    those beside near stops, and the routes to theirs; with none, or when that finds nothing for a stop that must be
    served, everything is tried. An optional stop is inserted only for less than its prize. ``dimensions_full``: skip
    routes by the sum of their loads first.

    Returns
    -------
    int
        Mandatory stops (pickups) that found no place.

    """
    n = route_of.shape[0]
    n_routes, longest = routes.shape
    trial = np.empty(longest + 2, np.int64)
    single = np.empty(2, np.int64)
    wanted = np.zeros(n if near.shape[1] > 0 else 0, np.int64)
    everywhere = np.zeros(0, np.int64)
    asked = np.full(n_routes, -1, np.int64)
    failed = 0
    for step in range(order.shape[0]):
        stop = order[step]
        mate = A.partner[stop]
        extra = 2 if mate >= 0 else 1
        threshold = A.prize[stop] if A.optional[stop] else np.inf
        best, best_route, best_at, best_mate = threshold, -1, -1, -1
        for k in range(near.shape[1]):
            wanted[near[stop, k]] = 1
        local = near.shape[1] > 0 and not seated(A, stop)
        for sweep in range(2):
            if sweep == 1 and (not local or best_route >= 0 or A.optional[stop]):
                break
            candidates = near.shape[1] if sweep == 0 and local else n_routes
            for k in range(candidates):
                r = route_of[near[stop, k]] if sweep == 0 and local else k
                if r < 0 or size[r] == 0 or asked[r] == 2 * step + sweep or size[r] + extra > longest:
                    continue
                asked[r] = 2 * step + sweep
                if not A.compatible[stop, vehicle[r]]:
                    continue
                if dimensions_full and _overloads(A, routes[r], size[r], vehicle[r], stop):
                    continue
                places = wanted if sweep == 0 else everywhere
                c, p, q = insertable(A, vehicle[r], routes[r], size[r], stop, cost[r], cost[r] + best, places, trial)
                if p >= 0 and c - cost[r] < best:
                    best, best_route, best_at, best_mate = c - cost[r], r, p, q
        for k in range(near.shape[1]):
            wanted[near[stop, k]] = 0
        # a fresh vehicle
        fresh_type = -1
        for t in range(A.available.shape[0]):
            if used[t] >= A.available[t] or not A.compatible[stop, t]:
                continue
            single[0] = stop
            if mate >= 0:
                single[1] = mate
            c = route_cost(A, t, single, extra)
            if c < best:
                best, fresh_type = c, t
        if fresh_type >= 0:
            free = -1
            for r in range(n_routes):
                if size[r] == 0:
                    free = r
                    break
            if free >= 0:
                best_route, best_at, best_mate = free, 0, 1 if mate >= 0 else -1
                vehicle[free], cost[free] = fresh_type, 0.0
                used[fresh_type] += 1
        if best_route < 0:
            failed += 0 if A.optional[stop] else 1
            continue
        size[best_route] = _put(routes[best_route], size[best_route], stop, best_at, mate, best_mate)
        cost[best_route] += best
        route_of[stop] = best_route
        if mate >= 0:
            route_of[mate] = best_route
    return failed


@borrowing
def _overloads(A: Arrays, route: IntArray, m: int, t: int, stop: int) -> bool:
    """Whether the plain sum of loads with ``stop`` exceeds the capacity."""
    for d in range(A.capacity.shape[1]):
        total = A.delivery[stop, d] + A.pickup[stop, d]
        for k in range(m):
            total += A.delivery[route[k], d] + A.pickup[route[k], d]
        if total > A.capacity[t, d]:
            return True
    return False
