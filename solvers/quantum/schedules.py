"""Angles to start from: linear ramps and a fixed table, scaled to the model; fewer layers' angles stretched to more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers.quantum.statevector import Angles


def linear_ramp(layers: int, gamma: float, beta: float, spread: float) -> Angles:
    """Phase rising to ``gamma`` and mixer falling from ``beta``, as in slow annealing (arXiv 2405.09169).

    Parameters
    ----------
    layers
        p >= 1. Layer l stands at the middle of its step: (l + 1/2) / p of the way.
    gamma
        Largest phase angle in units of 1 / ``spread``, so that one value serves models of any scale.
    beta
        Largest mixer angle, radian.
    spread
        Standard deviation of the cost over random bit strings; 0 (a constant model) gives phase 0.
    """
    at = (np.arange(layers) + 0.5) / layers
    unit = 1.0 / spread if spread > 0 else 0.0
    return Angles(tuple((gamma * unit * at).tolist()), tuple((beta * (1.0 - at)).tolist()))


# Optimal for the Sherrington-Kirkpatrick model of infinite size (Farhi, Goldstone, Gutmann and Zhou, arXiv 1910.08187,
# table 4): gammas, then betas, of 1 - 8 layers.
_TABLE: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((0.5000,), (0.3927,)),
    ((0.3817, 0.6655), (0.4960, 0.2690)),
    ((0.3297, 0.5688, 0.6406), (0.5500, 0.3675, 0.2109)),
    ((0.2949, 0.5144, 0.5586, 0.6429), (0.5710, 0.4176, 0.3028, 0.1729)),
    ((0.2705, 0.4804, 0.5074, 0.5646, 0.6397), (0.5899, 0.4492, 0.3559, 0.2643, 0.1486)),
    ((0.2528, 0.4531, 0.4750, 0.5146, 0.5650, 0.6392), (0.6004, 0.4670, 0.3880, 0.3176, 0.2325, 0.1291)),
    (
        (0.2383, 0.4327, 0.4516, 0.4830, 0.5147, 0.5686, 0.6393),
        (0.6085, 0.4810, 0.4090, 0.3534, 0.2857, 0.2080, 0.1146),
    ),
    (
        (0.2268, 0.4163, 0.4333, 0.4608, 0.4816, 0.5180, 0.5719, 0.6396),
        (0.6151, 0.4906, 0.4244, 0.3780, 0.3224, 0.2606, 0.1884, 0.1030),
    ),
)


def fixed_angles(layers: int, local_spread: float) -> Angles:
    """Angles without any search: those of large spin glasses, on which instances hardly differ.

    Beyond 8 layers the last row is stretched. Other models are given the same angles in units of what one spin feels
    (parameter transfer to weighted problems: Sureshbabu et al., arXiv 2305.15201; fixed angles: 2107.00677).

    Parameters
    ----------
    layers
        p >= 1.
    local_spread
        `solvers.quantum.cost.CostModel.local_spread` of the model; 0 (a constant model) gives phase 0.
    """
    gammas, betas = _TABLE[min(layers, len(_TABLE)) - 1]
    unit = 1.0 / local_spread if local_spread > 0 else 0.0
    return stretch(Angles(tuple(gamma * unit for gamma in gammas), betas), layers)


def stretch(angles: Angles, layers: int) -> Angles:
    """The same schedules read off at ``layers`` points: angles found for few layers start a search with more."""

    def read(values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) == 0:
            return (0.0,) * layers
        here = (np.arange(len(values)) + 0.5) / len(values)
        there = (np.arange(layers) + 0.5) / layers
        slopes: NDArray[np.float64] = np.interp(there, here, values)
        return tuple(slopes.tolist())

    return Angles(read(angles.gammas), read(angles.betas))
