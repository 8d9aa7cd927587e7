"""Watching backends: signs of life, outcomes of calls, circuits; who may be asked now, and what happened when.

Three things speak of a backend. Its process answers heartbeats, judged by phi accrual: a silence that is somewhat
surprising holds new calls back, one that is very surprising takes the backend down. Its calls succeed or fail: that
moves its circuit breaker and, with the domains it shares, the probability that the next call succeeds. And whoever
holds a connection to it may say that it is gone.

A backend that was down is not believed at once when it is heard again: its circuit lets one probe through at a time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from federation.breaker import Breaker, BreakerConfig, CircuitState
from federation.domains import FailureDomains
from federation.heartbeat import Heartbeat, HeartbeatConfig

EVENTS_KEPT = 20_000


class Event(StrEnum):
    """What happened to a backend; the drills are timed by it."""

    SENT = "SENT"
    OK = "OK"
    FAILED = "FAILED"
    HELD = "HELD"
    DOWN = "DOWN"
    OPENED = "OPENED"
    HEARD = "HEARD"
    CLOSED = "CLOSED"
    MOVED = "MOVED"


@dataclass(frozen=True)
class WatchConfig:
    """How backends are watched.

    Parameters
    ----------
    heartbeat
        Interval, and the phi at which a silent backend is down.
    hold_phi
        From this phi on no new call goes out (0 < hold_phi <= heartbeat.threshold): at 2 that is wrong once in 100
        heartbeats, which costs a call its first choice and no more.
    most_unheard
        Calls that may go out between two signs of life, heartbeats and answers alike (>= 1): what a backend that has
        just died is sent at most.
    pause_s
        A look that comes later than this after the one before was itself held up; only so much of the pause counts as
        silence, in seconds (> 0).
    lone_silence_s
        A backend that nothing can stand in for is not suspected before so much silence, in seconds (>= 0): to give it
        up gains little, and a process that compiles or shares a full core may say nothing for a second.
    breaker
        Of each backend.
    """

    heartbeat: HeartbeatConfig = field(default_factory=HeartbeatConfig)
    hold_phi: float = 2.0
    most_unheard: int = 4
    pause_s: float = 0.1
    lone_silence_s: float = 3.0
    breaker: BreakerConfig = field(default_factory=BreakerConfig)

    def __post_init__(self) -> None:
        if not 0 < self.hold_phi <= self.heartbeat.threshold:
            raise ValueError(f"hold_phi is {self.hold_phi}; allowed: above 0, at most {self.heartbeat.threshold}")
        if self.most_unheard < 1:
            raise ValueError(f"most_unheard is {self.most_unheard}; allowed: >= 1")
        if not 0 <= self.lone_silence_s < math.inf:
            raise ValueError(f"lone_silence_s is {self.lone_silence_s}; allowed: >= 0")
        if not 0 < self.pause_s < math.inf:
            raise ValueError(f"pause_s is {self.pause_s}; allowed: > 0")


@dataclass(frozen=True)
class Happened:
    """One entry of the log; ``at_s`` is the caller's clock, ``detail`` a reason or a job."""

    at_s: float
    backend: str
    event: Event
    detail: str = ""


