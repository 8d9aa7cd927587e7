"""Joining short routes into longer ones while that saves cost (Clarke and Wright 1964), compiled."""

from __future__ import annotations

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import borrowing, compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost


@borrowing
def _write(after: IntArray, at: int, head: int, buffer: IntArray) -> int:
    """Append the route that begins with ``head`` to ``buffer``; returns its new length."""
    stop = head
    while stop >= 0:
        buffer[at] = stop
        at += 1
        stop = after[stop]
    return at


@borrowing
def _reverse(buffer: IntArray, first: int, last: int) -> None:
    while first < last:
        buffer[first], buffer[last] = buffer[last], buffer[first]
        first += 1
        last -= 1


@compiled
def merge(
    A: Arrays,
    first: IntArray,
    second: IntArray,
    after: IntArray,
    route_of: IntArray,
    head: IntArray,
    tail: IntArray,
    size: IntArray,
    load: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    types: IntArray,
    reversible: bool,
    force: bool,
) -> int:
    """Try each pair ``first[k]``, ``second[k]`` in order: put the route that ends with the one before the other's.

    Routes are chains ``after`` (-1 ends one) with ``head``, ``tail``, ``size``, the sum of ``load`` (routes, d),
    ``vehicle`` type and ``cost``; all are updated. A merge is done when a type in ``types`` serves it at less cost than
    both routes had, or, with ``force``, at any finite cost. ``reversible``: routes may be turned round.

    Returns
    -------
    int
        Number of merges done.

    """
    n = after.shape[0]
    dimensions = A.capacity.shape[1]
    buffer = np.empty(n, np.int64)
    widest = np.zeros(dimensions, np.int64)
    for d in range(dimensions):
        for t in range(A.capacity.shape[0]):
            widest[d] = max(widest[d], A.capacity[t, d])
    merges = 0
    for k in range(first.shape[0]):
        i, j = first[k], second[k]
        a, b = route_of[i], route_of[j]
        if a == b:
            continue
        if not reversible and (tail[a] != i or head[b] != j):
            continue
        if (tail[a] != i and head[a] != i) or (head[b] != j and tail[b] != j):
            continue
        too_much = False
        if A.plain:
            for d in range(dimensions):
                too_much |= load[a, d] + load[b, d] > widest[d]
        if too_much:
            continue
        m = _write(after, 0, head[a], buffer)
        if tail[a] != i:
            _reverse(buffer, 0, m - 1)
        middle = m
        m = _write(after, m, head[b], buffer)
        if head[b] != j:
            _reverse(buffer, middle, m - 1)
        best, best_type = np.inf, -1
        for t in types:
            c = route_cost(A, t, buffer, m)
            if c < best:
                best, best_type = c, t
        if best_type < 0 or (not force and best >= cost[a] + cost[b] - 1e-9):
            continue
        for p in range(m - 1):
            after[buffer[p]] = buffer[p + 1]
        after[buffer[m - 1]] = -1
        for p in range(middle, m):
            route_of[buffer[p]] = a
        if size[b] > 0:
            for d in range(dimensions):
                load[a, d] += load[b, d]
        head[a], tail[a], size[a] = buffer[0], buffer[m - 1], m
        vehicle[a], cost[a] = best_type, best
        size[b], head[b], tail[b] = 0, -1, -1
        merges += 1
    return merges
