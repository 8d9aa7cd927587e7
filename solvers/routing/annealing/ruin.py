"""Ruin by adjacent string removal (Christiaens and Vanden Berghe 2020, "Slack Induction by String Removals")."""

from __future__ import annotations

import numpy as np

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import below, uniform
from solvers.routing.annealing.shipments import take_out_partners
from solvers.routing.annealing.tour import N_ABSENT, N_FREE, N_LOG, N_RUINED, STAMP, renew, take_out

SPLIT_RATE = 0.5
"""Chance that a string keeps some visits in its middle."""

SPLIT_GROW_RATE = 0.01
"""Chance that the kept middle grows by one more visit."""


@kernel
def ruin(tours, seed, mean_removed, max_string):  # type: ignore[no-untyped-def]
    """Take out strings of visits near visit ``seed``, ``mean_removed`` visits on average."""
    nodes, rng = tours.nodes, tours.rng
    n, k_near = tours.near.shape
    routes = tours.load.shape[0] - tours.counts[N_FREE]
    tours.counts[N_RUINED] = 0
    if routes == 0:
        return
    longest = min(float(max_string), max(1.0, (n - tours.counts[N_ABSENT]) / routes))
    most_strings = 4.0 * mean_removed / (1.0 + longest) - 1.0
    strings = int(uniform(rng) * most_strings + 1.0) if most_strings > 0.0 else 1
    tours.counts[STAMP] += 1
    stamp = tours.counts[STAMP]
    for i in range(-1, k_near):
        c = seed if i < 0 else np.int64(tours.near[seed, i])
        r = np.int64(nodes[c].route)
        if r < 0 or tours.routes[r].ruined_at == stamp:
            continue
        tours.routes[r].ruined_at = stamp
        tours.routes[tours.counts[N_RUINED]].ruined = r
        tours.counts[N_RUINED] += 1
        size = tours.routes[r].size
        most = min(float(size), longest)
        length = int(uniform(rng) * most + 1.0)
        kept = 0
        if length > 1 and length < size and uniform(rng) < SPLIT_RATE:
            kept = 1
            while length + kept < size and uniform(rng) < SPLIT_GROW_RATE:
                kept += 1
        span = length + kept
        sentinel = n + r
        # the span holds c and lies within the route: start it up to span - 1 visits before c
        before, start = 0, c
        while before < span - 1 and nodes[start].pred != sentinel:
            start = nodes[start].pred
            before += 1
        after, end = 0, c
        while after < span - 1 and nodes[end].succ != sentinel:
            end = nodes[end].succ
            after += 1
        skip = below(rng, after + before - span + 2)
        for _ in range(skip):
            start = nodes[start].succ
        keep_from = span
        if kept > 0:
            keep_from = 1 + below(rng, length - 1)
        v = start
        since = tours.counts[N_LOG]
        for k in range(span):
            nxt = np.int64(nodes[v].succ)
            if k < keep_from or k >= keep_from + kept:
                take_out(tours, v)
            v = nxt
        take_out_partners(tours.rich, tours, since)
        renew(tours.rich, tours, r)
        strings -= 1
        if strings == 0:
            break
