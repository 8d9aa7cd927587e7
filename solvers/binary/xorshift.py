"""Marsaglia's xorshift32 many steps ahead: what lets all variables of a sweep draw at once.

A step is linear over bits, so ``k`` steps are one 32 x 32 matrix T^k over bits, and a matrix applied to a word is three
look-ups, one for each 11 bits. A lane of `solvers.binary.lanes` hands its k-th number of a sweep of ``n`` variables to
the k-th variable; with a state a variable and lane, T^n takes every variable to its number of the next sweep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PART_BITS = 11
PARTS = 3


def stepped(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One step of each word."""
    x = x ^ (x << np.uint32(13))
    x = x ^ (x >> np.uint32(17))
    return x ^ (x << np.uint32(5))


def jump(steps: int) -> NDArray[np.uint32]:
    """What ``steps`` (>= 0) steps make of each single bit: the columns of T^steps, uint32, shape ``(32,)``."""
    single = np.uint32(1) << np.arange(32, dtype=np.uint32)
    power, result = stepped(single), single
    while steps:
        if steps & 1:
            result = applied(power, result)
        power = applied(power, power)
        steps >>= 1
    return result


def applied(columns: NDArray[np.uint32], x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The matrix of ``columns`` applied to each word."""
    result = np.zeros_like(x)
    for bit in range(32):
        result ^= np.where((x >> np.uint32(bit)) & np.uint32(1), columns[bit], np.uint32(0))
    return result


def tables(columns: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What the matrix makes of each value of each 11 bits, shape ``(3, 2048)``; the xor of three entries is a word's.

    The last part has ten bits; the rest of its row repeats them.
    """
    values = np.arange(1 << PART_BITS, dtype=np.uint32)
    return np.stack([applied(columns, values << np.uint32(PART_BITS * part)) for part in range(PARTS)])
