import pytest

from federation.burn import RULES, BurnMonitor, BurnRule, Severity

DAY_S = 86_400.0
MONTH_S = 30 * DAY_S


def test_even_spending_burns_at_one_and_alerts_nobody():
    monitor = BurnMonitor(limit=3000, period_s=MONTH_S)
    for minute in range(5 * 24 * 60):
        monitor.spend(0.9 * 3000 / (30 * 24 * 60), minute * 60.0)
    now_s = 5 * DAY_S
    assert monitor.rate(3600, now_s) == pytest.approx(0.9, rel=0.02)
    assert monitor.alerts(now_s) == []


def test_runaway_retries_page_within_minutes_of_the_long_window():
    monitor = BurnMonitor(limit=3000, period_s=MONTH_S)
    per_minute = 20 * 3000 / (30 * 24 * 60)
    paged = None
    for minute in range(120):
        monitor.spend(per_minute, minute * 60.0)
        alerts = monitor.alerts(minute * 60.0)
        if alerts and paged is None:
            paged = minute
            assert alerts[0].rule.severity is Severity.PAGE
    assert paged is not None
    assert paged <= 60


def test_the_alert_ends_soon_after_the_spending_does():
    monitor = BurnMonitor(limit=3000, period_s=MONTH_S)
    for minute in range(120):
        monitor.spend(20 * 3000 / (30 * 24 * 60), minute * 60.0)
    pages = [a for a in monitor.alerts(120 * 60.0) if a.rule.severity is Severity.PAGE]
    assert pages
    later = monitor.alerts(120 * 60.0 + 1860)
    assert [a for a in later if a.rule.severity is Severity.PAGE] == []


def test_slow_overspending_makes_a_ticket_not_a_page():
    monitor = BurnMonitor(limit=3000, period_s=MONTH_S)
    for hour in range(5 * 24):
        monitor.spend(1.5 * 3000 / (30 * 24), hour * 3600.0)
    assert {alert.rule.severity for alert in monitor.alerts(5 * DAY_S - 3600)} == {Severity.TICKET}


def test_one_small_job_on_an_idle_night_alerts_nobody():
    monitor = BurnMonitor(limit=1000, period_s=MONTH_S)
    monitor.spend(4.0, 0.0)
    assert monitor.rate(300, 1.0) > 14.4
    assert monitor.alerts(1.0) == []


def test_long_lives_keep_their_sums_and_little_memory():
    monitor, plain = BurnMonitor(limit=1e6, period_s=MONTH_S), []
    for i in range(20_000):
        at_s = i * 60.0
        monitor.spend(1.0 + i % 7, at_s)
        plain.append((at_s, 1.0 + i % 7))
    now_s = 20_000 * 60.0
    for rule in RULES:
        spent = sum(amount for at_s, amount in plain if at_s > now_s - rule.long_s)
        assert monitor.rate(rule.long_s, now_s) == pytest.approx(spent / 1e6 * MONTH_S / rule.long_s)
    assert len(monitor._times) < 12_000


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="limit"):
        BurnMonitor(limit=0, period_s=1)
    with pytest.raises(ValueError, match="amount"):
        BurnMonitor(1, 1).spend(-1, 0)
    with pytest.raises(ValueError, match="short_s"):
        BurnRule(Severity.PAGE, 1.0, 10.0, 20.0)
