"""The strategy that proves lower bounds and finds no better plans than it needs for that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from solvers.routing.annealing.strategy import Annealing
from solvers.routing.bounds.columns import ColumnBound
from solvers.routing.bounds.cuts import Cuts
from solvers.routing.bounds.edges import EdgeBound
from solvers.routing.bounds.relaxed import Relaxed, can_relax, relax
from solvers.routing.data import IntArray
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import AnyOf, Stop, Until, WorkLimit
from solvers.strategy import Candidate, Context

LEAST_S = 0.5
LEAST_S_PER_VISIT = 0.02
"""With less time than this no bound worth its core would be ready."""

_SEARCH_SHARE = 0.1
_SEARCH_S_PER_VISIT = 0.012
"""Time for a plan of its own, without which no arc can be ruled out."""

_SEARCH_WORK_PER_VISIT = 2
"""The same in questions to a stop that has no clock."""

_LONG_ROUTE = 14.0
"""Visits per route from which edges are given more time: what labels there are grows with the length of routes."""

_EDGE_SHARE, _EDGE_SHARE_LONG = 0.1, 0.5
"""Most of the time that edges take before routes have their turn, the latter with long routes."""


class RoutingBound:
    """Proves lower bounds for problems with one kind of vehicle, one depot and one kind of load.

    Two relaxations with capacity cuts: over edges, and over ng-routes by column generation, which begins with the cuts
    that mattered to the first (see
    `solvers.routing.bounds.edges` and `solvers.routing.bounds.columns`). Limits other than capacity and fleet are left
    out, which keeps the bound true and makes it weaker. Every bound is computed in integers from rounded prices, with
    costs rounded down: no tolerance of a linear program enters it. Arcs are ruled out against the cost of a plan in
    hand; the bound claimed is therefore the smaller one of that cost and what is proved of all better plans.

    Its candidates carry the best plan that it knows, and bounds that rise. It ends by itself when the plan is proved
    optimal or no cut and no route is left to add.
    """

    name = "routing-bound"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        """Whether a bound can be proved: see `solvers.routing.bounds.relaxed.can_relax`."""
        return isinstance(problem, RoutingProblem) and can_relax(problem)

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """Rising bounds, each with the best plan known. See `solvers.strategy.Strategy`."""
        if context.stop.remaining_s() < max(LEAST_S, LEAST_S_PER_VISIT * problem.n_visits):
            return
        relaxed = relax(problem)
        plan, objective = _plan(problem, context)
        if plan is not None:
            yield Candidate(plan, objective, self.name, context.seed)
        best = -math.inf
        for scaled in _bounds(relaxed, plan, objective, context):
            bound = min(relaxed.objective(scaled), objective)
            if bound > best:
                best = bound
                yield Candidate(plan or RoutingPlan(), objective, self.name, context.seed, lower_bound=bound)
                if context.target_gap is not None and objective - bound <= context.target_gap * abs(objective):
                    return


def _bounds(
    relaxed: Relaxed, plan: RoutingPlan | None, objective: float, context: Context[RoutingPlan]
) -> Iterator[int]:
    """Scaled bounds of both relaxations as they come."""
    stop = context.stop
    cutoff = relaxed.cutoff(objective) if math.isfinite(objective) else 2**62
    edge_cuts, cuts = Cuts(relaxed), Cuts(relaxed)
    total_s = stop.remaining_s()
    has_loads = bool((relaxed.demand[1:] > 0).all())
    share = _EDGE_SHARE_LONG if relaxed.n >= _LONG_ROUTE * relaxed.fewest_routes else _EDGE_SHARE
    left_s = total_s * (1.0 - share) if has_loads and math.isfinite(total_s) else 0.0
    edges = EdgeBound(relaxed, edge_cuts, Until(stop, left_s), context.seed)
    yield from edges.run(cutoff)
    if edges.best > cutoff:
        return
    cuts.adopt(edge_cuts.members[edges.tight])
    if has_loads and not stop():
        routes: list[IntArray] = [] if plan is None else [np.array(route.visits) + 1 for route in plan.routes]
        columns = ColumnBound(relaxed, cuts, stop, [nodes for nodes in routes if len(nodes)], context.seed)
        yield from columns.run(cutoff)


def _plan(problem: RoutingProblem, context: Context[RoutingPlan]) -> tuple[RoutingPlan | None, float]:
    """The best feasible plan at hand after a short search, and its objective."""
    best: tuple[float, RoutingPlan | None] = (math.inf, None)
    for plan in (context.incumbent, problem.initial_plan):
        if plan is not None:
            verdict = problem.verify(plan)
            if verdict.feasible and verdict.objective < best[0]:
                best = (verdict.objective, plan)
    engine, stop = Annealing(), context.stop
    if engine.accepts(problem):
        remaining_s = stop.remaining_s()
        if math.isfinite(remaining_s):
            seconds = min(_SEARCH_SHARE * remaining_s, _SEARCH_S_PER_VISIT * problem.n_visits)
            short: Stop = Until(stop, remaining_s - seconds)
        else:
            short = AnyOf((stop, WorkLimit(_SEARCH_WORK_PER_VISIT * problem.n_visits)))
        for candidate in engine.candidates(problem, Context(context.seed, short, best[1])):
            verdict = problem.verify(candidate.plan)
            if verdict.feasible and verdict.objective < best[0]:
                best = (verdict.objective, candidate.plan)
    return best[1], best[0]
