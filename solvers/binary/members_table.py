"""From what ``python -m benchmarks.binary_members`` measured; where shares tie, annealing alone stands."""

from __future__ import annotations

#: Decades of size, mean degree and weight range, and the share of tabu search that did best there.
ROWS: tuple[tuple[float, float, float, float], ...] = (
    (2.3, 1.3, 0.0, 0.9),
    (2.3, 2.0, 0.0, 0.9),
    (2.48, 2.18, 0.0, 0.7),
    (2.48, 1.0, 0.0, 0.0),
    (2.48, 2.48, 2.0, 0.0),
    (3.0, 0.78, 0.0, 0.0),
    (3.0, 1.6, 0.0, 0.0),
    (3.0, 2.0, 2.0, 0.0),
    (3.0, 3.0, 2.0, 0.0),
    (3.4, 1.3, 0.0, 0.0),
    (3.4, 2.4, 0.0, 0.0),
    (3.4, 2.4, 2.0, 0.7),
    (3.18, 3.18, 2.0, 0.3),
    (3.6, 2.3, 2.0, 0.0),
    (3.78, 0.7, 0.0, 0.3),
)
