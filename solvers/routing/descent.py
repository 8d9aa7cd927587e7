"""A short descent, compiled: stops move to better places, and routes exchange their tails, while that lowers cost."""

# mypy: disable-error-code=no-any-return
from __future__ import annotations

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import borrowing, compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.draft import Draft
from solvers.routing.evaluation import leg_distance, route_cost
from solvers.routing.insertion import insertable
from solvers.stop import Stop

_PASSES = 4
_CHUNK = 256
"""Stops between two questions whether to go on."""

_MOST_WORK = 4e7
"""Steps along routes in one pass at most: long tours would take longer than a first plan may."""

_TAILS = 12
"""Near stops to which a route may be continued instead."""


def descend(A: Arrays, draft: Draft, near: IntArray, stop: Stop) -> None:
    """Improve ``draft`` in place, a few passes over all stops at most; legs of shipments stay where they are."""
    rows = draft.size[draft.size > 0]
    n = len(draft.route_of)
    if not len(rows) or not near.shape[1]:
        return
    weighted = float((rows.astype(np.float64) ** 2).sum() / n)  # length of the route that a stop is on
    passes = min(_PASSES, int(_MOST_WORK / max(1.0, n * near.shape[1] * weighted)))
    tails = bool((A.partner < 0).all())  # an exchange would part a pickup from its delivery
    for _ in range(passes):
        before = draft.cost.sum()
        for first in range(0, n, _CHUNK):
            if stop():
                return
            _relocate(
                A,
                first,
                min(first + _CHUNK, n),
                draft.routes,
                draft.size,
                draft.vehicle,
                draft.cost,
                draft.route_of,
                near,
                tails,
            )
        if draft.cost.sum() > before - 1e-9 * abs(before) - 1e-9:
            return


@compiled
def _relocate(
    A: Arrays,
    first: int,
    last: int,
    routes: IntArray,
    size: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    route_of: IntArray,
    near: IntArray,
    tails: bool,
) -> None:
    """For each stop from ``first`` to ``last``: the best place beside a near stop, then the best swap of ``tails``."""
    n_routes, longest = routes.shape
    trial, without = np.empty(longest + 2, np.int64), np.empty(longest, np.int64)
    other = np.empty(longest, np.int64)
    wanted = np.zeros(route_of.shape[0], np.int64)
    asked = np.full(n_routes, -1, np.int64)
    for stop in range(first, last):
        r = route_of[stop]
        if r < 0 or A.partner[stop] >= 0:
            continue
        m = 0
        for k in range(size[r]):
            if routes[r, k] != stop:
                without[m] = routes[r, k]
                m += 1
        rest = route_cost(A, vehicle[r], without, m)
        gain = cost[r] - rest
        best, best_route, best_at = gain - 1e-7, -1, -1
        for k in range(near.shape[1]):
            wanted[near[stop, k]] = 1
        if gain > 1e-7:
            for k in range(near.shape[1]):
                s = route_of[near[stop, k]]
                if s < 0 or asked[s] == stop or size[s] >= longest or not A.compatible[stop, vehicle[s]]:
                    continue
                asked[s] = stop
                if s == r:
                    c, p, _ = insertable(A, vehicle[r], without, m, stop, rest, rest + best, wanted, trial)
                    delta = c - rest
                else:
                    c, p, _ = insertable(
                        A, vehicle[s], routes[s], size[s], stop, cost[s], cost[s] + best, wanted, trial
                    )
                    delta = c - cost[s]
                if p >= 0 and delta < best:
                    best, best_route, best_at = delta, s, p
        for k in range(near.shape[1]):
            wanted[near[stop, k]] = 0
        if best_route >= 0:
            for k in range(m):
                routes[r, k] = without[k]
            size[r], cost[r] = m, rest
            for k in range(size[best_route], best_at, -1):
                routes[best_route, k] = routes[best_route, k - 1]
            routes[best_route, best_at] = stop
            size[best_route] += 1
            cost[best_route] += best
            route_of[stop] = best_route
        if tails:
            _swap_tails(A, stop, routes, size, vehicle, cost, route_of, near, trial, other)


