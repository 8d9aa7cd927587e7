"""What is read from a final state: norm, expectation, tail mean, samples."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]

CHUNK_QUBITS = 10
"""Single-precision sums run over 2**CHUNK_QUBITS amplitudes; the chunks are added in double precision."""


@nb.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def expectation(re: F4, im: F4, diagonal: F4, first: int, last: int) -> tuple[float, float]:  # pragma: no cover
    """Sums of probability and of probability times cost over chunks [first, last)."""
    size = min(re.size, 1 << CHUNK_QUBITS)
    norm = 0.0
    mean = 0.0
    for chunk in range(first, last):
        a, b = re[chunk * size :][:size], im[chunk * size :][:size]  # slices: an index that cannot wrap vectorises
        c = diagonal[chunk * size :][:size]
        mass = cost = np.float32(0.0)
        for k in range(size):
            p = a[k] * a[k] + b[k] * b[k]
            mass += p
            cost += p * c[k]
        norm += float(mass)
        mean += float(cost)
    return norm, mean


@nb.njit(cache=True, nogil=True)
def tail_mean(re: F4, im: F4, diagonal: F4, order: NDArray[np.uint32], mass: float) -> float:  # pragma: no cover
    """Mean cost of the cheapest ``mass`` of probability; ``order`` sorts ``diagonal``."""
    held = 0.0
    cost = 0.0
    for position in range(order.size):
        k = np.int64(order[position])
        p = float(re[k] * re[k] + im[k] * im[k])
        if held + p >= mass:
            return float((cost + (mass - held) * diagonal[k]) / mass)
        held += p
        cost += p * diagonal[k]
    return cost / held


@nb.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _chunk_masses(re: F4, im: F4) -> NDArray[np.float64]:  # pragma: no cover - compiled
    size = min(re.size, 1 << CHUNK_QUBITS)
    out = np.empty(re.size // size)
    for chunk in range(out.size):
        a, b = re[chunk * size :][:size], im[chunk * size :][:size]
        mass = np.float32(0.0)
        for k in range(size):
            mass += a[k] * a[k] + b[k] * b[k]
        out[chunk] = mass
    return out


@nb.njit(cache=True, nogil=True)
def draw(re: F4, im: F4, sorted_uniforms: NDArray[np.float64]) -> NDArray[np.int64]:  # pragma: no cover - compiled
    """The basis state under each of ``sorted_uniforms`` (in [0, 1), ascending); ascending too."""
    size = min(re.size, 1 << CHUNK_QUBITS)
    ends = np.cumsum(_chunk_masses(re, im))
    out = np.empty(sorted_uniforms.size, dtype=np.int64)
    chunk = -1
    k = 0
    upto = 0.0
    for shot in range(out.size):
        wanted = sorted_uniforms[shot] * ends[-1]
        target = min(np.searchsorted(ends, wanted, side="right"), ends.size - 1)
        if target != chunk:
            chunk = target
            k = chunk * size
            upto = (ends[chunk - 1] if chunk else 0.0) + float(re[k] * re[k] + im[k] * im[k])
        while upto <= wanted and k + 1 < (chunk + 1) * size:
            k += 1
            upto += float(re[k] * re[k] + im[k] * im[k])
        while k > chunk * size and re[k] == 0.0 and im[k] == 0.0:
            k -= 1  # rounding ran past the last state that has any probability
        out[shot] = k
    return out
