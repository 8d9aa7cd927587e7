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

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.rich import (
    count_in,
    fixed_of,
    keep_best_types,
    log_type,
    refresh,
    refresh_touched,
    set_type,
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

NODE = np.dtype(
    [
        ("succ", np.int32),
        ("pred", np.int32),
        ("route", np.int32),
        ("demand", np.int32),
        ("dsucc", np.float64),
        ("dpred", np.float64),
        ("x", np.float64),
        ("y", np.float64),
        ("z", np.float64),
    ]
)
"""One node. ``route`` is -1 while a visit is absent. ``dsucc`` and ``dpred`` are the lengths of its two edges."""

N_ABSENT, N_FREE, N_LOG, N_DIRTY, BLINK_IN, STAMP, N_RUINED = range(7)
"""Places in ``Tours.counts``."""

COST, BEST_COST = range(2)
"""Places in ``Tours.costs``."""

INSERTED, RETYPED = -1, -2
"""What ``log_pred`` says instead of a predecessor."""


class Tours(NamedTuple):
    """All that the kernel reads and writes; R routes, n visits, K neighbours."""

    nodes: Any  # NODE[n + R]
    rich: Any  # a `Rich`, or None where one load limit is all there is
    matrix: Any  # float64: [n + 1, n + 1] with the depot last; [S, S] with a Rich; None: distances from coordinates
    metric: NDArray[np.int64]  # [1] a `Metric`
    scale: NDArray[np.float64]  # [1] units of rounded distances in one unit of length
    near: NDArray[np.int32]  # [n, K] nearest visits, nearest first
    near_length: NDArray[np.float64]  # [n, K] their distances; not used with a Rich
    depot_length: NDArray[np.float64]  # [n] distance to the (nearest) depot
    penalty: NDArray[np.float64]  # [n] cost of leaving a visit out
    capacity: NDArray[np.int64]  # [1]; not used with a Rich
    fixed: NDArray[np.float64]  # [1] cost of a route that is used; not used with a Rich
    load: NDArray[np.int64]  # [R]
    size: NDArray[np.int64]  # [R] visits of the route
    free: NDArray[np.int32]  # [R] stack of empty routes; the used ones come after its top
    free_at: NDArray[np.int32]  # [R] where in ``free``
    absent: NDArray[np.int32]  # [n] visits not on a route
    absent_at: NDArray[np.int32]  # [n] where in ``absent``
    log_node: NDArray[np.int32]  # undo log: the visit ...
    log_pred: NDArray[np.int32]  # ... after which node it was, or INSERTED, or RETYPED for a route
    log_length: NDArray[np.float64]  # the edge that an insertion broke
    ruined: NDArray[np.int32]  # [R] routes that the last ruin touched
    ruined_at: NDArray[np.int64]  # [R] stamp of the last ruin that touched the route
    todo: NDArray[np.int32]  # visits to insert, in order
    key: NDArray[np.float64]  # their sorting keys
    fits: NDArray[np.int32]  # [K + 1] which near visits are on a route that has room
    dirty: NDArray[np.int32]  # [n + R] nodes whose successor may differ from ``best``
    is_dirty: NDArray[np.bool_]  # [n + R]
    best: NDArray[np.int32]  # [n + R] successors in the best tours; -1 for absent visits
    counts: NDArray[np.int64]  # see N_ABSENT ...
    costs: NDArray[np.float64]  # see COST ...
    rng: NDArray[np.uint64]  # [1]


@kernel
def _between(metric, scale, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Length of a difference of coordinates."""
    d = math.sqrt(dx * dx + dy * dy + dz * dz)
    if metric[0] == ROUNDED:
        return math.floor(d * scale[0] + 0.5) / scale[0]
    if metric[0] == CEILED:
        return math.ceil(d * scale[0]) / scale[0]
    if metric[0] == TRUNCATED:
        return math.floor(d * scale[0]) / scale[0]
    if metric[0] == HAVERSINE:  # between unit vectors
        return DIAMETER_M * math.asin(min(1.0, 0.5 * d))
    return d


@kernel
def _of_sites(matrix, metric, scale, points, a, b):  # type: ignore[no-untyped-def]
    if matrix is None:
        dx = points[a, 0] - points[b, 0]
        dy = points[a, 1] - points[b, 1]
        return _between(metric, scale, dx, dy, points[a, 2] - points[b, 2])
    return np.float64(matrix[a, b])


@kernel
def _of_nodes(matrix, metric, scale, nodes, n, a, b):  # type: ignore[no-untyped-def]
    if matrix is None:
        dx = nodes[a].x - nodes[b].x
        dy = nodes[a].y - nodes[b].y
        return _between(metric, scale, dx, dy, nodes[a].z - nodes[b].z)
    return np.float64(matrix[min(a, n), min(b, n)])


@kernel
def _length(rich, tours, a, b):  # type: ignore[no-untyped-def]
    if rich is None:
        return _of_nodes(tours.matrix, tours.metric, tours.scale, tours.nodes, tours.near.shape[0], a, b)
    leaves, arrives = rich.leaves[a], rich.arrives[b]
    if leaves < 0 or arrives < 0:
        return 0.0
    return _of_sites(tours.matrix, tours.metric, tours.scale, rich.points, leaves, arrives)


@kernel
def distance(tours, a, b):  # type: ignore[no-untyped-def]
    """Distance from node ``a`` to node ``b``."""
    return _length(tours.rich, tours, a, b)


@kernel
def _unlink(tours, c, p, s, r, d):  # type: ignore[no-untyped-def]
    """Take visit ``c`` from between ``p`` and ``s``, which are ``d`` apart, and count it as absent."""
    nodes, counts = tours.nodes, tours.counts
    count_in(tours.rich, c, r, -1, d - nodes[c].dpred - nodes[c].dsucc)
    nodes[p].succ = s
    nodes[s].pred = p
    nodes[p].dsucc = d
    nodes[s].dpred = d
    nodes[c].route = -1
    tours.load[r] -= nodes[c].demand
    tours.size[r] -= 1
    if tours.size[r] == 0:
        top = counts[N_FREE]
        other = tours.free[top]
        tours.free[tours.free_at[r]] = other
        tours.free_at[other] = tours.free_at[r]
        tours.free[top] = r
        tours.free_at[r] = top
        counts[N_FREE] = top + 1
        vehicle_back(tours.rich, r)
    tours.absent_at[c] = counts[N_ABSENT]
    tours.absent[counts[N_ABSENT]] = c
    counts[N_ABSENT] += 1


@kernel
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
    if tours.size[r] == 0:
        counts[N_FREE] -= 1
        vehicle_out(tours.rich, r)
    tours.load[r] += nodes[c].demand
    tours.size[r] += 1
    last = counts[N_ABSENT] - 1
    other = tours.absent[last]
    tours.absent[tours.absent_at[c]] = other
    tours.absent_at[other] = tours.absent_at[c]
    counts[N_ABSENT] = last


@kernel
def take_out(tours, c):  # type: ignore[no-untyped-def]
    """Remove visit ``c`` from its route and log it. The caller refreshes the route."""
    nodes, counts = tours.nodes, tours.counts
    p, s, r = nodes[c].pred, nodes[c].succ, nodes[c].route
    k = counts[N_LOG]
    tours.log_node[k] = c
    tours.log_pred[k] = p
    counts[N_LOG] = k + 1
    d = distance(tours, p, s) if p != s else 0.0
    delta = (d - nodes[c].dpred - nodes[c].dsucc) * unit_of(tours.rich, r) + tours.penalty[c]
    if p == s:
        delta -= fixed_of(tours.rich, tours.fixed, r)
    tours.costs[COST] += delta
    _unlink(tours, c, p, s, r, d)


@kernel
def put_after(tours, c, p):  # type: ignore[no-untyped-def]
    """Insert absent visit ``c`` after node ``p`` and log it. The caller refreshes the route."""
    nodes, counts = tours.nodes, tours.counts
    s, r = nodes[p].succ, nodes[p].route
    k = counts[N_LOG]
    tours.log_node[k] = c
    tours.log_pred[k] = INSERTED
    tours.log_length[k] = nodes[p].dsucc
    counts[N_LOG] = k + 1
    before, after = distance(tours, p, c), distance(tours, c, s)
    delta = (before + after - nodes[p].dsucc) * unit_of(tours.rich, r) - tours.penalty[c]
    if p == s:
        delta += fixed_of(tours.rich, tours.fixed, r)
    tours.costs[COST] += delta
    _link(tours, c, p, s, r, before, after)


@kernel
def retype(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Give the used route ``r`` to a vehicle of another type, log it and refresh the route."""
    k = tours.counts[N_LOG]
    tours.log_node[k] = r
    tours.log_pred[k] = RETYPED
    log_type(rich, k, r)
    tours.counts[N_LOG] = k + 1
    tours.costs[COST] -= rich.unit_cost[rich.type_of[r]] * rich.length[r] + rich.fixed_cost[rich.type_of[r]]
    _change_type(tours, rich, r, kind)
    tours.costs[COST] += rich.unit_cost[kind] * rich.length[r] + rich.fixed_cost[kind]
    refresh(rich, tours.nodes, tours.near.shape[0] + r, r)


@kernel
def _change_type(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    nodes = tours.nodes
    sentinel = tours.near.shape[0] + r
    rich.available[rich.type_of[r]] += 1
    rich.available[kind] -= 1
    set_type(rich, sentinel, r, kind)
    first, last = nodes[sentinel].succ, nodes[sentinel].pred
    out, back = distance(tours, sentinel, first), distance(tours, last, sentinel)
    rich.length[r] += out - nodes[sentinel].dsucc + back - nodes[sentinel].dpred
    nodes[sentinel].dsucc = out
    nodes[first].dpred = out
    nodes[sentinel].dpred = back
    nodes[last].dsucc = back


@kernel
def _retype_back(rich, tours, k):  # type: ignore[no-untyped-def]
    if rich is None:
        return
    _change_type(tours, rich, np.int64(tours.log_node[k]), rich.log_type[k])


@kernel
def undo(tours):  # type: ignore[no-untyped-def]
    """Take back everything in the log, newest first. The caller restores the cost."""
    nodes, counts = tours.nodes, tours.counts
    n = tours.near.shape[0]
    touched = 0
    for k in range(counts[N_LOG] - 1, -1, -1):
        c = np.int64(tours.log_node[k])
        p = np.int64(tours.log_pred[k])
        if p == RETYPED:
            _retype_back(tours.rich, tours, k)
            touched = touch(tours.rich, touched, c)
            continue
        if p == INSERTED:
            p, s, r = np.int64(nodes[c].pred), np.int64(nodes[c].succ), np.int64(nodes[c].route)
            _unlink(tours, c, p, s, r, tours.log_length[k])
            if p == s:
                type_from_log(tours.rich, k, p, r)
        else:
            s, r = np.int64(nodes[p].succ), np.int64(nodes[p].route)
            _link(tours, c, p, s, r, distance(tours, p, c), distance(tours, c, s))
        touched = touch(tours.rich, touched, r)
    refresh_touched(tours.rich, nodes, n, touched)
    counts[N_LOG] = 0


@kernel
def mark_dirty(tours, v):  # type: ignore[no-untyped-def]
    if not tours.is_dirty[v]:
        tours.is_dirty[v] = True
        tours.dirty[tours.counts[N_DIRTY]] = v
        tours.counts[N_DIRTY] += 1


@kernel
def commit(tours):  # type: ignore[no-untyped-def]
    """Keep the logged operations: remember whose successors changed and forget the log."""
    nodes, counts = tours.nodes, tours.counts
    for k in range(counts[N_LOG]):
        c = tours.log_node[k]
        p = tours.log_pred[k]
        if p == RETYPED:
            continue
        mark_dirty(tours, c)
        if p >= 0:
            mark_dirty(tours, p)
        elif nodes[c].route >= 0:
            mark_dirty(tours, nodes[c].pred)
    counts[N_LOG] = 0


@kernel
def keep_best(tours):  # type: ignore[no-untyped-def]
    """Copy what differs from the best tours into them."""
    nodes, counts = tours.nodes, tours.counts
    for k in range(counts[N_DIRTY]):
        v = tours.dirty[k]
        tours.best[v] = nodes[v].succ if nodes[v].route >= 0 else -1
        tours.is_dirty[v] = False
    counts[N_DIRTY] = 0
    keep_best_types(tours.rich)
    tours.costs[BEST_COST] = tours.costs[COST]
