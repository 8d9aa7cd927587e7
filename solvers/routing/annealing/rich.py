"""What tours need beyond one load limit: times, several loads, mixed fleets, several depots, limits per route.

`solvers.routing.annealing.tour.Tours` carries a `Rich` or ``None``. Hooks take it as an argument of their own, so that
the branch on ``None`` is decided when compiling and a problem without these features pays nothing for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.compile import kernel

HAS_TIME, IS_MIXED, BACKHAULS_LAST, SEVERAL_TYPES = range(4)
"""Places in ``Rich.flags``."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rich(NamedTuple):
    """n visits, R routes, T vehicle types, D load dimensions, S sites (locations of the problem)."""

    flags: Ints  # see HAS_TIME ...
    metric: Ints  # [1] as in Tours
    scale: Floats  # [1]
    speed: Floats  # [1] distance per second
    points: Floats  # [S, 3]
    time_matrix: Floats  # [S, S] seconds, or [0, 0] where they follow from the speed
    leaves: Ints  # [n + R] site that a node is left from; -1: an open start
    arrives: Ints  # [n + R] site that it is reached at; -1: an open end
    service: Floats  # [n + R] seconds
    opens: Floats  # [n]
    closes: Floats  # [n]
    brings: Ints  # [n, D] load from the start of the route
    takes: Ints  # [n, D] load to its end
    compatible: Any  # bool[n, T]
    alone: Floats  # [n, T] cost of a route for this visit alone; inf where impossible
    unit_cost: Floats  # [T] per distance
    fixed_cost: Floats  # [T]
    capacity: Ints  # [T, D]
    most_stops: Ints  # [T]
    most_distance: Floats  # [T]
    shift_start: Floats  # [T]
    shift_end: Floats  # [T]
    start_site: Ints  # [T]
    end_site: Ints  # [T]
    available: Ints  # [T] vehicles not in use
    type_of: Ints  # [R]; that of the last use for an empty route
    length: Floats  # [R]
    brought: Ints  # [R, D]
    taken: Ints  # [R, D]
    deliveries: Ints  # [R] visits that bring something
    earliest: Floats  # [n + R] earliest service start; start of the route for a sentinel
    latest: Floats  # [n + R] latest service start that keeps the rest in time; end of the route for a sentinel
    peak_before: Ints  # [n + R, D] most load from the start until the node is left
    peak_after: Ints  # [n + R, D] most load from there to the end
    log_type: Ints  # vehicle type of a route before it was opened or changed
    best_type: Ints  # [R] types in the best tours
    touched: Ints  # [R] routes to refresh after an undo
    touched_at: Ints  # [R] where in ``touched``, or -1
    delivers: Any  # bool[n]
    picks: Any  # bool[n]


@kernel
def rich_time(rich, a, b, distance):  # type: ignore[no-untyped-def]
    """Seconds from node ``a`` to node ``b``, which are ``distance`` apart."""
    if rich.time_matrix.shape[0] == 0:
        return distance / rich.speed[0]
    leaves, arrives = rich.leaves[a], rich.arrives[b]
    return rich.time_matrix[leaves, arrives] if leaves >= 0 and arrives >= 0 else 0.0


