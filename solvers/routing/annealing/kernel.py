"""Blocks of annealing iterations."""

from __future__ import annotations

import math

from solvers.routing.annealing.compile import kernel
from solvers.routing.annealing.random import below, uniform
from solvers.routing.annealing.recreate import recreate
from solvers.routing.annealing.rich_recreate import is_valid
from solvers.routing.annealing.ruin import ruin
from solvers.routing.annealing.tails import exchange_tails, exchanges_tails
from solvers.routing.annealing.tour import BEST_COST, COST, commit, keep_best, undo


@kernel
def anneal(tours, iterations, temperature, mean_removed, max_string):  # type: ignore[no-untyped-def]
    """Run ``iterations`` steps, most of them ruin and recreate, at one temperature (Metropolis acceptance)."""
    n = tours.near.shape[0]
    costs, rng = tours.costs, tours.rng
    for _ in range(iterations):
        before = costs[COST]
        limit = before - temperature * math.log(1.0 - uniform(rng))
        seed = below(rng, n)
        if exchanges_tails(tours.rich, tours):
            exchange_tails(tours.rich, tours, seed, limit)
        else:
            ruin(tours, seed, mean_removed, max_string)
            recreate(tours, seed, limit)
        if costs[COST] < limit and is_valid(tours.rich, tours):
            commit(tours)
            if costs[COST] < costs[BEST_COST] - 1e-9 * (1.0 + abs(costs[BEST_COST])):
                keep_best(tours)
        else:
            undo(tours)
            costs[COST] = before
