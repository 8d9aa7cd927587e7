"""Health of a backend as a probability, not a switch: a Beta posterior over its calls that forgets.

Successes and failures are counted with a weight that halves every ``half_life_s``, on top of a prior that does not
fade, so that a backend nobody has called lately is uncertain again, neither healthy nor sick for good. A busy backend
forgets by calls: no more than ``most_calls`` count at once, so that an outage shows after tens of calls, not thousands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from federation.timeline import Timeline


@dataclass(frozen=True)
class HealthConfig:
    """Prior and memory.

    Parameters
    ----------
    prior_successes, prior_failures
        Calls that the prior is worth (> 0 each).
    half_life_s
        After so many seconds a call counts half (> 0).
    most_calls
        Calls remembered at most, older ones fading for newer ones (> 0).
    """

    prior_successes: float = 4.5
    prior_failures: float = 0.5
    half_life_s: float = 60.0
    most_calls: float = 40.0

    def __post_init__(self) -> None:
        for name in ("prior_successes", "prior_failures", "half_life_s", "most_calls"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: > 0")

    @property
    def prior_mean(self) -> float:
        """Probability of success of what was never called (0 - 1)."""
        return self.prior_successes / (self.prior_successes + self.prior_failures)


class BetaHealth:
    """Probability that the next call succeeds."""

    def __init__(self, config: HealthConfig | None = None) -> None:
        self.config = config or HealthConfig()
        self._successes = 0.0
        self._failures = 0.0
        self._timeline = Timeline()
        self._counted_s: float | None = None

    def record(self, ok: bool, now_s: float, weight: float = 1.0) -> None:
        """A call ended; ``weight`` (>= 0) is how much it tells (a probe of nothing may tell less than a call)."""
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight is {weight}; allowed: >= 0")
        self._forget(now_s)
        if ok:
            self._successes += weight
        else:
            self._failures += weight
        counted = self._successes + self._failures
        if counted > self.config.most_calls:
            self._successes *= self.config.most_calls / counted
            self._failures *= self.config.most_calls / counted

    def posterior(self, now_s: float) -> tuple[float, float]:
        """Parameters (alpha, beta) of the Beta distribution at ``now_s``."""
        self._forget(now_s)
        return self.config.prior_successes + self._successes, self.config.prior_failures + self._failures

    def mean(self, now_s: float) -> float:
        """Expected probability of success (0 - 1)."""
        alpha, beta = self.posterior(now_s)
        return alpha / (alpha + beta)

    def quantile(self, share: float, now_s: float) -> float:
        """The probability of success that is not reached with probability ``share`` (0 - 1)."""
        alpha, beta = self.posterior(now_s)
        return float(betaincinv(alpha, beta, share))

    def sample(self, rng: np.random.Generator, now_s: float, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """``size`` draws of the probability of success, shape ``(size,)``."""
        alpha, beta = self.posterior(now_s)
        return rng.beta(alpha, beta, size)

    def _forget(self, now_s: float) -> None:
        line_s = self._timeline.at(now_s)
        if self._counted_s is not None and line_s > self._counted_s:
            kept = 0.5 ** ((line_s - self._counted_s) / self.config.half_life_s)
            self._successes *= kept
            self._failures *= kept
        self._counted_s = line_s
