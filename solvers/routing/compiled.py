"""How the constructive heuristics are compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")
"""For functions that allocate arrays."""

borrowing: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""For inner functions: they allocate nothing, so arrays are borrowed without counting references.

A problem is more than thirty arrays, and counting each of them at each call took six times as long as pricing a route.
"""
