"""Feasibility and cost of one route, compiled: what the constructive heuristics ask.

Durations are minimised over the start by concatenating segments (Vidal, Crainic, Gendreau and Prins 2013); with several
windows on a stop the starts that can be best are tried one by one.
"""

# mypy: disable-error-code=no-any-return
from __future__ import annotations

import math

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import borrowing
from solvers.routing.data import IntArray
from solvers.routing.problem import UNLIMITED

SLACK = 1e-7
"""How far a limit may be missed, less than the verifier allows, so that sums of rounded floats may be tight."""

_UNLIMITED = UNLIMITED
_HAVERSINE = 5
_ROUNDED = 2
_CEILED = 3
_TRUNCATED = 4
_EARTH_RADIUS_M = 6_371_008.8


@borrowing
def leg_distance(A: Arrays, profile: int, a: int, b: int) -> float:
    """Distance from location ``a`` to ``b``."""
    table = A.table_of[profile]
    if table >= 0:
        return A.tables[table, a, b]
    metric = A.metric[profile]
    if metric == _HAVERSINE:
        u = math.sin((A.y[b] - A.y[a]) / 2)
        v = math.sin((A.x[b] - A.x[a]) / 2)
        h = u * u + math.cos(A.y[a]) * math.cos(A.y[b]) * v * v
        return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(min(h, 1.0)))
    dx = A.x[a] - A.x[b]
    dy = A.y[a] - A.y[b]
    exact = math.sqrt(dx * dx + dy * dy)
    if metric == _ROUNDED:
        return math.floor(exact * A.scale[profile] + 0.5) / A.scale[profile]
    if metric == _CEILED:
        return math.ceil(exact * A.scale[profile]) / A.scale[profile]
    if metric == _TRUNCATED:
        return math.floor(exact * A.scale[profile]) / A.scale[profile]
    return exact


@borrowing
def leg_duration(A: Arrays, profile: int, a: int, b: int, distance: float) -> float:
    """Seconds from location ``a`` to ``b``, which are ``distance`` apart."""
    table = A.time_table_of[profile]
    if table >= 0:
        return A.time_tables[table, a, b]
    return distance / A.speed[profile]


@borrowing
def detour(A: Arrays, t: int, a: int, b: int, c: int) -> float:
    """Cost of the distance that going from location ``a`` to ``c`` by ``b`` adds; -1 is an open end."""
    profile = A.profile[t]
    added = 0.0
    if a >= 0:
        added += leg_distance(A, profile, a, b)
    if c >= 0:
        added += leg_distance(A, profile, b, c)
        if a >= 0:
            added -= leg_distance(A, profile, a, c)
    return added * A.cost_per_distance[t]


@borrowing
def loads_fit(A: Arrays, t: int, route: IntArray, m: int) -> bool:
    """Whether no load ever exceeds the capacity of type ``t``."""
    for d in range(A.capacity.shape[1]):
        capacity = A.capacity[t, d]
        if A.plain:
            total = 0
            for k in range(m):
                total += A.delivery[route[k], d] + A.pickup[route[k], d]
            if total > capacity:
                return False
            continue
        load = 0
        for k in range(m):
            load += A.delivery[route[k], d]
        if load > capacity:
            return False
        for k in range(m):
            i = route[k]
            load += A.pickup[i, d] + A.shipped[i, d] - A.delivery[i, d]
            if load > capacity:
                return False
    return True


@borrowing
def _backhauls_fit(A: Arrays, route: IntArray, m: int) -> bool:
    delivered, picked = A.backhauls_last == 2, False
    for k in range(m):
        delivers = picks = False
        for d in range(A.capacity.shape[1]):
            delivers |= A.delivery[route[k], d] > 0
            picks |= A.pickup[route[k], d] > 0
        if delivers and picked:
            return False
        delivered |= delivers
        picked |= picks
    return delivered or not picked


@borrowing
def _seats_hold(A: Arrays, route: IntArray, m: int) -> bool:
    """Whether every stop that is pinned to a place on its route has it."""
    for k in range(m):
        i = route[k]
        if k < A.before[i, 0] or k > A.before[i, 1] or m - 1 - k < A.after[i, 0] or m - 1 - k > A.after[i, 1]:
            return False
    return True


