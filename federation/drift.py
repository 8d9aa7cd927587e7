"""Drift of a calibrated figure: where a daily series really changes, and where it is only noise.

Two charts over the same standardised series: CUSUM (Page, Biometrika 41, 1954) sums what exceeds half a deviation and
sees lasting shifts soon; EWMA (Roberts, Technometrics 1(3), 1959) sees slow ones. Level and scale are robust (median
and median absolute deviation) and start anew after each alarm, so that each level is judged by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MAD_TO_DEVIATION = 1.4826
"""Deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class DriftConfig:
    """Sensitivity.

    Parameters
    ----------
    baseline
        Values that set a level (>= 4).
    slack
        CUSUM allowance, in deviations (>= 0): shifts of twice this are found soonest.
    limit
        CUSUM alarm, in deviations (> 0).
    smoothing
        EWMA weight of the newest value (0 < smoothing <= 1).
    ewma_limit
        EWMA alarm, in its own deviations (> 0).
    clip
        A single value counts at most so many deviations (> 0): one outlier is no shift.
    least_deviation
        The deviation is taken as at least this share of the level's size (> 0).
    """

    baseline: int = 14
    slack: float = 0.5
    limit: float = 8.0
    smoothing: float = 0.2
    ewma_limit: float = 4.0
    clip: float = 4.0
    least_deviation: float = 0.05

    def __post_init__(self) -> None:
        if self.baseline < 4:
            raise ValueError(f"baseline is {self.baseline}; allowed: >= 4")
        if not (0 <= self.slack < math.inf and 0 < self.smoothing <= 1):
            raise ValueError(f"slack is {self.slack}, smoothing is {self.smoothing}; allowed: >= 0, 0 - 1")
        if min(self.limit, self.ewma_limit, self.clip, self.least_deviation) <= 0:
            raise ValueError("limit, ewma_limit, clip and least_deviation are allowed: > 0")


@dataclass(frozen=True)
class Alarm:
    """A change found at ``index`` of the series, by chart ``"cusum"`` or ``"ewma"``.

    ``began`` is where the chart last stood at zero: the likely start of the change. ``direction`` is 1 upwards, -1
    downwards; ``level`` is what the series was at before.
    """

    index: int
    began: int
    chart: str
    direction: int
    level: float


class DriftDetector:
    """Feed it a series value by value; it tells when the level has changed."""

    def __init__(self, config: DriftConfig | None = None) -> None:
        self.config = config or DriftConfig()
        self._index = -1
        self._restart()

    def update(self, value: float) -> Alarm | None:
        """The alarm that ``value`` raises, if any; the detector then learns the new level.

        Raises
        ------
        ValueError
            When ``value`` is not finite.
        """
        if not math.isfinite(value):
            raise ValueError(f"value is {value}; allowed: a finite number")
        self._index += 1
        if len(self._baseline) < self.config.baseline:
            self._baseline.append(value)
            return None
        level, deviation = self._scale()
        score = min(self.config.clip, max(-self.config.clip, (value - level) / deviation))
        alarm = self._cusum(score, level) or self._ewma(score, level)
        if alarm is not None:
            self._restart()
            self._baseline.append(value)
        return alarm

    def _restart(self) -> None:
        self._baseline: list[float] = []
        self._sums = {1: 0.0, -1: 0.0}
        self._since = {1: self._index + 1, -1: self._index + 1}
        self._mean = 0.0
        self._steps = 0

    def _scale(self) -> tuple[float, float]:
        level = median(self._baseline)
        spread = MAD_TO_DEVIATION * median(abs(value - level) for value in self._baseline)
        return level, max(spread, self.config.least_deviation * abs(level), 1e-300)

    def _cusum(self, score: float, level: float) -> Alarm | None:
        for direction in (1, -1):
            self._sums[direction] = max(0.0, self._sums[direction] + direction * score - self.config.slack)
            if self._sums[direction] == 0:
                self._since[direction] = self._index + 1
            elif self._sums[direction] > self.config.limit:
                return Alarm(self._index, min(self._since[direction], self._index), "cusum", direction, level)
        return None

    def _ewma(self, score: float, level: float) -> Alarm | None:
        share = self.config.smoothing
        self._mean += share * (score - self._mean)
        self._steps += 1
        # The level itself is an estimate from few values; its error belongs to the chart's deviation.
        own = share / (2 - share) * (1 - (1 - share) ** (2 * self._steps))
        deviation = math.sqrt(own + math.pi / 2 / self.config.baseline)
        if abs(self._mean) <= self.config.ewma_limit * deviation:
            return None
        direction = 1 if self._mean > 0 else -1
        return Alarm(self._index, min(self._since[direction], self._index), "ewma", direction, level)


def alarms(series: Sequence[float], config: DriftConfig | None = None) -> list[Alarm]:
    """Every alarm of a whole series."""
    detector = DriftDetector(config)
    return [alarm for value in series if (alarm := detector.update(value)) is not None]
