"""Recreate by greedy insertion with blinks, beside near visits only."""

from __future__ import annotations

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import below, geometric, uniform
from solvers.routing.annealing.tour import BLINK_IN, N_ABSENT, N_FREE, distance, put_after

BLINK_RATE = 0.01
"""Chance that a place is overlooked."""

MOST_TODO = 128
"""Visits inserted at most by one recreation; more absent visits wait for later ones."""


@kernel
def order_absent(tours):  # type: ignore[no-untyped-def]
    """Fill ``todo`` with absent visits: at random, by demand, far or near the depot first (4 : 4 : 2 : 1)."""
    count = tours.counts[N_ABSENT]
    todo, key, rng = tours.todo, tours.key, tours.rng
    if count <= MOST_TODO:
        for i in range(count):
            todo[i] = tours.absent[i]
    else:
        # those removed last, and as many others as there is room for
        for i in range(MOST_TODO):
            at = count - 1 - i
            if i >= MOST_TODO // 2:
                at = below(rng, count - MOST_TODO // 2)
            todo[i] = tours.absent[at]
        count = MOST_TODO
    rule = below(rng, 11)
    for i in range(count):
        c = todo[i]
        if rule < 4:
            value = uniform(rng)
        elif rule < 8:
            value = -float(tours.nodes[c].demand)
        elif rule < 10:
            value = -tours.depot_length[c]
        else:
            value = tours.depot_length[c]
        j = i
        while j > 0 and key[j - 1] > value:
            key[j] = key[j - 1]
            todo[j] = todo[j - 1]
            j -= 1
        key[j] = value
        todo[j] = c
    return count


@kernel
def insert_best(tours, c):  # type: ignore[no-untyped-def]
    """Insert visit ``c`` where it costs least beside its near visits, or in a new route, or not at all."""
    nodes, counts = tours.nodes, tours.counts
    near, near_length, load = tours.near, tours.near_length, tours.load
    n, k_near = near.shape
    room = tours.capacity[0] - nodes[c].demand
    best = tours.penalty[c]
    at = -1
    alone = 2.0 * tours.depot_length[c] + tours.fixed[0]
    if counts[N_FREE] > 0 and alone < best and room >= 0:
        best = alone
        at = n + tours.free[counts[N_FREE] - 1]
    blink_in = counts[BLINK_IN]
    for k in range(k_near):
        j = near[c, k]
        r = nodes[j].route
        if r < 0 or load[r] > room:
            continue
        d = near_length[c, k]
        # No bound from the triangle inequality here: its branch is mispredicted more often than it saves a root.
        if blink_in > 0:
            blink_in -= 1
            cost = d + distance(tours, c, nodes[j].succ) - nodes[j].dsucc
            if cost < best:
                best = cost
                at = j
        else:
            blink_in = geometric(tours.rng, BLINK_RATE)
        if blink_in > 0:
            blink_in -= 1
            p = nodes[j].pred
            cost = d + distance(tours, p, c) - nodes[j].dpred
            if cost < best:
                best = cost
                at = p
        else:
            blink_in = geometric(tours.rng, BLINK_RATE)
    to_depot = tours.depot_length[c]
    for r in range(load.shape[0]):
        if load[r] > room or tours.size[r] == 0:
            continue
        sentinel = n + r
        cost = to_depot + distance(tours, c, nodes[sentinel].succ) - nodes[sentinel].dsucc
        if cost < best:
            best = cost
            at = sentinel
        p = nodes[sentinel].pred
        cost = to_depot + distance(tours, p, c) - nodes[sentinel].dpred
        if cost < best:
            best = cost
            at = p
    counts[BLINK_IN] = blink_in
    if at >= 0:
        put_after(tours, c, at)


@kernel
def recreate(tours):  # type: ignore[no-untyped-def]
    """Insert the absent visits one by one, each at its best place now."""
    count = order_absent(tours)
    for i in range(count):
        c = tours.todo[i]
        if tours.nodes[c].route < 0:  # many absent visits are drawn with repetition
            insert_best(tours, c)
