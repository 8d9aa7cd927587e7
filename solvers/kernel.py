"""The small binary model that a quantum or annealing backend sees, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic

import dimod

from solvers.problem import P

Variable = Hashable
Sample = Mapping[Variable, int]
"""One value (0 or 1) per variable of a kernel."""


@dataclass(frozen=True)
class Kernel(Generic[P]):
    """The undecided core of a problem as a binary quadratic model.

    Parameters
    ----------
    bqm
        BINARY vartype, at most a few hundred variables, minimised. Its energy may be a proxy of the objective; what
        counts is the verified objective of the lifted plan.
    lift
        Sample to full plan, repaired where needed. Picklable (a frozen dataclass with ``__call__``, not a closure):
        kernels travel between processes. Deterministic.
    one_hot_groups
        Disjoint groups of variables of which exactly one should be 1, for XY mixers and repair.
    warm_start
        Value per variable in the incumbent; ``lift(warm_start)`` is the incumbent or better.
    label
        What it is made of, for people: ``"set partitioning over 20 route bundles"``.
    """

    bqm: dimod.BinaryQuadraticModel
    lift: Callable[[Sample], P]
    one_hot_groups: tuple[tuple[Variable, ...], ...] = ()
    warm_start: Mapping[Variable, int] = field(default_factory=dict)
    label: str = ""
