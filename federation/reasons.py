"""Reason codes: why a step down the degradation ladder was taken, or why a contribution is missing.

They stand in `SolveReport.service_level_reason` and `Contribution.reason`, in decision records and in metrics, so a
code never changes its meaning and is never reused.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One code; its text is its name. `meaning` gives one line for people."""

    # What the request's own policy rules out: no degradation.
    PROFILE_EXCLUDES = "PROFILE_EXCLUDES"
    NOT_ALLOWED = "NOT_ALLOWED"
    RESIDENCY_LOCAL_ONLY = "RESIDENCY_LOCAL_ONLY"
    NOT_SELECTED = "NOT_SELECTED"
    NO_KERNEL = "NO_KERNEL"
    TARGET_REACHED = "TARGET_REACHED"
    CANCELLED = "CANCELLED"
    REPLAYABLE = "REPLAYABLE"
    NO_BUDGET = "NO_BUDGET"
    INTERCHANGEABLE = "INTERCHANGEABLE"
    OVERTAKEN = "OVERTAKEN"
    SWITCHED_OFF = "SWITCHED_OFF"

    # Money and shots.
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    BUDGET_REQUEST_LIMIT = "BUDGET_REQUEST_LIMIT"
    APPROVAL_NEEDED = "APPROVAL_NEEDED"
    SHOTS_LIMIT = "SHOTS_LIMIT"

    # Backends.
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    PROGRAM_TOO_LARGE = "PROGRAM_TOO_LARGE"
    PROGRAM_REFUSED = "PROGRAM_REFUSED"
    CALIBRATION_STALE = "CALIBRATION_STALE"
    CALIBRATION_DRIFT = "CALIBRATION_DRIFT"
    BACKEND_FAILED = "BACKEND_FAILED"
    BACKEND_TIMEOUT = "BACKEND_TIMEOUT"
    RESULT_CORRUPT = "RESULT_CORRUPT"
    RETRY_BUDGET_EXHAUSTED = "RETRY_BUDGET_EXHAUSTED"
    OVERLOADED = "OVERLOADED"

    # Time and the house itself.
    NO_TIME = "NO_TIME"
    DEADLINE = "DEADLINE"
    NO_WORKER = "NO_WORKER"
    SCHEDULER_UNREACHABLE = "SCHEDULER_UNREACHABLE"
    COORDINATOR_UNREACHABLE = "COORDINATOR_UNREACHABLE"
    STORE_UNREACHABLE = "STORE_UNREACHABLE"
    GATEWAY_OVERLOADED = "GATEWAY_OVERLOADED"

    # Strategies.
    STRATEGY_FAILED = "STRATEGY_FAILED"
    STRATEGY_REFUSES = "STRATEGY_REFUSES"
    NO_STRATEGY = "NO_STRATEGY"
    NO_FEASIBLE_CANDIDATE = "NO_FEASIBLE_CANDIDATE"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS: dict[Reason, str] = {
    Reason.PROFILE_EXCLUDES: "the request's profile does not use this backend",
    Reason.NOT_ALLOWED: "the request's allowed_backends does not name this backend",
    Reason.RESIDENCY_LOCAL_ONLY: "the request's data may not leave the cluster, and this backend is outside",
    Reason.NOT_SELECTED: "selection expects more per cost from the other backends",
    Reason.NO_KERNEL: "nothing of the problem was left undecided, so there was nothing to sample",
    Reason.TARGET_REACHED: "the answer was good enough (target gap or proved optimality) before this was needed",
    Reason.CANCELLED: "the request was cancelled",
    Reason.REPLAYABLE: "a replayable request runs one classical strategy alone",
    Reason.NO_BUDGET: "the request allows no spending, and this backend charges",
    Reason.INTERCHANGEABLE: "another backend that can stand in for this one got the request",
    Reason.OVERTAKEN: "it was asked beside another backend, which answered first",
    Reason.SWITCHED_OFF: "the operator has switched it off, for all requests or for a share that this one is in",
    Reason.BUDGET_EXHAUSTED: "a budget of the tenant, project or a label does not cover the worst case in this period",
    Reason.BUDGET_REQUEST_LIMIT: "the request's own budget_usd does not cover the worst case",
    Reason.APPROVAL_NEEDED: "the cost is above what a request may spend without an approval",
    Reason.SHOTS_LIMIT: "the request's max_shots leaves too few shots for this backend",
    Reason.BACKEND_UNAVAILABLE: "the backend takes no submissions now",
    Reason.CIRCUIT_OPEN: "the backend failed too often lately and rests before it is probed again",
    Reason.PROGRAM_TOO_LARGE: "the kernel has more variables than the backend can hold",
    Reason.PROGRAM_REFUSED: "the backend refused the program before it ran; nothing was spent",
    Reason.CALIBRATION_STALE: "values of the backend's calibration are older than its freshness limit",
    Reason.CALIBRATION_DRIFT: "the backend's calibration has drifted beyond its alarm limit",
    Reason.BACKEND_FAILED: "the backend accepted the program and failed",
    Reason.BACKEND_TIMEOUT: "the backend did not answer within the time allowed",
    Reason.RESULT_CORRUPT: "what the backend returned does not fit the program that was sent",
    Reason.RETRY_BUDGET_EXHAUSTED: "too many of the backend's calls are already retries",
    Reason.OVERLOADED: "more jobs wait than there are workers, and this backend runs on the same cores",
    Reason.NO_TIME: "the backend cannot answer before the deadline",
    Reason.DEADLINE: "the deadline came first",
    Reason.NO_WORKER: "no worker was free before the deadline",
    Reason.SCHEDULER_UNREACHABLE: "the scheduler did not answer in time",
    Reason.COORDINATOR_UNREACHABLE: "no coordinator answered in time",
    Reason.STORE_UNREACHABLE: "the store did not answer in time",
    Reason.GATEWAY_OVERLOADED: "more requests came than could be solved in time, so the quick heuristic answered",
    Reason.STRATEGY_FAILED: "a strategy raised an error",
    Reason.STRATEGY_REFUSES: "the strategy does not honour a feature that the problem uses",
    Reason.NO_STRATEGY: "no strategy accepts the problem",
    Reason.NO_FEASIBLE_CANDIDATE: "no candidate passed the verifier",
}

NOT_DEGRADED = frozenset(
    {
        Reason.PROFILE_EXCLUDES,
        Reason.NOT_ALLOWED,
        Reason.RESIDENCY_LOCAL_ONLY,
        Reason.NOT_SELECTED,
        Reason.NO_KERNEL,
        Reason.TARGET_REACHED,
        Reason.CANCELLED,
        Reason.REPLAYABLE,
        Reason.NO_BUDGET,
        Reason.INTERCHANGEABLE,
        Reason.OVERTAKEN,
        Reason.SWITCHED_OFF,
    }
)
"""Reasons that follow from the request or from a good answer: a backend missing for one of them lowers nothing."""
