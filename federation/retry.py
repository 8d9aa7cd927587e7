"""After a failure: try again as it was, try again changed, or fall back. Never a retry that cannot finish."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from federation.reasons import Reason
from federation.spending import MIN_SHOTS
from solvers.errors import (
    BackendDenied,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    BudgetExceeded,
    ProgramRefused,
    ResultCorrupt,
    SubmissionUnknown,
)


class FailureClass(Enum):
    """What a failure allows.

    ``RETRY_SAME``: the same program under the same idempotency key, which is charged once however often it is sent.
    ``RETRY_CHANGED``: another program (fewer shots, fewer layers, other seed) under a new key; the first is over.
    ``FALL_BACK``: nothing on this backend for this request.
    """

    RETRY_SAME = "retry_same"
    RETRY_CHANGED = "retry_changed"
    FALL_BACK = "fall_back"


def classify(error: Exception) -> FailureClass:
    """The class of ``error``.

    A timeout or a submission without an answer is retried under its own key only: the program may still be running and
    paid for; a corrupt result is fetched again, which is free. An error of no known family, a refused budget and a
    refused key are not retried.
    """
    if isinstance(error, (BackendUnavailable, BackendTimeout, SubmissionUnknown, ResultCorrupt)):
        return FailureClass.RETRY_SAME
    if isinstance(error, BackendError) and not isinstance(error, BackendDenied):
        return FailureClass.RETRY_CHANGED
    return FailureClass.FALL_BACK


def counts_against_health(error: Exception) -> bool:
    """Whether ``error`` speaks against the backend itself, for its breaker and its health: not a program it refused."""
    return isinstance(error, BackendError) and not isinstance(error, ProgramRefused)


def reason_of(error: Exception) -> Reason:
    """The reason code of a failure that is not retried."""
    table: tuple[tuple[type[Exception], Reason], ...] = (
        (ProgramRefused, Reason.PROGRAM_REFUSED),
        (BackendUnavailable, Reason.BACKEND_UNAVAILABLE),
        (BackendTimeout, Reason.BACKEND_TIMEOUT),
        (ResultCorrupt, Reason.RESULT_CORRUPT),
        (BudgetExceeded, Reason.BUDGET_EXHAUSTED),
    )
    return next((reason for family, reason in table if isinstance(error, family)), Reason.BACKEND_FAILED)


@dataclass(frozen=True)
class RetryConfig:
    """Limits of retrying.

    Parameters
    ----------
    max_attempts
        Attempts of one request on one backend, the first included (>= 1).
    base_delay_s, max_delay_s
        Delay before the first retry, doubled each time up to the limit, in seconds.
    budget_ratio
        Retries that each first attempt earns (0 - 1): in an outage retries are at most this share of calls.
    budget_burst
        Retries that may be saved up (>= 0).
    """

    max_attempts: int = 3
    base_delay_s: float = 0.05
    max_delay_s: float = 2.0
    budget_ratio: float = 0.1
    budget_burst: float = 3.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}; allowed: >= 1")
        if not 0 <= self.base_delay_s <= self.max_delay_s < math.inf:
            raise ValueError(f"delays are {self.base_delay_s} s, {self.max_delay_s} s; allowed: 0 <= base <= max")
        if not (0 <= self.budget_ratio <= 1 and 0 <= self.budget_burst < math.inf):
            raise ValueError(f"budget is {self.budget_ratio}, {self.budget_burst}; allowed: ratio 0 - 1, burst >= 0")


class RetryBudget:
    """The retries that one backend can still bear: a bucket that first attempts fill and retries empty."""

    def __init__(self, config: RetryConfig | None = None) -> None:
        self.config = config or RetryConfig()
        self._tokens = self.config.budget_burst

    def first_attempt(self) -> None:
        """A call went out that is no retry."""
        self._tokens = min(self.config.budget_burst, self._tokens + self.config.budget_ratio)

    def spend(self) -> bool:
        """Take one retry; false when none is left."""
        # Ten tenths are a whole retry, whatever floating point makes of them.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True


@dataclass(frozen=True)
class Attempt:
    """What was sent: ``number`` counts from 1; ``expected_s`` is how long it takes, queue included, in seconds."""

    number: int
    shots: int
    layers: int
    seed: int
    expected_s: float


@dataclass(frozen=True)
class RetryDecision:
    """What to do next.

    Parameters
    ----------
    action
        The class that applies after limits and deadline.
    delay_s
        Wait so long before it, in seconds; 0 when falling back.
    attempt
        What to send; ``None`` when falling back.
    changes
        What differs from the failed attempt, for the record: ``"shots 1000 -> 500"``.
    reason
        Why not again, when falling back.
    """

    action: FailureClass
    delay_s: float
    attempt: Attempt | None
    changes: tuple[str, ...]
    reason: Reason | None


def next_attempt(
    error: Exception, failed: Attempt, remaining_s: float, budget: RetryBudget, config: RetryConfig | None = None
) -> RetryDecision:
    """What to do after ``failed`` ended in ``error`` with ``remaining_s`` seconds left for the request.

    The retry budget is spent only when a retry is returned.
    """
    config = config or budget.config
    action = classify(error)
    if action is FailureClass.FALL_BACK or failed.number >= config.max_attempts:
        return _fall_back(reason_of(error))
    delay_s = min(config.max_delay_s, config.base_delay_s * 2.0 ** (failed.number - 1))
    attempt = replace(failed, number=failed.number + 1)
    changes: tuple[str, ...] = ()
    if action is FailureClass.RETRY_SAME:
        # Spread out by the seed, so that requests that failed together do not come back together.
        delay_s *= 0.5 + 0.5 * _spread(failed.seed, failed.number)
        if isinstance(error, BackendUnavailable):
            delay_s = max(delay_s, error.retry_after_s)
    else:
        attempt, changes = _changed(error, attempt)
        if not changes:
            return _fall_back(reason_of(error))
    if delay_s + attempt.expected_s > remaining_s:
        return _fall_back(Reason.NO_TIME)
    if not budget.spend():
        return _fall_back(Reason.RETRY_BUDGET_EXHAUSTED)
    return RetryDecision(action, delay_s, attempt, changes, None)


def _fall_back(reason: Reason) -> RetryDecision:
    return RetryDecision(FailureClass.FALL_BACK, 0.0, None, (), reason)


def _changed(error: Exception, attempt: Attempt) -> tuple[Attempt, tuple[str, ...]]:
    """A smaller program after a refusal, the same under another seed after a failure."""
    if not isinstance(error, ProgramRefused):
        seed = (attempt.seed * 6364136223846793005 + 1442695040888963407) % 2**53
        return replace(attempt, seed=seed), (f"seed {attempt.seed} -> {seed}",)
    shots = max(min(MIN_SHOTS, attempt.shots), attempt.shots // 2)
    layers = max(1, attempt.layers - 1)
    changes = []
    if shots != attempt.shots:
        changes.append(f"shots {attempt.shots} -> {shots}")
    if layers != attempt.layers:
        changes.append(f"layers {attempt.layers} -> {layers}")
    return replace(attempt, shots=shots, layers=layers), tuple(changes)


def _spread(seed: int, number: int) -> float:
    """A number in [0, 1) that depends on ``seed`` and ``number`` alone (golden-ratio sequence)."""
    return math.fmod((seed % 1_000_003) * 0.6180339887498949 + number * 0.4142135623730951, 1.0)
