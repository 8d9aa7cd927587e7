"""Greedy insertion with blinks where places also have to fit times, several loads, an order and limits per route."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import geometric
from solvers.routing.annealing.rich import (
    BACKHAULS_LAST,
    HAS_TIME,
    IS_MIXED,
    log_type,
    refresh,
    refresh_peaks,
    rich_time,
    set_type,
    spread_times,
)
from solvers.routing.annealing.tour import BLINK_IN, N_FREE, N_LOG, N_RUINED, distance, put_after

BLINK_RATE = 0.01
"""Chance that a place is overlooked."""

FEW_ROUTES = 100
"""Up to so many routes, all edges to the depot are looked at; beyond, those of ruined routes."""


@kernel
def _has_room(tours, rich, c, r):  # type: ignore[no-untyped-def]
    """Whether visit ``c`` may be on route ``r`` as far as sums say."""
    kind = rich.runs[r].type
    if not rich.pairs[c, kind].compatible or tours.routes[r].size >= rich.kinds[kind].most_stops:
        return False
    for d in range(rich.sums.shape[1]):
        limit = rich.capacity[kind, d]
        if (
            rich.sums[r, d].brought + rich.amounts[c, d].brings > limit
            or rich.sums[r, d].taken + rich.amounts[c, d].takes > limit
        ):
            return False
    return not rich.flags[BACKHAULS_LAST] or rich.sites[c].delivers != 0 or rich.runs[r].deliveries > 0


@kernel
def _fits(tours, rich, c, p, s, r, before, after):  # type: ignore[no-untyped-def]
    """Whether visit ``c``, which has room on route ``r``, may come between ``p`` and ``s``, so far away from each."""
    n = tours.near.shape[0]
    kind = rich.runs[r].type
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
        start = max(rich.sites[p].earliest + rich.sites[p].service + rich_time(rich, p, c, before), rich.sites[c].opens)
        return (
            start <= rich.sites[c].closes
            and start + rich.sites[c].service + rich_time(rich, c, s, after) <= rich.sites[s].latest
        )
    return True


@kernel
def _try(tours, rich, c, p, r, unit, best):  # type: ignore[no-untyped-def]
    """Cost of visit ``c`` after node ``p`` of route ``r`` if below ``best`` and possible, else ``best``."""
    s = np.int64(tours.nodes[p].succ)
    sites = rich.sites
    if rich.flags[HAS_TIME] and (sites[p].earliest > sites[c].closes or sites[c].opens > sites[s].latest):
        return best  # whatever the way: nothing has to be measured
    before, after = distance(tours, p, c), distance(tours, c, s)
    cost = unit * (before + after - tours.nodes[p].dsucc)
    if cost < best and _fits(tours, rich, c, p, s, r, before, after):
        return cost
    return best


@kernel
def _new_route(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Make empty route ``r`` one of type ``kind``."""
    sentinel = tours.near.shape[0] + r
    log_type(rich, tours.counts[N_LOG], r)
    set_type(rich, sentinel, r, kind)


@kernel
def open_rich(tours, rich, c):  # type: ignore[no-untyped-def]
    """Put absent visit ``c`` on a route of its own of the cheapest type, whatever that costs, where one is free."""
    if tours.counts[N_FREE] == 0:
        return
    best = math.inf
    new_type = -1
    for kind in range(rich.kinds.shape[0]):
        if rich.kinds[kind].available > 0 and rich.pairs[c, kind].alone < best:
            best = rich.pairs[c, kind].alone
            new_type = kind
    if new_type >= 0:
        r = np.int64(tours.routes[tours.counts[N_FREE] - 1].free)
        _new_route(tours, rich, r, new_type)
        put_after(tours, c, tours.near.shape[0] + r)
        refresh(rich, tours.nodes, tours.near.shape[0] + r, r)


@kernel
def insert_best_rich(tours, rich, c):  # type: ignore[no-untyped-def]
    """Insert visit ``c`` where it costs least beside its near visits, or in a new route, or not at all."""
    nodes, counts, near = tours.nodes, tours.counts, tours.near
    n, k_near = near.shape
    best = tours.visits[c].penalty
    at: Any = -1
    new_type = -1
    if counts[N_FREE] > 0:
        for kind in range(rich.kinds.shape[0]):
            if rich.kinds[kind].available > 0 and rich.pairs[c, kind].alone < best:
                best = rich.pairs[c, kind].alone
                new_type = kind
    blink_in = counts[BLINK_IN]
    for k in range(k_near):
        j = np.int64(near[c, k])
        r = np.int64(nodes[j].route)
        if r < 0 or not _has_room(tours, rich, c, r):
            continue
        unit = rich.kinds[rich.runs[r].type].unit_cost
        for side in range(2):
            if blink_in > 0:
                blink_in -= 1
                p = j if side == 0 else np.int64(nodes[j].pred)
                cost = _try(tours, rich, c, p, r, unit, best)
                if cost < best:
                    best = cost
                    at = p
            else:
                blink_in = geometric(tours.rng, BLINK_RATE)
    used = counts[N_FREE]
    few = tours.load.shape[0] - used <= FEW_ROUTES
    for i in range(tours.load.shape[0] - used if few else counts[N_RUINED]):
        r = np.int64(tours.routes[used + i].free if few else tours.routes[i].ruined)
        if tours.routes[r].size == 0 or not _has_room(tours, rich, c, r):
            continue
        unit = rich.kinds[rich.runs[r].type].unit_cost
        for side in range(2):
            p = n + r if side == 0 else np.int64(nodes[n + r].pred)
            cost = _try(tours, rich, c, p, r, unit, best)
            if cost < best:
                best = cost
                at = p
    counts[BLINK_IN] = blink_in
    if at < 0:
        if new_type < 0:
            return
        r = np.int64(tours.routes[counts[N_FREE] - 1].free)
        _new_route(tours, rich, r, new_type)
        at = n + r
        put_after(tours, c, at)
        refresh(rich, nodes, at, r)
        return
    put_after(tours, c, at)
    r = np.int64(nodes[at].route)
    sentinel = n + r
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
