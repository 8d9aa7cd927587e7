"""When to stop. Solvers know no clock: time reaches them through a `Stop`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Stop(Protocol):
    """Asked by a running strategy at least every 20 ms of work."""

    def __call__(self) -> bool:
        """Whether to stop now. Once true it stays true."""
        ...

    def remaining_s(self) -> float:
        """Seconds left at most, for engines that want a limit up front; ``math.inf`` without one."""
        ...


@dataclass(frozen=True)
class Never:
    """Does not stop."""

    def __call__(self) -> bool:
        return False

    def remaining_s(self) -> float:
        return math.inf


@dataclass(frozen=True)
class Deadline:
    """Stops when ``clock()`` reaches ``at_s``, both in seconds of the same monotonic clock."""

    at_s: float
    clock: Callable[[], float]

    def __call__(self) -> bool:
        return self.clock() >= self.at_s

    def remaining_s(self) -> float:
        return max(0.0, self.at_s - self.clock())


@dataclass
class WorkLimit:
    """Stops after ``limit`` units of work. Each question counts as one unit, so a run under it needs no clock."""

    limit: int
    done: int = 0

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError(f"limit is {self.limit}; allowed: >= 0")

    def __call__(self) -> bool:
        if self.done >= self.limit:
            return True
        self.done += 1
        return False

    def remaining_s(self) -> float:
        return math.inf


@dataclass(frozen=True)
class Cancelled:
    """Stops when ``is_cancelled()`` says so (a `threading.Event`'s ``is_set``)."""

    is_cancelled: Callable[[], bool]

    def __call__(self) -> bool:
        return self.is_cancelled()

    def remaining_s(self) -> float:
        return math.inf


@dataclass(frozen=True)
class AnyOf:
    """Stops as soon as one of ``stops`` does."""

    stops: tuple[Stop, ...] = field(default_factory=tuple)

    def __call__(self) -> bool:
        return any(stop() for stop in self.stops)

    def remaining_s(self) -> float:
        return min((stop.remaining_s() for stop in self.stops), default=math.inf)


@dataclass(frozen=True)
class Until:
    """Stops with ``stop``, or when it has ``left_s`` seconds left: for one of several things in a row."""

    stop: Stop
    left_s: float

    def __call__(self) -> bool:
        return self.stop() or self.stop.remaining_s() <= self.left_s

    def remaining_s(self) -> float:
        return max(0.0, self.stop.remaining_s() - self.left_s)


@dataclass
class Counted:
    """Counts the questions that ``stop`` answered with no, and hides the time left.

    A strategy that runs under it cannot see a clock, so what it does depends on ``asked`` alone: the same run again
    under ``WorkLimit(asked)`` is the same run, whatever ended the first one.
    """

    stop: Stop
    asked: int = 0
    stopped: bool = False

    def __call__(self) -> bool:
        self.stopped = self.stopped or self.stop()
        if not self.stopped:
            self.asked += 1
        return self.stopped

    def remaining_s(self) -> float:
        return math.inf
