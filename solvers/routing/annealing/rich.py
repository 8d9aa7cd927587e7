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
    speed: Floats  # [1] distance per second
    points: Floats  # [S, 3]
    time_matrix: Floats  # [S, S] seconds, or [0, 0] where they follow from the speed
    sites: Any  # SITE[n + R]
    amounts: Any  # AMOUNT[n, D]
    pairs: Any  # PAIR[n, T]
    kinds: Any  # KIND[T]
    capacity: Ints  # [T, D]
    runs: Any  # RUN[R]
    sums: Any  # SUM[R, D]
    peaks: Any  # PEAK[n + R, D]
    log_type: Ints  # vehicle type of a route before it was opened or changed


@kernel
def rich_time(rich, a, b, distance):  # type: ignore[no-untyped-def]
    """Seconds from node ``a`` to node ``b``, which are ``distance`` apart."""
    if rich.time_matrix.shape[0] == 0:
        return distance / rich.speed[0]
    leaves, arrives = rich.sites[a].leaves, rich.sites[b].arrives
    return rich.time_matrix[leaves, arrives] if leaves >= 0 and arrives >= 0 else 0.0


@kernel
def refresh_times(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` along a whole route."""
    kind = rich.runs[route].type
    rich.sites[sentinel].earliest = rich.kinds[kind].shift_start
    p = sentinel
    v = np.int64(nodes[p].succ)
    while v != sentinel:
        at = rich.sites[p].earliest + rich.sites[p].service + rich_time(rich, p, v, nodes[p].dsucc)
        rich.sites[v].earliest = max(at, rich.sites[v].opens)
        p = v
        v = np.int64(nodes[p].succ)
    rich.sites[sentinel].latest = rich.kinds[kind].shift_end
    s = sentinel
    v = np.int64(nodes[s].pred)
    while v != sentinel:
        at = rich.sites[s].latest - rich_time(rich, v, s, nodes[v].dsucc) - rich.sites[v].service
        rich.sites[v].latest = min(at, rich.sites[v].closes)
        s = v
        v = np.int64(nodes[s].pred)


@kernel
def spread_times(rich, nodes, sentinel, c):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` after visit ``c`` came in, as far as they change."""
    p = np.int64(nodes[c].pred)
    v = np.int64(c)
    while v != sentinel:
        at = max(
            rich.sites[p].earliest + rich.sites[p].service + rich_time(rich, p, v, nodes[p].dsucc), rich.sites[v].opens
        )
        if v != c and at == rich.sites[v].earliest:
            break
        rich.sites[v].earliest = at
        p = v
        v = np.int64(nodes[p].succ)
    s = np.int64(nodes[c].succ)
    v = np.int64(c)
    while v != sentinel:
        at = min(
            rich.sites[s].latest - rich_time(rich, v, s, nodes[v].dsucc) - rich.sites[v].service, rich.sites[v].closes
        )
        if v != c and at == rich.sites[v].latest:
            break
        rich.sites[v].latest = at
        s = v
        v = np.int64(nodes[s].pred)


@kernel
def refresh_peaks(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute the load peaks along a whole route."""
    for d in range(rich.sums.shape[1]):
        level = rich.sums[route, d].brought
        peak = level
        rich.peaks[sentinel, d].before = peak
        v = np.int64(nodes[sentinel].succ)
        while v != sentinel:
            level += rich.amounts[v, d].takes - rich.amounts[v, d].brings
            peak = max(peak, level)
            rich.peaks[v, d].before = peak
            v = np.int64(nodes[v].succ)
        peak = level
        v = np.int64(nodes[sentinel].pred)
        while v != sentinel:
            peak = max(peak, level)
            rich.peaks[v, d].after = peak
            level += rich.amounts[v, d].brings - rich.amounts[v, d].takes
            v = np.int64(nodes[v].pred)
        rich.peaks[sentinel, d].after = max(peak, level)


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
    rich.runs[route].length += extra
    for d in range(rich.sums.shape[1]):
        rich.sums[route, d].brought += sign * rich.amounts[c, d].brings
        rich.sums[route, d].taken += sign * rich.amounts[c, d].takes
    if rich.sites[c].delivers:
        rich.runs[route].deliveries += sign


@kernel
def count_length(rich, route, extra):  # type: ignore[no-untyped-def]
    """Add ``extra`` distance to a route."""
    if rich is None:
        return
    rich.runs[route].length += extra


@kernel
def unit_of(rich, route):  # type: ignore[no-untyped-def]
    """Cost of a unit of distance on a route."""
    if rich is None:
        return 1.0
    return rich.kinds[rich.runs[route].type].unit_cost


@kernel
def fixed_of(rich, given, route):  # type: ignore[no-untyped-def]
    """Cost of using a route's vehicle."""
    if rich is None:
        return given[0].fixed
    return rich.kinds[rich.runs[route].type].fixed_cost


@kernel
def vehicle_out(rich, route):  # type: ignore[no-untyped-def]
    """A route that was empty is used again, with its own type."""
    if rich is None:
        return
    rich.kinds[rich.runs[route].type].available -= 1


@kernel
def vehicle_back(rich, route):  # type: ignore[no-untyped-def]
    """A route became empty."""
    if rich is None:
        return
    rich.kinds[rich.runs[route].type].available += 1


@kernel
def set_type(rich, sentinel, route, kind):  # type: ignore[no-untyped-def]
    """Give a route to a vehicle type: where it starts and ends. Counts of vehicles are the caller's."""
    rich.runs[route].type = kind
    rich.sites[sentinel].leaves = rich.kinds[kind].start_site
    rich.sites[sentinel].arrives = rich.kinds[kind].end_site


@kernel
def log_type(rich, k, route):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    rich.log_type[k] = rich.runs[route].type


@kernel
def type_from_log(rich, k, sentinel, route):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    set_type(rich, sentinel, route, rich.log_type[k])


@kernel
def keep_best_types(rich):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    for r in range(rich.runs.shape[0]):
        rich.runs[r].best_type = rich.runs[r].type


@kernel
def touch(rich, count, route):  # type: ignore[no-untyped-def]
    """Put a route on the list of those to refresh; returns the new length of the list."""
    if rich is None:
        return count
    if rich.runs[route].touched_at < 0:
        rich.runs[route].touched_at = count
        rich.runs[count].touched = route
        return count + 1
    return count


@kernel
def refresh_touched(rich, nodes, n, count):  # type: ignore[no-untyped-def]
    """Refresh the routes on the list and empty it."""
    if rich is None:
        return
    for k in range(count):
        route = rich.runs[k].touched
        rich.runs[route].touched_at = -1
        refresh(rich, nodes, n + route, route)
