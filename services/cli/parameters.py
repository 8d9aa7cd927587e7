"""Types of command-line values: durations and labels."""

from __future__ import annotations

import math
import re
from typing import Any

import click

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def duration_s(text: str) -> float:
    """Seconds in ``"10s"``, ``"500ms"``, ``"2m"``, ``"1h"`` or ``"10"`` (seconds).

    Raises
    ------
    ValueError
        When ``text`` is none of these.

    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; allowed: 10s, 500ms, 2m, 1h")
    return float(match["amount"]) * _SECONDS[match["unit"]]


class Duration(click.ParamType[float]):
    """A duration; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return duration_s(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Label(click.ParamType[tuple[str, str]]):
    """A label ``key=value``; the value is the pair."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, separator, text = str(value).partition("=")
        if not separator or not key:
            self.fail(f"{value!r} is not a label; allowed: key=value", param, ctx)
        return key, text


class Limit(click.ParamType[float]):
    """A limit of a budget: a number >= 0, or ``"unlimited"``, which becomes ``math.inf``."""

    name = "number|unlimited"

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if value == "unlimited":
            return math.inf
        try:
            number = float(int(value) if self.whole else value)
        except ValueError:
            number = math.nan
        if not 0 <= number < 2**53:
            self.fail(f"{value!r} is no limit; allowed: a number >= 0, or unlimited", param, ctx)
        return number