@kernel
def refresh_times(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` along a whole route."""
    kind = rich.type_of[route]
    rich.earliest[sentinel] = rich.shift_start[kind]
    p = sentinel
    v = np.int64(nodes[p].succ)
    while v != sentinel:
        at = rich.earliest[p] + rich.service[p] + rich_time(rich, p, v, nodes[p].dsucc)
        rich.earliest[v] = max(at, rich.opens[v])
        p = v
        v = np.int64(nodes[p].succ)
    rich.latest[sentinel] = rich.shift_end[kind]
    s = sentinel
    v = np.int64(nodes[s].pred)
    while v != sentinel:
        at = rich.latest[s] - rich_time(rich, v, s, nodes[v].dsucc) - rich.service[v]
        rich.latest[v] = min(at, rich.closes[v])
        s = v
        v = np.int64(nodes[s].pred)


@kernel
def spread_times(rich, nodes, sentinel, c):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` after visit ``c`` came in, as far as they change."""
    p = np.int64(nodes[c].pred)
    v = np.int64(c)
    while v != sentinel:
        at = max(rich.earliest[p] + rich.service[p] + rich_time(rich, p, v, nodes[p].dsucc), rich.opens[v])
        if v != c and at == rich.earliest[v]:
            break
        rich.earliest[v] = at
        p = v
        v = np.int64(nodes[p].succ)
    s = np.int64(nodes[c].succ)
    v = np.int64(c)
    while v != sentinel:
        at = min(rich.latest[s] - rich_time(rich, v, s, nodes[v].dsucc) - rich.service[v], rich.closes[v])
        if v != c and at == rich.latest[v]:
            break
        rich.latest[v] = at
        s = v
        v = np.int64(nodes[s].pred)


@kernel
def refresh_peaks(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute the load peaks along a whole route."""
    for d in range(rich.brought.shape[1]):
        level = rich.brought[route, d]
        peak = level
        rich.peak_before[sentinel, d] = peak
        v = np.int64(nodes[sentinel].succ)
        while v != sentinel:
            level += rich.takes[v, d] - rich.brings[v, d]
            peak = max(peak, level)
            rich.peak_before[v, d] = peak
            v = np.int64(nodes[v].succ)
        peak = level
        v = np.int64(nodes[sentinel].pred)
        while v != sentinel:
            peak = max(peak, level)
            rich.peak_after[v, d] = peak
            level += rich.brings[v, d] - rich.takes[v, d]
            v = np.int64(nodes[v].pred)
        rich.peak_after[sentinel, d] = max(peak, level)


@kernel
def refresh(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute all that depends on the order of a route."""
    if rich is None:
        return
    if rich.flags[HAS_TIME]:
        refresh_times(rich, nodes, sentinel, route)
    if rich.flags[IS_MIXED]:
        refresh_peaks(rich, nodes, sentinel, route)


@kernel
def count_in(rich, c, route, sign, extra):  # type: ignore[no-untyped-def]
    """Add (``sign`` 1) or take away (-1) visit ``c`` and ``extra`` distance in the sums of its route."""
    if rich is None:
        return
    rich.length[route] += extra
    for d in range(rich.brought.shape[1]):
        rich.brought[route, d] += sign * rich.brings[c, d]
        rich.taken[route, d] += sign * rich.takes[c, d]
    if rich.delivers[c]:
        rich.deliveries[route] += sign


@kernel
def count_length(rich, route, extra):  # type: ignore[no-untyped-def]
    """Add ``extra`` distance to a route."""
    if rich is None:
        return
    rich.length[route] += extra


@kernel
def unit_of(rich, route):  # type: ignore[no-untyped-def]
    """Cost of a unit of distance on a route."""
    if rich is None:
        return 1.0
    return rich.unit_cost[rich.type_of[route]]


@kernel
def fixed_of(rich, fixed, route):  # type: ignore[no-untyped-def]
    """Cost of using a route's vehicle."""
    if rich is None:
        return fixed[0]
    return rich.fixed_cost[rich.type_of[route]]


@kernel
def vehicle_out(rich, route):  # type: ignore[no-untyped-def]
    """A route that was empty is used again, with its own type."""
    if rich is None:
        return
    rich.available[rich.type_of[route]] -= 1


@kernel
def vehicle_back(rich, route):  # type: ignore[no-untyped-def]
    """A route became empty."""
    if rich is None:
        return
    rich.available[rich.type_of[route]] += 1


@kernel
def set_type(rich, sentinel, route, kind):  # type: ignore[no-untyped-def]
    """Give a route to a vehicle type: where it starts and ends. Counts of vehicles are the caller's."""
    rich.type_of[route] = kind
    rich.leaves[sentinel] = rich.start_site[kind]
    rich.arrives[sentinel] = rich.end_site[kind]


@kernel
def log_type(rich, k, route):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    rich.log_type[k] = rich.type_of[route]


@kernel
def type_from_log(rich, k, sentinel, route):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    set_type(rich, sentinel, route, rich.log_type[k])


@kernel
def keep_best_types(rich):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    for r in range(rich.type_of.shape[0]):
        rich.best_type[r] = rich.type_of[r]


@kernel
def touch(rich, count, route):  # type: ignore[no-untyped-def]
    """Put a route on the list of those to refresh; returns the new length of the list."""
    if rich is None:
        return count
    if rich.touched_at[route] < 0:
        rich.touched_at[route] = count
        rich.touched[count] = route
        return count + 1
    return count


@kernel
def refresh_touched(rich, nodes, n, count):  # type: ignore[no-untyped-def]
    """Refresh the routes on the list and empty it."""
    if rich is None:
        return
    for k in range(count):
        route = rich.touched[k]
        rich.touched_at[route] = -1
        refresh(rich, nodes, n + route, route)
