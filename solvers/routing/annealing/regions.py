"""A plan improved region by region: some neighbouring routes are annealed again, and kept where that was better.

One long cooling decides everything at once: a run that is lucky in one corner and unlucky in another is mediocre in
both. Annealed apart, each corner keeps the better one of what it was and what it became, so that luck adds up (the idea
of POPMUSIC: Taillard and Voss 2002, and of the decompositions in Santini, Schneider, Vidal and Vigo 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.recombination import RoutePool, is_worthwhile
from solvers.routing.annealing.schedule import Cooling, Trace, timed
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Never, Stop, Until

LEAST_STOPS, MOST_STOPS = 100, 300
"""Size of a region, drawn anew for each."""

FIRST_SHARE = 0.6
"""Where the first coolings would take more than this part of the time, it takes all of it."""

LEAST_WORK = 500
"""Iterations per stop without which a cooling is not shared between several ways to begin."""

REGION_WORK = 1_000
"""Iterations per stop of a region."""

REGION_COLD = 0.03
"""Temperature of a region at its end, in mean distances to the nearest stops."""

SEGMENTS = 40
"""Segments of a region's cooling."""

SPARE = 2
"""Unused vehicles of each type that a region may use beside its own."""

PROBES, PROBE = 4, 500
"""Blocks that tell how fast the engine is, and iterations of each: 15 ms at most between two looks at the stop."""

SNAPSHOT = 2_000
"""Iterations between two looks at which routes there are, where they are remembered."""

RECOMBINATIONS = ((0.6, 0.8), (0.85, 1.0))
"""From and until which parts of the time a better plan of the routes seen is looked for."""

MakeEngine = Callable[[int, NDArray[np.int64], NDArray[np.int64]], TourEngine]
"""An engine for a seed, these stops, and so many vehicles of each type."""


class Regions:
    """Drives as the engine that it begins with, until `next_region` goes on with a part of the best plan.

    Parameters
    ----------
    problem
        What is being solved.
    engine
        An engine over all of it, with a plan.
    make
        Makes engines for parts of it.
    seed
        All chance comes from it.

    """

    def __init__(self, problem: RoutingProblem, engine: TourEngine, make: MakeEngine, seed: int) -> None:
        self.problem, self._whole, self._make = problem, engine, make
        self._rng = np.random.default_rng([seed, 1])
        self._engine = engine
        self._plan: RoutingPlan | None = None
        self._objective = math.inf
        self._chosen: set[int] = set()
        self._before = math.inf
        self._seed = seed
        self._pool = RoutePool(problem) if is_worthwhile(problem, len(engine.routes())) else None
        self._until_snapshot = SNAPSHOT

    @property
    def remembers(self) -> bool:
        """Whether routes seen are remembered, for `recombine`."""
        return self._pool is not None

    @property
    def scale(self) -> float:
        """Mean cost of the way to a near stop: what temperatures are measured in."""
        return self._whole.scale

    def cooling(self, work: int = 1) -> Cooling:
        """Of the whole problem, as `Cooling`."""
        return Cooling(self._whole.hot * self.scale, self._whole.cold * self.scale, work)

    @property
    def first_work(self) -> int:
        """Iterations of the first coolings, over the whole problem."""
        return self._whole.first_work * len(self._whole.mandatory)

    @property
    def ways(self) -> int:
        """Ways to cool the whole problem down, beside the plain one."""
        return len(self._whole.route_bonuses)

    def next_cooling(self) -> None:
        """Anneal the whole problem in the next one of its ways from now on."""
        self._whole.next_cooling()

    def region_cooling(self) -> Cooling:
        """Of a region, as `Cooling`."""
        hot = self._whole.hot * self._whole.region_heat
        return Cooling(hot * self.scale, REGION_COLD * self.scale, 1)

    @property
    def stops(self) -> int:
        """Stops of what is being annealed."""
        return len(self._engine.mandatory)

    @property
    def best_objective(self) -> float:
        """Objective of the best plan, without what a region that is under way has found."""
        return self._whole.best_objective if self._plan is None else self._objective

    def plan(self) -> RoutingPlan:
        """The best plan, as `best_objective`."""
        return self._whole.plan() if self._plan is None else self._plan

    def run(self, iterations: int, temperature: float) -> None:
        """As `TourEngine.run`."""
        if self._pool is None:
            self._engine.run(iterations, temperature)
            return
        while iterations:  # looks come after fixed numbers of iterations, wherever blocks end
            some = min(iterations, self._until_snapshot)
            self._engine.run(some, temperature)
            iterations -= some
            self._until_snapshot -= some
            if not self._until_snapshot:
                self._until_snapshot = SNAPSHOT
                self._pool.add(self._engine.current_plan().routes)

    def next_region(self) -> None:
        """Keep the last region where it is better, and begin another one."""
        routes = self._settle().routes
        chosen, stops = self._choose(routes)
        unused = self.problem.vehicle_count.copy()
        np.subtract.at(unused, [route.vehicle_type for route in routes], 1)
        vehicles = np.minimum(unused, SPARE)
        np.add.at(vehicles, [routes[r].vehicle_type for r in chosen], 1)
        self._engine = self._make(int(self._rng.integers(2**62)), stops, vehicles)
        self._engine.start(RoutingPlan(tuple(routes[r] for r in chosen)), Never())
        self._chosen, self._before = set(chosen), self._engine.best_objective

    def recombine(self, stop: Stop) -> Iterator[None]:
        """Keep the last region where it is better, then go over to better plans of routes seen until ``stop``.

        Yields after each. Nothing happens where routes are not remembered (`is_worthwhile`).
        """
        if self._pool is None:
            return
        for plan in self._pool.better_plans(self._settle(), stop, self._seed):
            self._plan, self._objective = plan, self.problem.verify(plan).objective
            yield

    def _settle(self) -> RoutingPlan:
        """The best plan, with what the last region has found."""
        self.close()
        if self._plan is None:
            self._plan, self._objective = self._whole.plan(), self._whole.best_objective
        return self._plan

    def close(self) -> None:
        """Keep the region under way where it is better; the engine goes on with it all the same."""
        if self._plan is None or not self._chosen:
            return
        now = self._engine.best_objective
        if now < self._before:
            rest = [route for r, route in enumerate(self._plan.routes) if r not in self._chosen]
            self._plan = RoutingPlan((*rest, *self._engine.plan().routes))
            self._objective += now - self._before
        self._chosen = set()

    def _choose(self, routes: tuple[Route, ...]) -> tuple[list[int], NDArray[np.int64]]:
        """Numbers of the routes that come near a random stop, and their stops with the absent ones among them."""
        problem, n = self.problem, self.problem.n_stops
        size = int(self._rng.integers(LEAST_STOPS, MOST_STOPS + 1))
        route_of = np.full(n, -1)
        for r, route in enumerate(routes):
            route_of[list(route.visits)] = r
        centre = problem.stop_location[self._rng.integers(n)]
        travel = problem.profiles[int(problem.vehicle_profile[0])]
        far = travel.distance(np.full(n, centre), problem.stop_location)
        chosen: dict[int, None] = {}
        absent: list[int] = []
        count = 0
        for stop in np.argsort(far, kind="stable").tolist():
            if count >= size:
                break
            r = int(route_of[stop])
            if r < 0 and stop not in absent:
                other = int(problem.partner[stop])
                absent += [stop] if other < 0 else [stop, other]
                count += 1
            elif r >= 0 and r not in chosen:
                chosen[r] = None
                count += len(routes[r].visits)
        stops = [stop for r in chosen for stop in routes[r].visits] + absent
        return list(chosen), np.array(sorted(stops), np.int64)


