"""When a given route happens: the schedule of least duration, for the verifier and for the plan that people read.

No solver uses this module, and it uses none: engines keep their own, faster arithmetic, and the verifier judges it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from solvers.routing.problem import TOLERANCE


@dataclass(frozen=True)
class Timing:
    """Times of one route, in seconds.

    Parameters
    ----------
    start_s, end_s
        Of the route.
    arrival_s, service_start_s
        Per stop.
    lateness_s
        Per stop: by how much service starts after the last window has closed; 0 when in time.
    overtime_s
        By how much the route ends after the shift.

    """

    start_s: float
    end_s: float
    arrival_s: tuple[float, ...]
    service_start_s: tuple[float, ...]
    lateness_s: tuple[float, ...]
    overtime_s: float

    @property
    def duration_s(self) -> float:
        """Start to end."""
        return self.end_s - self.start_s

    @property
    def in_time(self) -> bool:
        """Whether every window and the end of the shift are held."""
        return self.overtime_s == 0 and not any(self.lateness_s)


@dataclass(frozen=True)
class TimedRoute:
    """What timing a route needs.

    Parameters
    ----------
    travel_s
        ``n + 1`` driving times: to the first stop, between stops, and from the last one to the end.
    service_s
        ``n`` service times.
    windows
        ``n`` non-empty sequences of ascending, disjoint ``(earliest, latest)``.
    earliest_start_s
        The later of the start of the shift and the releases of all stops.
    latest_end_s
        End of the shift.

    """

    travel_s: Sequence[float]
    service_s: Sequence[float]
    windows: Sequence[Sequence[tuple[float, float]]]
    earliest_start_s: float
    latest_end_s: float


def least_duration(route: TimedRoute) -> Timing:
    """The schedule of least duration; among those the one that ends first.

    A route that cannot be in time is timed from its earliest start, with its lateness.

    With one window a stop, the end as a function of the start is ``max(a, start + b)``, so the least duration is at the
    latest start that still ends as early as possible. With several windows that function also jumps; every stretch of
    it on which duration falls ends at a start from which some stop is reached, without a wait before it, exactly when
    one of its windows opens or closes. So those starts are tried.
    """
    best = _delayed(route, _forward(route, route.earliest_start_s))
    if not best.in_time or all(len(windows) == 1 for windows in route.windows):
        return best
    driven = 0.0
    for i, windows in enumerate(route.windows):
        driven += route.travel_s[i]
        for bound in (bound for window in windows for bound in window):
            start = bound - driven
            if route.earliest_start_s < start < math.inf:
                tried = _delayed(route, _forward(route, start))
                if tried.in_time and tried.duration_s < best.duration_s - TOLERANCE / 2:
                    best = tried
        driven += route.service_s[i]
    return best


def _forward(route: TimedRoute, start_s: float) -> Timing:
    """Leave at ``start_s`` and serve every stop as early as possible."""
    now = start_s
    arrivals, starts, lateness = [], [], []
    for travel, service, windows in zip(route.travel_s, route.service_s, route.windows, strict=False):
        now += travel
        arrivals.append(now)
        late = 0.0
        for earliest, latest in windows:
            if now <= latest + TOLERANCE:
                now = max(now, earliest)
                break
        else:
            late = now - windows[-1][1]
        starts.append(now)
        lateness.append(late)
        now += service
    now += route.travel_s[-1]
    overtime = now - route.latest_end_s
    return Timing(
        start_s, now, tuple(arrivals), tuple(starts), tuple(lateness), overtime if overtime > TOLERANCE else 0.0
    )


def _delayed(route: TimedRoute, timing: Timing) -> Timing:
    """``timing`` with the start as late as the same end allows."""
    if not timing.in_time:
        return timing
    limit = timing.end_s
    for i in range(len(route.windows) - 1, -1, -1):
        limit -= route.travel_s[i + 1] + route.service_s[i]
        limit = latest_service_start(route.windows[i], limit, timing.service_start_s[i])
    limit -= route.travel_s[0]
    start = max(limit, timing.start_s)
    return timing if start <= timing.start_s else _forward(route, start)


def latest_service_start(windows: Sequence[tuple[float, float]], limit_s: float, known_s: float) -> float:
    """The latest service start within ``windows`` and not after ``limit_s``; at least ``known_s``, which is one."""
    for earliest, latest in reversed(windows):
        if earliest <= limit_s:
            return max(min(latest, limit_s), known_s)
    return known_s


def slack_s(route: TimedRoute, timing: Timing) -> list[float]:
    """Per stop: by how much its service start may slip while everything after it stays in time. ``inf``: no limit."""
    slacks = [0.0] * len(route.windows)
    limit = route.latest_end_s
    for i in range(len(route.windows) - 1, -1, -1):
        limit -= route.travel_s[i + 1] + route.service_s[i]
        limit = latest_service_start(route.windows[i], limit, timing.service_start_s[i])
        slacks[i] = max(0.0, limit - timing.service_start_s[i])
    return slacks
