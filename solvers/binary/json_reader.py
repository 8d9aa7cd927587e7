"""Typed fields of JSON objects, with everything that is wrong with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.errors import FieldViolation
from solvers.problem import JsonObject

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Reader:
    """Reads typed fields of one JSON object and keeps what is wrong with them in ``faults``."""

    def __init__(self, path: str, data: Any, known: tuple[str, ...], faults: list[FieldViolation]) -> None:
        self.path, self.faults = path, faults
        self.data: JsonObject = data if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            self.fault("", f"is a {type(data).__name__}", "an object")
        for name in self.data:
            if name not in known:
                self.fault(name, "is not a field", ", ".join(known))

    def at(self, name: str) -> str:
        """Path of field ``name``."""
        return f"{self.path}.{name}".strip(".")

    def fault(self, name: str, problem: str, allowed: str) -> None:
        self.faults.append(FieldViolation(self.at(name) or "problem", problem, allowed))

    def number(self, name: str, default: float) -> float:
        value = _number(self.data.get(name, default))
        if value is None:
            self.fault(name, f"is {self.data[name]!r}", "a number")
            return default
        return value

    def optional_number(self, name: str) -> float | None:
        return self.number(name, 1.0) if name in self.data else None

    def integer(self, name: str, default: int) -> int:
        value = self.data.get(name, default)
        if type(value) is not int:
            self.fault(name, f"is {value!r}", "an integer")
            return default
        return value

    def text(self, name: str) -> str:
        value = self.data.get(name, "")
        if not isinstance(value, str):
            self.fault(name, f"is {value!r}", "a text")
            return ""
        return value

    def texts(self, name: str) -> list[str]:
        entries = self.list(name)
        for k, value in enumerate(entries):
            if not isinstance(value, str):
                self.fault(f"{name}[{k}]", f"is {value!r}", "a text")
        return [str(value) for value in entries]

    def list(self, name: str) -> list[Any]:
        value = self.data.get(name, [])
        if not isinstance(value, list):
            self.fault(name, f"is {value!r}", "a list")
            return []
        return value

    def numbers(self, name: str) -> NDArray[np.float64]:
        values = [_number(value) for value in self.list(name)]
        for k, value in enumerate(values):
            if value is None:
                self.fault(f"{name}[{k}]", f"is {self.data[name][k]!r}", "a number")
        return np.array([0.0 if value is None else value for value in values], dtype=np.float64)

    def integers(self, name: str) -> NDArray[np.int64]:
        values = self.list(name)
        good = [value if type(value) is int and abs(value) < 2**63 else None for value in values]
        for k, value in enumerate(good):
            if value is None:
                self.fault(f"{name}[{k}]", f"is {values[k]!r}", "an integer")
        return np.array([0 if value is None else value for value in good], dtype=np.int64)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
