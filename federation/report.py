"""What came of a request: the report that goes to the caller, the store and the decision record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from solvers.problem import Violation


class ServiceLevel(Enum):
    """How much of what the profile allows took part."""

    FULL = "FULL"
    REDUCED = "REDUCED"
    LOCAL = "LOCAL"
    INSURANCE = "INSURANCE"


class SolveStatus(Enum):
    """What is known of the plan."""

    FEASIBLE = "FEASIBLE"
    OPTIMAL = "OPTIMAL"
    INFEASIBLE = "INFEASIBLE"
    NOT_FOUND = "NOT_FOUND"


@dataclass(frozen=True)
class Contribution:
    """What one strategy, on one backend or none, added to the answer.

    ``improvement`` is by how much it lowered the incumbent's objective (0: it did not help). ``quantum_lift`` has the
    fields of the proto's ``QuantumLift``. ``outcome`` is OK, SKIPPED, REFUSED, FAILED or CANCELLED. ``detail`` says
    more than the reason code can: which budget refused, by how much.
    """

    strategy: str
    strategy_version: str
    backend: str = ""
    improvement: float = 0.0
    seconds: float = 0.0
    cost_usd: float = 0.0
    shots: int = 0
    quantum_lift: Mapping[str, Any] | None = None
    outcome: str = "OK"
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Timings:
    """Seconds of a request by part."""

    total_s: float = 0.0
    queue_s: float = 0.0
    solver_s: float = 0.0
    verify_s: float = 0.0
    store_s: float = 0.0
    insurance_s: float = 0.0


@dataclass(frozen=True)
class Report:
    """Fields and meanings of the proto's ``SolveReport``; ``prepared`` and ``began_from`` in its JSON."""

    job_id: str
    decision_id: str
    status: SolveStatus
    objective: float | None
    bound: float | None
    gap: float | None
    feasible: bool
    service_level: ServiceLevel
    service_level_reason: str
    seed: int
    correlation_id: str
    finished_at: str
    violations: tuple[Violation, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    cost_usd: float = 0.0
    shots: int = 0
    timings: Timings = field(default_factory=Timings)
    terms: Mapping[str, float] = field(default_factory=dict)
    prepared: tuple[Mapping[str, Any], ...] = ()
    began_from: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Proto field names; absent optionals left out."""
        data = asdict(self)
        data["status"] = self.status.value
        data["service_level"] = self.service_level.value
        data["terms"] = dict(self.terms)
        for entry in data["contributions"]:
            if entry["quantum_lift"] is None:
                del entry["quantum_lift"]
        data["prepared"] = list(self.prepared) or None
        return {name: value for name, value in data.items() if value is not None}


def relative_gap(objective: float, bound: float | None) -> float | None:
    """Proved gap ``(objective - bound) / max(|objective|, 1e-9)``, never negative; ``None`` without a bound."""
    if bound is None:
        return None
    return max(0.0, objective - bound) / max(abs(objective), 1e-9)


OPTIMAL_GAP = 1e-6
"""A relative gap that counts as proved optimality."""


def status_of(feasible: bool, gap: float | None, proved_infeasible: bool) -> SolveStatus:
    """The status of a verified plan (or of none)."""
    if not feasible:
        return SolveStatus.INFEASIBLE if proved_infeasible else SolveStatus.NOT_FOUND
    if gap is not None and gap <= OPTIMAL_GAP:
        return SolveStatus.OPTIMAL
    return SolveStatus.FEASIBLE
