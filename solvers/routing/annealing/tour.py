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

N_ABSENT, N_FREE, N_LOG, N_DIRTY, BLINK_IN, STAMP, BEST_ABSENT, N_IMPROVED = range(8)
"""Places in ``Tours.counts``."""

COST, BEST_COST = range(2)
"""Places in ``Tours.costs``."""


class Tours(NamedTuple):
    """All that the kernel reads and writes; R routes, n visits, K neighbours."""

    nodes: Any  # NODE[n + R]
    matrix: Any  # float64[n + 1, n + 1] with the depot last, or None for distances from coordinates
    metric: NDArray[np.int64]  # [1] a `Metric`
    scale: NDArray[np.float64]  # [1] units of rounded distances in one unit of length
    near: NDArray[np.int32]  # [n, K] nearest visits, nearest first
    near_length: NDArray[np.float64]  # [n, K] their distances
    depot_length: NDArray[np.float64]  # [n] distance to the depot
    penalty: NDArray[np.float64]  # [n] cost of leaving a visit out
    capacity: NDArray[np.int64]  # [1]
    fixed: NDArray[np.float64]  # [1] cost of a route that is used
    load: NDArray[np.int64]  # [R]
    size: NDArray[np.int64]  # [R] visits of the route
    free: NDArray[np.int32]  # [R] stack of empty routes
    absent: NDArray[np.int32]  # [n] visits not on a route
    absent_at: NDArray[np.int32]  # [n] where in ``absent``
    log_node: NDArray[np.int32]  # undo log: the visit ...
    log_pred: NDArray[np.int32]  # ... after which node it was, or -1 for an insertion
    log_length: NDArray[np.float64]  # the edge that an insertion broke
    ruined: NDArray[np.int64]  # [R] stamp of the last ruin that touched the route
    todo: NDArray[np.int32]  # visits to insert, in order
    key: NDArray[np.float64]  # their sorting keys
    dirty: NDArray[np.int32]  # [n + R] nodes whose successor may differ from ``best``
    is_dirty: NDArray[np.bool_]  # [n + R]
    best: NDArray[np.int32]  # [n + R] successors in the best tours; -1 for absent visits
    counts: NDArray[np.int64]  # see N_ABSENT ...
    costs: NDArray[np.float64]  # see COST ...
    rng: NDArray[np.uint64]  # [1]


@kernel
def _length(matrix, nodes, metric, scale, n, a, b):  # type: ignore[no-untyped-def]
    if matrix is None:  # decided when compiling: ``matrix`` is an argument of its own
        dx = nodes[a].x - nodes[b].x
        dy = nodes[a].y - nodes[b].y
        if metric[0] == HAVERSINE:  # unit vectors
            dz = nodes[a].z - nodes[b].z
            return DIAMETER_M * math.asin(min(1.0, 0.5 * math.sqrt(dx * dx + dy * dy + dz * dz)))
        d = math.sqrt(dx * dx + dy * dy)
        if metric[0] == ROUNDED:
            return math.floor(d * scale[0] + 0.5) / scale[0]
        if metric[0] == CEILED:
            return math.ceil(d * scale[0]) / scale[0]
        if metric[0] == TRUNCATED:
            return math.floor(d * scale[0]) / scale[0]
        return d
    return np.float64(matrix[min(a, n), min(b, n)])


@kernel
def distance(tours, a, b):  # type: ignore[no-untyped-def]
    """Distance from node ``a`` to node ``b``."""
    return _length(tours.matrix, tours.nodes, tours.metric, tours.scale, tours.near.shape[0], a, b)


@kernel
def take_out(tours, c):  # type: ignore[no-untyped-def]
    """Remove visit ``c`` from its route and log it."""
    nodes, counts = tours.nodes, tours.counts
    p, s, r = nodes[c].pred, nodes[c].succ, nodes[c].route
    k = counts[N_LOG]
    tours.log_node[k] = c
    tours.log_pred[k] = p
    counts[N_LOG] = k + 1
    d = distance(tours, p, s) if p != s else 0.0
    tours.costs[COST] += d - nodes[c].dpred - nodes[c].dsucc + tours.penalty[c]
    nodes[p].succ = s
    nodes[s].pred = p
    nodes[p].dsucc = d
    nodes[s].dpred = d
    nodes[c].route = -1
    tours.load[r] -= nodes[c].demand
    tours.size[r] -= 1
    if tours.size[r] == 0:
        tours.free[counts[N_FREE]] = r
        counts[N_FREE] += 1
        tours.costs[COST] -= tours.fixed[0]
    tours.absent_at[c] = counts[N_ABSENT]
    tours.absent[counts[N_ABSENT]] = c
    counts[N_ABSENT] += 1


@kernel
def no_longer_absent(tours, c):  # type: ignore[no-untyped-def]
    """Drop ``c`` from the list of absent visits."""
    last = tours.counts[N_ABSENT] - 1
    other = tours.absent[last]
    tours.absent[tours.absent_at[c]] = other
    tours.absent_at[other] = tours.absent_at[c]
    tours.counts[N_ABSENT] = last


@kernel
def put_after(tours, c, p):  # type: ignore[no-untyped-def]
    """Insert absent visit ``c`` after node ``p`` and log it. An empty route must be on top of the free stack."""
    nodes, counts = tours.nodes, tours.counts
    s, r = nodes[p].succ, nodes[p].route
    k = counts[N_LOG]
    tours.log_node[k] = c
    tours.log_pred[k] = -1
    tours.log_length[k] = nodes[p].dsucc
    counts[N_LOG] = k + 1
    before, after = distance(tours, p, c), distance(tours, c, s)
    tours.costs[COST] += before + after - nodes[p].dsucc - tours.penalty[c]
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
        tours.costs[COST] += tours.fixed[0]
    tours.load[r] += nodes[c].demand
    tours.size[r] += 1
    no_longer_absent(tours, c)


@kernel
def undo(tours):  # type: ignore[no-untyped-def]
    """Take back everything in the log, newest first. The caller restores the cost."""
    nodes, counts = tours.nodes, tours.counts
    for k in range(counts[N_LOG] - 1, -1, -1):
        c = tours.log_node[k]
        p = tours.log_pred[k]
        if p < 0:
            p, s, r = nodes[c].pred, nodes[c].succ, nodes[c].route
            d = tours.log_length[k]
            nodes[p].succ = s
            nodes[s].pred = p
            nodes[p].dsucc = d
            nodes[s].dpred = d
            nodes[c].route = -1
            tours.load[r] -= nodes[c].demand
            tours.size[r] -= 1
            if tours.size[r] == 0:
                tours.free[counts[N_FREE]] = r
                counts[N_FREE] += 1
            tours.absent_at[c] = counts[N_ABSENT]
            tours.absent[counts[N_ABSENT]] = c
            counts[N_ABSENT] += 1
        else:
            s, r = nodes[p].succ, nodes[p].route
            before, after = distance(tours, p, c), distance(tours, c, s)
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
            tours.load[r] += nodes[c].demand
            tours.size[r] += 1
            no_longer_absent(tours, c)
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
        mark_dirty(tours, c)
        p = tours.log_pred[k]
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
    counts[BEST_ABSENT] = counts[N_ABSENT]
    counts[N_IMPROVED] += 1
    tours.costs[BEST_COST] = tours.costs[COST]
