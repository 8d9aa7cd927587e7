"""Reads tables of the configuration, and collects everything in them that is at fault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from solvers.errors import FieldViolation

T = TypeVar("T")


class Reader:
    """Collects violations while tables are read."""

    def __init__(self, backends: frozenset[str]) -> None:
        self.backends = backends
        self.violations: list[FieldViolation] = []

    def wrong(self, path: str, what: str, allowed: str) -> None:
        self.violations.append(FieldViolation(path, what, allowed))

    def only(self, table: Mapping[str, Any], known: Collection[str], path: str) -> None:
        for name in table:
            if name not in known:
                self.wrong(f"{path}.{name}", "is not a setting", ", ".join(known))

    def build(
        self, make: Callable[..., T], table: Any, path: str, known: Collection[str], fixed: Mapping[str, Any]
    ) -> T | None:
        """``make(**table, **fixed)``; what it refuses, and what is no number where one is due, is a violation."""
        if not isinstance(table, Mapping):
            self.wrong(path, f"is {table!r}", "a table")
            return None
        self.only(table, known, path)
        values = {name: value for name, value in table.items() if name in known}
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                self.wrong(f"{path}.{name}", f"is {value!r}", "a number")
                return None
        try:
            return make(**values, **fixed)
        except (ValueError, TypeError) as error:
            self.wrong(path, f"is refused: {error}", "see docs/federation.md")
            return None

    def known_backends(self, names: Any, path: str) -> tuple[str, ...]:
        """A list of configured backends."""
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            self.wrong(path, f"is {names!r}", "a list of names of backends")
            return ()
        for name in names:
            if name not in self.backends:
                self.wrong(path, f"names {name!r}, which is not configured", ", ".join(sorted(self.backends)) or "none")
        return tuple(names)
