"""How the kernels of the bounds are compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")
"""All arithmetic of prices is in int64, so nothing here rounds."""
