"""Comparing two arms of plans: difference of means with a bootstrap interval, and of bests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000

ROUNDING = 1e-9
"""Relative difference of objectives that counts as none."""


@dataclass(frozen=True)
class QuantumLift:
    """Whether samples beat as many random ones through the same descent and lift, in units of the objective.

    Parameters
    ----------
    mean_difference
        Mean of the control arm less mean of the samples; > 0: the samples were better.
    mean_low, mean_high
        95 % bootstrap interval of it.
    best_difference
        Best of the control arm less best of the samples.
    samples, control_samples
        Feasible draws behind the figures; when either is 0 there is nothing to compare and all figures are 0.
    kernel_variables
        Size of the kernel.
    kernel
        What it is made of.
    """

    mean_difference: float
    mean_low: float
    mean_high: float
    best_difference: float
    samples: int
    control_samples: int
    kernel_variables: int
    kernel: str


def compare(samples: NDArray[np.float64], control: NDArray[np.float64], seed: int) -> tuple[float, float, float]:
    """Mean of ``control`` less mean of ``samples`` (one value a draw), with its 95 % percentile bootstrap interval.

    Both arms are resampled on their own (Efron, 1979). Needs at least one value in each. Differences within rounding of
    the objectives are 0: two sums of the same costs in another order are no quantum contribution.
    """
    scale = max(1.0, float(np.abs(samples).max()), float(np.abs(control).max()))
    rng = np.random.default_rng(seed)

    def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
        distinct, counts = np.unique(values, return_counts=True)
        drawn = rng.multinomial(len(values), counts / len(values), size=_RESAMPLES)
        out: NDArray[np.float64] = drawn @ distinct / len(values)
        return out

    low, high = np.quantile(means(control) - means(samples), [0.025, 0.975])
    difference = float(control.mean() - samples.mean())
    figures = np.array([difference, min(float(low), difference), max(float(high), difference)])
    figures[np.abs(figures) <= ROUNDING * scale] = 0.0
    return float(figures[0]), float(figures[1]), float(figures[2])
