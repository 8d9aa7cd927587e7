"""Moves between vehicle types: a ruined route may go to another vehicle before and after visits come back."""

from __future__ import annotations

import numpy as np

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
    if tours.routes[r].size > rich.kinds[kind].most_stops:
        return False
    for d in range(rich.sums.shape[1]):
        limit = rich.capacity[kind, d]
        if rich.sums[r, d].brought > limit or rich.sums[r, d].taken > limit:
            return False
        if rich.flags[IS_MIXED] and rich.peaks[sentinel, d].after > limit:
            return False
    v = tours.nodes[sentinel].succ
    while v != sentinel:
        if not rich.pairs[v, kind].compatible:
            return False
        v = tours.nodes[v].succ
    return True


@kernel
def _cost_as(tours, rich, r, kind):  # type: ignore[no-untyped-def]
    """Cost of route ``r`` with a vehicle of type ``kind``, its duration taken to stay as it is."""
    sentinel = tours.near.shape[0] + r
    nodes, own = tours.nodes, rich.runs[r].type
    length = rich.runs[r].length
    if (
        rich.kinds[kind].start_site != rich.kinds[own].start_site
        or rich.kinds[kind].end_site != rich.kinds[own].end_site
    ):
        leaves, arrives = rich.sites[sentinel].leaves, rich.sites[sentinel].arrives
        rich.sites[sentinel].leaves, rich.sites[sentinel].arrives = (
            rich.kinds[kind].start_site,
            rich.kinds[kind].end_site,
        )
        length += distance(tours, sentinel, np.int64(nodes[sentinel].succ)) - nodes[sentinel].dsucc
        length += distance(tours, np.int64(nodes[sentinel].pred), sentinel) - nodes[sentinel].dpred
        rich.sites[sentinel].leaves, rich.sites[sentinel].arrives = leaves, arrives
    timed = rich.kinds[kind].time_cost * rich.runs[r].span
    return rich.kinds[kind].unit_cost * length + rich.kinds[kind].fixed_cost + timed


@kernel
def _swap(tours, rich, a, b):  # type: ignore[no-untyped-def]
    kind_a, kind_b = rich.runs[a].type, rich.runs[b].type
    retype(tours, rich, a, kind_b)
    retype(tours, rich, b, kind_a)


@kernel
def shake_types(rich, tours):  # type: ignore[no-untyped-def]
    """Give a ruined route a random other vehicle that carries it, from the yard or from another ruined route."""
    if rich is None:
        return
    if not rich.flags[SEVERAL_TYPES] or tours.counts[N_RUINED] == 0 or uniform(tours.rng) >= SHAKE_RATE:
        return
    r = np.int64(tours.routes[below(tours.rng, tours.counts[N_RUINED])].ruined)
    kind = below(tours.rng, rich.kinds.shape[0])
    own = rich.runs[r].type
    if tours.routes[r].size == 0 or kind == own or not _carries(tours, rich, r, kind):
        return
    if rich.kinds[kind].available > 0:
        retype(tours, rich, r, kind)
        if not keeps_limits(tours, rich, r):
            retype(tours, rich, r, own)
        return
    for i in range(tours.counts[N_RUINED]):
        other = np.int64(tours.routes[i].ruined)
        if tours.routes[other].size > 0 and rich.runs[other].type == kind and _carries(tours, rich, other, own):
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
    kinds = rich.kinds.shape[0]
    for i in range(tours.counts[N_RUINED]):
        r = np.int64(tours.routes[i].ruined)
        if tours.routes[r].size == 0:
            continue
        for kind in range(kinds):
            own = rich.runs[r].type
            if kind == own or rich.kinds[kind].available <= 0 or not _carries(tours, rich, r, kind):
                continue
            if _cost_as(tours, rich, r, kind) < _cost_as(tours, rich, r, own) - 1e-9:
                retype(tours, rich, r, kind)
                if not keeps_limits(tours, rich, r):
                    retype(tours, rich, r, own)
        for k in range(i):
            other = np.int64(tours.routes[k].ruined)
            a, b = rich.runs[r].type, rich.runs[other].type
            if tours.routes[other].size == 0 or a == b:
                continue
            if not (_carries(tours, rich, r, b) and _carries(tours, rich, other, a)):
                continue
            now = _cost_as(tours, rich, r, a) + _cost_as(tours, rich, other, b)
            if _cost_as(tours, rich, r, b) + _cost_as(tours, rich, other, a) < now - 1e-9:
                _swap(tours, rich, r, other)
                if not (keeps_limits(tours, rich, r) and keeps_limits(tours, rich, other)):
                    _swap(tours, rich, r, other)
