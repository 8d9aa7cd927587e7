"""What every kind of problem offers: a verifier that shares no code with any solver, and its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

P = TypeVar("P")
"""The plan type of a problem kind."""

P_contra = TypeVar("P_contra", contravariant=True)

JsonObject = dict[str, Any]
"""A JSON object as `json.loads` gives it."""


@dataclass(frozen=True)
class Violation:
    """One broken constraint.

    Parameters
    ----------
    constraint
        Which: ``"capacity"``, ``"time_window"``, ``"balance_floor"``, ...
    entity
        Where: the id of the route, visit, invoice, account or constraint.
    amount
        By how much (> 0), in the constraint's own unit.
    """

    constraint: str
    entity: str
    amount: float


@dataclass(frozen=True)
class Verdict:
    """What the verifier found, recomputed from the raw data.

    ``objective`` is minimised in every kind; it is ``math.inf`` when the plan cannot be priced at all.
    ``terms`` are the named parts that add up to ``objective``.
    """

    objective: float
    feasible: bool
    violations: tuple[Violation, ...] = ()
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Features:
    """What selection learns from. All values are finite floats; names are stable.

    Every kind has at least ``size`` (visits, invoices, variables), ``density`` and ``tightness`` (0 loose - 1 tight).
    """

    kind: str
    values: Mapping[str, float]


class Problem(Protocol[P_contra]):
    """A problem: frozen, validated, minimised."""

    kind: ClassVar[str]

    def verify(self, plan: P_contra) -> Verdict:
        """Recompute the objective and every constraint from the raw data. Never raises for a well-typed plan."""
        ...

    def features(self) -> Features:
        """Size, density, tightness and what else selection may learn from."""
        ...