def cooled(regions: Regions, stop: Stop, trace: Trace) -> Iterator[None]:
    """Under a clock: coolings of the whole problem, then regions until the stop; yields now and then.

    All the time goes into those coolings where it is not enough for more.
    """
    whole = regions.cooling()
    total_s = stop.remaining_s()
    for _ in range(PROBES):
        if stop():
            return
        regions.run(PROBE, whole.hot)
        trace.add(PROBE, whole.hot)
    seconds = max(total_s - stop.remaining_s(), 1e-6) / (PROBES * PROBE)
    total_s = stop.remaining_s()
    first_s = regions.first_work * seconds
    if first_s > FIRST_SHARE * total_s:
        first_s = total_s * (FIRST_SHARE if regions.remembers else 1.0)
    enough = first_s / seconds >= regions.ways * LEAST_WORK * regions.stops
    coolings = regions.ways if regions.ways and enough else 1
    for number in range(1, coolings + 1):
        if regions.ways:
            regions.next_cooling()
            trace.add_cooling()
        yield from timed(regions, whole, Until(stop, total_s - first_s * number / coolings), trace)
    recombinations = list(RECOMBINATIONS)
    while not stop():
        if not math.isfinite(regions.best_objective):  # nothing to begin a region from
            yield from timed(regions, whole, stop, trace)
            return
        if recombinations and stop.remaining_s() <= total_s * (1.0 - recombinations[0][0]):
            until_s = total_s * (1.0 - recombinations.pop(0)[1])
            taken = 0
            for _ in regions.recombine(Until(stop, until_s)):
                taken += 1
                yield
            trace.add_recombination(taken)
            continue
        regions.next_region()
        trace.add_region()
        left_s, done = stop.remaining_s(), trace.iterations
        region_s = REGION_WORK * regions.stops * seconds
        if left_s < 1.5 * region_s:
            region_s = left_s
        cooling = regions.region_cooling()
        yield from timed(regions, cooling, Until(stop, left_s - region_s), trace, SEGMENTS)
        if trace.iterations > done:
            seconds = (left_s - stop.remaining_s()) / (trace.iterations - done)
