"""Chance inside kernels: SplitMix64 (Steele, Lea and Flood 2014), one 64-bit word of state.

Every constant is a ``uint64``: numba turns a mixture of signed and unsigned 64-bit integers into floats.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.compile import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31, _S32 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


def seeded(seed: int) -> NDArray[np.uint64]:
    """State of shape (1,) for ``seed`` (0 <= seed < 2**63), spread by numpy's seed sequence."""
    return np.asarray(np.random.SeedSequence(seed).generate_state(1, np.uint64), np.uint64)


@kernel
def next_word(rng):  # type: ignore[no-untyped-def]
    """Next 64 random bits as ``uint64``."""
    state = rng[0] + _GOLDEN
    rng[0] = state
    z = (state ^ (state >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@kernel
def below(rng, bound):  # type: ignore[no-untyped-def]
    """Integer in ``0 .. bound - 1`` (1 <= bound < 2**31); the bias is below ``bound / 2**32``."""
    return np.int64(((next_word(rng) >> _S32) * np.uint64(bound)) >> _S32)


@kernel
def uniform(rng):  # type: ignore[no-untyped-def]
    """Float in [0, 1) with 53 random bits."""
    return np.float64(np.int64(next_word(rng) >> _S11)) * (1.0 / 9007199254740992.0)


@kernel
def geometric(rng, rate):  # type: ignore[no-untyped-def]
    """How many trials pass before the first success of probability ``rate`` (0 < rate < 1)."""
    return np.int64(math.log(1.0 - uniform(rng)) / math.log1p(-rate))
