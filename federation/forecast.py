"""What a budget will have cost by the end of its period, with an interval.

Spending is a compound process: jobs come at some rate and cost what they cost. The rest of the period is forecast from
the days so far, recent ones counting more, and the interval from how much days differ; reserved counts as spent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit


@dataclass(frozen=True)
class Forecast:
    """Expected total at the end of the period, an interval around it, in the unit of the spendings.

    ``exhausted_in_days`` is when the limit will be reached at the expected rate; ``None``: not within the period.
    """

    expected: float
    low: float
    high: float
    exhausted_in_days: float | None


def forecast(
    daily: Sequence[float],
    today_share: float,
    days_left: float,
    limit: float,
    reserved: float = 0.0,
    confidence: float = 0.8,
    half_life_days: float = 7.0,
) -> Forecast:
    """Forecast the end of a period.

    Parameters
    ----------
    daily
        Spent on each day of the period so far, the last one being today (>= 0 each).
    today_share
        How much of today is over (0 - 1).
    days_left
        From now to the end of the period, in days (>= 0).
    limit
        Of the period (>= 0).
    reserved
        Held by submissions under way (>= 0); counts in full.
    confidence
        Probability that the total lies in the interval (0 < confidence < 1).
    half_life_days
        After so many days a day counts half (> 0).

    Raises
    ------
    ValueError
        When an argument is out of its range.
    """
    if not daily or min(daily) < 0 or not all(math.isfinite(day) for day in daily):
        raise ValueError("daily is empty or has an amount that is no number >= 0")
    if not (0 <= today_share <= 1 and 0 <= days_left < math.inf and 0 <= reserved < math.inf and limit >= 0):
        raise ValueError(f"today_share {today_share}, days_left {days_left}, reserved {reserved}, limit {limit}")
    if not (0 < confidence < 1 and half_life_days > 0):
        raise ValueError(f"confidence is {confidence}, half_life_days is {half_life_days}; allowed: 0 - 1, > 0")
    spent = sum(daily) + reserved
    if days_left == 0:
        return Forecast(spent, spent, spent, None if spent < limit else 0.0)
    ages = range(len(daily) - 1, -1, -1)
    weights = [0.5 ** (age / half_life_days) for age in ages]
    # Today counts by how much of it is over.
    exposures = [1.0] * (len(daily) - 1) + [max(today_share, 1e-6)]
    exposure = sum(w * e for w, e in zip(weights, exposures, strict=True))
    rate = sum(w * day for w, day in zip(weights, daily, strict=True)) / exposure
    # One pseudo-day of Poisson-like scatter, so that a single day so far does not look certain.
    squares = sum(w * (day - rate * e) ** 2 for w, day, e in zip(weights, daily, exposures, strict=True))
    effective = exposure**2 / sum((w * e) ** 2 for w, e in zip(weights, exposures, strict=True))
    variance = (squares / exposure * effective + rate**2) / (effective + 1)
    deviation = math.sqrt(variance * days_left + variance / effective * days_left**2)
    reach = float(stdtrit(max(1.0, effective), 0.5 + confidence / 2)) * deviation
    expected = spent + rate * days_left
    exhausted = None
    if spent >= limit:
        exhausted = 0.0
    elif rate > 0 and (limit - spent) / rate <= days_left:
        exhausted = (limit - spent) / rate
    return Forecast(expected, max(spent, expected - reach), expected + reach, exhausted)
