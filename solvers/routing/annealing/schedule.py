"""When how hot: the cooling schedule, driven by time or by work, and the trace that repeats it without a clock.

A run is a sequence of segments, each some iterations at one temperature. Under a clock a segment lasts a fixed fraction
of the time, and how many iterations that was is written down; a replay reads it instead of a clock. Within a segment
the kernel runs in short blocks, between which the stop is asked; where blocks end changes nothing, because the
temperature is constant and all state lives in the kernel's arrays. A segment of no iterations stands for the next
region where its temperature is 0, for another cooling of the whole problem where it is -1, and else for how many better
plans of the routes seen were taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from solvers.stop import Stop

TRACE_VERSION = 4

BLOCK_S = 0.008
"""Time between two questions to the stop that is aimed for, in seconds."""

FIRST_BLOCK = 64
"""Iterations of the first block, before anything is known about their speed."""

WORK_BLOCK = 1_000
"""Iterations for one unit of work under a stop that has no clock."""

SEGMENTS = 250
"""Segments of a cooling."""


class Engine(Protocol):
    """What the schedule drives."""

    def run(self, iterations: int, temperature: float) -> None:
        """Anneal on from where the last call ended."""
        ...


class RegionalEngine(Engine, Protocol):
    """One that may go on with a part of its problem."""

    def next_cooling(self) -> None:
        """Anneal the whole problem in another way from now on."""
        ...

    def next_region(self) -> None:
        """Anneal another region from now on."""
        ...

    def recombine(self, stop: Stop) -> Iterator[None]:
        """Go over to better plans of the routes seen; yields after each."""
        ...


@dataclass(frozen=True)
class Cooling:
    """Temperatures from ``hot`` down to ``cold``, by equal factors.

    Parameters
    ----------
    hot, cold
        In units of the objective; hot >= cold > 0.
    work
        Iterations of the whole cooling where there is no clock; >= 1.

    """

    hot: float
    cold: float
    work: int

    def __post_init__(self) -> None:
        if not 0 < self.cold <= self.hot < math.inf:
            raise ValueError(f"temperatures are {self.hot} to {self.cold}; allowed: hot >= cold > 0")
        if self.work < 1:
            raise ValueError(f"work is {self.work}; allowed: >= 1")

    def at(self, fraction: float) -> float:
        """Temperature after ``fraction`` of the cooling."""
        return float(self.hot * (self.cold / self.hot) ** min(max(fraction, 0.0), 1.0))


@dataclass
class Trace:
    """Iterations and temperature of each segment so far."""

    segments: list[list[float]] = field(default_factory=list)

    def add(self, iterations: int, temperature: float) -> None:
        if iterations > 0:
            self.segments.append([iterations, temperature])

    def add_cooling(self) -> None:
        """Note that another cooling of the whole problem follows."""
        self.segments.append([0, -1.0])

    def add_region(self) -> None:
        """Note that what follows is another region's (`solvers.routing.annealing.regions`)."""
        self.segments.append([0, 0.0])

    def add_recombination(self, taken: int) -> None:
        """Note that so many better plans of the routes seen were taken, one after the other."""
        if taken > 0:
            self.segments.append([0, float(taken)])

    @property
    def iterations(self) -> int:
        """Of all segments."""
        return int(sum(iterations for iterations, _ in self.segments))

    def to_json(self) -> dict[str, Any]:
        return {"version": TRACE_VERSION, "segments": self.segments}

    @staticmethod
    def segments_of(trace: Mapping[str, Any]) -> list[tuple[int, float]]:
        """Segments of a trace that `to_json` wrote.

        Raises
        ------
        ValueError
            When it is of another version or malformed.

        """
        if trace.get("version") != TRACE_VERSION:
            raise ValueError(f"control trace has version {trace.get('version')!r}; allowed: {TRACE_VERSION}")
        segments = [(int(iterations), float(temperature)) for iterations, temperature in trace["segments"]]
        if any(
            (iterations < 1 or not temperature > 0) and (iterations or temperature < -1 or temperature % 1)
            for iterations, temperature in segments
        ):
            raise ValueError("control trace has a malformed segment")
        return segments


class Pace:
    """How many iterations fit into a time, learned from the remaining time that the stop tells."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.remaining_s = stop.remaining_s()
        self.block = FIRST_BLOCK if math.isfinite(self.remaining_s) else WORK_BLOCK

    def run(self, engine: Engine, temperature: float, most: int) -> int:
        """Run one block of at most ``most`` iterations; returns how many."""
        iterations = min(self.block, most)
        engine.run(iterations, temperature)
        if math.isfinite(self.remaining_s):
            before, self.remaining_s = self.remaining_s, self.stop.remaining_s()
            took_s = max(before - self.remaining_s, 1e-9)
            fitting = iterations * BLOCK_S / took_s
            self.block = max(1, int(min(fitting, 2.0 * self.block)))
        return iterations


def timed(engine: Engine, cooling: Cooling, stop: Stop, trace: Trace, segments: int = SEGMENTS) -> Iterator[None]:
    """One cooling over all the time that ``stop`` leaves; yields after each segment."""
    pace = Pace(stop)
    total_s = pace.remaining_s
    stopped = False
    for segment in range(segments):
        temperature = cooling.at((segment + 0.5) / segments)
        until_s = total_s * (1.0 - (segment + 1) / segments)
        done = 0
        while not stopped and (pace.remaining_s > until_s or segment == segments - 1):
            stopped = stop()
            if not stopped:
                done += pace.run(engine, temperature, 2**40)
        trace.add(done, temperature)
        if done:
            yield
        if stopped:
            return


def worked(engine: RegionalEngine, cooling: Cooling, stop: Stop, trace: Trace) -> Iterator[None]:
    """Coolings of a fixed number of iterations, each twice as long as the one before; yields after each segment."""
    pace = Pace(stop)
    work = cooling.work
    stopped = False
    while True:
        for segment in range(SEGMENTS):
            temperature = cooling.at((segment + 0.5) / SEGMENTS)
            todo, done = max(1, work // SEGMENTS), 0
            while not stopped and done < todo:
                stopped = stop()
                if not stopped:
                    done += pace.run(engine, temperature, todo - done)
            trace.add(done, temperature)
            if done:
                yield
            if stopped:
                return
        work *= 2
        engine.next_cooling()
        trace.add_cooling()


def replayed(engine: RegionalEngine, segments: list[tuple[int, float]], stop: Stop) -> Iterator[None]:
    """Repeat the segments of an earlier run; yields after each."""
    pace = Pace(stop)
    for iterations, temperature in segments:
        if not iterations and temperature < 0:
            engine.next_cooling()
            continue
        if not iterations and temperature:
            yield from islice(engine.recombine(stop), int(temperature))
            continue
        if not iterations:
            engine.next_region()
        done = 0
        while done < iterations:
            if stop():
                return
            done += pace.run(engine, temperature, iterations - done)
        yield
