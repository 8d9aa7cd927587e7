"""Tours under annealing: linked lists with one sentinel a route, an undo log, and a lazily copied best.

Nodes ``0 .. n - 1`` are the visits; node ``n + r`` is the sentinel of route ``r``, which stands for the depot at both
ends of the route: lists are circular, so linking knows no special case. An operation is undone from the log instead of
copying tours, so an iteration costs the same at 100 and at 20,000 visits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.compile import inlined, kernel
from solvers.routing.annealing.rich import (
    count_in,
    fixed_of,
    keep_best_types,
    log_type,
    refresh,
    refresh_touched,
    set_type,
    time_cost_of,
    touch,
    type_from_log,
    unit_of,
    vehicle_back,
    vehicle_out,
)
from solvers.routing.data import Metric
from solvers.routing.travel import EARTH_RADIUS_M

ROUNDED = int(Metric.EUCLIDEAN_ROUNDED)
CEILED = int(Metric.EUCLIDEAN_CEILED)
TRUNCATED = int(Metric.EUCLIDEAN_TRUNCATED)
HAVERSINE = int(Metric.HAVERSINE)
DIAMETER_M = 2.0 * EARTH_RADIUS_M

N_ABSENT, N_FREE, N_LOG, N_DIRTY, BLINK_IN, STAMP, N_RUINED = range(7)
"""Places in ``Tours.counts``."""

COST, BEST_COST = range(2)
"""Places in ``Tours.costs``."""

INSERTED, RETYPED = -1, -2
"""What ``log_pred`` says instead of a predecessor."""


class Tours(NamedTuple):
    """All that the kernel reads and writes; R routes, n visits, K neighbours.

    The records are those of `solvers.routing.annealing.records`.
    """

    nodes: Any  # NODE[n + R]
    places: Any  # PLACE[n + R]; [0] where a matrix or a Rich has the distances
    rich: Any  # a `Rich`, or None where one load limit is all there is
    matrix: Any  # float64: [n + 1, n + 1], the depot last, or None; with a Rich [S, S], or [0, 0] for none
    given: Any  # GIVEN[1]
    near: NDArray[np.int32]  # [n, K] nearest visits, nearest first
    near_length: NDArray[np.float64]  # [n, K] their distances; not used with a Rich
    visits: Any  # VISIT[n]
    load: NDArray[np.int64]  # [R]
    routes: Any  # ROUTE[R]
    spoke: NDArray[np.float64]  # [R] the longer one of a route's edges to its depot; 0 for an empty route
    log: Any  # LOG: undo log
    todo: NDArray[np.int32]  # visits to insert, in order
    key: NDArray[np.float64]  # their sorting keys
    fits: NDArray[np.int32]  # [K + 1] which near visits are on a route that has room; with a Rich those visits
    spots: Any  # SPOT[2 max(K, R) + 1] places for a visit, with a Rich
    long: NDArray[np.int32]  # [R + 1] routes that have room and long edges to the depot
    marks: Any  # MARK[n + R]
    counts: NDArray[np.int64]  # see N_ABSENT ...
    costs: NDArray[np.float64]  # see COST ...
    rng: NDArray[np.uint64]  # [1]

    @property
    def penalty(self) -> NDArray[np.float64]:
        """(n,) cost of leaving each visit out."""
        return np.asarray(self.visits["penalty"])

    @property
    def depot_length(self) -> NDArray[np.float64]:
        """(n,) distance to the (nearest) depot."""
        return np.asarray(self.visits["depot_length"])

    @property
    def best(self) -> NDArray[np.int32]:
        """(n + R,) successors in the best tours; -1 for absent visits."""
        return np.asarray(self.marks["best"])


@kernel
def _between(given, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Length of a difference of coordinates."""
    d = math.sqrt(dx * dx + dy * dy + dz * dz)
    if given[0].metric == ROUNDED:
        return math.floor(d * given[0].scale + 0.5) / given[0].scale
    if given[0].metric == CEILED:
        return math.ceil(d * given[0].scale) / given[0].scale
    if given[0].metric == TRUNCATED:
        return math.floor(d * given[0].scale) / given[0].scale
    if given[0].metric == HAVERSINE:  # between unit vectors
        return DIAMETER_M * math.asin(min(1.0, 0.5 * d))
    return d


@inlined
def _of_sites(matrix, given, points, a, b):  # type: ignore[no-untyped-def]
    if matrix.shape[0] == 0:
        dx = points[a, 0] - points[b, 0]
        dy = points[a, 1] - points[b, 1]
        return _between(given, dx, dy, points[a, 2] - points[b, 2])
    return np.float64(matrix[a, b])


@inlined
def _of_nodes(matrix, given, places, n, a, b):  # type: ignore[no-untyped-def]
    if matrix is None:
        dx = places[a].x - places[b].x
        dy = places[a].y - places[b].y
        return _between(given, dx, dy, places[a].z - places[b].z)
    return np.float64(matrix[min(a, n), min(b, n)])


