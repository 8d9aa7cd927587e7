"""A first plan by parallel savings (Clarke and Wright 1964) over pairs of near visits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.compile import compiled


@compiled
def _find(parent, r):  # type: ignore[no-untyped-def]
    while parent[r] != r:
        parent[r] = parent[parent[r]]
        r = parent[r]
    return r


@compiled
def _merge(first, second, demand, capacity):  # type: ignore[no-untyped-def]
    """Join route ends in the order of the pairs; returns each visit's two links (-1 for the depot)."""
    n = demand.shape[0]
    link = np.full((n, 2), -1, np.int32)
    degree = np.zeros(n, np.int8)
    parent = np.arange(n).astype(np.int32)
    load = demand.copy()
    for k in range(first.shape[0]):
        a, b = first[k], second[k]
        if degree[a] == 2 or degree[b] == 2:
            continue
        ra, rb = _find(parent, a), _find(parent, b)
        if ra == rb or load[ra] + load[rb] > capacity:
            continue
        parent[rb] = ra
        load[ra] += load[rb]
        link[a, degree[a]] = b
        link[b, degree[b]] = a
        degree[a] += 1
        degree[b] += 1
    return link, degree


@compiled
def _walk(link, degree):  # type: ignore[no-untyped-def]
    """Visits route by route, and where each route ends."""
    n = degree.shape[0]
    order = np.empty(n, np.int32)
    ends = np.empty(n, np.int32)
    seen = np.zeros(n, np.bool_)
    at, routes = 0, 0
    for v in range(n):
        if seen[v] or degree[v] == 2:
            continue
        before, c = -1, v
        while c >= 0:
            seen[c] = True
            order[at] = c
            at += 1
            ahead = -1
            for i in range(degree[c]):
                if link[c, i] != before:
                    ahead = link[c, i]
            before, c = c, ahead
        ends[routes] = at
        routes += 1
    return order[:at], ends[:routes]


def savings_routes(
    near: NDArray[np.int32],
    near_length: NDArray[np.float64],
    depot_length: NDArray[np.float64],
    demand: NDArray[np.int64],
    capacity: int,
) -> list[list[int]]:
    """Routes of visits, each within ``capacity``; visits that exceed it alone are left out.

    Parameters
    ----------
    near, near_length
        Near visits and their distances, shape (n, K).
    depot_length
        Distance to the depot, shape (n,).
    demand
        Load of each visit (>= 0), shape (n,).
    capacity
        Largest load of a route.
    """
    n, k = near.shape
    first = np.repeat(np.arange(n, dtype=np.int32), k)
    second = near.ravel()
    saving = depot_length[first] + depot_length[second] - near_length.ravel()
    keep = saving > 0
    first, second, saving = first[keep], second[keep], saving[keep]
    by_saving = np.argsort(-saving, kind="stable")
    link, degree = _merge(first[by_saving], second[by_saving], demand, capacity)
    order, ends = _walk(link, degree)
    routes = [part.tolist() for part in np.split(order, ends[:-1])] if len(ends) else []
    return [route for route in routes if demand[route[0]] <= capacity]
