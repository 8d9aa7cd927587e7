"""How the kernels of the bounds are compiled, in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

KERNELS = ("compile", "cuts", "joins", "labels", "subsets")
"""Modules whose compiled functions call each other."""


def _digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in KERNELS)).hexdigest()


_SOURCES = _digest()


def compiled(function: Callable[..., Any]) -> Any:
    """The ``njit`` of numba with a cache on disk that is renewed when any of `KERNELS` changes, not one file alone.

    All arithmetic of prices is in int64, so nothing here rounds.
    """
    dispatcher = njit(cache=True, nogil=True, error_model="numpy")(function)
    dispatcher._cache._cache_file._source_stamp = _SOURCES
    return dispatcher
