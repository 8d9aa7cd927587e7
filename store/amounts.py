"""What work on metered backends costs, in whole units so that sums are exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from store.errors import FieldViolation, InvalidProblem

UNITS = ("usd_micros", "shots", "device_ms")

TOTAL = "total"
"""The period that never ends."""

MAX_AMOUNT = 2**53 - 1
"""Largest amount: exact in JSON, and a thousand of them still add up within 64 bits."""

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Amounts:
    """An amount of each thing that is budgeted; integers of 0 - 2**53 - 1.

    Parameters
    ----------
    usd_micros
        Millionths of a US dollar.
    shots
        Samples taken on quantum backends.
    device_ms
        Milliseconds of device time.
    """

    usd_micros: int = 0
    shots: int = 0
    device_ms: int = 0

    def __post_init__(self) -> None:
        for unit in UNITS:
            value = getattr(self, unit)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AMOUNT:
                raise ValueError(f"{unit} is {value!r}; allowed: an integer of 0 - {MAX_AMOUNT}")

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(*(getattr(self, unit) + getattr(other, unit) for unit in UNITS))

    def less(self, other: Amounts) -> Amounts:
        """What is left of this after ``other``, 0 where nothing is."""
        return Amounts(*(max(0, getattr(self, unit) - getattr(other, unit)) for unit in UNITS))

    def first_beyond(self, other: Amounts) -> str | None:
        """The first unit of which this is more than ``other``, or ``None`` when it fits."""
        return next((unit for unit in UNITS if getattr(self, unit) > getattr(other, unit)), None)


def month_of(now: datetime) -> str:
    """The budget period of ``now``: its calendar month in UTC, ``"2026-11"``."""
    if now.tzinfo is None:
        raise ValueError(f"a time with a zone is wanted, not {now.isoformat()}")
    return now.astimezone(UTC).strftime("%Y-%m")


def checked_period(period: str) -> str:
    """``period`` itself.

    Raises
    ------
    InvalidProblem
        When it is neither a month nor ``"total"``.
    """
    if period != TOTAL and not _MONTH.fullmatch(period):
        raise InvalidProblem([FieldViolation("period", f"is {period!r}", "a month such as 2026-11, or total")])
    return period
