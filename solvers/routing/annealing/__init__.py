"""Simulated annealing over ruin and recreate: the house engine for routing."""

from __future__ import annotations


def warm() -> None:
    """Compile every kernel or load it from numba's cache: minutes the first time on a machine, 1 s later."""
    from solvers.routing.annealing.capacity import warm_capacity
    from solvers.routing.annealing.general import warm_general

    warm_capacity()
    warm_general()
