"""What several workers do together on one large problem: rounds of parts under one cooling.

Pure decisions: whoever drives them, actors or a pool of processes, brings the clock and runs `anneal_part`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solvers.routing.annealing.capacity import CapacityEngine
from solvers.routing.annealing.parts import Part, PartDone, Routes, split
from solvers.routing.annealing.schedule import Cooling
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem

ROUNDS = 12
"""Rounds of a whole cooling."""

LEAST_ROUND_S = 0.5
"""A round lasts at least so long: each begins with looking for neighbours."""

HOT, COLD = 0.7, 0.02
"""Temperatures, in mean distances to the nearest stops. Colder starts are worse even at 500 steps a stop."""


class Rounds:
    """The state of a cooling in rounds.

    Parameters
    ----------
    problem
        One that `solvers.routing.annealing.parts.accepts` takes.
    plan
        A feasible plan to start from; its cost is where the first round begins.
    seed
        All chance comes from it.
    seconds
        Time of the whole cooling; > 0.

    """

    def __init__(self, problem: RoutingProblem, plan: RoutingPlan, seed: int, seconds: float) -> None:
        self.problem, self.seed, self.seconds = problem, seed, seconds
        self._now: Routes = [np.array(route.visits, np.int32) for route in plan.routes if route.visits]
        self._turn = 0
        self._waiting: list[Part] = []
        scale = CapacityEngine.scale_of(problem)
        self._cooling = Cooling(HOT * scale, COLD * scale, 1)

    def begin(self, workers: int, elapsed_s: float) -> list[Part]:
        """Parts for the next round, one a worker at most; empty when too little time is left for another."""
        left_s = self.seconds - elapsed_s
        if left_s < 0.2 * min(LEAST_ROUND_S, self.seconds) or not self._now:
            return []
        seconds = max(self.seconds / ROUNDS, LEAST_ROUND_S)
        if left_s < 1.5 * seconds:
            seconds = left_s
        begin, end = elapsed_s / self.seconds, (elapsed_s + seconds) / self.seconds
        cut = [piece for piece in split(self.problem, self._now, workers, self.seed, self._turn) if piece]
        unused = max(0, int(self.problem.vehicle_count[0]) - len(self._now))
        self._waiting = [
            Part(
                routes=[self._now[r] for r in piece],
                spare=min(unused // len(cut) + (k < unused % len(cut)), len(piece)),
                hot=self._cooling.at(begin),
                cold=self._cooling.at(end),
                seed=self.seed + k,
                turn=self._turn,
                seconds=seconds,
            )
            for k, piece in enumerate(cut)
        ]
        self._turn += 1
        return self._waiting

    def end(self, done: Sequence[PartDone | None]) -> RoutingPlan:
        """Put the round's parts together; the plan of the best of each. A part that got lost stays as it was."""
        best: Routes = []
        self._now = []
        for part, result in zip(self._waiting, done, strict=True):
            self._now += part.routes if result is None else result.now
            best += part.routes if result is None else result.best
        return RoutingPlan(tuple(Route(0, tuple(route.tolist())) for route in best))