@inlined
def _length(rich, tours, a, b):  # type: ignore[no-untyped-def]
    if rich is None:
        return _of_nodes(tours.matrix, tours.given, tours.places, tours.near.shape[0], a, b)
    leaves, arrives = rich.sites[a].leaves, rich.sites[b].arrives
    if leaves < 0 or arrives < 0:
        return 0.0
    return _of_sites(tours.matrix, tours.given, rich.points, leaves, arrives)


@inlined
def distance(tours, a, b):  # type: ignore[no-untyped-def]
    """Distance from node ``a`` to node ``b``."""
    return _length(tours.rich, tours, a, b)


@kernel
def _measure_spokes(tours, p, s, r):  # type: ignore[no-untyped-def]
    """Note what an edge between ``p`` and ``s`` has changed."""
    sentinel = tours.near.shape[0] + r
    if sentinel in (p, s):
        tours.spoke[r] = max(tours.nodes[sentinel].dsucc, tours.nodes[sentinel].dpred)


@inlined
def _unlink(tours, c, p, s, r, d):  # type: ignore[no-untyped-def]
    """Take visit ``c`` from between ``p`` and ``s``, which are ``d`` apart, and count it as absent."""
    nodes, counts = tours.nodes, tours.counts
    count_in(tours.rich, c, r, -1, d - nodes[c].dpred - nodes[c].dsucc)
    nodes[p].succ = s
    nodes[s].pred = p
    nodes[p].dsucc = d
    nodes[s].dpred = d
    nodes[c].route = -1
    _measure_spokes(tours, p, s, r)
    tours.load[r] -= nodes[c].demand
    tours.routes[r].size -= 1
    if tours.routes[r].size == 0:
        top = counts[N_FREE]
        other = tours.routes[top].free
        tours.routes[tours.routes[r].free_at].free = other
        tours.routes[other].free_at = tours.routes[r].free_at
        tours.routes[top].free = r
        tours.routes[r].free_at = top
        counts[N_FREE] = top + 1
        vehicle_back(tours.rich, r)
    tours.visits[c].absent_at = counts[N_ABSENT]
    tours.visits[counts[N_ABSENT]].absent = c
    counts[N_ABSENT] += 1


@inlined
def _link(tours, c, p, s, r, before, after):  # type: ignore[no-untyped-def]
    """Put absent visit ``c`` between ``p`` and ``s``. An empty route must be on top of the free stack."""
    nodes, counts = tours.nodes, tours.counts
    count_in(tours.rich, c, r, 1, before + after - nodes[p].dsucc)
    nodes[c].pred = p
    nodes[c].succ = s
    nodes[c].route = r
    nodes[c].dpred = before
    nodes[c].dsucc = after
    nodes[p].succ = c
    nodes[p].dsucc = before
    nodes[s].pred = c
    nodes[s].dpred = after
    _measure_spokes(tours, p, s, r)
    if tours.routes[r].size == 0:
        counts[N_FREE] -= 1
        vehicle_out(tours.rich, r)
    tours.load[r] += nodes[c].demand
    tours.routes[r].size += 1
    last = counts[N_ABSENT] - 1
    other = tours.visits[last].absent
    tours.visits[tours.visits[c].absent_at].absent = other
    tours.visits[other].absent_at = tours.visits[c].absent_at
    counts[N_ABSENT] = last


@inlined
def take_out(tours, c):  # type: ignore[no-untyped-def]
    """Remove visit ``c`` from its route and log it. The caller refreshes the route."""
    nodes, counts = tours.nodes, tours.counts
    p, s, r = np.int64(nodes[c].pred), np.int64(nodes[c].succ), np.int64(nodes[c].route)
    k = counts[N_LOG]
    tours.log[k].node = c
    tours.log[k].pred = p
    tours.log[k].length = nodes[c].dpred
    tours.log[k].after = nodes[c].dsucc
    counts[N_LOG] = k + 1
    d = distance(tours, p, s) if p != s else 0.0
    delta = (d - nodes[c].dpred - nodes[c].dsucc) * unit_of(tours.rich, r) + tours.visits[c].penalty
    if p == s:
        delta -= fixed_of(tours.rich, tours.given, r)
    tours.costs[COST] += delta
    _unlink(tours, c, p, s, r, d)


@inlined
def put_after(tours, c, p):  # type: ignore[no-untyped-def]
    """Insert absent visit ``c`` after node ``p`` and log it. The caller refreshes the route."""
    nodes, counts = tours.nodes, tours.counts
    s, r = np.int64(nodes[p].succ), np.int64(nodes[p].route)
    k = counts[N_LOG]
    tours.log[k].node = c
    tours.log[k].pred = INSERTED
    tours.log[k].length = nodes[p].dsucc
    counts[N_LOG] = k + 1
    before, after = distance(tours, p, c), distance(tours, c, s)
    delta = (before + after - nodes[p].dsucc) * unit_of(tours.rich, r) - tours.visits[c].penalty
    if p == s:
        delta += fixed_of(tours.rich, tours.given, r)
    tours.costs[COST] += delta
    _link(tours, c, p, s, r, before, after)