@borrowing
def seated(A: Arrays, stop: int) -> bool:
    """Whether ``stop`` is pinned to a place on its route."""
    return A.seated and (A.before[stop, 1] < _UNLIMITED or A.after[stop, 1] < _UNLIMITED)


@borrowing
def _end_after(A: Arrays, t: int, route: IntArray, m: int, start: float) -> float:
    """When a route that leaves at ``start`` and never dawdles ends; ``inf`` when a window is missed."""
    profile = A.profile[t]
    now = start
    here = A.start[t]
    for k in range(m):
        i = route[k]
        there = A.location[i]
        if here >= 0:
            now += leg_duration(A, profile, here, there, leg_distance(A, profile, here, there))
        in_time = False
        for w in range(A.window_offsets[i], A.window_offsets[i + 1]):
            if now <= A.windows[w, 1] + SLACK:
                now = max(now, A.windows[w, 0])
                in_time = True
                break
        if not in_time:
            return np.inf
        now += A.service[i]
        here = there
    if A.end[t] >= 0:
        now += leg_duration(A, profile, here, A.end[t], leg_distance(A, profile, here, A.end[t]))
    return now if now <= A.shift_latest[t] + SLACK else np.inf


@borrowing
def _duration_with_several_windows(A: Arrays, t: int, route: IntArray, m: int, earliest: float) -> float:
    """Least duration over all starts; ``inf`` when no start is in time."""
    end = _end_after(A, t, route, m, earliest)
    if end == np.inf:
        return np.inf
    best = end - earliest
    if A.cost_per_duration[t] == 0 and A.max_duration[t] == np.inf:
        return best
    profile = A.profile[t]
    driven = 0.0
    here = A.start[t]
    for k in range(m):
        i = route[k]
        there = A.location[i]
        if here >= 0:
            driven += leg_duration(A, profile, here, there, leg_distance(A, profile, here, there))
        for w in range(A.window_offsets[i], A.window_offsets[i + 1]):
            # duration falls while a wait shrinks: until a stop is reached just as a window opens, or just not missed
            for side in range(2):
                start = A.windows[w, side] - driven
                if earliest < start < np.inf:
                    best = min(best, _end_after(A, t, route, m, start) - start)
        driven += A.service[i]
        here = there
    return best


@borrowing
def route_cost(A: Arrays, t: int, route: IntArray, m: int) -> float:
    """Cost of type ``t`` serving the first ``m`` of ``route``; ``inf`` when infeasible. Pairs are not looked at."""
    if m == 0:
        return 0.0
    if m > A.max_stops[t]:
        return np.inf
    release = A.shift_earliest[t]
    for k in range(m):
        if not A.compatible[route[k], t]:
            return np.inf
        release = max(release, A.release[route[k]])
    if not loads_fit(A, t, route, m):
        return np.inf
    if A.backhauls_last and not _backhauls_fit(A, route, m):
        return np.inf
    if A.seated and not _seats_hold(A, route, m):
        return np.inf
    profile = A.profile[t]
    timed = A.timed and not A.several_windows
    distance = 0.0
    duration = 0.0
    earliest, latest = release, A.shift_latest[t]
    if timed and earliest > latest + SLACK:
        return np.inf
    here = A.start[t]
    for k in range(m + 1):
        there = A.location[route[k]] if k < m else A.end[t]
        if here >= 0 and there >= 0:
            leg = leg_distance(A, profile, here, there)
            distance += leg
            if timed:
                duration += leg_duration(A, profile, here, there, leg)
        if timed:
            opens, closes = A.shift_earliest[t], A.shift_latest[t]
            if k < m:
                opens = A.windows[A.window_offsets[route[k]], 0]
                closes = A.windows[A.window_offsets[route[k]], 1]
            if earliest + duration > closes + SLACK:
                return np.inf
            wait = max(opens - duration - latest, 0.0)
            earliest = max(opens - duration, earliest) - wait
            latest = min(closes - duration, latest)
            duration += wait
            if k < m:
                duration += A.service[route[k]]
        here = there
    if distance > A.max_distance[t] + SLACK:
        return np.inf
    if A.timed and A.several_windows:
        duration = _duration_with_several_windows(A, t, route, m, release)
    if duration > A.max_duration[t] + SLACK:
        return np.inf
    return A.fixed_cost[t] + A.cost_per_distance[t] * distance + A.cost_per_duration[t] * duration
