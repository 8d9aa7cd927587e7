"""All kinds of problems, by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from solvers.kind import ProblemKind

KINDS = ("routing", "invoices", "binary")


@cache
def problem_kind(name: str) -> ProblemKind[Any]:
    """The kind called ``name``, imported on first use.

    Raises
    ------
    ValueError
        When ``name`` is not one of `KINDS`.
    """
    if name not in KINDS:
        raise ValueError(f"problem kind is {name!r}; allowed: {', '.join(KINDS)}")
    kind = import_module(f"solvers.{name}.kind").KIND
    if not isinstance(kind, ProblemKind):
        raise TypeError(f"solvers.{name}.kind.KIND is a {type(kind).__name__}, not a ProblemKind")
    return kind
