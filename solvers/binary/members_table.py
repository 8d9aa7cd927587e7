"""Written by ``python -m benchmarks.binary_members``: measured, not set by hand."""

from __future__ import annotations

#: Decades of size, mean degree and weight range, and the share of tabu search that did best there.
ROWS: tuple[tuple[float, float, float, float], ...] = ((3.0, 1.0, 0.0, 0.0),)
