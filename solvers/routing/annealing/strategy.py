"""The annealing strategy: a cooling over ruin and recreate, streamed as improving candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing import general
from solvers.routing.annealing.capacity import CapacityEngine
from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.regions import Regions, cooled
from solvers.routing.annealing.schedule import Trace, replayed, worked
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.strategy import Candidate, Context

WORK_PER_STOP = 200
"""Iterations per stop of the first cooling of a run without a clock."""


class Annealing:
    """Simulated annealing over ruin and recreate (Christiaens and Vanden Berghe 2020), at any size.

    Deterministic in (problem, seed, incumbent, control trace). A run under a clock uses all the time that is left, and
    its last candidate carries the trace that repeats it without one.
    """

    name = "annealing"
    version = "5"

    def accepts(self, problem: Any) -> bool:
        """Whether every feature that ``problem`` uses is honoured."""
        return isinstance(problem, RoutingProblem) and (CapacityEngine.accepts(problem) or general.accepts(problem))

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """Improving candidates until the time is over. See `solvers.strategy.Strategy`."""
        plain = CapacityEngine.accepts(problem)
        whole = CapacityEngine(problem, context.seed) if plain else general.GeneralEngine(problem, context.seed)
        whole.start(_first_plan(problem, context.incumbent), context.stop)

        def part(seed: int, stops: NDArray[np.int64], vehicles: NDArray[np.int64]) -> TourEngine:
            if plain:
                return CapacityEngine(problem, seed, stops=stops, vehicles=int(vehicles[0]))
            return general.GeneralEngine(problem, seed, stops=stops, vehicles=vehicles)

        engine = Regions(problem, whole, part, context.seed)
        told = math.inf
        trace = Trace()

        def candidate(last: bool) -> Candidate[RoutingPlan]:
            return Candidate(
                plan=engine.plan(),
                claimed_objective=engine.best_objective,
                strategy=self.name,
                seed=context.seed,
                control_trace=trace.to_json() if last else None,
            )

        if engine.best_objective < told:
            told = engine.best_objective
            yield candidate(last=False)
        if context.control_trace is not None:
            segments = Trace.segments_of(context.control_trace)
            trace.segments = [[iterations, temperature] for iterations, temperature in segments]
            steps = replayed(engine, segments, context.stop)
        elif math.isfinite(context.stop.remaining_s()):
            steps = cooled(engine, context.stop, trace)
        else:
            work = 20_000 + WORK_PER_STOP * problem.n_stops
            steps = worked(engine, engine.cooling(work), context.stop, trace)
        for _ in steps:
            if engine.best_objective < told:
                told = engine.best_objective
                yield candidate(last=False)
        engine.close()
        if engine.best_objective < math.inf:
            yield candidate(last=True)


def _first_plan(problem: RoutingProblem, incumbent: RoutingPlan | None) -> RoutingPlan | None:
    """The better feasible one of the incumbent and the injected plan."""
    plans = [plan for plan in (incumbent, problem.initial_plan) if plan is not None]
    judged = [(problem.verify(plan), plan) for plan in plans]
    feasible = [(verdict.objective, k) for k, (verdict, _) in enumerate(judged) if verdict.feasible]
    return judged[min(feasible)[1]][1] if feasible else None
