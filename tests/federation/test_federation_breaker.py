import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.breaker import Breaker, BreakerConfig, CircuitState

CONFIG = BreakerConfig(consecutive_failures=3, open_s=5, backoff=2, max_open_s=15, probe_timeout_s=4)


def opened(now_s=0.0):
    breaker = Breaker(CONFIG)
    for _ in range(3):
        breaker.record(False, now_s)
    return breaker


def test_it_opens_after_consecutive_failures_and_refuses():
    breaker = Breaker(CONFIG)
    for now_s in (0.0, 0.1):
        assert breaker.allow(now_s)
        breaker.record(False, now_s)
        assert breaker.state(now_s) is CircuitState.CLOSED
    breaker.record(False, 0.2)
    assert breaker.state(0.2) is CircuitState.OPEN
    assert not breaker.allow(5.1)
    assert breaker.retry_in_s(5.1) == pytest.approx(0.1)


def test_a_success_between_failures_starts_the_count_anew():
    breaker = Breaker(CONFIG)
    for ok in (False, False, True, False, False):
        breaker.record(ok, 0.0)
    assert breaker.state(0.0) is CircuitState.CLOSED


def test_a_failure_rate_opens_it_without_a_row_of_failures():
    breaker = Breaker(BreakerConfig(consecutive_failures=100, failure_rate=0.5, min_calls=10))
    for i in range(9):
        breaker.record(i % 2 == 1, i * 0.1)
        assert breaker.state(i * 0.1) is CircuitState.CLOSED
    breaker.record(False, 1.0)
    assert breaker.state(1.0) is CircuitState.OPEN


def test_old_calls_leave_the_window():
    breaker = Breaker(BreakerConfig(consecutive_failures=100, failure_rate=0.5, min_calls=10, window_s=10))
    for i in range(9):
        breaker.record(False, i * 0.01)
    breaker.record(False, 20.0)
    assert breaker.state(20.0) is CircuitState.CLOSED


def test_one_probe_at_a_time_and_its_success_closes():
    breaker = opened()
    assert breaker.state(5.0) is CircuitState.HALF_OPEN
    assert breaker.allow(5.0)
    assert not breaker.allow(5.0)
    breaker.record(True, 5.5)
    assert breaker.state(5.5) is CircuitState.CLOSED
    assert breaker.allow(5.5)


def test_a_failed_probe_doubles_the_rest_up_to_its_limit():
    breaker = opened()
    now_s = 0.0
    for rest_s in (5, 10, 15, 15):
        assert not breaker.allow(now_s + rest_s - 0.01)
        now_s += rest_s
        assert breaker.allow(now_s)
        breaker.record(False, now_s)
    assert breaker.opened == 5


def test_looking_takes_no_probe():
    breaker = opened()
    for _ in range(10):
        assert breaker.state(6.0) is CircuitState.HALF_OPEN
    assert breaker.allow(6.0)


def test_a_withdrawn_probe_gives_its_place_back():
    breaker = opened()
    assert breaker.allow(5.0)
    breaker.withdraw(5.1)
    assert breaker.allow(5.2)


def test_a_probe_that_never_answers_counts_as_failed():
    breaker = opened()
    assert breaker.allow(5.0)
    assert breaker.state(9.0) is CircuitState.OPEN
    assert breaker.allow(19.0)


def test_a_late_answer_from_before_the_opening_changes_nothing():
    breaker = opened()
    breaker.record(True, 1.0)
    assert breaker.state(1.0) is CircuitState.OPEN
    breaker.record(False, 5.5)
    assert breaker.state(5.5) is CircuitState.HALF_OPEN


def test_a_dead_backend_sees_few_attempts_then_only_probes():
    breaker = Breaker(BreakerConfig())
    attempts = []
    for i in range(20 * 30):
        now_s = i / 20
        if breaker.allow(now_s):
            attempts.append(now_s)
            breaker.record(False, now_s)
    assert len([t for t in attempts if t < 5]) == 3
    assert len(attempts) <= 3 + 3


@pytest.mark.parametrize(
    "bad",
    [
        {"consecutive_failures": 0},
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"open_s": 0.0},
        {"open_s": 500.0},
        {"backoff": 0.5},
        {"probes": 0},
        {"window_s": float("nan")},
        {"probe_timeout_s": 0.0},
        {"min_calls": 0},
    ],
)
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        BreakerConfig(**bad)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=60))
def test_it_always_recovers_once_the_backend_does(events):
    breaker, now_s = Breaker(), 0.0
    for ok, step_s in events:
        now_s += step_s
        if breaker.allow(now_s):
            breaker.record(ok, now_s)
    now_s += 121
    assert breaker.allow(now_s)
    breaker.record(True, now_s)
    assert breaker.state(now_s) is CircuitState.CLOSED
