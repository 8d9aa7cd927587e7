"""Reads fields of a JSON object in proto field names and notes everything that is wrong, instead of the first."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from solvers.errors import FieldViolation
from solvers.invoices.calendars import day_number, iso, to_date
from solvers.invoices.faults import UNREADABLE_DAY
from solvers.invoices.money import MINOR_DIGITS, to_minor, to_units_nanos
from solvers.problem import JsonObject

T = TypeVar("T")
TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))")


class Reader:
    """One object at ``path``; ``found`` collects violations over all readers of a problem."""

    def __init__(self, data: Any, path: str, found: list[FieldViolation]) -> None:
        self.path, self.found = path, found
        if not isinstance(data, dict):
            self.fault("", f"is {type(data).__name__}", "an object")
            data = {}
        self.data: JsonObject = data
        self.read: set[str] = set()

    def where(self, name: str) -> str:
        """Path of field ``name``."""
        return ".".join(part for part in (self.path, name) if part)

    def fault(self, name: str, problem: str, allowed: str) -> None:
        """Note that field ``name`` is wrong."""
        self.found.append(FieldViolation(self.where(name), problem, allowed))

    def take(self, name: str) -> Any:
        """Raw value of ``name``, ``None`` when absent."""
        self.read.add(name)
        return self.data.get(name)

    def close(self) -> None:
        """Note every field that nobody asked for."""
        for name in self.data:
            if name not in self.read:
                self.fault(str(name), "is not a field", ", ".join(sorted(self.read)))

    def text(self, name: str) -> str:
        """A string; ``""`` when absent."""
        value = self.take(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.fault(name, f"is {value!r}", "a string")
            return ""
        return value

    def flag(self, name: str) -> bool:
        """A boolean; ``False`` when absent."""
        value = self.take(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            self.fault(name, f"is {value!r}", "true or false")
            return False
        return value

    def number(self, name: str) -> float | None:
        """A finite number; ``None`` when absent or unreadable."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fault(name, f"is {value!r}", "a finite number")
            return None
        return float(value)

    def integer(self, name: str) -> int | None:
        """A whole number; ``None`` when absent or unreadable."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, f"is {value!r}", "a whole number")
            return None
        return value

    def scaled(self, name: str, scale: int, allowed: str) -> int | None:
        """A number that is whole once multiplied by ``scale``; ``None`` when absent."""
        value = self.number(name)
        if value is None:
            return None
        whole = round(value * scale)
        if abs(value * scale - whole) > 1e-6 * max(1.0, abs(value * scale) * 1e-6):
            self.fault(name, f"is {value!r}", allowed)
        elif not 0 <= whole <= 1_000_000:
            self.fault(name, f"is {value!r}", allowed)
            return 0
        return whole

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of ``allowed``; ``default`` when absent or ..._UNSPECIFIED."""
        value = self.take(name)
        if value is None or (isinstance(value, str) and value.endswith("_UNSPECIFIED")):
            return default
        if not isinstance(value, str) or value not in allowed:
            self.fault(name, f"is {value!r}", ", ".join(allowed))
            return default
        return str(value)

    def date(self, name: str) -> int | None:
        """Day number; ``None`` when absent, `UNREADABLE_DAY` when it is no date."""
        return self.date_of(name, self.take(name))

    def date_of(self, name: str, value: Any) -> int | None:
        """Day number of ``value``, which stands at ``name``."""
        if value is None:
            return None
        allowed = "a date with year (1970 - 2199), month and day"
        parts = [value.get(key, 0) for key in ("year", "month", "day")] if isinstance(value, dict) else []
        extra = isinstance(value, dict) and not set(value) <= {"year", "month", "day"}
        if not parts or extra or any(isinstance(part, bool) or not isinstance(part, int) for part in parts):
            self.fault(name, f"is {value!r}", allowed)
            return UNREADABLE_DAY
        day = day_number(*parts)
        if day is None:
            self.fault(name, f"is {value!r}", allowed)
            return UNREADABLE_DAY
        return day

    def needed_date(self, name: str) -> int:
        """Day number of a field that must be there."""
        day = self.date(name)
        if day is None:
            self.fault(name, "is missing", "a date")
            return UNREADABLE_DAY
        return day

    def money(self, name: str) -> tuple[int, str] | None:
        """(minor units, currency); ``None`` when absent or unreadable."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not set(value) <= {"currency_code", "units", "nanos"}:
            self.fault(name, f"is {value!r}", "currency_code, units and nanos")
            return None
        currency, units, nanos = value.get("currency_code", ""), value.get("units", 0), value.get("nanos", 0)
        if any(isinstance(part, bool) or not isinstance(part, int) for part in (units, nanos)):
            self.fault(name, f"is {value!r}", "whole numbers for units and nanos")
            return None
        if not isinstance(currency, str) or currency not in MINOR_DIGITS:
            self.fault(f"{name}.currency_code", f"is {currency!r}", "an ISO 4217 currency code")
            return None
        minor = to_minor(units, nanos, currency)
        if minor is None:
            digits = MINOR_DIGITS[currency]
            self.fault(name, f"is {units} units and {nanos} nanos", f"same signs, at most {digits} decimals")
            return None
        return minor, currency

    def needed_money(self, name: str) -> tuple[int, str] | None:
        """As `money`, noting when it is missing."""
        if self.data.get(name) is None:
            self.take(name)
            self.fault(name, "is missing", "an amount of money")
            return None
        return self.money(name)

    def money_in(self, name: str, currency: str) -> int | None:
        """Minor units of an amount that must be in ``currency`` (not judged when that is unknown)."""
        found = self.money(name)
        if found is None:
            return None
        minor, code = found
        if code != currency and currency in MINOR_DIGITS:
            self.fault(f"{name}.currency_code", f"is {code}", currency)
        return minor

    def timestamp_ns(self, name: str) -> int | None:
        """Nanoseconds since 1970; ``None`` when absent or unreadable."""
        value = self.take(name)
        if value is None:
            return None
        match = TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
        try:
            if match is None:
                raise ValueError(value)
            year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            if match[8]:
                shift = timedelta(hours=int(match[9]), minutes=int(match[10]))
                moment = moment - shift if match[8] == "+" else moment + shift
        except (ValueError, OverflowError):
            self.fault(name, f"is {value!r}", "an RFC 3339 timestamp")
            return None
        return int(moment.timestamp()) * 10**9 + int((match[7] or "0").ljust(9, "0"))

    def items(self, name: str) -> list[Any]:
        """A list; empty when absent."""
        value = self.take(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(name, f"is {type(value).__name__}", "a list")
            return []
        return value

    def records(self, name: str, parse: Callable[[Reader], T]) -> tuple[T, ...]:
        """Each object of the list ``name``, parsed."""
        found = []
        for child in self.children(name):
            found.append(parse(child))
            child.close()
        return tuple(found)

    def children(self, name: str) -> Iterator[Reader]:
        """A reader for each object of the list ``name``."""
        for index, value in enumerate(self.items(name)):
            yield Reader(value, self.where(f"{name}[{index}]"), self.found)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        found = []
        for index, value in enumerate(self.items(name)):
            if isinstance(value, str):
                found.append(value)
            else:
                self.fault(f"{name}[{index}]", f"is {value!r}", "a string")
        return tuple(found)

    def dates(self, name: str) -> tuple[int, ...]:
        """A list of day numbers."""
        days = (self.date_of(f"{name}[{index}]", value) for index, value in enumerate(self.items(name)))
        return tuple(UNREADABLE_DAY if day is None else day for day in days)

    def child(self, name: str) -> Reader:
        """The object ``name``; an absent one reads as empty."""
        value = self.take(name)
        return Reader({} if value is None else value, self.where(name), self.found)


def date_json(day: int) -> JsonObject:
    """A day number as google.type.Date."""
    when = to_date(day)
    return {"year": when.year, "month": when.month, "day": when.day}


def money_json(minor: int, currency: str) -> JsonObject:
    """Minor units as google.type.Money."""
    units, nanos = to_units_nanos(minor, currency)
    out: JsonObject = {"currency_code": currency}
    if units:
        out["units"] = units
    if nanos:
        out["nanos"] = nanos
    return out


def timestamp_json(ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339, with as many groups of three decimals as it takes."""
    seconds, rest = divmod(ns, 10**9)
    day, second = divmod(seconds, 86_400)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    fraction = f"{rest:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{iso(day)}T{clock}{f'.{fraction}' if fraction else ''}Z"
