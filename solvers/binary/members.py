"""Which search gets how much of the time on which model: a table, and the rule that reads it.

The table holds what ``python -m benchmarks.binary_members`` measured; with ``--write`` that command renews it.
"""

from __future__ import annotations

import math

import numpy as np

from solvers.binary.ising import Ising
from solvers.binary.members_table import ROWS

SCALES = (1.0, 0.5, 1.0)
"""How much a decade of size, of mean degree, and of the range of weights counts in the distance between two models."""


def decades_of(model: Ising) -> tuple[float, float, float]:
    """Decimal logarithms of size, mean degree, and largest over smallest coupling."""
    sizes = np.abs(model.weights)
    degree = model.weights.shape[0] / max(1, model.size)
    spread = float(sizes.max() / sizes.min()) if sizes.shape[0] else 1.0
    return math.log10(max(1, model.size)), math.log10(max(1.0, degree)), math.log10(spread)


def tabu_share(model: Ising) -> float:
    """Share of the time for tabu search, 0 to 1: that of the nearest measured sort."""
    here = decades_of(model)

    def distance(row: tuple[float, float, float, float]) -> float:
        return math.hypot(*(s * (a - b) for s, a, b in zip(SCALES, here, row, strict=False)))

    return min(ROWS, key=distance)[3]
