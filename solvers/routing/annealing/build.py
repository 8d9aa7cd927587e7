"""From a routing problem's arrays to `Tours`, and back to routes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from solvers.routing.annealing.compile import compiled
from solvers.routing.annealing.random import seeded
from solvers.routing.annealing.tour import (
    BEST_ABSENT,
    BLINK_IN,
    COST,
    N_ABSENT,
    N_DIRTY,
    N_FREE,
    N_LOG,
    NODE,
    Tours,
    distance,
)
from solvers.routing.data import Metric


def near_by_coordinates(points: NDArray[np.float64], k: int) -> NDArray[np.int32]:
    """The ``k`` nearest other points of each point, nearest first, shape (n, min(k, n - 1))."""
    n = len(points)
    k = min(k, n - 1)
    if k <= 0:
        return np.empty((n, 0), np.int32)
    found = np.asarray(cKDTree(points).query(points, k + 1)[1])
    rows = np.arange(n)
    # of several points at one place, the point itself need not come first
    is_self = found == rows[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return np.ascontiguousarray(found[~is_self].reshape(n, k).astype(np.int32))


def near_by_matrix(matrix: NDArray[np.float64], k: int) -> NDArray[np.int32]:
    """As `near_by_coordinates`, by a symmetric matrix of shape (n, n)."""
    n = len(matrix)
    k = min(k, n - 1)
    hidden = matrix.copy()
    np.fill_diagonal(hidden, np.inf)
    return np.ascontiguousarray(np.argsort(hidden, axis=1, kind="stable")[:, :k].astype(np.int32))


@compiled
def _near_lengths(tours):  # type: ignore[no-untyped-def]
    n, k = tours.near.shape
    for c in range(n):
        tours.depot_length[c] = distance(tours, n, c)
        for i in range(k):
            tours.near_length[c, i] = distance(tours, c, tours.near[c, i])


@compiled
def _load_routes(tours, order, ends):  # type: ignore[no-untyped-def]
    """Set the tours to the given routes; visits not in ``order`` are absent."""
    nodes, counts = tours.nodes, tours.counts
    n = tours.near.shape[0]
    routes = tours.load.shape[0]
    cost = 0.0
    for c in range(n):
        nodes[c].route = -1
    at = 0
    for r in range(routes):
        sentinel = n + r
        nodes[sentinel].route = r
        tours.load[r] = 0
        tours.size[r] = 0
        p = sentinel
        if r < ends.shape[0]:
            while at < ends[r]:
                c = order[at]
                nodes[c].route = r
                d = distance(tours, p, c)
                nodes[p].succ = c
                nodes[p].dsucc = d
                nodes[c].pred = p
                nodes[c].dpred = d
                cost += d
                tours.load[r] += nodes[c].demand
                tours.size[r] += 1
                p = c
                at += 1
        d = 0.0
        if p != sentinel:
            d = distance(tours, p, sentinel)
            cost += tours.fixed[0]
        nodes[p].succ = sentinel
        nodes[p].dsucc = d
        nodes[sentinel].pred = p
        nodes[sentinel].dpred = d
        cost += d
    counts[N_FREE] = 0
    for r in range(routes - 1, -1, -1):
        if tours.size[r] == 0:
            tours.free[counts[N_FREE]] = r
            counts[N_FREE] += 1
    counts[N_ABSENT] = 0
    for c in range(n):
        if nodes[c].route < 0:
            tours.absent_at[c] = counts[N_ABSENT]
            tours.absent[counts[N_ABSENT]] = c
            counts[N_ABSENT] += 1
            cost += tours.penalty[c]
    counts[N_LOG] = 0
    tours.costs[COST] = cost
    for v in range(n + routes):
        if not tours.is_dirty[v]:
            tours.is_dirty[v] = True
            tours.dirty[counts[N_DIRTY]] = v
            counts[N_DIRTY] += 1


def build_tours(
    points: NDArray[np.float64],
    demand: NDArray[np.int64],
    capacity: int,
    penalty: NDArray[np.float64],
    max_routes: int,
    seed: int,
    *,
    metric: Metric,
    decimals: int = 0,
    fixed: float = 0.0,
    matrix: NDArray[np.float64] | None = None,
    neighbours: int = 40,
) -> Tours:
    """Empty tours: every visit absent.

    Parameters
    ----------
    points
        Coordinates of the visits and, last, the depot; shape (n + 1, 2), or (n + 1, 3) for unit vectors of
        `Metric.HAVERSINE`. Not looked at when there is a ``matrix``.
    demand, penalty
        Load (0 <= load < 2**31) and cost of leaving out of each visit, shape (n,).
    max_routes, fixed
        Vehicles (>= 1), and the cost of each that is used.
    metric, decimals
        How distances arise from ``points``.
    matrix
        Symmetric distances, shape (n + 1, n + 1), the depot last; ``None`` for Euclidean ones from ``points``.
    """
    n = len(demand)
    nodes = np.zeros(n + max_routes, NODE)
    for name, axis in zip("xyz", points.T, strict=False):
        nodes[name][:n], nodes[name][n:] = axis[:n], axis[n]
    nodes["demand"][:n] = demand
    near = near_by_coordinates(points[:n], neighbours) if matrix is None else near_by_matrix(matrix[:n, :n], neighbours)
    log = 4 * n + 16
    tours = Tours(
        nodes=nodes,
        matrix=matrix,
        metric=np.array([int(metric)]),
        scale=np.array([10.0**decimals]),
        near=near,
        near_length=np.empty(near.shape),
        depot_length=np.empty(n),
        penalty=np.asarray(penalty, np.float64),
        capacity=np.array([capacity]),
        fixed=np.array([fixed]),
        load=np.zeros(max_routes, np.int64),
        size=np.zeros(max_routes, np.int64),
        free=np.zeros(max_routes, np.int32),
        absent=np.zeros(n, np.int32),
        absent_at=np.zeros(n, np.int32),
        log_node=np.zeros(log, np.int32),
        log_pred=np.zeros(log, np.int32),
        log_length=np.zeros(log),
        ruined=np.zeros(max_routes, np.int64),
        todo=np.zeros(n + 1, np.int32),
        key=np.zeros(n + 1),
        dirty=np.zeros(n + max_routes, np.int32),
        is_dirty=np.zeros(n + max_routes, np.bool_),
        best=np.full(n + max_routes, -1, np.int32),
        counts=np.zeros(8, np.int64),
        costs=np.array([np.inf, np.inf]),
        rng=seeded(seed),
    )
    tours.counts[BLINK_IN] = 50
    tours.counts[BEST_ABSENT] = n
    _near_lengths(tours)
    load_routes(tours, [])
    return tours


def load_routes(tours: Tours, routes: Sequence[Sequence[int]]) -> None:
    """Set the current tours to ``routes`` of visits."""
    ends = np.cumsum([len(route) for route in routes]).astype(np.int64)
    order = np.array([v for route in routes for v in route], np.int32)
    _load_routes(tours, order, ends)


def best_routes(tours: Tours) -> list[list[int]]:
    """The best tours as routes of visits; empty routes are left out."""
    n = len(tours.near)
    succ = tours.best.tolist()
    routes = []
    for sentinel in range(n, len(succ)):
        v = succ[sentinel]
        route = []
        while v < n:
            route.append(v)
            v = succ[v]
        if route:
            routes.append(route)
    return routes
