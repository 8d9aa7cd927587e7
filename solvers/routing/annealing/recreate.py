"""Recreate by greedy insertion with blinks (Christiaens and Vanden Berghe 2020), beside near visits only."""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.fleet import settle_types, shake_types
from solvers.routing.annealing.random import below, geometric, uniform
from solvers.routing.annealing.rich import HAS_TIME, SEVERAL_TYPES
from solvers.routing.annealing.rich_recreate import insert_best_rich, open_rich
from solvers.routing.annealing.room import BLINK_RATE, FEW_ROUTES
from solvers.routing.annealing.tour import BLINK_IN, COST, N_ABSENT, N_FREE, N_LOG, N_RUINED, distance, put_after

FEW_OTHERS = 10
"""Absent visits tried at most beside those that the ruin took out."""


OPEN_RATE = 0.05
"""Chance that a route is opened for a visit that stays out."""


@kernel
def _rules(rich):  # type: ignore[no-untyped-def]
    if rich is None:
        return 11
    return 17 if rich.flags[HAS_TIME] else 11


@kernel
def _time_key(rich, c, rule):  # type: ignore[no-untyped-def]
    if rich is None:
        return 0.0
    if rule < 13:
        return rich.sites[c].closes - rich.sites[c].opens
    if rule < 15:
        return rich.sites[c].opens
    return -rich.sites[c].closes


@kernel
def order_absent(tours, seed, others):  # type: ignore[no-untyped-def]
    """Fill ``todo`` with absent visits: at random, by demand, far or near the depot first (4 : 4 : 2 : 1).

    Where time matters, also by width, start and end of their windows (2 : 2 : 2).
    """
    count = tours.counts[N_ABSENT]
    todo, key, rng = tours.todo, tours.key, tours.rng
    removed = tours.counts[N_LOG]
    if count <= removed + others:
        for i in range(count):
            todo[i] = tours.visits[i].absent
    else:
        # many visits stay out: beside the removed ones, try some that are near
        count = 0
        for i in range(removed):
            todo[i] = tours.log[i].node
        count = removed
        if tours.nodes[seed].route < 0:
            todo[count] = seed
            count += 1
        for i in range(tours.near.shape[1]):
            visit = np.int64(tours.near[seed, i])
            if count >= removed + others:
                break
            if tours.nodes[visit].route < 0:
                todo[count] = visit
                count += 1
    rule = below(rng, _rules(tours.rich))
    for i in range(count):
        c = np.int64(todo[i])
        if rule < 4:
            value = uniform(rng)
        elif rule < 8:
            value = -float(tours.nodes[c].demand)
        elif rule < 10:
            value = -tours.visits[c].depot_length
        elif rule < 11:
            value = tours.visits[c].depot_length
        else:
            value = _time_key(tours.rich, c, rule)
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
    room = tours.given[0].capacity - nodes[c].demand
    best = tours.visits[c].penalty
    at: Any = -1
    alone = 2.0 * tours.visits[c].depot_length + tours.given[0].fixed
    if counts[N_FREE] > 0 and alone < best and room >= 0:
        best = alone
        at = n + tours.routes[counts[N_FREE] - 1].free
    # Which near visits have room is gathered without a branch: none would be predicted well.
    fits = tours.fits
    found = 0
    for k in range(k_near):
        r = nodes[near[c, k]].route
        fits[found] = k
        found += (r >= 0) & (load[r] <= room)
    blink_in = counts[BLINK_IN]
    if blink_in > 2 * found:
        blink_in -= 2 * found
        for i in range(found):
            k = fits[i]
            j = np.int64(near[c, k])
            d = near_length[c, k]
            # from c: one row of a (symmetric) matrix
            cost = d + distance(tours, c, np.int64(nodes[j].succ)) - nodes[j].dsucc
            if cost < best:
                best = cost
                at = j
            p = np.int64(nodes[j].pred)
            cost = d + distance(tours, c, p) - nodes[j].dpred
            if cost < best:
                best = cost
                at = p
    else:
        for i in range(2 * found):
            if blink_in == 0:
                blink_in = geometric(tours.rng, BLINK_RATE)
                continue
            blink_in -= 1
            k = fits[i >> 1]
            i_near = np.int64(near[c, k])
            other = np.int64(nodes[i_near].pred if i & 1 else nodes[i_near].succ)
            old = nodes[i_near].dpred if i & 1 else nodes[i_near].dsucc
            cost = near_length[c, k] + distance(tours, c, other) - old
            if cost < best:
                best = cost
                at = other if i & 1 else i_near
    counts[BLINK_IN] = blink_in
    # Long edges to the depot pass near visits that neither of their ends is near to.
    to_depot = tours.visits[c].depot_length
    least = to_depot + near_length[c, k_near - 1] if k_near > 0 else to_depot
    long = tours.long
    found = 0
    if load.shape[0] - counts[N_FREE] <= FEW_ROUTES:
        for r in range(load.shape[0]):
            long[found] = r
            found += (tours.spoke[r] > least - best) & (load[r] <= room)
    else:
        for i in range(counts[N_RUINED]):
            long[found] = tours.routes[i].ruined
            found += load[long[found]] <= room
    for i in range(found):
        r = np.int64(long[i])
        if tours.spoke[r] <= least - best or tours.routes[r].size == 0:
            continue
        sentinel = n + r
        cost = to_depot + distance(tours, c, np.int64(nodes[sentinel].succ)) - nodes[sentinel].dsucc
        if cost < best:
            best = cost
            at = sentinel
        p = np.int64(nodes[sentinel].pred)
        cost = to_depot + distance(tours, c, p) - nodes[sentinel].dpred
        if cost < best:
            best = cost
            at = p
    if at >= 0:
        put_after(tours, c, at)


