"""What the rest of the house needs to know of a kind of problem, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from solvers.kernel import Kernel
from solvers.problem import JsonObject, P
from solvers.strategy import Context, Strategy


def _nothing() -> None:
    """Nothing to compile."""


class KernelBuilder(Protocol[P]):
    """Cuts a problem down to the core that is still undecided."""

    def __call__(
        self, problem: Any, incumbent: P, pool: tuple[P, ...], context: Context[P], max_variables: int
    ) -> Kernel[P] | None:
        """At most ``max_variables`` variables from ``incumbent`` and a ``pool`` of other good plans.

        ``None`` when nothing is undecided (fewer than 2 variables).
        """
        ...


class Codec(Protocol[P]):
    """Canonical JSON of problems and plans: ``solvers/<kind>/canonical.py``."""

    def problem_to_json(self, problem: Any) -> JsonObject: ...

    def problem_from_json(self, data: JsonObject) -> Any:
        """Raises `solvers.errors.InvalidProblem` naming every field at fault."""
        ...

    def plan_to_json(self, problem: Any, plan: P) -> JsonObject: ...

    def plan_from_json(self, problem: Any, data: JsonObject) -> P:
        """Raises `solvers.errors.InvalidProblem` naming every field at fault."""
        ...


@dataclass(frozen=True)
class ProblemKind(Generic[P]):
    """One kind of problem: ``solvers/<kind>/kind.py`` exports it as ``KIND``.

    Parameters
    ----------
    name
        ``"routing"``, ``"invoices"`` or ``"binary"``.
    codec
        Canonical JSON of problems and plans.
    insurance
        The quick heuristic: one candidate, within 50 ms at 200 stops or 1,000 invoices, warm.
    strategies
        Solvers, the preferred one first.
    kernel
        Cuts out the core for quantum and annealing backends.
    reseeded
        Names of strategies of which several runs with different seeds are worth their cores; the others run once.
    provers
        Names of strategies that prove bounds rather than find plans: one worker runs them where there are several.
    warm
        Compiles and imports everything that a first request would otherwise wait for; called once a process.
    """

    name: str
    codec: Codec[P]
    insurance: Strategy[P]
    strategies: tuple[Strategy[P], ...]
    kernel: KernelBuilder[P]
    reseeded: tuple[str, ...] = ()
    provers: tuple[str, ...] = ()
    warm: Callable[[], None] = _nothing
