"""Being ready for what may come: problems solved in advance, and their plans put to use when it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from solvers.problem import JsonObject, P
from solvers.stop import Stop


@dataclass(frozen=True)
class Contingency:
    """A problem that may have to be answered soon.

    Parameters
    ----------
    name
        What it is for, unique in its problem.
    problem
        The problem to solve in advance.
    valid_s
        For how many seconds its plan is of use.
    """

    name: str
    problem: Any
    valid_s: float


@dataclass(frozen=True)
class Difference:
    """Where a problem or plan is not what it was: of what (``""``: of the problem as a whole), a code, and a text."""

    entity: str
    code: str
    text: str

    def to_json(self) -> JsonObject:
        """In the field names of the contract's PlanDifference."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Adapted(Generic[P]):
    """A prepared plan as a plan of the present problem, and what had to be changed for it. Not verified yet."""

    plan: P
    differences: tuple[Difference, ...]


class Foresight(Protocol[P]):
    """How a kind of problem prepares for what may come."""

    def contingencies(self, problem: Any) -> tuple[Contingency, ...]:
        """What is to be solved in advance beside ``problem``; empty unless it asks for that."""
        ...

    def scope(self, problem: Any) -> str:
        """The same text for all problems of the same books, whatever else differs; ``""``: none prepared serves."""
        ...

    def useful(self, problem: Any, names: Sequence[str]) -> list[int]:
        """Which of the plans prepared under ``names`` (newest first) may serve ``problem``, the best first."""
        ...

    def adapt(self, problem: Any, earlier: JsonObject, decided: JsonObject, stop: Stop) -> Adapted[P] | None:
        """The prepared plan ``decided`` of the problem ``earlier`` (canonical JSON) for ``problem``.

        ``None`` when they have nothing in common.
        """
        ...

    def changes(self, problem: Any, before: P, after: P) -> tuple[Difference, ...]:
        """What ``after`` decides otherwise than ``before``, both plans of ``problem``."""
        ...
