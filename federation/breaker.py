"""Circuit breaker of one backend: a pure state machine over (event, time).

It is the last switch, for a backend that is plainly down; how much traffic a shaky one gets is decided by its health
(`federation.health`). Nygard, Release It!, 2nd ed. 2018, chapter 5.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from federation.timeline import Timeline


class CircuitState(StrEnum):
    """``CLOSED`` lets calls through, ``OPEN`` refuses them, ``HALF_OPEN`` lets a few probes through."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True)
class BreakerConfig:
    """When to open, how long to rest, when to close again.

    Parameters
    ----------
    consecutive_failures
        Opens after so many in a row (>= 1).
    failure_rate
        Opens when at least this share of the calls in the window failed (0 < rate <= 1).
    min_calls
        The rate counts only from so many calls in the window on (>= 1).
    window_s
        How far back the rate looks, in seconds (> 0).
    open_s
        First rest, in seconds (> 0); each failed probe multiplies it by ``backoff`` (>= 1) up to ``max_open_s``.
    probes
        Probes under way at once in ``HALF_OPEN``, and successes in a row that close the circuit (>= 1).
    probe_timeout_s
        A probe without an outcome for so long counts as failed, in seconds (> 0).
    """

    consecutive_failures: int = 3
    failure_rate: float = 0.5
    min_calls: int = 10
    window_s: float = 30.0
    open_s: float = 5.0
    backoff: float = 2.0
    max_open_s: float = 120.0
    probes: int = 1
    probe_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        checks = (
            ("consecutive_failures", self.consecutive_failures >= 1, ">= 1"),
            ("failure_rate", 0 < self.failure_rate <= 1, "0 < rate <= 1"),
            ("min_calls", self.min_calls >= 1, ">= 1"),
            ("window_s", 0 < self.window_s < math.inf, "> 0 s"),
            ("open_s", 0 < self.open_s <= self.max_open_s < math.inf, "0 < open_s <= max_open_s"),
            ("backoff", 1 <= self.backoff < math.inf, ">= 1"),
            ("probes", self.probes >= 1, ">= 1"),
            ("probe_timeout_s", 0 < self.probe_timeout_s < math.inf, "> 0 s"),
        )
        for name, good, allowed in checks:
            if not good:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: {allowed}")


class Breaker:
    """Ask `allow` right before each call and `record` its outcome; `state` looks without taking a probe.

    Only failures of the backend itself are recorded: see `federation.retry.counts_against_health`. ``now_s`` is any
    clock in seconds; see `federation.timeline` for one that is set back.
    """

    def __init__(self, config: BreakerConfig | None = None) -> None:
        self.config = config or BreakerConfig()
        self.opened = 0
        """How often it opened."""
        self._timeline = Timeline()
        self._calls: deque[tuple[float, bool]] = deque()
        self._failed_in_window = 0
        self._failures_in_a_row = 0
        self._open_until_s: float | None = None
        self._rest_s = self.config.open_s
        self._probes: deque[float] = deque()
        self._probes_passed = 0

    def allow(self, now_s: float) -> bool:
        """Whether a call may go out now. In ``HALF_OPEN`` a yes takes a probe's place until `record` or `withdraw`."""
        state = self.state(now_s)
        if state is CircuitState.CLOSED:
            return True
        if state is CircuitState.OPEN or len(self._probes) >= self.config.probes:
            return False
        self._probes.append(self._timeline.now_s)
        return True

    def withdraw(self, now_s: float) -> None:
        """A call that `allow` let through was not made after all: its probe's place is free again."""
        self._timeline.at(now_s)
        if self._probes:
            self._probes.pop()

    def record(self, ok: bool, now_s: float) -> None:
        """The outcome of a call. One that began before the circuit opened and ends late changes nothing."""
        state = self.state(now_s)
        if state is CircuitState.CLOSED:
            self._record_closed(ok)
        elif state is CircuitState.HALF_OPEN and self._probes:
            self._probes.popleft()
            if not ok:
                self._open(failed_probe=True)
                return
            self._probes_passed += 1
            if self._probes_passed >= self.config.probes:
                self._close()

    def trip(self, now_s: float) -> None:
        """Open now, whatever the calls say: the backend is known to be down."""
        if self.state(now_s) is not CircuitState.OPEN:
            self._open(failed_probe=False)

    def probe_now(self, now_s: float) -> None:
        """End the rest of an open circuit: the backend has been heard again, so a probe is worth sending."""
        if self.state(now_s) is CircuitState.OPEN:
            self._open_until_s = self._timeline.now_s

    def state(self, now_s: float) -> CircuitState:
        """The state at ``now_s``."""
        self._timeline.at(now_s)
        if self._open_until_s is None:
            return CircuitState.CLOSED
        if self._probes and self._timeline.now_s - self._probes[0] >= self.config.probe_timeout_s:
            self._open(failed_probe=True)
        return CircuitState.OPEN if self._timeline.now_s < self._open_until_s else CircuitState.HALF_OPEN

    def retry_in_s(self, now_s: float) -> float:
        """Seconds until the next probe may go out; 0 unless ``OPEN``."""
        if self.state(now_s) is not CircuitState.OPEN or self._open_until_s is None:
            return 0.0
        return self._open_until_s - self._timeline.now_s

    def _record_closed(self, ok: bool) -> None:
        self._failures_in_a_row = 0 if ok else self._failures_in_a_row + 1
        self._calls.append((self._timeline.now_s, ok))
        self._failed_in_window += not ok
        while self._calls and self._calls[0][0] <= self._timeline.now_s - self.config.window_s:
            self._failed_in_window -= not self._calls.popleft()[1]
        calls = len(self._calls)
        too_many = calls >= self.config.min_calls and self._failed_in_window >= self.config.failure_rate * calls
        if not ok and (too_many or self._failures_in_a_row >= self.config.consecutive_failures):
            self._open(failed_probe=False)

    def _open(self, failed_probe: bool) -> None:
        self.opened += 1
        if failed_probe:
            self._rest_s = min(self._rest_s * self.config.backoff, self.config.max_open_s)
        else:
            self._rest_s = self.config.open_s
        self._open_until_s = self._timeline.now_s + self._rest_s
        self._probes.clear()
        self._probes_passed = 0

    def _close(self) -> None:
        self._open_until_s = None
        self._rest_s = self.config.open_s
        self._failures_in_a_row = 0
        self._calls.clear()
        self._failed_in_window = 0
        self._probes.clear()
        self._probes_passed = 0
