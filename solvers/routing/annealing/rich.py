"""What tours need beyond one load limit: times, several loads, shipments, mixed fleets, several depots, limits.

`solvers.routing.annealing.tour.Tours` carries a `Rich` or ``None``. Hooks take it as an argument of their own, so that
the branch on ``None`` is decided when compiling and a problem without these features pays nothing for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.compile import inlined, kernel
from solvers.routing.annealing.times import refresh_spans, refresh_times

HAS_TIME, IS_MIXED, BACKHAULS_LAST, SEVERAL_TYPES, HAS_SPANS, HAS_SHIPMENTS = range(6)
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
    windows: Any  # WINDOW[at least n + 1], or [0] where no visit has several
    spans: Any  # SPAN[n + R], or [0] where neither releases nor durations of routes matter
    amounts: Any  # AMOUNT[n, D]
    pairs: Any  # PAIR[n, T]
    kinds: Any  # KIND[T]
    capacity: Ints  # [T, D]
    runs: Any  # RUN[R]
    sums: Any  # SUM[R, D]
    peaks: Any  # PEAK[n + R, D]
    log_type: Ints  # vehicle type of a route before it was opened or changed


@kernel
def refresh_peaks(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute the load peaks along a whole route."""
    for d in range(rich.sums.shape[1]):
        level = rich.sums[route, d].brought
        peak = level
        rich.peaks[sentinel, d].before = peak
        rich.peaks[sentinel, d].level = level
        v = np.int64(nodes[sentinel].succ)
        while v != sentinel:
            level += rich.amounts[v, d].takes - rich.amounts[v, d].brings + rich.amounts[v, d].ships
            peak = max(peak, level)
            rich.peaks[v, d].level = level
            rich.peaks[v, d].before = peak
            v = np.int64(nodes[v].succ)
        peak = level
        v = np.int64(nodes[sentinel].pred)
        while v != sentinel:
            peak = max(peak, level)
            rich.peaks[v, d].after = peak
            level += rich.amounts[v, d].brings - rich.amounts[v, d].takes - rich.amounts[v, d].ships
            v = np.int64(nodes[v].pred)
        rich.peaks[sentinel, d].after = max(peak, level)


@inlined
def refresh(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute all that depends on the order of a route."""
    if rich is None:
        return
    if rich.flags[HAS_SPANS]:
        refresh_spans(rich, nodes, sentinel, route)
    if rich.flags[HAS_TIME]:
        refresh_times(rich, nodes, sentinel, route)
    if rich.flags[IS_MIXED]:
        refresh_peaks(rich, nodes, sentinel, route)


@inlined
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


@inlined
def unit_of(rich, route):  # type: ignore[no-untyped-def]
    """Cost of a unit of distance on a route."""
    if rich is None:
        return 1.0
    return rich.kinds[rich.runs[route].type].unit_cost


@inlined
def fixed_of(rich, given, route):  # type: ignore[no-untyped-def]
    """Cost of using a route's vehicle."""
    if rich is None:
        return given[0].fixed
    return rich.kinds[rich.runs[route].type].fixed_cost


@inlined
def time_cost_of(rich, route):  # type: ignore[no-untyped-def]
    """Cost of a route's duration."""
    if rich is None:
        return 0.0
    return rich.kinds[rich.runs[route].type].time_cost * rich.runs[route].span


@inlined
def vehicle_out(rich, route):  # type: ignore[no-untyped-def]
    """A route that was empty is used again, with its own type."""
    if rich is None:
        return
    rich.kinds[rich.runs[route].type].available -= 1


@inlined
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
