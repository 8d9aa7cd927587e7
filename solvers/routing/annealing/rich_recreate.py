"""Greedy insertion with blinks where places also have to fit times, several loads, an order and limits per route."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solvers.routing.annealing.compile import inlined, kernel
from solvers.routing.annealing.random import geometric
from solvers.routing.annealing.rich import (
    BACKHAULS_LAST,
    HAS_SPANS,
    HAS_TIME,
    IS_MIXED,
    SEVERAL_TYPES,
    refresh_peaks,
)
from solvers.routing.annealing.room import BLINK_RATE, FEW_RICH_ROUTES, change, cheapest_alone, kind_for, new_route
from solvers.routing.annealing.shipments import insert_shipment, open_shipment
from solvers.routing.annealing.times import begun, reached_from, rich_time, span_with, spread_times
from solvers.routing.annealing.tour import BLINK_IN, N_FREE, N_RUINED, distance, put_after, renew, retype


@inlined
def _fits(tours, rich, c, p, s, r, kind, before, after):  # type: ignore[no-untyped-def]
    """Whether visit ``c``, which has room on route ``r``, may come between ``p`` and ``s``, so far away from each."""
    n = tours.near.shape[0]
    if rich.flags[BACKHAULS_LAST]:
        if rich.sites[c].delivers:
            if p < n and not rich.sites[p].delivers:
                return False
        elif s < n and rich.sites[s].delivers:
            return False
    if rich.flags[IS_MIXED]:
        for d in range(rich.sums.shape[1]):
            limit = rich.capacity[kind, d]
            if (
                rich.peaks[p, d].before + rich.amounts[c, d].brings > limit
                or rich.peaks[p, d].after + rich.amounts[c, d].takes > limit
            ):
                return False
    if rich.runs[r].length + before + after - tours.nodes[p].dsucc > rich.kinds[kind].most_distance:
        return False
    if rich.flags[HAS_TIME]:
        there_s, on_s = rich_time(rich, p, c, before), rich_time(rich, c, s, after)
        at = rich.sites[p].earliest
        if rich.flags[HAS_SPANS]:
            at = reached_from(rich, p, c, n + r)
            if span_with(rich, p, c, s, there_s, on_s) > rich.kinds[kind].most_span:
                return False
        start = begun(rich, c, at + rich.sites[p].service + there_s)
        return start <= rich.sites[c].closes and start + rich.sites[c].service + on_s <= rich.sites[s].latest
    return True


@inlined
def _try(tours, rich, c, p, r, kind, extra, best):  # type: ignore[no-untyped-def]
    """Cost of visit ``c`` after node ``p`` of route ``r`` on a ``kind`` for ``extra`` where that fits below ``best``.

    Else ``best``.
    """
    s = np.int64(tours.nodes[p].succ)
    before, after = distance(tours, p, c), distance(tours, c, s)
    cost = rich.kinds[kind].unit_cost * (before + after - tours.nodes[p].dsucc) + extra
    if cost >= best or not _fits(tours, rich, c, p, s, r, kind, before, after):
        return best
    if rich.flags[HAS_SPANS] and rich.kinds[kind].time_cost > 0.0:
        time_cost = rich.kinds[kind].time_cost
        span = span_with(rich, p, c, s, rich_time(rich, p, c, before), rich_time(rich, c, s, after))
        cost += time_cost * (span - rich.runs[r].span)
    return min(cost, best)


@kernel
def open_rich(tours, c):  # type: ignore[no-untyped-def]
    """Put absent visit ``c`` on a route of its own of the cheapest type, whatever that costs, where one is free."""
    rich = tours.rich
    if rich.sites[c].partner >= 0:
        open_shipment(tours, c)
        return
    new_type, _ = cheapest_alone(tours, rich, c, math.inf)
    if new_type >= 0:
        at = new_route(tours, rich, new_type)
        put_after(tours, c, at)
        renew(rich, tours, np.int64(tours.nodes[at].route))


@inlined
def _offer(tours, rich, c, p, kind, found):  # type: ignore[no-untyped-def]
    """Note node ``p`` as a place for visit ``c`` where windows do not rule it out; returns how many places there are.

    Without a branch: none would be predicted well.
    """
    sites = rich.sites
    s = np.int64(tours.nodes[p].succ)
    tours.spots[found].node = p
    tours.spots[found].kind = kind
    in_time = (sites[p].earliest + sites[p].service <= sites[c].closes) & (
        sites[c].opens + sites[c].service <= sites[s].latest
    )
    return found + (in_time | (rich.flags[HAS_TIME] == 0))


@inlined
def near_with_room(tours, rich, c):  # type: ignore[no-untyped-def]
    """Fill ``fits`` with the near visits of ``c`` whose routes have room for it; how many.

    As `has_room` where all vehicles are alike, without a branch. A `has_room` without one, for both, is 7 % slower.
    """
    near, amounts, sums = tours.near, rich.amounts, rich.sums
    found = 0
    if not rich.pairs[c, 0].compatible:
        return found
    in_order = (not rich.flags[BACKHAULS_LAST]) | (rich.sites[c].delivers != 0)
    for k in range(near.shape[1]):
        r = np.int64(tours.nodes[near[c, k]].route)
        fits = (r >= 0) & (tours.routes[r].size < rich.kinds[0].most_stops) & (in_order | (rich.runs[r].deliveries > 0))
        for d in range(sums.shape[1]):
            limit = rich.capacity[0, d]
            fits &= (sums[r, d].brought + amounts[c, d].brings <= limit) & (
                sums[r, d].taken + amounts[c, d].takes <= limit
            )
        tours.fits[found] = near[c, k]
        found += fits
    return found


@inlined
def _near_places(tours, rich, c):  # type: ignore[no-untyped-def]
    """Fill ``spots`` with the places of ``c`` beside its near visits, as far as room and windows say; how many."""
    nodes, near = tours.nodes, tours.near
    found = 0
    several = rich.flags[SEVERAL_TYPES]
    for k in range(0 if several else near_with_room(tours, rich, c)):
        j = np.int64(tours.fits[k])
        found = _offer(tours, rich, c, j, 0, found)
        found = _offer(tours, rich, c, np.int64(nodes[j].pred), 0, found)
    for k in range(near.shape[1] if several else 0):
        j = np.int64(near[c, k])
        r = np.int64(nodes[j].route)
        kind = kind_for(tours, rich, c, r) if r >= 0 else -1
        if kind >= 0:
            found = _offer(tours, rich, c, j, kind, found)
            found = _offer(tours, rich, c, np.int64(nodes[j].pred), kind, found)
    return found


@inlined
def _end_places(tours, rich, c, everywhere):  # type: ignore[no-untyped-def]
    """As `_near_places`, at both ends of all routes, or of those that the ruin touched."""
    n, used = tours.near.shape[0], tours.counts[N_FREE]
    found = 0
    for i in range(tours.load.shape[0] - used if everywhere else tours.counts[N_RUINED]):
        r = np.int64(tours.routes[used + i].free if everywhere else tours.routes[i].ruined)
        kind = kind_for(tours, rich, c, r) if tours.routes[r].size > 0 else -1
        if kind >= 0:
            found = _offer(tours, rich, c, n + r, kind, found)
            found = _offer(tours, rich, c, np.int64(tours.nodes[n + r].pred), kind, found)
    return found


@inlined
def insert_best_rich(tours, c):  # type: ignore[no-untyped-def]
    """Insert visit ``c`` where it costs least beside its near visits, or in a new route, or not at all.

    Both ends of ruined routes are looked at too, and those of all where there are few, or where nothing near fits: or
    else no route would ever be given up.
    """
    rich = tours.rich
    if rich.sites[c].partner >= 0:
        insert_shipment(tours, c)
        return
    nodes, counts = tours.nodes, tours.counts
    n = tours.near.shape[0]
    new_type, best = cheapest_alone(tours, rich, c, tours.visits[c].penalty)
    at: Any = -1
    blink_in = counts[BLINK_IN]
    for turn in range(2):
        if turn == 0:
            found = _near_places(tours, rich, c)
        else:
            everywhere = at < 0 or tours.load.shape[0] - counts[N_FREE] <= FEW_RICH_ROUTES
            found = _end_places(tours, rich, c, everywhere)
        for i in range(found):
            if blink_in == 0:
                blink_in = geometric(tours.rng, BLINK_RATE)
                continue
            blink_in -= 1
            p = np.int64(tours.spots[i].node)
            kind = np.int64(tours.spots[i].kind)
            r = np.int64(nodes[p].route)
            extra = change(rich, r, kind) if rich.flags[SEVERAL_TYPES] else 0.0
            cost = _try(tours, rich, c, p, r, kind, extra, best)
            if cost < best:
                best = cost
                at = p
                new_type = kind
    counts[BLINK_IN] = blink_in
    if at < 0:
        if new_type < 0:
            return
        at = new_route(tours, rich, new_type)
        put_after(tours, c, at)
        renew(rich, tours, np.int64(nodes[at].route))
        return
    r = np.int64(nodes[at].route)
    if new_type != rich.runs[r].type:
        retype(tours, rich, r, new_type)
    put_after(tours, c, at)
    sentinel = n + r
    if rich.flags[HAS_SPANS]:
        renew(rich, tours, r)
        return
    if rich.flags[HAS_TIME]:
        spread_times(rich, nodes, sentinel, c)
    if rich.flags[IS_MIXED]:
        refresh_peaks(rich, nodes, sentinel, r)


@kernel
def keeps_limits(tours, rich, r):  # type: ignore[no-untyped-def]
    """Whether a used route holds what taking visits out or changing its vehicle can break."""
    n = tours.near.shape[0]
    if rich.flags[BACKHAULS_LAST] and rich.runs[r].deliveries == 0:
        return False
    if rich.runs[r].length > rich.kinds[rich.runs[r].type].most_distance + 1e-9:
        return False
    if rich.flags[HAS_SPANS] and rich.runs[r].span > rich.kinds[rich.runs[r].type].most_span + 1e-9:
        return False
    if rich.flags[HAS_TIME]:
        first = tours.nodes[n + r].succ
        return rich.sites[first].earliest <= rich.sites[first].latest + 1e-9
    return True


@kernel
def is_valid(rich, tours):  # type: ignore[no-untyped-def]
    """Whether the ruined routes hold their limits: without the triangle inequality, fewer visits can be worse."""
    if rich is None:
        return True
    for i in range(tours.counts[N_RUINED]):
        r = np.int64(tours.routes[i].ruined)
        if tours.routes[r].size > 0 and not keeps_limits(tours, rich, r):
            return False
    return True
