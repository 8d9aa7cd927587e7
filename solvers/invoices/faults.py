"""Faults that several fields of an invoice problem can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from solvers.errors import FieldViolation
from solvers.invoices.money import MAX_AMOUNT_MINOR

MAX_ID_LENGTH = 128
UNREADABLE_DAY = -(10**6)
"""Stands for a date that could not be read; relations to it are not judged."""


def known(*days: int) -> bool:
    """Whether none of ``days`` stands for a date that could not be read."""
    return UNREADABLE_DAY not in days


def number(path: str, value: float, low: float, high: float, *, open_low: bool = False) -> Iterator[FieldViolation]:
    """A fault when ``value`` is not a number from ``low`` to ``high``."""
    if not (math.isfinite(value) and low <= value <= high) or (open_low and value == low):
        relation = "above" if open_low else "from"
        yield FieldViolation(path, f"is {value!r}", f"a number {relation} {low:g} to {high:g}")


def amount(path: str, value: int, low: int = -MAX_AMOUNT_MINOR) -> Iterator[FieldViolation]:
    """A fault when ``value`` is out of range, in minor units."""
    if not low <= value <= MAX_AMOUNT_MINOR:
        yield FieldViolation(path, f"is {value} minor units", f"from {low} to {MAX_AMOUNT_MINOR} minor units")


def identifier(path: str, value: str) -> Iterator[FieldViolation]:
    """A fault when ``value`` is no identifier."""
    if not value:
        yield FieldViolation(path, "is missing", f"1 - {MAX_ID_LENGTH} characters")
    elif len(value) > MAX_ID_LENGTH:
        yield FieldViolation(path, f"has {len(value)} characters", f"1 - {MAX_ID_LENGTH} characters")


def unique(path: str, seen: dict[str, str], value: str) -> Iterator[FieldViolation]:
    """A fault when ``value`` was ``seen`` before."""
    if value and value in seen:
        yield FieldViolation(path, f"is {value!r}, the same as {seen[value]}", "each once")
    seen.setdefault(value, path)
