"""Greedy descent on a binary model: what every sample gets before it is lifted, in both arms."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from solvers.quantum.cost import CostModel


def descend(cost: CostModel, bits: NDArray[np.int8]) -> NDArray[np.int8]:
    """Each row of ``bits``, shape (m, n), after steepest single flips until none lowers the cost."""
    out = np.ascontiguousarray(bits, dtype=np.int8).copy()
    if cost.size:
        _descend(out, cost.linear, cost.quadratic)
    return out


@nb.njit(cache=True, nogil=True)
def _descend(
    bits: NDArray[np.int8], linear: NDArray[np.float64], quadratic: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    size = linear.size
    slack = 0.0
    for i in range(size):
        slack = max(slack, abs(linear[i]))
        for j in range(size):
            slack = max(slack, abs(quadratic[i, j]))
    slack *= 1e-12 * size  # rounding of the running fields must not look like a gain
    field = np.empty(size)
    for row in range(bits.shape[0]):
        x = bits[row]
        for i in range(size):
            field[i] = linear[i]
            for j in range(size):
                if x[j]:
                    field[i] += quadratic[i, j]
        while True:
            best = -1
            change = -slack
            for i in range(size):
                delta = -field[i] if x[i] else field[i]
                if delta < change:
                    best, change = i, delta
            if best < 0:
                break
            step = -1.0 if x[best] else 1.0
            x[best] = 1 - x[best]
            for j in range(size):
                field[j] += step * quadratic[best, j]
