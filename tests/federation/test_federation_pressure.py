"""What a request is spared follows from how late the event loop runs, and from the request's deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.pressure import HOPS, INSURE_LEAST_S, REFUSE_LEAST_S, Pressure, Relief
from solvers.errors import TooBusy

PERIOD_S = 0.02


def _steady(late_s: float, seconds: float) -> Pressure:
    pressure = Pressure()
    for _ in range(round(seconds / (late_s + PERIOD_S)) + 1):
        pressure.note(late_s, PERIOD_S)
    return pressure


@given(st.lists(st.floats(0.0, 60.0), min_size=1, max_size=50))
def test_the_lag_is_within_what_was_seen(late_s: list[float]) -> None:
    pressure = Pressure()
    for value in late_s:
        pressure.note(value, PERIOD_S)
    assert 0.0 <= pressure.lag_s <= max(late_s)


def test_an_idle_loop_spares_nothing() -> None:
    assert _steady(0.001, 2.0).relief(0.05) is Relief.NOTHING


def test_one_long_step_is_no_pressure_and_is_forgotten() -> None:
    pressure = _steady(0.0, 1.0)
    pressure.note(0.05, PERIOD_S)
    assert pressure.relief(0.2) is Relief.NOTHING
    for _ in range(50):
        pressure.note(0.0, PERIOD_S)
    assert pressure.lag_s < 0.01


def test_who_lags_leaves_solvers_out_for_short_deadlines_first() -> None:
    pressure = _steady(0.08, 2.0)
    assert pressure.relief(1.0) is Relief.SOLVERS
    assert pressure.relief(2.0) is Relief.SOLVERS
    assert pressure.relief(60.0) is Relief.NOTHING


def test_what_would_come_too_late_is_refused_and_told_when_to_come_back() -> None:
    pressure = _steady(0.25, 10.0)
    with pytest.raises(TooBusy, match=r"requests wait 2\.0 s here; the deadline is 1\.0 s") as refused:
        pressure.relief(1.0)
    assert refused.value.retry_after_s == pytest.approx(2.0, rel=0.01)
    assert pressure.relief(5.0) is Relief.SOLVERS


@given(st.floats(0.0, 100.0), st.floats(0.001, 3600.0), st.floats(1.0, 10.0))
def test_more_time_is_never_spared_more(lag_s: float, deadline_s: float, longer: float) -> None:
    pressure = Pressure()
    pressure.lag_s = lag_s / HOPS

    def rank(seconds: float) -> int:
        try:
            return 0 if pressure.relief(seconds) is Relief.NOTHING else 1
        except TooBusy:
            return 2

    assert rank(deadline_s * longer) <= rank(deadline_s)


@pytest.mark.parametrize("lag_s", [INSURE_LEAST_S, REFUSE_LEAST_S])
def test_the_least_lags_hold_for_any_deadline(lag_s: float) -> None:
    pressure = Pressure()
    pressure.lag_s = lag_s / HOPS
    assert pressure.relief(0.01) is (Relief.NOTHING if lag_s == INSURE_LEAST_S else Relief.SOLVERS)