@inlined
def renew(rich, tours, r):  # type: ignore[no-untyped-def]
    """Recompute all that depends on the order of route ``r``, and what its duration costs."""
    if rich is None:
        return
    before = time_cost_of(rich, r)
    refresh(rich, tours.nodes, tours.near.shape[0] + r, r)
    tours.costs[COST] += time_cost_of(rich, r) - before


@kernel
def _cost_of(rich, r):  # type: ignore[no-untyped-def]
    return unit_of(rich, r) * rich.runs[r].length + rich.kinds[rich.runs[r].type].fixed_cost + time_cost_of(rich, r)


@kernel
def retype(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Give the used route ``r`` to a vehicle of another type, log it and refresh the route."""
    k = tours.counts[N_LOG]
    tours.log[k].node = r
    tours.log[k].pred = RETYPED
    log_type(rich, k, r)
    tours.counts[N_LOG] = k + 1
    tours.costs[COST] -= _cost_of(rich, r)
    _change_type(tours, rich, r, kind)
    tours.costs[COST] += _cost_of(rich, r)
    renew(rich, tours, r)


@kernel
def _change_type(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    nodes = tours.nodes
    sentinel = tours.near.shape[0] + r
    rich.kinds[rich.runs[r].type].available += 1
    rich.kinds[kind].available -= 1
    set_type(rich, sentinel, r, kind)
    first, last = np.int64(nodes[sentinel].succ), np.int64(nodes[sentinel].pred)
    out, back = distance(tours, sentinel, first), distance(tours, last, sentinel)
    rich.runs[r].length += out - nodes[sentinel].dsucc + back - nodes[sentinel].dpred
    nodes[sentinel].dsucc = out
    nodes[first].dpred = out
    nodes[sentinel].dpred = back
    nodes[last].dsucc = back
    tours.spoke[r] = max(out, back)


@kernel
def _retype_back(rich, tours, k):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    _change_type(tours, rich, np.int64(tours.log[k].node), rich.log_type[k])


@kernel
def undo(tours):  # type: ignore[no-untyped-def]
    """Take back everything in the log, newest first. The caller restores the cost."""
    nodes, counts = tours.nodes, tours.counts
    n = tours.near.shape[0]
    touched = 0
    for k in range(counts[N_LOG] - 1, -1, -1):
        c = np.int64(tours.log[k].node)
        p = np.int64(tours.log[k].pred)
        if p == RETYPED:
            _retype_back(tours.rich, tours, k)
            touched = touch(tours.rich, touched, c)
            continue
        if p == INSERTED:
            p, s, r = np.int64(nodes[c].pred), np.int64(nodes[c].succ), np.int64(nodes[c].route)
            _unlink(tours, c, p, s, r, tours.log[k].length)
            if p == s:
                type_from_log(tours.rich, k, p, r)
        else:
            s, r = np.int64(nodes[p].succ), np.int64(nodes[p].route)
            _link(tours, c, p, s, r, tours.log[k].length, tours.log[k].after)
        touched = touch(tours.rich, touched, r)
    refresh_touched(tours.rich, nodes, n, touched)
    counts[N_LOG] = 0


@kernel
def mark_dirty(tours, v):  # type: ignore[no-untyped-def]
    if not tours.marks[v].is_dirty:
        tours.marks[v].is_dirty = 1
        tours.marks[tours.counts[N_DIRTY]].dirty = v
        tours.counts[N_DIRTY] += 1


@kernel
def commit(tours):  # type: ignore[no-untyped-def]
    """Keep the logged operations: remember whose successors changed and forget the log."""
    nodes, counts = tours.nodes, tours.counts
    for k in range(counts[N_LOG]):
        c = np.int64(tours.log[k].node)
        p = np.int64(tours.log[k].pred)
        if p == RETYPED:
            continue
        mark_dirty(tours, c)
        if p >= 0:
            mark_dirty(tours, p)
        elif nodes[c].route >= 0:
            mark_dirty(tours, np.int64(nodes[c].pred))
    counts[N_LOG] = 0


@kernel
def keep_best(tours):  # type: ignore[no-untyped-def]
    """Copy what differs from the best tours into them."""
    nodes, counts = tours.nodes, tours.counts
    for k in range(counts[N_DIRTY]):
        v = tours.marks[k].dirty
        tours.marks[v].best = nodes[v].succ if nodes[v].route >= 0 else -1
        tours.marks[v].is_dirty = 0
    counts[N_DIRTY] = 0
    keep_best_types(tours.rich)
    tours.costs[BEST_COST] = tours.costs[COST]
