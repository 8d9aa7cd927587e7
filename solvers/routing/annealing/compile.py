"""How kernels are compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")
"""For functions that may allocate arrays."""

kernel: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""For inner functions: they allocate nothing, so arrays are borrowed without counting references.

The counters are atomic, and counting took two thirds of the time of an annealing step.
"""

inlined: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
"""As `kernel`, for what the innermost loops call: a call that stays one copies hundreds of values to the stack."""
