"""How the constructive heuristics are compiled, in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

KERNELS = (
    "advice/places",
    "arrays",
    "compiled",
    "construction",
    "descent",
    "draft",
    "evaluation",
    "insertion",
    "merging",
    "placement",
    "repair_costs",
    "seating",
)
"""Modules whose compiled functions call each other."""


def _digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in KERNELS)).hexdigest()


_SOURCES = _digest()


def _cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The ``njit`` of numba with a cache on disk that is renewed when any of `KERNELS` changes, not one file alone.

    Compiled code holds the functions it calls; numba looks at one file's date alone and would go on using what an
    update has changed elsewhere.
    """

    def compile_(function: Callable[..., Any]) -> Any:
        dispatcher = njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache._cache_file._source_stamp = _SOURCES
        return dispatcher

    return compile_


compiled = _cached()
"""For functions that allocate arrays."""

borrowing = _cached(_nrt=False)
"""For inner functions: they allocate nothing, so arrays are borrowed without counting references.

A problem is more than thirty arrays, and counting each of them at each call took six times as long as pricing a route.
"""
