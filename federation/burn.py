"""Burn-rate alerts: a budget that is being spent too fast, seen in two windows at once.

A burn rate of 1 spends the whole budget evenly over its period. A long window says that it matters, a short one that it
still goes on (Beyer et al., The Site Reliability Workbook, 2018, chapter 5): page at 14.4 over 1 h and 5 min or 6 over
6 h and 30 min, ticket at 1 over 3 days and 6 h.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

from federation.timeline import Timeline

HOUR_S = 3600.0


class Severity(StrEnum):
    """Whom it calls."""

    PAGE = "PAGE"
    TICKET = "TICKET"


@dataclass(frozen=True)
class BurnRule:
    """Alert when the rate is at least ``factor`` (> 0) over both windows, in seconds (0 < short < long)."""

    severity: Severity
    factor: float
    long_s: float
    short_s: float

    def __post_init__(self) -> None:
        if not (0 < self.factor < math.inf and 0 < self.short_s < self.long_s < math.inf):
            raise ValueError(f"{self}: factor > 0, 0 < short_s < long_s")


RULES = (
    BurnRule(Severity.PAGE, 14.4, HOUR_S, 300.0),
    BurnRule(Severity.PAGE, 6.0, 6 * HOUR_S, 1800.0),
    BurnRule(Severity.TICKET, 1.0, 72 * HOUR_S, 6 * HOUR_S),
)


@dataclass(frozen=True)
class BurnAlert:
    """A rule that fires, with the rates it saw."""

    rule: BurnRule
    long_rate: float
    short_rate: float


class BurnMonitor:
    """Spending against one budget.

    Parameters
    ----------
    limit
        The budget, in any unit (> 0).
    period_s
        What it is meant to last, in seconds (> 0).
    rules
        When to alert.
    least_spent
        No alert before so much was spent in the long window: one small job on an idle night is no fire.
    """

    def __init__(
        self, limit: float, period_s: float, rules: tuple[BurnRule, ...] = RULES, least_spent: float | None = None
    ) -> None:
        if not (0 < limit < math.inf and 0 < period_s < math.inf):
            raise ValueError(f"limit is {limit}, period_s is {period_s}; allowed: > 0")
        self.limit, self.period_s, self.rules = limit, period_s, rules
        self.least_spent = 0.005 * limit if least_spent is None else least_spent
        self._timeline = Timeline()
        self._times: list[float] = []
        self._sums: list[float] = []
        self._total = 0.0
        self._base = 0.0  # spent before the first entry that is kept

    def spend(self, amount: float, now_s: float) -> None:
        """``amount`` (>= 0) was spent."""
        if not 0 <= amount < math.inf:
            raise ValueError(f"amount is {amount}; allowed: >= 0")
        line_s = self._timeline.at(now_s)
        self._total += amount
        self._times.append(line_s)
        self._sums.append(self._total)
        longest_s = max(rule.long_s for rule in self.rules)
        if len(self._times) >= 4096 and self._times[len(self._times) // 2] < line_s - longest_s:
            gone = bisect_right(self._times, line_s - longest_s)
            self._base = self._sums[gone - 1]
            self._times, self._sums = self._times[gone:], self._sums[gone:]

    def rate(self, window_s: float, now_s: float) -> float:
        """Burn rate over the last ``window_s`` seconds."""
        return self._spent(window_s, now_s) / self.limit * self.period_s / window_s

    def alerts(self, now_s: float) -> list[BurnAlert]:
        """Every rule that fires now, the most urgent first."""
        found = []
        for rule in self.rules:
            long_rate, short_rate = self.rate(rule.long_s, now_s), self.rate(rule.short_s, now_s)
            enough = self._spent(rule.long_s, now_s) >= self.least_spent
            if enough and min(long_rate, short_rate) >= rule.factor:
                found.append(BurnAlert(rule, long_rate, short_rate))
        return found

    def _spent(self, window_s: float, now_s: float) -> float:
        line_s = self._timeline.at(now_s)
        before = bisect_right(self._times, line_s - window_s)
        return self._total - (self._sums[before - 1] if before else self._base)
