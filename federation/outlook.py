"""Where a budget is heading: the forecast of its month and the burn-rate rules that fire, from sums of the store."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from federation.burn import RULES, BurnAlert, BurnRule
from federation.forecast import Forecast, forecast
from federation.policy import USD_MICROS

DAY_S = 86_400.0
LEAST_SHARE = 0.005
"""No alert before this share of the budget was spent in the long window: one small job on an idle night is no fire."""


@dataclass(frozen=True)
class Outlook:
    """``forecast`` is ``None`` for a period that is not the running month."""

    forecast: Forecast | None
    alerts: tuple[BurnAlert, ...]


def windows_s(rules: Sequence[BurnRule] = RULES) -> tuple[float, ...]:
    """Every window that the rules look at, in seconds, ascending."""
    return tuple(sorted({window for rule in rules for window in (rule.long_s, rule.short_s)}))


def outlook(
    period: str,
    limit_micros: int,
    reserved_micros: int,
    by_day: Mapping[date, int],
    since: Mapping[float, int],
    now: datetime,
    rules: Sequence[BurnRule] = RULES,
) -> Outlook:
    """Forecast and alerts of one budget.

    Parameters
    ----------
    period
        A month, ``"2026-11"``, or ``"total"``.
    limit_micros, reserved_micros
        The budget's limit and what is held, in millionths of a US dollar.
    by_day
        Settled by UTC day, in millionths of a US dollar.
    since
        Settled within the last so many seconds, by each of `windows_s`.
    now
        With a time zone.
    rules
        When to alert.
    """
    now = now.astimezone(UTC)
    if period != now.strftime("%Y-%m"):
        return Outlook(None, ())
    days = calendar.monthrange(now.year, now.month)[1]
    first = date(now.year, now.month, 1)
    today_share = (now - datetime(now.year, now.month, now.day, tzinfo=UTC)).total_seconds() / DAY_S
    daily = [by_day.get(first + timedelta(days=d), 0) / USD_MICROS for d in range(now.day)]
    expected = forecast(
        daily, today_share, days - now.day + 1 - today_share, limit_micros / USD_MICROS, reserved_micros / USD_MICROS
    )
    return Outlook(expected, tuple(_alerts(limit_micros, days * DAY_S, since, rules)))


def _alerts(
    limit_micros: int, period_s: float, since: Mapping[float, int], rules: Sequence[BurnRule]
) -> list[BurnAlert]:
    if limit_micros <= 0:
        return []
    found = []
    for rule in rules:
        rates = [since[window] / limit_micros * period_s / window for window in (rule.long_s, rule.short_s)]
        if min(rates) >= rule.factor and since[rule.long_s] >= LEAST_SHARE * limit_micros:
            found.append(BurnAlert(rule, rates[0], rates[1]))
    return found
