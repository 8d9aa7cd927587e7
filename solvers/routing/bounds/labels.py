"""Labels of partial routes: the dynamic program over ng-routes, in whole numbers.

An ng-route (Baldacci, Mingozzi and Roberti 2011) may visit a node twice, unless the node has been *remembered* since:
of the nodes on a partial route its last node remembers those that are in the neighbourhoods of all nodes visited after
them. A label is a partial route from the depot: load, last node, reduced cost, and a bit mask of what is remembered of
the last node's neighbourhood. Labels are made in the order of their loads (demands are positive integers), so a load
once finished is final. Label a dominates b at the same node when its load and cost are no larger and it remembers no
more.

Of each active subset cut (`solvers.routing.bounds.subsets`) a label carries one bit: whether the number of its nodes
visited since the cut was last paid for or forgotten is odd. A label dominates another only if it does so after paying
for all bits that it has and the other has not.

Routes are put together from two partial ones (Righini and Salani 2006, bounded at half the load): labels above half are
made only where the cheapest completion from the other side, known by then, can still reach the threshold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.routing.bounds.compile import compiled
from solvers.routing.data import IntArray

FAR = np.int64(2**60)
"""Reduced cost of an arc that is not there; twice it still fits an integer."""

FORBIDDEN = np.uint16(0xFFFF)
"""In the table of memories: the extension would repeat a node that is remembered."""

FRONT = 256
"""Labels per node that others are compared with; more are kept, but do not dominate."""


class Fees(NamedTuple):
    """What the active subset cuts charge, at most 62 of them.

    Parameters
    ----------
    member, keeper
        (n + 1,) bits of the cuts that a node belongs to, and of those that it does not forget.
    price
        (8, 256) what the cuts in a byte of bits charge together; >= 0.
    """

    member: IntArray
    keeper: IntArray
    price: IntArray


class Labels(NamedTuple):
    """All partial routes in one direction, in the order of their loads.

    Parameters
    ----------
    cost, memory, odd, node, parent, load
        (room,) reduced cost; nodes remembered; bits of the subset cuts; last node; label extended (or -1); load.
    begin
        (capacity + 2,) labels of load ``q`` are ``begin[q]:begin[q + 1]``.
    best
        (n + 1, capacity + 1) least cost of a label at a node with at most a load.
    front_cost, front_memory, front_odd, front_label
        (n + 1, FRONT) labels at a node that no other dominates, the cheapest first.
    front_size
        (n + 1,)
    made
        (2,) labels; next load to make.
    """

    cost: IntArray
    memory: NDArray[np.uint16]
    odd: IntArray
    node: NDArray[np.int16]
    parent: NDArray[np.int32]
    load: NDArray[np.int32]
    begin: NDArray[np.int32]
    best: IntArray
    front_cost: IntArray
    front_memory: NDArray[np.uint16]
    front_odd: IntArray
    front_label: NDArray[np.int32]
    front_size: NDArray[np.int32]
    made: IntArray


def new_labels(n: int, capacity: int, room: int) -> Labels:
    """Room for ``room`` labels over ``n`` nodes: 28 bytes each."""
    return Labels(
        np.empty(room, np.int64),
        np.empty(room, np.uint16),
        np.empty(room, np.int64),
        np.empty(room, np.int16),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.zeros(capacity + 2, np.int32),
        np.empty((n + 1, capacity + 1), np.int64),
        np.empty((n + 1, FRONT), np.int64),
        np.empty((n + 1, FRONT), np.uint16),
        np.empty((n + 1, FRONT), np.int64),
        np.empty((n + 1, FRONT), np.int32),
        np.zeros(n + 1, np.int32),
        np.zeros(2, np.int64),
    )


@compiled
def clear(labels):  # type: ignore[no-untyped-def]
    """Forget all labels."""
    labels.made[0] = 0
    labels.made[1] = 1
    labels.begin[0] = labels.begin[1] = 0
    labels.best[:, 0] = FAR
    labels.front_size[:] = 0


@compiled
def memory_table(near, member):  # type: ignore[no-untyped-def]
    """(n + 1, n + 1, 2**g) what ``j`` remembers after ``i`` with a memory: ``table[j, i, memory]``.

    Parameters
    ----------
    near
        (n + 1, g) neighbourhood of each node, itself first; row 0 is not used.
    member
        (n + 1, n + 1) place of a node in another's neighbourhood, or -1.
    """
    size, g = near.shape
    table = np.zeros((size, size, 1 << g), dtype=np.uint16)
    for j in range(1, size):
        for i in range(1, size):
            for m in range(1 << g):
                at = member[i, j]
                if i == j or (at >= 0 and (m >> at) & 1):
                    table[j, i, m] = FORBIDDEN
                    continue
                kept = 1 << member[j, j]
                for b in range(g):
                    if (m >> b) & 1:
                        place = member[j, near[i, b]]
                        if place >= 0:
                            kept |= 1 << place
                table[j, i, m] = kept
    return table


@compiled
def charge(price, bits):  # type: ignore[no-untyped-def]
    """What the cuts of ``bits`` charge together."""
    total = np.int64(0)
    place = 0
    while bits:
        total += price[place, bits & 255]
        bits >>= 8
        place += 1
    return total


@compiled
def completions(best, arc, demand, most):  # type: ignore[no-untyped-def]
    """(n + 1, most + 1) least cost from a node to the depot over labels of the other side with at most a load."""
    size = best.shape[0]
    least = np.empty((size, most + 1), dtype=np.int64)
    for i in range(1, size):
        for q in range(most + 1):
            least[i, q] = arc[i, 0]
        for j in range(1, size):
            step = arc[i, j]
            if j != i and step < FAR:
                for q in range(demand[j], most + 1):
                    value = step + best[j, q]
                    least[i, q] = min(least[i, q], value)
    return least


@compiled
def grow(labels, table, fees, arc, demand, until, half, full, least, threshold, exact, effort):  # type: ignore[no-untyped-def]
    """Make the labels of the next loads up to ``until``; to be called again until it returns 1.

    Parameters
    ----------
    arc
        (n + 1, n + 1) reduced costs, `FAR` where there is no arc.
    half, full
        Labels above load ``half`` are extended only when ``full``.
    least
        `completions` by the other side's labels up to ``half``; used above ``half`` alone.
    threshold
        Above ``half`` only labels are kept that may end in a route of at most this reduced cost.
    exact
        Whether what is remembered counts in dominance. Without it at most one label per node and load is left.
    effort
        Extensions after which to come back, at the end of a load.

    Returns
    -------
    int
        1 when done, 0 when there is more to do, -1 when there is no more room.
    """
    size = arc.shape[0]
    room = labels.cost.shape[0]
    work = 0
    capacity = labels.best.shape[1] - 1
    q = labels.made[1]
    while q <= until:
        if work > effort:
            labels.made[1] = q
            return 0
        begin = labels.made[0]
        end = begin
        for j in range(1, size):
            labels.best[j, q] = labels.best[j, q - 1]
            before = q - demand[j]
            if before < 0:
                continue
            first, last = -1, 0
            if before > 0:
                if before > half and not full:
                    continue
                first, last = labels.begin[before], labels.begin[before + 1]
                if first == last:
                    continue
                work += last - first
            limit = FAR
            if q > half:
                limit = threshold - least[j, capacity - q]
            own = end
            for parent in range(first, last):
                if parent < 0:
                    step = arc[0, j]
                    cost = step
                    memory = np.uint16(1)
                    odd = fees.member[j]
                else:
                    i = labels.node[parent]
                    step = arc[i, j]
                    if step >= FAR:
                        continue
                    cost = labels.cost[parent] + step
                    memory = np.uint16(0)
                    odd = labels.odd[parent] & fees.keeper[j]
                    paid = odd & fees.member[j]
                    if paid:
                        cost += charge(fees.price, paid)
                    odd ^= fees.member[j]
                if step >= FAR or cost > limit:
                    continue
                if not exact and cost >= labels.best[j, q]:
                    continue
                if parent >= 0:
                    memory = table[j, labels.node[parent], labels.memory[parent]]
                    if memory == FORBIDDEN:
                        continue
                if exact:
                    front = labels.front_size[j]
                    at = 0
                    dominated = False
                    while at < front and labels.front_cost[j, at] <= cost:
                        if labels.front_memory[j, at] & ~memory == 0:
                            more = labels.front_odd[j, at] & ~odd
                            if not more or labels.front_cost[j, at] + charge(fees.price, more) <= cost:
                                dominated = True
                                break
                        at += 1
                    if dominated:
                        continue
                    keep = at
                    for k in range(at, front):
                        more = odd & ~labels.front_odd[j, k]
                        if memory & ~labels.front_memory[j, k] == 0 and (
                            not more or cost + charge(fees.price, more) <= labels.front_cost[j, k]
                        ):
                            gone = labels.front_label[j, k]
                            if gone >= own:
                                labels.parent[gone] = -2
                        else:
                            labels.front_cost[j, keep] = labels.front_cost[j, k]
                            labels.front_memory[j, keep] = labels.front_memory[j, k]
                            labels.front_odd[j, keep] = labels.front_odd[j, k]
                            labels.front_label[j, keep] = labels.front_label[j, k]
                            keep += 1
                    front = keep
                    if front < FRONT:
                        for k in range(front, at, -1):
                            labels.front_cost[j, k] = labels.front_cost[j, k - 1]
                            labels.front_memory[j, k] = labels.front_memory[j, k - 1]
                            labels.front_odd[j, k] = labels.front_odd[j, k - 1]
                            labels.front_label[j, k] = labels.front_label[j, k - 1]
                        labels.front_cost[j, at] = cost
                        labels.front_memory[j, at] = memory
                        labels.front_odd[j, at] = odd
                        labels.front_label[j, at] = end
                        front += 1
                    labels.front_size[j] = front
                else:
                    end = own
                if end >= room:
                    return -1
                labels.cost[end] = cost
                labels.memory[end] = memory
                labels.odd[end] = odd
                labels.node[end] = j
                labels.parent[end] = parent
                labels.load[end] = q
                end += 1
                labels.best[j, q] = min(labels.best[j, q], cost)
            if exact and end > own:  # close the gaps of those that were dominated within this load
                to = own
                for k in range(own, end):
                    if labels.parent[k] != -2:
                        if to < k:
                            labels.cost[to] = labels.cost[k]
                            labels.memory[to] = labels.memory[k]
                            labels.odd[to] = labels.odd[k]
                            labels.node[to] = labels.node[k]
                            labels.parent[to] = labels.parent[k]
                            labels.load[to] = labels.load[k]
                        to += 1
                for k in range(labels.front_size[j]):
                    if labels.front_label[j, k] >= own:
                        labels.front_label[j, k] = -1
                end = to
        labels.made[0] = end
        labels.begin[q + 1] = end
        q += 1
    labels.made[1] = q
    return 1
