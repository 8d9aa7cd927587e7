"""The quick heuristic of either sort of binary model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.binary.descent import Descent
from solvers.binary.plan import SamplePlan
from solvers.binary.tempering import ExactTempering, Tempering
from solvers.strategy import Candidate, Context


class Quick:
    """One-flip descents for a quadratic model, one short anneal for a constrained one, few samples at a temperature."""

    name = "quick"
    version = "1"

    def __init__(self) -> None:
        self._members = (Descent(), ConstrainedAnnealing(quick=True), ExactTempering(), Tempering(quick=True))

    def accepts(self, problem: Any) -> bool:
        return any(member.accepts(problem) for member in self._members)

    def candidates(self, problem: Any, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """What the member that takes ``problem`` finds."""
        for member in self._members:
            if member.accepts(problem):
                inner: Any = member
                found = False
                for candidate in inner.candidates(problem, context):
                    found = True
                    yield candidate
                if found:
                    return
