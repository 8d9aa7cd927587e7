from datetime import UTC, date, datetime

import pytest

from federation.outlook import outlook, windows_s

NOW = datetime(2026, 11, 11, 0, 0, tzinfo=UTC)
DOLLAR = 1_000_000
QUIET = dict.fromkeys(windows_s(), 0)
DAILY = {date(2026, 11, day): 10 * DOLLAR for day in range(1, 11)}


def test_an_even_month_is_forecast_to_go_on_evenly_and_the_interval_holds_it():
    found = outlook("2026-11", 1000 * DOLLAR, 0, DAILY, QUIET, NOW)
    assert found.forecast.expected == pytest.approx(300, rel=0.02)
    assert found.forecast.low <= 300 <= found.forecast.high
    assert found.forecast.exhausted_in_days is None
    assert found.alerts == ()


def test_the_day_on_which_the_limit_is_reached_is_told():
    found = outlook("2026-11", 150 * DOLLAR, 0, DAILY, QUIET, NOW)
    assert found.forecast.exhausted_in_days == pytest.approx(5, rel=0.05)


def test_what_is_reserved_counts_as_spent():
    even = outlook("2026-11", 1000 * DOLLAR, 0, DAILY, QUIET, NOW).forecast.expected
    assert outlook("2026-11", 1000 * DOLLAR, 50 * DOLLAR, DAILY, QUIET, NOW).forecast.expected == pytest.approx(
        even + 50
    )


def test_a_burst_alerts_when_both_windows_see_it_and_not_after_it_is_over():
    hour = 1000 * DOLLAR * 15 // 720  # 15 times the even rate over an hour
    burst = {window: hour if window >= 3600 else 0 for window in windows_s()}
    assert [a.rule.factor for a in outlook("2026-11", 1000 * DOLLAR, 0, {}, burst, NOW).alerts] == []
    still = burst | {300.0: hour // 12, 1800.0: hour // 2}
    [alert] = outlook("2026-11", 1000 * DOLLAR, 0, {}, still, NOW).alerts
    assert (str(alert.rule.severity), alert.rule.factor) == ("PAGE", 14.4)
    assert alert.long_rate == pytest.approx(15, rel=0.01)


def test_another_period_has_no_outlook_and_a_budget_of_nothing_no_alert():
    assert outlook("2026-10", 1000 * DOLLAR, 0, DAILY, QUIET, NOW) == outlook("total", DOLLAR, 0, {}, QUIET, NOW)
    assert outlook("2026-11", 0, 0, {}, dict.fromkeys(windows_s(), DOLLAR), NOW).alerts == ()
