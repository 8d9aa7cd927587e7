"""Moves between vehicle types: a ruined route may go to another vehicle before and after visits come back."""

from __future__ import annotations

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import below, uniform
from solvers.routing.annealing.rich import IS_MIXED, SEVERAL_TYPES
from solvers.routing.annealing.rich_recreate import keeps_limits
from solvers.routing.annealing.tour import N_RUINED, distance, retype

SHAKE_RATE = 0.2
"""Chance per step that a ruined route gets another vehicle before visits come back."""


@kernel
def _carries(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Whether a vehicle of type ``kind`` may serve all visits of route ``r``, times and distance aside."""
    sentinel = tours.near.shape[0] + r
    if tours.size[r] > rich.most_stops[kind]:
        return False
    for d in range(rich.brought.shape[1]):
        limit = rich.capacity[kind, d]
        if rich.brought[r, d] > limit or rich.taken[r, d] > limit:
            return False
        if rich.flags[IS_MIXED] and rich.peak_after[sentinel, d] > limit:
            return False
    v = tours.nodes[sentinel].succ
    while v != sentinel:
        if not rich.compatible[v, kind]:
            return False
        v = tours.nodes[v].succ
    return True


@kernel
def _cost_as(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Cost of route ``r`` with a vehicle of type ``kind``."""
    sentinel = tours.near.shape[0] + r
    nodes, own = tours.nodes, rich.type_of[r]
    length = rich.length[r]
    if rich.start_site[kind] != rich.start_site[own] or rich.end_site[kind] != rich.end_site[own]:
        leaves, arrives = rich.leaves[sentinel], rich.arrives[sentinel]
        rich.leaves[sentinel], rich.arrives[sentinel] = rich.start_site[kind], rich.end_site[kind]
        length += distance(tours, sentinel, nodes[sentinel].succ) - nodes[sentinel].dsucc
        length += distance(tours, nodes[sentinel].pred, sentinel) - nodes[sentinel].dpred
        rich.leaves[sentinel], rich.arrives[sentinel] = leaves, arrives
    return rich.unit_cost[kind] * length + rich.fixed_cost[kind]


@kernel
def _swap(tours, rich, a, b):  # type: ignore[no-untyped-def]
    kind_a, kind_b = rich.type_of[a], rich.type_of[b]
    retype(tours, rich, a, kind_b)
    retype(tours, rich, b, kind_a)


@kernel
def shake_types(rich, tours):  # type: ignore[no-untyped-def]
    """Give a ruined route a random other vehicle that carries it, from the yard or from another ruined route."""
    if rich is None:
        return
    if not rich.flags[SEVERAL_TYPES] or tours.counts[N_RUINED] == 0 or uniform(tours.rng) >= SHAKE_RATE:
        return
    r = tours.ruined[below(tours.rng, tours.counts[N_RUINED])]
    kind = below(tours.rng, rich.available.shape[0])
    own = rich.type_of[r]
    if tours.size[r] == 0 or kind == own or not _carries(tours, rich, r, kind):
        return
    if rich.available[kind] > 0:
        retype(tours, rich, r, kind)
        if not keeps_limits(tours, rich, r):
            retype(tours, rich, r, own)
        return
    for i in range(tours.counts[N_RUINED]):
        other = tours.ruined[i]
        if tours.size[other] > 0 and rich.type_of[other] == kind and _carries(tours, rich, other, own):
            _swap(tours, rich, r, other)
            if not (keeps_limits(tours, rich, r) and keeps_limits(tours, rich, other)):
                _swap(tours, rich, r, other)
            return


@kernel
def settle_types(rich, tours):  # type: ignore[no-untyped-def]
    """Give each ruined route the cheapest vehicle that carries it, by exchange with another ruined one if need be."""
    if rich is None:
        return
    if not rich.flags[SEVERAL_TYPES]:
        return
    kinds = rich.available.shape[0]
    for i in range(tours.counts[N_RUINED]):
        r = tours.ruined[i]
        if tours.size[r] == 0:
            continue
        for kind in range(kinds):
            own = rich.type_of[r]
            if kind == own or rich.available[kind] <= 0 or not _carries(tours, rich, r, kind):
                continue
            if _cost_as(tours, rich, r, kind) < _cost_as(tours, rich, r, own) - 1e-9:
                retype(tours, rich, r, kind)
                if not keeps_limits(tours, rich, r):
                    retype(tours, rich, r, own)
        for k in range(i):
            other = tours.ruined[k]
            a, b = rich.type_of[r], rich.type_of[other]
            if tours.size[other] == 0 or a == b:
                continue
            if not (_carries(tours, rich, r, b) and _carries(tours, rich, other, a)):
                continue
            now = _cost_as(tours, rich, r, a) + _cost_as(tours, rich, other, b)
            if _cost_as(tours, rich, r, b) + _cost_as(tours, rich, other, a) < now - 1e-9:
                _swap(tours, rich, r, other)
                if not (keeps_limits(tours, rich, r) and keeps_limits(tours, rich, other)):
                    _swap(tours, rich, r, other)
