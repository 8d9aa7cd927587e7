"""Heartbeats by phi accrual: how surprising the silence is, on a scale, instead of one timeout for all.

phi = -log10 P(a heartbeat comes later than the silence so far), from the intervals seen (Hayashibara, Defago, Yared and
Katayama, The phi accrual failure detector, SRDS 2004). phi 1 is wrong once in 10 times, phi 8 once in 10**8.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from scipy.special import log_ndtr

from federation.timeline import Timeline


@dataclass(frozen=True)
class HeartbeatConfig:
    """What is expected before intervals are known, and when to suspect.

    Parameters
    ----------
    expected_s
        Interval that a sender is configured for, in seconds (> 0); it counts as the first two intervals.
    threshold
        Suspect from this phi on (> 0).
    window
        Intervals kept (>= 2).
    least_deviation_s
        The deviation is taken as at least this, so that a very regular sender is not suspected for a scheduling pause.
    least_silence_s
        Before so much silence there is no suspicion at all, in seconds (>= 0).
    """

    expected_s: float = 0.2
    threshold: float = 8.0
    window: int = 200
    least_deviation_s: float = 0.05
    least_silence_s: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.expected_s < math.inf and 0 < self.threshold < math.inf and self.least_deviation_s > 0):
            raise ValueError(f"{self}: expected_s, threshold and least_deviation_s must be > 0")
        if not 0 <= self.least_silence_s < math.inf:
            raise ValueError(f"least_silence_s is {self.least_silence_s}; allowed: >= 0")
        if self.window < 2:
            raise ValueError(f"window is {self.window}; allowed: >= 2")


class Heartbeat:
    """Suspicion about one sender; it starts counting at its first `beat` or `started`."""

    def __init__(self, config: HeartbeatConfig | None = None) -> None:
        self.config = config or HeartbeatConfig()
        spread_s = self.config.expected_s / 4
        self._intervals: deque[float] = deque(
            (self.config.expected_s - spread_s, self.config.expected_s + spread_s), maxlen=self.config.window
        )
        self._timeline = Timeline()
        self._last_s: float | None = None

    def started(self, now_s: float) -> None:
        """The sender was started now: from here on its silence counts."""
        self._last_s = self._timeline.at(now_s)

    def beat(self, now_s: float) -> None:
        """A sign of life."""
        line_s = self._timeline.at(now_s)
        # The pause of an outage says nothing about how regular the sender is when it is up.
        if self._last_s is not None and self._phi(line_s - self._last_s) < self.config.threshold:
            self._intervals.append(line_s - self._last_s)
        self._last_s = line_s

    def phi(self, now_s: float) -> float:
        """Suspicion at ``now_s`` (>= 0; ``math.inf`` beyond what floating point tells apart); 0 before the start."""
        line_s = self._timeline.at(now_s)
        return 0.0 if self._last_s is None else self._phi(line_s - self._last_s)

    def suspected(self, now_s: float) -> bool:
        """Whether phi has reached the threshold."""
        return self.phi(now_s) >= self.config.threshold

    def alive_probability(self, now_s: float) -> float:
        """Probability that the silence so far is an ordinary one: 10**-phi."""
        return float(10.0 ** -min(self.phi(now_s), 300.0))

    def _phi(self, silence_s: float) -> float:
        if silence_s < self.config.least_silence_s:
            return 0.0
        count = len(self._intervals)
        mean_s = sum(self._intervals) / count
        variance = sum((interval - mean_s) ** 2 for interval in self._intervals) / count
        deviation_s = max(math.sqrt(variance), self.config.least_deviation_s)
        return max(0.0, -float(log_ndtr((mean_s - silence_s) / deviation_s)) / math.log(10))
