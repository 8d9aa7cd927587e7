"""Angles to start from: linear ramps, scaled to the model, and angles of fewer layers stretched to more."""

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
