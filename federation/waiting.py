"""How long a job waits at a backend: jobs ahead over the rate at which the backend takes them.

The rate is a Gamma posterior over jobs per second that forgets. Two things are seen: waits of our own jobs (so many
ahead, so many seconds), and the published queue length, whose falls are departures at least (arrivals hide the rest).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import gammaincc, gammaincinv

from federation.timeline import Timeline


@dataclass(frozen=True)
class WaitConfig:
    """Prior and memory.

    Parameters
    ----------
    seconds_per_job
        How long a backend keeps each job ahead, until seen otherwise, in seconds (> 0).
    prior_jobs
        Jobs that this prior is worth (> 0).
    half_life_s
        After so many seconds an observation counts half (> 0).
    """

    seconds_per_job: float = 2.0
    prior_jobs: float = 2.0
    half_life_s: float = 6 * 3600.0

    def __post_init__(self) -> None:
        for name in ("seconds_per_job", "prior_jobs", "half_life_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: > 0")


class WaitEstimator:
    """Wait of a job that joins the queue of one backend now."""

    def __init__(self, config: WaitConfig | None = None) -> None:
        self.config = config or WaitConfig()
        self._timeline = Timeline()
        self._seen_s: float | None = None
        self._jobs = 0.0
        self._seconds = 0.0
        self._fallen = 0.0
        self._watched_s = 0.0
        self._last: tuple[float, int] | None = None

    def observe_queue(self, queue_length: int, now_s: float) -> None:
        """The backend publishes ``queue_length`` jobs (>= 0) now."""
        if queue_length < 0:
            raise ValueError(f"queue_length is {queue_length}; allowed: >= 0")
        line_s = self._forget(now_s)
        if self._last is not None:
            since_s, length = self._last
            # While the queue is empty nothing can leave it, however fast the backend is.
            if length > 0:
                self._watched_s += line_s - since_s
                self._fallen += max(0, length - queue_length)
        self._last = (line_s, queue_length)

    def observe_wait(self, jobs_ahead: int, waited_s: float, now_s: float) -> None:
        """A job of ours that had ``jobs_ahead`` (>= 0) before it waited ``waited_s`` seconds (>= 0)."""
        if jobs_ahead < 0 or not 0 <= waited_s < math.inf:
            raise ValueError(f"jobs_ahead is {jobs_ahead}, waited_s is {waited_s}; allowed: >= 0")
        self._forget(now_s)
        self._jobs += jobs_ahead
        self._seconds += waited_s

    def jobs_per_second(self, now_s: float) -> float:
        """Expected rate (> 0)."""
        shape, seconds = self._posterior(now_s)
        return shape / seconds

    def expected_s(self, queue_length: int, now_s: float) -> float:
        """Expected wait behind ``queue_length`` jobs, in seconds."""
        return queue_length / self.jobs_per_second(now_s)

    def quantile_s(self, queue_length: int, share: float, now_s: float) -> float:
        """The wait that is not exceeded with probability ``share`` (0 - 1), in seconds."""
        shape, seconds = self._posterior(now_s)
        rate = float(gammaincinv(shape, 1 - share)) / seconds
        return 0.0 if queue_length == 0 else queue_length / max(rate, 1e-12)

    def in_time_probability(self, queue_length: int, within_s: float, now_s: float) -> float:
        """Probability that the wait behind ``queue_length`` jobs is at most ``within_s`` seconds."""
        if within_s <= 0:
            return 1.0 if queue_length == 0 and within_s == 0 else 0.0
        if queue_length == 0:
            return 1.0
        shape, seconds = self._posterior(now_s)
        return float(gammaincc(shape, queue_length / within_s * seconds))

    def _posterior(self, now_s: float) -> tuple[float, float]:
        self._forget(now_s)
        jobs = self.config.prior_jobs + self._jobs
        seconds = self.config.prior_jobs * self.config.seconds_per_job + self._seconds
        # Falls are a lower bound of departures: they count when they show a faster backend than all else does.
        if self._fallen * seconds > jobs * self._watched_s:
            jobs, seconds = jobs + self._fallen, seconds + self._watched_s
        return jobs, seconds

    def _forget(self, now_s: float) -> float:
        line_s = self._timeline.at(now_s)
        if self._seen_s is not None and line_s > self._seen_s:
            kept = 0.5 ** ((line_s - self._seen_s) / self.config.half_life_s)
            self._jobs *= kept
            self._seconds *= kept
            self._fallen *= kept
            self._watched_s *= kept
        self._seen_s = line_s
        return line_s
