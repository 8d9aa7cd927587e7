"""Shipments: both legs leave their route together, and come back together at their cheapest pair of places.

From every place beside a near stop where the pickup may be, the route is walked once; what is known forwards of the
stop that was reached, with the pickup before it, decides with what its successor knows backwards whether the delivery
may come there (Savelsbergh 1992 for times, extended to durations by the functions in `times`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import geometric
from solvers.routing.annealing.rich import HAS_SHIPMENTS, HAS_SPANS, HAS_TIME
from solvers.routing.annealing.room import BLINK_RATE, FEW_ROUTES, change, cheapest_alone, kind_for, new_route
from solvers.routing.annealing.times import begun, reached, reached_from, rich_time
from solvers.routing.annealing.tour import (
    BLINK_IN,
    N_FREE,
    N_LOG,
    N_RUINED,
    distance,
    put_after,
    renew,
    retype,
    take_out,
)


@kernel
def take_out_partners(rich, tours, since):  # type: ignore[no-untyped-def]
    """Take out the other legs of what was taken out since the log had ``since`` operations."""
    if rich is None:
        return
    if not rich.flags[HAS_SHIPMENTS]:
        return
    for k in range(since, tours.counts[N_LOG]):
        other = np.int64(rich.sites[tours.log[k].node].partner)
        if other >= 0 and tours.nodes[other].route >= 0:
            take_out(tours, other)


@kernel
def _carried(rich, v, c, kind):  # type: ignore[no-untyped-def]
    """Whether the load of pickup ``c`` may be on board when node ``v`` is left."""
    for d in range(rich.sums.shape[1]):
        if rich.peaks[v, d].level + rich.amounts[c, d].ships > rich.capacity[kind, d]:
            return False
    return True


@kernel
def _best_delivery(tours, rich, c, d, p, r, kind, best):  # type: ignore[no-untyped-def]
    """Cost below ``best`` of pickup ``c`` after node ``p`` with delivery ``d`` at its cheapest place behind, and that.

    The place is the node that ``d`` comes after; -1 with ``best`` where there is none.
    """
    nodes, sites, kinds = tours.nodes, rich.sites, rich.kinds
    sentinel = tours.near.shape[0] + r
    found: Any = -1
    timed, spanned = rich.flags[HAS_TIME] != 0, rich.flags[HAS_SPANS] != 0
    s = np.int64(nodes[p].succ)
    if not _carried(rich, p, c, kind):
        return found, best
    out = distance(tours, p, c)
    there_s = rich_time(rich, p, c, out)
    at, before, leave_latest = sites[p].earliest, 0.0, math.inf
    if spanned:
        at = reached_from(rich, p, c, sentinel)
        before, leave_latest = reached(
            rich, c, rich.spans[p].before + sites[p].service + there_s, rich.spans[p].leave_latest
        )
    at = begun(rich, c, at + sites[p].service + there_s)
    if timed and at > sites[c].closes:
        return found, best
    unit, extra = kinds[kind].unit_cost, change(rich, r, kind)
    room = kinds[kind].most_distance - rich.runs[r].length
    added = out - nodes[p].dsucc  # and what follows ``c``
    v: Any = c
    w: Any = s
    while True:
        # ``d`` between v and w
        on, back = distance(tours, v, d), distance(tours, d, w)
        more = added + on + back - (0.0 if v == c else nodes[v].dsucc)
        cost = unit * more + extra
        if cost < best and more <= room:
            fits = True
            if timed:
                on_s, back_s = rich_time(rich, v, d, on), rich_time(rich, d, w, back)
                start = begun(rich, d, at + sites[v].service + on_s)
                fits = start <= sites[d].closes and start + sites[d].service + back_s <= sites[w].latest
                if fits and spanned:
                    reach, latest = reached(rich, d, before + sites[v].service + on_s, leave_latest)
                    reach += sites[d].service + back_s
                    span = reach + max(0.0, rich.spans[w].ready - reach - latest) + rich.spans[w].after
                    fits = span <= kinds[kind].most_span
                    cost += kinds[kind].time_cost * (span - rich.runs[r].span)
            if fits and cost < best:
                best = cost
                found = v
        if w == sentinel or not _carried(rich, w, c, kind):
            return found, best
        # on to w
        if v == c:
            on = distance(tours, c, w)
            added += on
            if unit * added + extra >= best:
                return found, best
        else:
            on = nodes[v].dsucc
        if timed:
            on_s = rich_time(rich, v, w, on)
            if spanned:
                before, leave_latest = reached(rich, w, before + sites[v].service + on_s, leave_latest)
            at = begun(rich, w, at + sites[v].service + on_s)
            if at > sites[w].latest or at > sites[d].closes:
                return found, best
        v = w
        w = np.int64(nodes[w].succ)


@kernel
def _legs(rich, leg):  # type: ignore[no-untyped-def]
    """Pickup and delivery of the shipment of ``leg``."""
    other = np.int64(rich.sites[leg].partner)
    return min(leg, other), max(leg, other)


@kernel
def _open(tours, c, d, kind):  # type: ignore[no-untyped-def]
    """Put both legs of an absent shipment on a new route of type ``kind``."""
    at = new_route(tours, tours.rich, kind)
    put_after(tours, c, at)
    put_after(tours, d, c)
    renew(tours.rich, tours, np.int64(tours.nodes[at].route))


@kernel
def open_shipment(tours, leg):  # type: ignore[no-untyped-def]
    """Put an absent shipment on a route of its own of the cheapest type, where one is free."""
    c, d = _legs(tours.rich, leg)
    new_type, _ = cheapest_alone(tours, tours.rich, c, math.inf)
    if new_type >= 0:
        _open(tours, c, d, new_type)


@kernel
def insert_shipment(tours, leg):  # type: ignore[no-untyped-def]
    """Insert both legs of the shipment of ``leg`` where they cost least, or in a new route, or not at all."""
    rich, nodes, counts, near = tours.rich, tours.nodes, tours.counts, tours.near
    n, k_near = near.shape
    c, d = _legs(rich, leg)
    new_type, best = cheapest_alone(tours, rich, c, tours.visits[c].penalty + tours.visits[d].penalty)
    at: Any = -1
    behind: Any = -1
    blink_in = counts[BLINK_IN]
    for k in range(k_near):
        j = np.int64(near[c, k])
        r = np.int64(nodes[j].route)
        kind = kind_for(tours, rich, c, r) if r >= 0 else -1
        if kind < 0:
            continue
        for side in range(2):
            if blink_in > 0:
                blink_in -= 1
                p = j if side == 0 else np.int64(nodes[j].pred)
                found, best = _best_delivery(tours, rich, c, d, p, r, kind, best)
                if found >= 0:
                    at, behind, new_type = p, found, kind
            else:
                blink_in = geometric(tours.rng, BLINK_RATE)
    counts[BLINK_IN] = blink_in
    used = counts[N_FREE]
    few = tours.load.shape[0] - used <= FEW_ROUTES
    for i in range(tours.load.shape[0] - used if few else counts[N_RUINED]):
        r = np.int64(tours.routes[used + i].free if few else tours.routes[i].ruined)
        kind = kind_for(tours, rich, c, r) if tours.routes[r].size > 0 else -1
        if kind < 0:
            continue
        for side in range(2):
            p = n + r if side == 0 else np.int64(nodes[n + r].pred)
            found, best = _best_delivery(tours, rich, c, d, p, r, kind, best)
            if found >= 0:
                at, behind, new_type = p, found, kind
    if at < 0:
        if new_type >= 0:
            _open(tours, c, d, new_type)
        return
    r = np.int64(nodes[at].route)
    if new_type != rich.runs[r].type:
        retype(tours, rich, r, new_type)
    put_after(tours, c, at)
    put_after(tours, d, behind)
    renew(rich, tours, r)
