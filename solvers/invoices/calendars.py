"""Days as numbers, and which of them are business days.

A day number counts days since 1970-01-01, as `numpy.datetime64` does.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

EPOCH = date(1970, 1, 1)


def day_number(year: int, month: int, day: int) -> int | None:
    """Day number of a date; ``None`` when there is no such date between the years 1970 and 2199."""
    if not (1970 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    try:
        return (date(year, month, day) - EPOCH).days
    except ValueError:
        return None


def to_date(day: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=day)


def iso(day: int) -> str:
    """``"2026-11-20"``."""
    return to_date(day).isoformat()


@lru_cache(maxsize=256)
def easter_sunday(year: int) -> date:
    """Gregorian Easter by the anonymous algorithm of Meeus (Astronomical Algorithms, 1991, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * i - k - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)


def is_target_closing_day(day: int) -> bool:
    """Whether the euro's TARGET system is closed, weekends aside."""
    when = to_date(day)
    easter = easter_sunday(when.year)
    return (when.month, when.day) in {(1, 1), (5, 1), (12, 25), (12, 26)} or when in {
        easter - timedelta(days=2),
        easter + timedelta(days=1),
    }


def is_business_day(day: int, calendar: str, holidays: frozenset[int]) -> bool:
    """Whether payments leave on ``day`` by the calendar ``WEEKENDS``, ``TARGET`` or ``EVERY_DAY``."""
    if day in holidays:
        return False
    if calendar == "EVERY_DAY":
        return True
    if to_date(day).weekday() >= 5:
        return False
    return calendar != "TARGET" or not is_target_closing_day(day)
