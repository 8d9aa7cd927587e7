"""What all annealing engines share: run, best tours, temperatures in units of the instance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.build import best_routes, current_routes, load_routes
from solvers.routing.annealing.kernel import anneal
from solvers.routing.annealing.tour import BEST_COST, COST, N_FREE, Tours, keep_best
from solvers.routing.plan import Route, RoutingPlan
from solvers.stop import Stop

HOT, COLD, REGION_HEAT = 0.7, 0.015, 0.5
"""Temperatures, in mean distances to the nearest stops, and what regions begin at as part of the hot one: hot enough to
leave the valley that a region is in."""

FIRST_WORK = 1_400
"""Iterations per stop of the first cooling, before regions have their turn."""

FIRST_PRIZE_WEIGHT = 2.5
"""What prizes count for when hot: plans that serve too much get rid of bad routes; from empty ones none would grow."""


class TourEngine:
    """Anneals `Tours`.

    Parameters
    ----------
    tours
        Empty tours.
    mandatory
        (n,) which visits must be served.
    unit
        Objective of one unit of the tours' cost; > 0.
    stops
        (n,) which stop of the problem each visit of the tours is; ``None``: the same number.

    Attributes
    ----------
    mean_removed, longest_string
        Stops that a ruin takes out on average, and of one route at most.
    hot, cold, region_heat
        Temperatures of a whole cooling, in units of `scale`, and which part of ``hot`` regions begin at.
    first_work
        Iterations per stop of the first coolings, before regions have their turn.
    route_bonuses
        What each used route saves while it is hot, in temperatures, after each `next_cooling`; before, and where there
        are none, nothing. Hot tours have other numbers of routes than cold ones, and routes are hard to give up or to
        add later.

    """

    hot, cold, region_heat = HOT, COLD, REGION_HEAT
    first_work = FIRST_WORK
    mean_removed = 10.0
    longest_string = 10
    route_bonuses: tuple[float, ...] = ()

    def __init__(
        self, tours: Tours, mandatory: NDArray[np.bool_], unit: float, stops: NDArray[np.int64] | None = None
    ) -> None:
        self.tours, self.mandatory, self.unit = tours, mandatory, unit
        self.stops = np.arange(len(mandatory)) if stops is None else stops
        self.visits = np.full(int(self.stops.max(initial=-1)) + 1, -1)
        self.visits[self.stops] = np.arange(len(self.stops))
        self.prize = np.where(mandatory, 0.0, tours.penalty)
        self.weight, self.bonus, self._turn = 1.0, 0.0, 0
        self.kept: tuple[float, RoutingPlan] | None = None

    def start(self, plan: RoutingPlan | None, stop: Stop) -> None:
        """Begin from ``plan``, or from a plan of one's own that takes until ``stop`` at most."""
        raise NotImplementedError

    def load(self, routes: Sequence[Sequence[int]] | Sequence[NDArray[np.int32]]) -> None:
        """Begin from ``routes`` of stops; those beyond the number of vehicles are dropped."""
        load_routes(self.tours, [self.visits[list(route)].tolist() for route in routes[: len(self.tours.load)]])
        keep_best(self.tours)

    def run(self, iterations: int, temperature: float) -> None:
        """Anneal on from where the last call ended; ``temperature`` is in units of the objective."""
        if not self.mandatory.all():
            self._weigh(temperature)
        self._reward_routes(temperature)
        anneal(self.tours, iterations, temperature / self.unit, self.mean_removed, self.longest_string)
        if self.weight > 1.0:
            self._keep()

    def next_cooling(self) -> None:
        """Anneal with the next one of `route_bonuses` from now on."""
        self._keep()
        self._turn += 1

    def _keep(self) -> None:
        """Keep the best tours where they are better than what is kept: other weights will judge them otherwise."""
        objective = self._of_tours()
        if objective < (math.inf if self.kept is None else self.kept[0]):
            self.kept = (objective, self._plan_of_tours())

    def _weigh(self, temperature: float) -> None:
        """Let prizes count for more in the hotter half of a cooling."""
        scale = self.scale
        done = math.log(self.hot * scale / temperature) / math.log(self.hot / self.cold)
        weight = 1.0 + (FIRST_PRIZE_WEIGHT - 1.0) * min(max(1.0 - 2.0 * done, 0.0), 1.0)
        if weight == self.weight:
            return
        if self.weight == 1.0:  # what counts at weight 1 is kept; it is not what the weighted search calls best
            self._keep()
        tours, n = self.tours, len(self.mandatory)
        more = (weight - self.weight) * self.prize
        tours.visits["penalty"] += more
        tours.costs[COST] += more[tours.nodes["route"][:n] < 0].sum()
        tours.costs[BEST_COST] += more[tours.best[:n] < 0].sum()
        self.weight = weight
        if weight == 1.0:
            tours.visits["penalty"] = np.where(self.mandatory, tours.penalty, self.prize)
        if tours.costs[COST] < tours.costs[BEST_COST]:
            keep_best(tours)

    def _reward_routes(self, temperature: float) -> None:
        """Let each used route save so many temperatures, down to nothing when cold."""
        if not self._turn or not self.route_bonuses:
            return
        per_temperature = self.route_bonuses[(self._turn - 1) % len(self.route_bonuses)]
        bonus = per_temperature * max(temperature - self.cold * self.scale, 0.0) / self.unit
        if bonus == self.bonus:
            return
        self._keep()
        tours = self.tours
        less = bonus - self.bonus
        tours.rich.kinds["fixed_cost"] -= less
        tours.rich.pairs["alone"] -= less
        tours.costs[COST] -= less * (len(tours.load) - tours.counts[N_FREE])
        tours.costs[BEST_COST] -= less * self._best_routes_used()
        self.bonus = bonus
        if tours.costs[COST] < tours.costs[BEST_COST]:
            keep_best(tours)

    @property
    def scale(self) -> float:
        """Mean cost of the way to a near stop: what temperatures are measured in."""
        lengths = self.tours.near_length
        mean = float(lengths.mean()) if lengths.size else 0.0
        return self.unit * (mean or float(self.tours.depot_length.mean()) or 1.0)

    @property
    def best_objective(self) -> float:
        """Objective of the best plan; ``inf`` while a mandatory stop is outside."""
        return min(self._of_tours(), math.inf if self.kept is None else self.kept[0])

    def _of_tours(self) -> float:
        outside = self.tours.best[: len(self.mandatory)] < 0
        if (outside & self.mandatory).any():
            return math.inf
        extra = (self.weight - 1.0) * float(self.prize[outside].sum())
        if self.bonus:
            extra -= self.bonus * self._best_routes_used()
        return (float(self.tours.costs[BEST_COST]) - extra) * self.unit

    def _best_routes_used(self) -> int:
        n = len(self.mandatory)
        return int(np.count_nonzero(self.tours.best[n:] < n))

    def vehicle_type(self, route: int) -> int:  # noqa: ARG002
        """Type of vehicle that route number ``route`` of the best tours has."""
        return 0

    def current_type(self, route: int) -> int:  # noqa: ARG002
        """Type of vehicle that route number ``route`` of the tours as they are now has."""
        return 0

    def plan(self) -> RoutingPlan:
        """The best plan."""
        if self.kept is not None and self.kept[0] <= self._of_tours():
            return self.kept[1]
        return self._plan_of_tours()

    def routes(self) -> list[NDArray[np.int32]]:
        """Stops of each route of the best tours."""
        return [self.stops[route].astype(np.int32) for _, route in best_routes(self.tours)]

    def current_routes(self) -> list[NDArray[np.int32]]:
        """Stops of each route of the tours as they are now."""
        return [self.stops[route].astype(np.int32) for _, route in current_routes(self.tours)]

    def current_plan(self) -> RoutingPlan:
        """The tours as they are now, whatever is left out."""
        return RoutingPlan(
            tuple(
                Route(self.current_type(r), tuple(self.stops[route].tolist()))
                for r, route in current_routes(self.tours)
            )
        )

    def _plan_of_tours(self) -> RoutingPlan:
        return RoutingPlan(
            tuple(
                Route(self.vehicle_type(r), tuple(self.stops[route].tolist())) for r, route in best_routes(self.tours)
            )
        )
