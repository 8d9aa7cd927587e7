import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.reasons import Reason
from federation.retry import (
    Attempt,
    FailureClass,
    RetryBudget,
    RetryConfig,
    classify,
    counts_against_health,
    next_attempt,
    reason_of,
)
from solvers.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    BudgetExceeded,
    InvalidProblem,
    ProgramRefused,
)

FIRST = Attempt(number=1, shots=1000, layers=2, seed=7, expected_s=1.0)
ERRORS = [family("b", "no") for family in (BackendError, ProgramRefused, BackendUnavailable, BackendTimeout)]


@pytest.mark.parametrize(
    ("error", "action", "reason", "unhealthy"),
    [
        (BackendUnavailable("b", "no"), FailureClass.RETRY_SAME, Reason.BACKEND_UNAVAILABLE, True),
        (BackendTimeout("b", "no"), FailureClass.RETRY_SAME, Reason.BACKEND_TIMEOUT, True),
        (ProgramRefused("b", "no"), FailureClass.RETRY_CHANGED, Reason.PROGRAM_REFUSED, False),
        (BackendError("b", "no"), FailureClass.RETRY_CHANGED, Reason.BACKEND_FAILED, True),
        (BudgetExceeded("t", "usd_micros", 2, 1), FailureClass.FALL_BACK, Reason.BUDGET_EXHAUSTED, False),
        (ZeroDivisionError(), FailureClass.FALL_BACK, Reason.BACKEND_FAILED, False),
    ],
)
def test_each_failure_has_its_class_reason_and_weight_for_health(error, action, reason, unhealthy):
    assert classify(error) is action
    assert reason_of(error) is reason
    assert counts_against_health(error) is unhealthy


def test_an_outage_is_retried_unchanged():
    decision = next_attempt(BackendTimeout("b", "x"), FIRST, 60, RetryBudget())
    assert decision.action is FailureClass.RETRY_SAME
    assert (decision.attempt.shots, decision.attempt.seed, decision.attempt.number) == (1000, 7, 2)
    assert decision.changes == ()


def test_a_refused_program_comes_back_smaller_and_says_what_changed():
    decision = next_attempt(ProgramRefused("b", "too deep"), FIRST, 60, RetryBudget())
    assert decision.changes == ("shots 1000 -> 500", "layers 2 -> 1")
    assert (decision.attempt.shots, decision.attempt.layers) == (500, 1)


def test_a_program_that_cannot_shrink_is_not_sent_again():
    smallest = Attempt(1, shots=50, layers=1, seed=0, expected_s=0.1)
    decision = next_attempt(ProgramRefused("b", "x"), smallest, 60, RetryBudget())
    assert decision.action is FailureClass.FALL_BACK
    assert decision.reason is Reason.PROGRAM_REFUSED


def test_a_failed_run_comes_back_with_another_seed():
    decision = next_attempt(BackendError("b", "x"), FIRST, 60, RetryBudget())
    assert decision.attempt.seed != FIRST.seed
    assert decision.changes == (f"seed 7 -> {decision.attempt.seed}",)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(ERRORS), st.floats(0, 20), st.floats(0, 20), st.integers(1, 5), st.integers(0, 2**53 - 1))
def test_no_retry_that_cannot_finish_is_ever_made(error, remaining_s, expected_s, number, seed):
    failed = Attempt(number, 1000, 3, seed, expected_s)
    decision = next_attempt(error, failed, remaining_s, RetryBudget())
    if decision.attempt is None:
        assert decision.action is FailureClass.FALL_BACK
        assert decision.reason is not None
    else:
        assert decision.delay_s + expected_s <= remaining_s
        assert decision.attempt.number <= RetryConfig().max_attempts
        assert 0 <= decision.attempt.seed < 2**53


def test_a_late_failure_falls_back_for_want_of_time_and_spends_no_retry():
    budget = RetryBudget(RetryConfig(budget_burst=1))
    assert next_attempt(BackendTimeout("b", "x"), FIRST, 0.5, budget).reason is Reason.NO_TIME
    assert budget.spend()


def test_retries_in_an_outage_stay_a_small_share_of_calls():
    budget = RetryBudget(RetryConfig(budget_ratio=0.1, budget_burst=3))
    retries = 0
    for _ in range(1000):
        budget.first_attempt()
        decision = next_attempt(BackendUnavailable("b", "x"), FIRST, 60, budget)
        retries += decision.attempt is not None
    assert 95 <= retries <= 103
    assert decision.reason in (None, Reason.RETRY_BUDGET_EXHAUSTED)


def test_delays_differ_between_requests():
    delays = {
        next_attempt(BackendTimeout("b", "x"), Attempt(1, 10, 1, seed, 0.1), 60, RetryBudget()).delay_s
        for seed in range(20)
    }
    assert len(delays) == 20
    assert all(0.025 <= delay <= 0.05 for delay in delays)


@pytest.mark.parametrize("bad", [{"max_attempts": 0}, {"base_delay_s": 3.0}, {"budget_ratio": 1.5}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="allowed"):
        RetryConfig(**bad)


def test_errors_outside_the_family_fall_back_whatever_time_is_left():
    error = InvalidProblem.__new__(InvalidProblem)
    assert next_attempt(error, FIRST, 1e6, RetryBudget()).action is FailureClass.FALL_BACK
