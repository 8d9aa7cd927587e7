"""The small binary model that a quantum or annealing backend sees, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

import dimod

from solvers.problem import P

Variable = Hashable
Sample = Mapping[Variable, int]
"""One value (0 or 1) per variable of a kernel."""


def pack_bqm(bqm: dimod.BinaryQuadraticModel) -> tuple[Any, ...]:
    """A model as plain values that any pickler takes; Ray's refuses dimod's own form. See `unpack_bqm`."""
    vectors = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    return tuple(bqm.variables), vectors.linear_biases, tuple(vectors.quadratic), vectors.offset, bqm.vartype.name


def unpack_bqm(packed: tuple[Any, ...]) -> dimod.BinaryQuadraticModel:
    """The model that `pack_bqm` was given."""
    variables, linear, quadratic, offset, vartype = packed
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        linear, quadratic, offset, vartype, variable_order=list(variables)
    )


class CarriesBqm:
    """Mix-in of frozen dataclasses with a field ``bqm`` that travel between processes."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["bqm"] = pack_bqm(state["bqm"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["bqm"] = unpack_bqm(state["bqm"])


@dataclass(frozen=True)
class Kernel(CarriesBqm, Generic[P]):
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
