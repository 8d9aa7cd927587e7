"""Routes from pairs of partial routes: the cheapest ones, and the arcs that no cheap one uses."""

from __future__ import annotations

from solvers.routing.bounds.compile import compiled
from solvers.routing.bounds.labels import FAR, FORBIDDEN, charge


@compiled
def cheap_routes(ahead, back, order, start, table, fees, arc, capacity, half, threshold, first, effort, found):  # type: ignore[no-untyped-def]
    """Cheapest route through each label whose predecessor is the last with at most half the load.

    Parameters
    ----------
    ahead, back
        Labels from the depot and labels to it (the same ones where costs are symmetric).
    order, start
        Labels of ``back`` by node and cost: those at node ``i`` are ``order[start[i]:start[i + 1]]``.
    threshold
        Only routes of at most this reduced cost.
    first, effort
        Label to begin with; steps after which to come back.
    found
        ``costs``, ``lefts``, ``rights`` (-1: straight to the depot) and a counter of shape (1,); when the room for
        routes is over, further ones only lower the least cost.

    Returns
    -------
    tuple[int, int]
        The label to go on with, or -1 when done; the least reduced cost (`FAR` when none is cheap enough).
    """
    costs, lefts, rights, counter = found
    size = arc.shape[0]
    least = FAR
    work = 0
    for left in range(first, ahead.made[0]):
        if work > effort:
            return left, least
        i, q, own = ahead.node[left], ahead.load[left], ahead.cost[left]
        bar = threshold
        right = -2
        if own + arc[i, 0] <= bar:
            bar = own + arc[i, 0] - 1
            right = -1
        rest = capacity - q
        if q > half:
            work += size
            for j in range(1, size):
                step = own + arc[i, j]
                if step > bar - back.best[j, rest]:
                    continue
                memory = table[j, i, ahead.memory[left]]
                if memory == FORBIDDEN:
                    continue
                memory &= ~1
                for k in range(start[j], start[j + 1]):
                    other = order[k]
                    work += 1
                    if step + back.cost[other] > bar:
                        break
                    if back.load[other] <= rest and back.memory[other] & memory == 0:
                        both = ahead.odd[left] & back.odd[other]
                        total = step + back.cost[other] + charge(fees.price, both)
                        if total <= bar:
                            bar = total - 1
                            right = other
        if right > -2:
            cost = bar + 1
            least = min(least, cost)
            at = counter[0]
            if at < costs.shape[0]:
                costs[at] = cost
                lefts[at] = left
                rights[at] = right
                counter[0] = at + 1
    return -1, least


@compiled
def used_arcs(ahead, back, order, start, table, fees, arc, capacity, threshold, first, effort, used):  # type: ignore[no-untyped-def]
    """Mark the arcs of routes of at most ``threshold``, both sides holding labels of all loads; where to go on."""
    size = arc.shape[0]
    work = 0
    for left in range(first, ahead.made[0]):
        if work > effort:
            return left
        i, rest, own = ahead.node[left], capacity - ahead.load[left], ahead.cost[left]
        if own + arc[i, 0] <= threshold:
            used[i, 0] = True
        work += size
        for j in range(1, size):
            step = own + arc[i, j]
            if used[i, j] or step > threshold - back.best[j, rest]:
                continue
            memory = table[j, i, ahead.memory[left]]
            if memory == FORBIDDEN:
                continue
            memory &= ~1
            for k in range(start[j], start[j + 1]):
                other = order[k]
                work += 1
                if step + back.cost[other] > threshold:
                    break
                if back.load[other] <= rest and back.memory[other] & memory == 0:
                    both = ahead.odd[left] & back.odd[other]
                    if step + back.cost[other] + charge(fees.price, both) <= threshold:
                        used[i, j] = True
                        break
    return -1


@compiled
def starts_used(back, arc, threshold, used):  # type: ignore[no-untyped-def]
    """Mark the arcs from the depot on routes of at most ``threshold``."""
    for label in range(back.made[0]):
        j = back.node[label]
        if back.cost[label] + arc[0, j] <= threshold:
            used[0, j] = True


@compiled
def path(ahead, back, left, right, out):  # type: ignore[no-untyped-def]
    """Write the nodes of a route, without the depot, into ``out``; returns how many."""
    length = 0
    at = left
    while at >= 0:
        out[length] = ahead.node[at]
        length += 1
        at = ahead.parent[at]
    for k in range(length // 2):
        out[k], out[length - 1 - k] = out[length - 1 - k], out[k]
    at = right
    while at >= 0:
        out[length] = back.node[at]
        length += 1
        at = back.parent[at]
    return length
