"""What all annealing engines share: run, best tours, temperatures in units of the instance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.build import best_routes, load_routes
from solvers.routing.annealing.kernel import anneal
from solvers.routing.annealing.tour import BEST_COST, Tours, keep_best
from solvers.routing.plan import Route, RoutingPlan

MEAN_REMOVED = 7.0
"""Stops that a ruin takes out on average."""

LONGEST_STRING = 10
"""Stops of one route that a ruin takes out at most."""


class TourEngine:
    """Anneals `Tours`.

    Parameters
    ----------
    tours
        Empty tours; stop ``i`` of the problem is visit ``i``.
    mandatory
        (n,) what must be served.
    unit
        Objective of one unit of the tours' cost; > 0.

    """

    def __init__(self, tours: Tours, mandatory: NDArray[np.bool_], unit: float) -> None:
        self.tours, self.mandatory, self.unit = tours, mandatory, unit

    def load(self, routes: Sequence[Sequence[int]]) -> None:
        """Begin from ``routes``; those beyond the number of vehicles are dropped."""
        load_routes(self.tours, routes[: len(self.tours.load)])
        keep_best(self.tours)

    def run(self, iterations: int, temperature: float) -> None:
        """Anneal on from where the last call ended; ``temperature`` is in units of the objective."""
        anneal(self.tours, iterations, temperature / self.unit, MEAN_REMOVED, LONGEST_STRING)

    @property
    def scale(self) -> float:
        """Mean cost of the way to a near stop: what temperatures are measured in."""
        lengths = self.tours.near_length
        mean = float(lengths.mean()) if lengths.size else 0.0
        return self.unit * (mean or float(self.tours.depot_length.mean()) or 1.0)

    @property
    def best_objective(self) -> float:
        """Objective of the best tours; ``inf`` while a mandatory stop is outside."""
        outside = self.tours.best[: len(self.mandatory)] < 0
        return math.inf if (outside & self.mandatory).any() else float(self.tours.costs[BEST_COST]) * self.unit

    def vehicle_type(self, route: int) -> int:  # noqa: ARG002
        """Type of vehicle that route number ``route`` of the best tours has."""
        return 0

    def plan(self) -> RoutingPlan:
        """The best tours as a plan."""
        return RoutingPlan(tuple(Route(self.vehicle_type(r), tuple(route)) for r, route in best_routes(self.tours)))
