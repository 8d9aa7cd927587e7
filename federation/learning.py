"""What each arm (a backend or a strategy, for one kind of problem) has brought so far, by features of the problem.

Bayesian linear regression of the gain with recency weighting: an observation's weight halves every ``half_life_s``, the
prior's never does, so that an arm that is not tried becomes uncertain again and follows its prior, which for devices
moves with their calibration. Thompson sampling over it: Agrawal and Goyal, ICML 2013; under drift with discounting:
Russac, Vernade and Cappe, NeurIPS 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.health import BetaHealth, HealthConfig
from federation.timeline import Timeline
from solvers.problem import Features

Vector = NDArray[np.float64]

DIMENSIONS = 5
LEAST_QUALITY = 1e-3


def feature_vector(features: Features, quality: float) -> Vector:
    """What the regression sees of a problem and a backend, shape ``(5,)``, each of the order of 1.

    Constant, logarithm of the size, density, tightness, and the logarithm of ``quality``: the success that the
    backend's calibration promises for this problem's kernel (0 - 1; 1 for exact and classical solvers).
    """
    values = features.values
    size = max(0.0, values.get("size", 0.0))
    good = math.log10(min(1.0, max(LEAST_QUALITY, quality))) / 3 + 1
    row = (1.0, math.log2(1 + size) / 10 - 0.7, values.get("density", 0.0), values.get("tightness", 0.0), good - 1)
    return np.asarray(np.clip(row, -2.0, 2.0), dtype=np.float64)


ARM_HEALTH = HealthConfig(prior_successes=9.0, prior_failures=1.0, half_life_s=43_200.0, most_calls=200.0)
"""Slower than a backend's own health: here a failure is one more run without a gain, not an outage."""


@dataclass(frozen=True)
class LearningConfig:
    """Prior and memory.

    Parameters
    ----------
    gain_scale
        What a good arm typically gains, relative to the incumbent's objective (> 0).
    half_life_s
        After so many seconds an observation counts half (> 0).
    prior_spread
        Deviation of the prior of each coefficient, in ``gain_scale`` (> 0).
    prior_noise
        Deviation of a gain around its expectation, in ``gain_scale``, until seen otherwise (> 0).
    health
        Prior and memory of the probability that a run ends well.
    """

    gain_scale: float = 0.01
    half_life_s: float = 14 * 86_400.0
    prior_spread: float = 1.5
    prior_noise: float = 1.0
    health: HealthConfig = ARM_HEALTH

    def __post_init__(self) -> None:
        for name in ("gain_scale", "half_life_s", "prior_spread", "prior_noise"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: > 0")


@dataclass(frozen=True)
class Belief:
    """What is believed of an arm's gain on one problem, in ``gain_scale``'s unit.

    ``mean`` and ``deviation`` are of the expected gain; ``noise`` is how far a single run lies from it; ``sampled`` is
    a draw of the expected gain (``mean`` itself without chance); ``weight`` is how many observations stand behind it.
    """

    mean: float
    deviation: float
    noise: float
    sampled: float
    weight: float


class ArmBelief:
    """The posterior of one arm."""

    def __init__(self, config: LearningConfig | None = None) -> None:
        self.config = config or LearningConfig()
        self.health = BetaHealth(self.config.health)
        self._timeline = Timeline()
        self._seen_s: float | None = None
        self._precision = np.zeros((DIMENSIONS, DIMENSIONS))
        self._moment = np.zeros(DIMENSIONS)
        self._weight = 0.0
        self._squares = 0.0
        self._log_seconds = 0.0
        self._log_seconds_squares = 0.0
        self._timed = 0.0

    def record_failure(self, now_s: float) -> None:
        """A run brought nothing because the backend or the strategy failed."""
        self.health.record(False, now_s)

    def record_gain(self, vector: Vector, gain: float, prior_gain: float, seconds: float, now_s: float) -> None:
        """A run ended well and improved the objective by ``gain``, where ``prior_gain`` was expected without learning.

        Both relative to the incumbent's objective; ``seconds`` is how long it took, queue included (>= 0).
        """
        if not (math.isfinite(gain) and math.isfinite(prior_gain) and 0 <= seconds < math.inf):
            raise ValueError(f"gain {gain}, prior_gain {prior_gain}, seconds {seconds}; allowed: finite, seconds >= 0")
        self.health.record(True, now_s)
        self._forget(now_s)
        scale = self.config.gain_scale
        # One freak gain must not swing an arm for a week.
        surplus = min(20.0, max(-20.0, (gain - prior_gain) / scale))
        mean, _ = self._solve(vector)
        self._squares += (surplus - mean) ** 2
        self._weight += 1
        self._precision += np.outer(vector, vector)
        self._moment += vector * surplus
        log_seconds = math.log(max(seconds, 1e-4))
        self._log_seconds += log_seconds
        self._log_seconds_squares += log_seconds**2
        self._timed += 1

    def belief(self, vector: Vector, prior_gain: float, now_s: float, draw: float = 0.0) -> Belief:
        """What to expect on a problem; ``draw`` is a standard normal number, 0 for the expectation itself."""
        self._forget(now_s)
        scale = self.config.gain_scale
        surplus, deviation = self._solve(vector)
        mean = prior_gain + surplus * scale
        return Belief(mean, deviation * scale, self._noise() * scale, mean + draw * deviation * scale, self._weight)

    def weight(self, now_s: float) -> float:
        """How many recent runs the belief rests on."""
        self._forget(now_s)
        return self._weight

    def seconds(self, prior_s: float) -> tuple[float, float]:
        """Median run time in seconds, and the deviation of its logarithm, from runs seen and ``prior_s`` (> 0)."""
        prior = math.log(max(prior_s, 1e-4))
        weight = self._timed + 1.0
        mean = (self._log_seconds + prior) / weight
        square = (self._log_seconds_squares + prior**2 + 0.25) / weight
        return math.exp(mean), math.sqrt(max(0.01, square - mean**2))

    def _noise(self) -> float:
        prior = self.config.prior_noise
        return math.sqrt((4 * prior**2 + self._squares) / (4 + self._weight))

    def _solve(self, vector: Vector) -> tuple[float, float]:
        """Mean and deviation of the surplus over the prior at ``vector``, in ``gain_scale``."""
        variance = self._noise() ** 2
        prior = np.eye(DIMENSIONS) / self.config.prior_spread**2
        precision = prior + self._precision / variance
        solved = np.linalg.solve(precision, np.column_stack((self._moment / variance, vector)))
        return float(vector @ solved[:, 0]), math.sqrt(max(0.0, float(vector @ solved[:, 1])))

    def _forget(self, now_s: float) -> None:
        line_s = self._timeline.at(now_s)
        if self._seen_s is not None and line_s > self._seen_s:
            kept = 0.5 ** ((line_s - self._seen_s) / self.config.half_life_s)
            self._precision *= kept
            self._moment *= kept
            for name in ("_weight", "_squares", "_log_seconds", "_log_seconds_squares", "_timed"):
                setattr(self, name, getattr(self, name) * kept)
        self._seen_s = line_s
