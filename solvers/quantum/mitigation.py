"""Readout mitigation of expectations: what the mean cost would be, had every bit been read right.

It changes means, for training signals and health scores; it says nothing about which bit strings were seen, so samples
are never "improved" by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.quantum.cost import CostModel


def mitigated_mean(
    cost: CostModel,
    bits: NDArray[np.int8],
    read_1_of_0: Sequence[float],
    read_0_of_1: Sequence[float],
) -> float:
    """Unbiased estimate of the mean cost before independent readout errors.

    A spin s = 1 - 2 x is read as a s + b on average, a = 1 - P(1|0) - P(0|1) and b = P(0|1) - P(1|0); means of spins
    and of products of two are solved for exactly (Bravyi et al., Phys. Rev. A 103, 042605, 2021, for product noise).

    Parameters
    ----------
    cost
        The model.
    bits
        Samples as read, shape (shots, n), at least one.
    read_1_of_0, read_0_of_1
        P(read 1 | was 0) and P(read 0 | was 1) of each variable's qubit.

    Raises
    ------
    ValueError
        When a qubit's errors add up to 1 or more: its reading says nothing about it.
    """
    zero, one = np.asarray(read_1_of_0, dtype=float), np.asarray(read_0_of_1, dtype=float)
    slope, shift = 1 - zero - one, one - zero
    if (slope <= 0).any():
        raise ValueError(f"readout errors of variable {int(np.argmin(slope))} add up to 1 or more")
    fields, couplings, mean = cost.spins()
    spins = 1.0 - 2.0 * bits
    single = spins.mean(axis=0)
    pairs = spins.T @ spins / len(spins)
    true_single = (single - shift) / slope
    rest = pairs - np.outer(shift, slope * true_single) - np.outer(slope * true_single, shift) - np.outer(shift, shift)
    true_pairs = rest / np.outer(slope, slope)
    return float(mean + fields @ true_single + (couplings * true_pairs).sum() / 2)
