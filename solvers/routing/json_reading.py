"""Reading typed values out of JSON, collecting every fault with its path instead of stopping at the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import numpy as np

from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject
from solvers.routing.data import FloatArray, Loads

T = TypeVar("T")


class JsonReader:
    """Reads fields of JSON objects. After a fault it goes on with a harmless value; `finish` raises what was found."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def finish(self) -> None:
        """Raise `InvalidProblem` if anything was at fault."""
        if self.violations:
            raise InvalidProblem(self.violations)

    def fault(self, path: str, value: object, allowed: str) -> None:
        """Note that ``path`` holds ``value`` where only ``allowed`` would do."""
        text = repr(value)
        self.violations.append(FieldViolation(path, f"is {text if len(text) <= 60 else text[:57] + '...'}", allowed))

    def record(self, value: object, path: str, known: Collection[str]) -> JsonObject:
        """``value`` as an object with no fields but ``known``."""
        if not isinstance(value, dict):
            self.fault(path or "problem", value, "an object")
            return {}
        for key in value:
            if key not in known:
                at = f"{path}.{key}" if path else str(key)
                self.violations.append(FieldViolation(at, "is no field", ", ".join(sorted(known))))
        return value

    def items(self, data: JsonObject, key: str, path: str, item: Callable[[object, str], T]) -> tuple[T, ...]:
        """Field ``key`` as a list of what ``item`` reads; absent: empty."""
        value = data.get(key)
        if value is None:
            return ()
        at = f"{path}.{key}" if path else key
        if not isinstance(value, list):
            self.fault(at, value, "a list")
            return ()
        return tuple(item(entry, f"{at}[{i}]") for i, entry in enumerate(value))

    def text(self, value: object, path: str) -> str:
        """``value`` as a string; ``None``: empty."""
        if value is None or isinstance(value, str):
            return value or ""
        self.fault(path, value, "a string")
        return ""

    def number(self, value: object, path: str, default: float) -> float:
        """``value`` as a finite number; ``None``: ``default``."""
        if value is None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self.fault(path, value, "a finite number")
        return default if math.isfinite(default) else 0.0

    def integer(self, value: object, path: str, default: int) -> int:
        """``value`` as an integer, written as a number or, as proto JSON does, as a string; ``None``: ``default``."""
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and value.removeprefix("-").isdecimal():
            return int(value)
        self.fault(path, value, "an integer")
        return default

    def loads(self, data: JsonObject, key: str, path: str) -> Loads:
        """Field ``key`` as amounts by dimension."""
        value = data.get(key)
        if value is None:
            return ()
        if not isinstance(value, dict):
            self.fault(f"{path}.{key}", value, "an object of integers")
            return ()
        return tuple(sorted((name, self.integer(a, f"{path}.{key}[{name!r}]", 0)) for name, a in value.items()))

    def numbers(self, data: JsonObject, key: str, path: str) -> FloatArray | None:
        """Field ``key`` as a flat array of finite numbers, or ``None``."""
        value: Any = data.get(key)
        if value is None or value == []:
            return None
        if isinstance(value, list) and all(type(entry) in (int, float) for entry in value):
            return np.array(value, dtype=np.float64)
        self.fault(f"{path}.{key}", value, "a list of numbers")
        return None