@borrowing
def _swap_tails(
    A: Arrays,
    stop: int,
    routes: IntArray,
    size: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    route_of: IntArray,
    near: IntArray,
    trial: IntArray,
    other: IntArray,
) -> None:
    """Continue after ``stop`` with the rest of another route from a near stop on; that one takes the old rest."""
    r = route_of[stop]
    p = 0
    while routes[r, p] != stop:
        p += 1
    longest = routes.shape[1]
    best, best_route, best_cut, best_first = -1e-7, -1, -1, 0.0
    for k in range(min(_TAILS, near.shape[1])):
        goal = near[stop, k]
        s = route_of[goal]
        if s < 0 or s == r:
            continue
        q = 0
        while routes[s, q] != goal:
            q += 1
        if p + 1 + size[s] - q > longest or q + size[r] - p - 1 > longest:
            continue
        if vehicle[r] == vehicle[s] and _tail_change(A, vehicle[r], routes, size, r, p, s, q) >= best:
            continue
        ours, theirs = _tails(routes, size, r, p, s, q, trial, other)
        c = route_cost(A, vehicle[r], trial, ours)
        if c - cost[r] - cost[s] >= best:
            continue
        d = route_cost(A, vehicle[s], other, theirs)
        if c + d - cost[r] - cost[s] < best:
            best, best_route, best_cut, best_first = c + d - cost[r] - cost[s], s, q, c
    if best_route < 0:
        return
    s = best_route
    ours, theirs = _tails(routes, size, r, p, s, best_cut, trial, other)
    total = cost[r] + cost[s] + best
    for k in range(ours):
        routes[r, k] = trial[k]
        route_of[trial[k]] = r
    for k in range(theirs):
        routes[s, k] = other[k]
        route_of[other[k]] = s
    size[r], size[s] = ours, theirs
    cost[r], cost[s] = best_first, total - best_first


@borrowing
def _tail_change(A: Arrays, t: int, routes: IntArray, size: IntArray, r: int, p: int, s: int, q: int) -> float:
    """What exchanging tails changes in the cost of distance, for two routes of type ``t``."""
    profile = A.profile[t]
    goal = A.location[routes[s, q]]
    last = A.location[routes[r, p]]
    rest = A.location[routes[r, p + 1]] if p + 1 < size[r] else A.end[t]
    before = A.location[routes[s, q - 1]] if q > 0 else A.start[t]
    change = leg_distance(A, profile, last, goal)
    if rest >= 0:
        change -= leg_distance(A, profile, last, rest)
    if before >= 0:
        change -= leg_distance(A, profile, before, goal)
    if rest >= 0 and before >= 0 and not (q == 0 and p + 1 == size[r]):
        change += leg_distance(A, profile, before, rest)
    saved = A.fixed_cost[t] if q == 0 and p + 1 == size[r] else 0.0
    return change * A.cost_per_distance[t] - saved


@borrowing
def _tails(
    routes: IntArray, size: IntArray, r: int, p: int, s: int, q: int, trial: IntArray, other: IntArray
) -> tuple[int, int]:
    """Write route ``r`` up to ``p`` with ``s`` from ``q`` on, and ``s`` up to ``q`` with the rest of ``r``."""
    ours = 0
    for k in range(p + 1):
        trial[ours] = routes[r, k]
        ours += 1
    for k in range(q, size[s]):
        trial[ours] = routes[s, k]
        ours += 1
    theirs = 0
    for k in range(q):
        other[theirs] = routes[s, k]
        theirs += 1
    for k in range(p + 1, size[r]):
        other[theirs] = routes[r, k]
        theirs += 1
    return ours, theirs
