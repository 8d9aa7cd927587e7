"""Two routes exchange all that comes after a place of each, which strings of ten visits cannot where routes are long.

The 2-opt* of Potvin and Rousseau (1995), "An exchange heuristic for routeing problems with time windows", as a step of
the annealing beside ruin and recreate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.routing.annealing.compile import inlined, kernel
from solvers.routing.annealing.random import uniform
from solvers.routing.annealing.rich import BACKHAULS_LAST, HAS_TIME, IS_MIXED, log_type
from solvers.routing.annealing.times import rich_time
from solvers.routing.annealing.tour import COST, N_LOG, N_RUINED, distance, put_after, renew, take_out

TAIL_RATE = 0.3
"""Chance that a step is an exchange of tails, where times matter."""


@kernel
def exchanges_tails(rich, tours):  # type: ignore[no-untyped-def]
    """Whether this step is to be an exchange of tails: at random, where loads only add up and any order has them."""
    if rich is None:
        return False
    if not rich.flags[HAS_TIME] or rich.flags[IS_MIXED] or rich.flags[BACKHAULS_LAST]:
        return False
    return uniform(tours.rng) < TAIL_RATE


@inlined
def _in_time(rich, a, b, d):  # type: ignore[no-untyped-def]
    return rich.sites[a].earliest + rich.sites[a].service + rich_time(rich, a, b, d) <= rich.sites[b].latest


@kernel
def _stops_after(tours, v):  # type: ignore[no-untyped-def]
    """How many visits follow node ``v`` on its route."""
    sentinel = tours.near.shape[0] + np.int64(tours.nodes[v].route)
    count = 0
    v = np.int64(tours.nodes[v].succ)
    while v != sentinel:
        count += 1
        v = np.int64(tours.nodes[v].succ)
    return count


@kernel
def _loads_after(tours, rich, v, d):  # type: ignore[no-untyped-def]
    """What the visits that follow node ``v`` bring and take in dimension ``d``."""
    sentinel = tours.near.shape[0] + np.int64(tours.nodes[v].route)
    brings, takes = 0, 0
    v = np.int64(tours.nodes[v].succ)
    while v != sentinel:
        brings += rich.amounts[v, d].brings
        takes += rich.amounts[v, d].takes
        v = np.int64(tours.nodes[v].succ)
    return brings, takes


@kernel
def _has_room(tours, rich, a, b):  # type: ignore[no-untyped-def]
    """Whether loads and numbers of stops allow that ``b`` and what follows comes after ``a``, and the other way."""
    nodes, sums, routes = tours.nodes, rich.sums, tours.routes
    first, second, before = np.int64(nodes[a].route), np.int64(nodes[b].route), np.int64(nodes[b].pred)
    kind = rich.runs[first].type
    most = rich.kinds[kind].most_stops
    if routes[first].size + routes[second].size > most:
        more = _stops_after(tours, before) - _stops_after(tours, a)
        if routes[first].size + more > most or routes[second].size - more > most:
            return False
    for d in range(sums.shape[1]):
        lost, gained = _loads_after(tours, rich, a, d), _loads_after(tours, rich, before, d)
        brings, takes = gained[0] - lost[0], gained[1] - lost[1]
        limit = rich.capacity[kind, d]
        if (
            sums[first, d].brought + brings > limit
            or sums[second, d].brought - brings > limit
            or sums[first, d].taken + takes > limit
            or sums[second, d].taken - takes > limit
        ):
            return False
    return True


@inlined
def _change(tours, rich, a, b, most):  # type: ignore[no-untyped-def]
    """Distance that joining visits ``a`` and ``b`` adds, where that is below ``most`` and possible; else ``most``."""
    nodes = tours.nodes
    n = tours.near.shape[0]
    first, second = np.int64(nodes[a].route), np.int64(nodes[b].route)
    if first < 0 or second < 0 or first == second:
        return most
    kind = rich.runs[first].type
    after, before = np.int64(nodes[a].succ), np.int64(nodes[b].pred)
    saved = nodes[a].dsucc + nodes[b].dpred
    if after >= n and before >= n and rich.kinds[kind].unit_cost > 0.0:  # the second route becomes empty
        saved += rich.kinds[kind].fixed_cost / rich.kinds[kind].unit_cost
    there = distance(tours, a, b)
    if there - saved >= most or rich.runs[second].type != kind:
        return most
    other = distance(tours, before, after)
    change = there + other - saved
    if (
        change >= most
        or not _in_time(rich, a, b, there)
        or not _in_time(rich, before, after, other)
        or not _has_room(tours, rich, a, b)
    ):
        return most
    return change


@kernel
def _take_out_tail(tours, v, sentinel):  # type: ignore[no-untyped-def]
    """Take out node ``v`` and all that follows before ``sentinel``; where the log ends then."""
    while v != sentinel:
        s = np.int64(tours.nodes[v].succ)
        take_out(tours, v)
        v = s
    return tours.counts[N_LOG]


@kernel
def _put_back(tours, rich, p, begin, end):  # type: ignore[no-untyped-def]
    """Insert the visits that entries ``begin`` to ``end`` of the log took out after node ``p``, in their order."""
    route = np.int64(tours.nodes[p].route)
    for i in range(begin, end):
        if tours.routes[route].size == 0:
            log_type(rich, tours.counts[N_LOG], route)
        v = np.int64(tours.log[i].node)
        put_after(tours, v, p)
        p = v
    renew(rich, tours, route)


@kernel
def _exchange(tours, rich, c, limit):  # type: ignore[no-untyped-def]
    counts, near, nodes = tours.counts, tours.near, tours.nodes
    n = near.shape[0]
    counts[N_RUINED] = 0
    if nodes[c].route < 0:
        return
    unit_cost = rich.kinds[rich.runs[nodes[c].route].type].unit_cost
    least = (limit - tours.costs[COST]) / unit_cost if unit_cost > 0.0 else 0.0
    a: Any = -1
    b: Any = -1
    for k in range(near.shape[1]):
        j = np.int64(near[c, k])
        change = _change(tours, rich, c, j, least)
        if change < least:
            least, a, b = change, np.int64(c), j
        change = _change(tours, rich, j, c, least)
        if change < least:
            least, a, b = change, j, np.int64(c)
    if a < 0:
        return
    first, second = np.int64(nodes[a].route), np.int64(nodes[b].route)
    before = np.int64(nodes[b].pred)
    begin = counts[N_LOG]
    middle = _take_out_tail(tours, np.int64(nodes[a].succ), n + first)
    end = _take_out_tail(tours, b, n + second)
    _put_back(tours, rich, a, middle, end)
    _put_back(tours, rich, before, begin, middle)
    tours.routes[0].ruined = first
    tours.routes[1].ruined = second
    counts[N_RUINED] = 2


@kernel
def exchange_tails(rich, tours, c, limit):  # type: ignore[no-untyped-def]
    """Make the exchange that joins visit ``c`` to a near one at the least distance, where costs stay below ``limit``.

    Nothing changes where there is none. What only whole routes tell, lengths and durations, is for `is_valid` to judge.
    """
    if rich is not None:
        _exchange(tours, rich, c, limit)
