"""From a routing problem's arrays to `Tours`, and back to routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from solvers.routing.annealing.compile import compiled
from solvers.routing.annealing.random import seeded
from solvers.routing.annealing.records import GIVEN, LOG, MARK, NODE, PLACE, ROUTE, SPOT, VISIT
from solvers.routing.annealing.rich import (
    Rich,
    count_in,
    count_length,
    fixed_of,
    refresh,
    time_cost_of,
    unit_of,
    vehicle_out,
)
from solvers.routing.annealing.tour import (
    BLINK_IN,
    COST,
    N_ABSENT,
    N_DIRTY,
    N_FREE,
    N_LOG,
    Tours,
    distance,
)
from solvers.routing.data import Metric

NEIGHBOURS = 40
"""Near visits of each visit."""


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
        tours.visits[c].depot_length = distance(tours, n, c)
        for i in range(k):
            tours.near_length[c, i] = distance(tours, c, np.int64(tours.near[c, i]))


@compiled
def _load_routes(tours, order, ends):  # type: ignore[no-untyped-def]
    """Set the tours to the given routes; visits not in ``order`` are absent."""
    nodes, counts = tours.nodes, tours.counts
    n = tours.near.shape[0]
    routes = tours.load.shape[0]
    cost = 0.0
    c: Any
    for c in range(n):
        nodes[c].route = -1
    at = 0
    for r in range(routes):
        sentinel = n + r
        nodes[sentinel].route = r
        tours.load[r] = 0
        tours.routes[r].size = 0
        p: Any = sentinel
        length = 0.0
        if r < ends.shape[0]:
            while at < ends[r]:
                c = np.int64(order[at])
                nodes[c].route = r
                d = distance(tours, p, c)
                nodes[p].succ = c
                nodes[p].dsucc = d
                nodes[c].pred = p
                nodes[c].dpred = d
                length += d
                tours.load[r] += nodes[c].demand
                tours.routes[r].size += 1
                count_in(tours.rich, c, r, 1, d)
                p = c
                at += 1
        d = distance(tours, p, sentinel) if p != sentinel else 0.0
        nodes[p].succ = sentinel
        nodes[p].dsucc = d
        nodes[sentinel].pred = p
        nodes[sentinel].dpred = d
        tours.spoke[r] = max(nodes[sentinel].dsucc, d)
        if p != sentinel:
            count_length(tours.rich, r, d)
            cost += (length + d) * unit_of(tours.rich, r) + fixed_of(tours.rich, tours.given, r)
            vehicle_out(tours.rich, r)
        refresh(tours.rich, nodes, sentinel, r)
        cost += time_cost_of(tours.rich, r)
    counts[N_FREE] = 0
    for is_used in range(2):
        at = counts[N_FREE] if is_used else 0
        for r in range(routes - 1, -1, -1):
            if (tours.routes[r].size > 0) == (is_used == 1):
                tours.routes[at].free = r
                tours.routes[r].free_at = at
                at += 1
        if not is_used:
            counts[N_FREE] = at
    counts[N_ABSENT] = 0
    for c in range(n):
        if nodes[c].route < 0:
            tours.visits[c].absent_at = counts[N_ABSENT]
            tours.visits[counts[N_ABSENT]].absent = c
            counts[N_ABSENT] += 1
            cost += tours.visits[c].penalty
    counts[N_LOG] = 0
    tours.costs[COST] = cost
    for v in range(n + routes):
        if not tours.marks[v].is_dirty:
            tours.marks[v].is_dirty = 1
            tours.marks[counts[N_DIRTY]].dirty = v
            counts[N_DIRTY] += 1


def log_size(n: int, *, rich: bool) -> int:
    """Operations of one step at most: each visit out and in again, and changes of vehicles."""
    return 4 * n + (32_768 if rich else 16)


def empty_tours(
    nodes: Any,
    near: NDArray[np.int32],
    penalty: NDArray[np.float64],
    seed: int,
    *,
    metric: Metric,
    decimals: int,
    capacity: int = 0,
    fixed: float = 0.0,
    rich: Rich | None = None,
    matrix: NDArray[np.float64] | None = None,
    places: Any = None,
) -> Tours:
    """Tours around ``nodes`` and ``near``, lengths not yet computed."""
    n, routes = len(near), len(nodes) - len(near)
    log = log_size(n, rich=rich is not None)
    visits = np.zeros(n, VISIT)
    visits["penalty"] = penalty
    marks = np.zeros(n + routes, MARK)
    marks["best"] = -1
    tours = Tours(
        nodes=nodes,
        places=np.zeros(0, PLACE) if places is None else places,
        rich=rich,
        matrix=matrix,
        given=np.array([(int(metric), 10.0**decimals, capacity, fixed)], GIVEN),
        near=near,
        near_length=np.empty(near.shape),
        visits=visits,
        load=np.zeros(routes, np.int64),
        routes=np.zeros(routes, ROUTE),
        spoke=np.zeros(routes),
        log=np.zeros(log, LOG),
        todo=np.zeros(2 * n + 16, np.int32),
        key=np.zeros(2 * n + 16),
        fits=np.zeros(near.shape[1] + 1, np.int32),
        spots=np.zeros(2 * max(near.shape[1], routes) + 1, SPOT),
        long=np.zeros(routes + 1, np.int32),
        marks=marks,
        counts=np.zeros(8, np.int64),
        costs=np.array([np.inf, np.inf]),
        rng=seeded(seed),
    )
    tours.counts[BLINK_IN] = 50
    return tours


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
    neighbours: int = NEIGHBOURS,
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
    places = np.zeros(n + max_routes if matrix is None else 0, PLACE)
    if matrix is None:
        for name, axis in zip("xyz", points.T, strict=False):
            places[name][:n], places[name][n:] = axis[:n], axis[n]
    nodes["demand"][:n] = demand
    near = near_by_coordinates(points[:n], neighbours) if matrix is None else near_by_matrix(matrix[:n, :n], neighbours)
    tours = empty_tours(
        nodes,
        near,
        penalty,
        seed,
        metric=metric,
        decimals=decimals,
        capacity=capacity,
        fixed=fixed,
        matrix=matrix,
        places=places,
    )
    _near_lengths(tours)
    load_routes(tours, [])
    return tours


def load_routes(tours: Tours, routes: Sequence[Sequence[int]]) -> None:
    """Set the current tours to ``routes`` of visits."""
    ends = np.cumsum([len(route) for route in routes]).astype(np.int64)
    order = np.array([v for route in routes for v in route], np.int32)
    _load_routes(tours, order, ends)


def best_routes(tours: Tours) -> list[tuple[int, list[int]]]:
    """The used routes of the best tours, each with its number, and its visits."""
    return _walk(tours.best, len(tours.near))


def current_routes(tours: Tours) -> list[tuple[int, list[int]]]:
    """The used routes of the tours as they are now, as `best_routes`."""
    return _walk(tours.nodes["succ"], len(tours.near))


def _walk(successors: NDArray[np.int32], n: int) -> list[tuple[int, list[int]]]:
    succ = successors.tolist()
    routes = []
    for r in range(len(succ) - n):
        v = succ[n + r]
        route = []
        while v < n:
            route.append(v)
            v = succ[v]
        if route:
            routes.append((r, route))
    return routes
