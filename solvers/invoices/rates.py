"""Statutory late rates as a dated, versioned table."""

from __future__ import annotations

from dataclasses import dataclass

from solvers.invoices.calendars import day_number

EU_2011_7 = "EU_2011_7"
US_PROMPT_PAYMENT = "US_PROMPT_PAYMENT"
CONTRACT = "CONTRACT"
NO_INTEREST = "NO_INTEREST"
STATUTORY = (EU_2011_7, US_PROMPT_PAYMENT)
REGIMES = (*STATUTORY, CONTRACT, NO_INTEREST)


@dataclass(frozen=True)
class LateRate:
    """A statutory rate from ``from_day`` on.

    Parameters
    ----------
    regime
        ``EU_2011_7`` or ``US_PROMPT_PAYMENT``.
    from_day
        First day on which it holds.
    annual_rate
        Per year as owed; for the EU the reference rate plus 8 points.
    compensation_minor, compensation_currency
        Fixed sum due once per late claim; 0 and ``""`` without one.
    """

    regime: str
    from_day: int
    annual_rate: float
    compensation_minor: int = 0
    compensation_currency: str = ""


@dataclass(frozen=True)
class LateRateTable:
    """Rates, sorted by regime and day; each holds until the next of its regime, the last one until replaced."""

    version: str
    rates: tuple[LateRate, ...]

    def in_force(self, regime: str, day: int) -> LateRate | None:
        """The rate of ``regime`` on ``day``; ``None`` before the first."""
        found = None
        for rate in self.rates:
            if rate.regime == regime and rate.from_day <= day:
                found = rate
        return found


def _day(year: int, month: int) -> int:
    day = day_number(year, month, 1)
    if day is None:
        raise ValueError(f"{year}-{month} is no month")
    return day


def _eu(year: int, month: int, reference_percent: float) -> LateRate:
    return LateRate(EU_2011_7, _day(year, month), round(reference_percent + 8.0, 4) / 100, 40_00, "EUR")


def _us(year: int, month: int, percent: float) -> LateRate:
    return LateRate(US_PROMPT_PAYMENT, _day(year, month), percent / 100)


BUILT_IN = LateRateTable(
    version="isinglass-2026-06",
    rates=(
        # Reference: the ECB's main refinancing rate on the first day of each half-year (Directive 2011/7/EU, art. 2).
        _eu(2023, 1, 2.50),
        _eu(2023, 7, 4.00),
        _eu(2024, 1, 4.50),
        _eu(2024, 7, 4.25),
        _eu(2025, 1, 3.15),
        _eu(2025, 7, 2.15),
        _eu(2026, 1, 2.15),
        # The Treasury's Prompt Payment rate, published twice a year in the Federal Register (31 U.S.C. 3902).
        _us(2024, 1, 4.875),
        _us(2024, 7, 4.875),
        _us(2025, 1, 4.625),
        _us(2025, 7, 4.625),
        _us(2026, 1, 4.125),
    ),
)
"""Used when a problem needs a statutory rate and brings no table. Replace it by a request's own table."""
