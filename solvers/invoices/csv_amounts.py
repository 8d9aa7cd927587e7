"""Amounts and dates as people write them in spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from solvers.invoices.calendars import EPOCH
from solvers.invoices.money import MINOR_DIGITS
from solvers.problem import JsonObject

SPACES = "\u0020\u00a0\u202f\u2009'\u2019"
"""What groups digits without ever being a decimal mark."""

LAST_DAY = 84_005
"""Day number of 2199-12-31."""


class Unreadable(ValueError):
    """A cell that cannot be read; the message says what is allowed."""


def decimal_mark(cells: Iterable[str]) -> str | None:
    """``"."`` or ``","`` when some amount among ``cells`` leaves no doubt and none contradicts it, else ``None``."""
    votes = {mark for mark in map(certain_mark, cells) if mark}
    return votes.pop() if len(votes) == 1 else None


def certain_mark(cell: str) -> str | None:
    """The decimal mark of one amount where it can only be one; ``None`` when it has none or it is not certain."""
    digits = re.sub(r"[^\d.,]", "", cell)
    comma, point = digits.count(","), digits.count(".")
    if comma and point:
        return "," if digits.rfind(",") > digits.rfind(".") else "."
    if comma + point == 1:
        mark = "," if comma else "."
        behind = len(digits) - digits.index(mark) - 1
        ahead = digits.index(mark)
        return mark if behind != 3 or ahead > 3 or ahead == 0 else None
    if comma > 1:
        return "."
    return "," if point > 1 else None


def parse_amount(cell: str, mark: str | None) -> Decimal:
    """The number in ``cell``: 1234.56, 1,234.56, 1.234,56, 1 234,56, 1'234.56, (12.00) and -12.00.

    ``mark`` is the decimal mark of the file, for cells such as 1,234 that could be read either way.

    Raises
    ------
    Unreadable
        When it is no number, or could be two.
    """
    text = cell.strip()
    negative = text.startswith("(") and text.endswith(")")
    text = text.strip("()").strip()
    for space in SPACES:
        text = text.replace(space, "")
    if text.startswith(("-", "\u2212", "+")):
        negative ^= text[0] != "+"
        text = text[1:]
    if not re.fullmatch(r"\d[\d.,]*|[.,]\d+", text):
        raise Unreadable("a number such as 1234.56, 1,234.56 or 1.234,56")
    own = certain_mark(text)
    if own is None and ("," in text or "." in text):
        if mark is None:
            raise Unreadable("an amount that is not ambiguous: 1234, 1234.00, or a line '# decimal_mark: ,' or '.'")
        own = mark
    other = "," if own == "." else "."
    if own is not None and own in text:
        whole, _, part = text.rpartition(own)
        if other in part or own in whole:
            raise Unreadable("one decimal mark, behind the groups of thousands")
    else:
        whole, part = text, ""
    groups = whole.split(other)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        raise Unreadable("groups of three digits")
    value = Decimal(f"{''.join(groups) or '0'}.{part or '0'}")
    return -value if negative else value


def parse_day(cell: str) -> int:
    """Day number of 2026-01-31, 2026/01/31, 20260131 or 31.01.2026.

    Raises
    ------
    Unreadable
        When it is none of these; 01/02/2026 is not, for it could be two dates.
    """
    text = cell.strip()
    allowed = "a date as 2026-01-31, 2026/01/31, 20260131 or 31.01.2026"
    found = re.fullmatch(r"(\d{4})([-/]?)(\d\d)\2(\d\d)(?:T.*)?", text)
    parts = (found[1], found[3], found[4]) if found else None
    if parts is None:
        found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
        parts = (found[3], found[2], found[1]) if found else None
    if parts is None:
        raise Unreadable(allowed)
    try:
        day = (date(*map(int, parts)) - EPOCH).days
    except ValueError:
        raise Unreadable(allowed) from None
    if not 0 <= day <= LAST_DAY:
        raise Unreadable("a date from 1970 to 2199")
    return day


def money_of(amount: Decimal, currency: str) -> JsonObject:
    """google.type.Money of a decimal amount.

    Raises
    ------
    Unreadable
        When it has more decimals than nanos can hold or than ``currency`` has.
    """
    digits = MINOR_DIGITS.get(currency, 2)
    scaled = amount.scaleb(digits)
    if scaled != scaled.to_integral_value() or abs(amount) >= Decimal(10) ** 15:
        raise Unreadable(f"at most {digits} decimals in {currency or 'this currency'} and 15 digits")
    units = int(amount)
    nanos = int((amount - units) * 10**9)
    return {"currency_code": currency, "units": units, "nanos": nanos}