class Watch:
    """All backends of a scheduler. ``now_s`` is one clock in seconds for all calls.

    Parameters
    ----------
    names
        Of the backends.
    config
        How they are watched.
    domains
        Vendor, region and whatever else fails as one, by backend; absent ones share nothing.
    lone
        Backends that nothing can stand in for.
    """

    def __init__(
        self,
        names: Sequence[str],
        config: WatchConfig | None = None,
        domains: Mapping[str, Sequence[str]] | None = None,
        lone: Collection[str] = (),
    ) -> None:
        self.config = config or WatchConfig()
        self.domains = FailureDomains({name: tuple((domains or {}).get(name, ())) for name in names})
        self.log: deque[Happened] = deque(maxlen=EVENTS_KEPT)
        self._breakers = {name: Breaker(self.config.breaker) for name in names}
        heartbeat = self.config.heartbeat
        patient = replace(heartbeat, least_silence_s=max(heartbeat.least_silence_s, self.config.lone_silence_s))
        self._hearts = {name: Heartbeat(patient if name in lone else heartbeat) for name in names}
        self._unheard = dict.fromkeys(names, 0)
        self._down: dict[str, str] = {}
        self._looked_s: float | None = None
        self._slept_s = 0.0
        """Time that passed while nobody looked: it is nobody's silence."""

    @property
    def names(self) -> tuple[str, ...]:
        """All backends, as configured."""
        return tuple(self._breakers)

    def beat(self, name: str, now_s: float) -> None:
        """A sign of life. A backend that was down is heard again: its next call is a probe."""
        self._hearts[name].beat(self._awake_s(now_s))
        self._unheard[name] = 0
        if self._down.pop(name, None) is not None:
            self._breakers[name].probe_now(now_s)
            self.note(name, Event.HEARD, now_s)

    def gone(self, name: str, why: str, now_s: float) -> bool:
        """Its process or connection is known to be gone; whether that is news."""
        return self._take_down(name, why, now_s)

    def look(self, now_s: float) -> tuple[str, ...]:
        """Call this often, at least every ``pause_s``: the backends that have just been silent for too long."""
        if self._looked_s is not None:
            self._slept_s += max(0.0, now_s - self._looked_s - self.config.pause_s)
        self._looked_s = now_s
        awake_s = self._awake_s(now_s)
        silent = [name for name in self.names if self._hearts[name].suspected(awake_s)]
        return tuple(name for name in silent if self._take_down(name, "silent", now_s))

    def down(self, name: str) -> str:
        """Why ``name`` is down; empty: it is not."""
        return self._down.get(name, "")

    def circuit(self, name: str, now_s: float) -> CircuitState:
        """The state of its circuit; ``OPEN`` while it is down."""
        return CircuitState.OPEN if name in self._down else self._breakers[name].state(now_s)

    def held(self, name: str, now_s: float) -> bool:
        """Whether its silence keeps new calls back, though it may be an ordinary one."""
        return name in self._down or self._hearts[name].phi(self._awake_s(now_s)) >= self.config.hold_phi

    def askable(self, name: str, now_s: float) -> bool:
        """Whether a request may plan with it now: neither silent nor down nor resting."""
        return not self.held(name, now_s) and self._breakers[name].state(now_s) is not CircuitState.OPEN

    def alive(self, name: str, now_s: float) -> float:
        """Probability (0 - 1) that its silence so far is an ordinary one; 0 when it is down."""
        return 0.0 if name in self._down else self._hearts[name].alive_probability(self._awake_s(now_s))

    def allow(self, name: str, now_s: float, detail: str = "") -> bool:
        """Whether a call may go out now; a yes is followed by `record` or `withdraw`."""
        unheard = self._unheard[name] >= self.config.most_unheard
        if unheard or self.held(name, now_s) or not self._breakers[name].allow(now_s):
            self.note(name, Event.HELD, now_s, detail)
            return False
        self._unheard[name] += 1
        self.note(name, Event.SENT, now_s, detail)
        return True

    def withdraw(self, name: str, now_s: float) -> None:
        """A call that `allow` let through was not made, or says nothing of the backend's health."""
        self._breakers[name].withdraw(now_s)

    def record(self, name: str, ok: bool, now_s: float, detail: str = "") -> None:
        """How a call ended. An answer is a sign of life too; a failure is none of death."""
        breaker = self._breakers[name]
        before = breaker.state(now_s)
        if ok:
            self._unheard[name] = 0
        breaker.record(ok, now_s)
        self.domains.record(name, ok, now_s)
        self.note(name, Event.OK if ok else Event.FAILED, now_s, detail)
        after = breaker.state(now_s)
        if after is CircuitState.OPEN and before is not CircuitState.OPEN:
            self.note(name, Event.OPENED, now_s)
        elif after is CircuitState.CLOSED and before is not CircuitState.CLOSED:
            self.note(name, Event.CLOSED, now_s)

    def note(self, name: str, event: Event, now_s: float, detail: str = "") -> None:
        """Write something down for whoever times a drill."""
        self.log.append(Happened(now_s, name, event, detail))

    def since(self, at_s: float) -> tuple[Happened, ...]:
        """What happened at or after ``at_s``."""
        return tuple(entry for entry in self.log if entry.at_s >= at_s)

    def _take_down(self, name: str, why: str, now_s: float) -> bool:
        if name in self._down:
            return False
        self._down[name] = why
        self._breakers[name].trip(now_s)
        self.domains.record(name, False, now_s)
        self.note(name, Event.DOWN, now_s, why)
        return True

    def _awake_s(self, now_s: float) -> float:
        """The clock without the pauses in which this watch itself did not run."""
        return now_s - self._slept_s
