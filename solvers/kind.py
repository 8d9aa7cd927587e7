"""What the rest of the house needs to know of a kind of problem, in one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from solvers.foresight import Foresight
from solvers.kernel import Kernel
from solvers.problem import JsonObject, P
from solvers.stop import Stop
from solvers.strategy import Context, Strategy

P_co = TypeVar("P_co", covariant=True)


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


class Rounds(Protocol[P_co]):
    """A large problem being improved in rounds of parts, one part a worker."""

    def begin(self, workers: int, elapsed_s: float) -> list[Any]:
        """Parts for the next round, each with its ``seconds`` and ``turn``; empty when time is up."""
        ...

    def end(self, done: list[Any]) -> P_co:
        """The plan that the improved parts make up; ``None`` stands for one that got lost."""
        ...


@dataclass(frozen=True)
class ScaleOut(Generic[P]):
    """How several workers share one large problem.

    Parameters
    ----------
    name
        Of the strategy that this is the larger form of.
    accepts
        Whether a problem is large enough, and of the sort that can be cut.
    rounds
        From problem, feasible plan, seed and seconds.
    improve
        What a worker does with a part of a problem until the stop, which has a clock.
    """

    name: str
    accepts: Callable[[Any], bool]
    rounds: Callable[[Any, P, int, float], Rounds[P]]
    improve: Callable[[Any, Any, Stop], Any]


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
    scale_out
        How several workers share one large problem; ``None``: they run different strategies or seeds.
    provers
        Names of strategies that prove bounds rather than find plans: one worker runs them where there are several.
    foresight
        How plans are prepared for what may come; ``None``: they are not.
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
    scale_out: ScaleOut[P] | None = None
    foresight: Foresight[P] | None = None
    warm: Callable[[], None] = _nothing