@kernel
def _insert(rich, tours, c):  # type: ignore[no-untyped-def]
    if rich is None:
        insert_best(tours, c)
    else:
        insert_best_rich(tours, c)


@kernel
def _open(rich, tours, c):  # type: ignore[no-untyped-def]
    """Put absent visit ``c`` on a route of its own, whatever that costs."""
    if rich is not None:
        open_rich(tours, c)
    elif tours.counts[N_FREE] > 0 and tours.nodes[c].demand <= tours.given[0].capacity:
        put_after(tours, c, tours.near.shape[0] + tours.routes[tours.counts[N_FREE] - 1].free)


@kernel
def may_give_up(rich):  # type: ignore[no-untyped-def]
    """Whether nothing but insertions changes the cost."""
    if rich is None:
        return True
    return not rich.flags[SEVERAL_TYPES]


@kernel
def recreate(tours, seed, limit):  # type: ignore[no-untyped-def]
    """Insert the absent visits one by one, each at its best place now; give up once the cost is sure to pass ``limit``.

    Where visits stay out for their prize, a route that pays only with many of them is now and then opened for one.
    """
    stay_out = tours.counts[N_ABSENT] > tours.counts[N_LOG] and tours.nodes[seed].route < 0
    opens = stay_out and uniform(tours.rng) < OPEN_RATE
    count = order_absent(tours, seed, tours.near.shape[1] if opens else FEW_OTHERS)
    if opens:
        _open(tours.rich, tours, seed)
    shake_types(tours.rich, tours)
    # Inserting a visit saves its penalty at most, where its detour costs nothing.
    saved = 0.0
    for i in range(count):
        saved += tours.visits[tours.todo[i]].penalty
    for i in range(count):
        c = np.int64(tours.todo[i])
        if tours.costs[COST] - saved > limit and may_give_up(tours.rich):
            return
        saved -= tours.visits[c].penalty
        if tours.nodes[c].route < 0:  # a near one may be a removed one too
            _insert(tours.rich, tours, c)
    settle_types(tours.rich, tours)
