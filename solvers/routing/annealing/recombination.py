"""The best plan that routes seen on the way make together: a set partitioning program over them, on HiGHS.

Annealing finds good routes at different times and never holds them all at once. Where routes are short, a program over
all of them finds the best choice (Rochat and Taillard 1995; Subramanian, Penna, Uchoa and Ochi 2012 for mixed fleets).
Where they are long, its relaxation is hard and the pool holds little that fits together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import highspy
import numpy as np
from numpy.typing import NDArray

from solvers.highs_run import stream
from solvers.routing.arrays import arrays_of
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost
from solvers.routing.growing_program import GrowingProgram, Interrupted
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Stop

MOST_STOPS, MOST_PER_ROUTE = 250, 8.0
"""Stops of a problem, and mean stops of a route, at most; beyond, no routes are collected."""

MOST_ROUTES = 40_000
"""Routes that are remembered; beyond, those seen last the longest ago are forgotten."""

PART_OF_GAP = 0.5
"""Routes whose reduced cost is more than this part of the distance of the plan from the relaxation are left out: a plan
with one of them would be better by less than the other part."""

LEAST_RELAXATIONS = 40.0
"""The program is not begun with less time than the relaxation took, so many times: it would not come to an end."""


class RoutePool:
    """Routes seen: each set of stops on a type of vehicle once, in its cheapest order.

    Parameters
    ----------
    problem
        What they are routes of.

    """

    def __init__(self, problem: RoutingProblem) -> None:
        self._problem, self._arrays = problem, arrays_of(problem)
        self._seen: dict[tuple[int, frozenset[int]], tuple[float, Route]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, routes: Iterable[Route]) -> None:
        """Remember the feasible ones of ``routes``."""
        for route in routes:
            if not route.visits:
                continue
            key = (route.vehicle_type, frozenset(route.visits))
            known = self._seen.pop(key, None)
            if known is None or known[1].visits != route.visits:
                visits = np.array(route.visits, np.int64)
                cost = float(route_cost(self._arrays, route.vehicle_type, visits, len(visits)))
                if cost < (math.inf if known is None else known[0]):
                    known = cost, route
            if known is not None:
                self._seen[key] = known
        while len(self._seen) > MOST_ROUTES:
            del self._seen[next(iter(self._seen))]

    def better_plans(self, plan: RoutingPlan, stop: Stop, seed: int) -> Iterator[RoutingPlan]:
        """Plans of remembered routes until ``stop``, each better than the one before, the first than ``plan``.

        Nothing comes when ``stop`` leaves too little time. Which plans come does not depend on the time, only how many.
        """
        self.add(plan.routes)
        problem = self._problem
        best = problem.verify(plan).objective
        costs, routes = zip(*self._seen.values(), strict=True)
        program = _Program(problem, np.array(costs), routes)
        before_s = stop.remaining_s()
        try:
            bound, reduced = program.relaxation(stop)
        except Interrupted:
            return
        took_s = before_s - stop.remaining_s()
        if took_s > 0 and stop.remaining_s() < LEAST_RELAXATIONS * took_s:
            return
        own = {(route.vehicle_type, frozenset(route.visits)) for route in plan.routes}
        is_own = np.array([key in own for key in self._seen])
        kept = np.flatnonzero(is_own | (reduced[: len(routes)] <= PART_OF_GAP * (best - bound)))
        chosen = [routes[k] for k in kept]
        program = _Program(problem, np.array(costs)[kept], chosen)
        start = np.concatenate([is_own[kept], [not any(s in r.visits for r in plan.routes) for s in program.optional]])
        for news in stream(program.lp(), stop, seed, start=start.astype(np.float64), options={"mip_rel_gap": 0.0}):
            if news.solution is None:
                continue
            picked = np.flatnonzero(news.solution[: len(chosen)] > 0.5)
            found = RoutingPlan(tuple(chosen[k] for k in picked))
            verdict = problem.verify(found)
            if verdict.feasible and verdict.objective < best - 1e-9 * abs(best):
                best = verdict.objective
                yield found


class _Program:
    """Cover each stop once at least cost by routes and, for those that may stay out, by their prizes."""

    def __init__(self, problem: RoutingProblem, costs: FloatArray, routes: Sequence[Route]) -> None:
        n = problem.n_stops
        self.optional: IntArray = np.flatnonzero(problem.optional)
        scarce = np.flatnonzero(problem.vehicle_count < n)
        row_of_type = {int(t): n + k for k, t in enumerate(scarce)}
        rows: list[int] = []
        starts = [0]
        for route in routes:
            rows += sorted(route.visits)
            if route.vehicle_type in row_of_type:
                rows.append(row_of_type[route.vehicle_type])
            starts.append(len(rows))
        for stop in self.optional.tolist():
            rows.append(stop)
            starts.append(len(rows))
        self.costs = np.concatenate([costs, problem.prize[self.optional]])
        self.rows, self.starts = np.array(rows, np.int64), np.array(starts, np.int64)
        self.upper = np.concatenate([np.ones(n), problem.vehicle_count[scarce].astype(np.float64)])
        self.lower = np.concatenate([np.ones(n), np.full(len(scarce), -np.inf)])

    def relaxation(self, stop: Stop) -> tuple[float, FloatArray]:
        """Least cost with fractions of routes, and the reduced cost of each column.

        Raises
        ------
        Interrupted

        """
        program = GrowingProgram(stop)
        none = np.zeros(0, np.int64)
        program.add_rows(self.lower, self.upper, np.zeros(len(self.lower), np.int64), none, np.zeros(0))
        ones: NDArray[np.float64] = np.ones(len(self.rows))
        program.add_columns(self.costs, np.ones(len(self.costs)), self.starts[:-1], self.rows, ones)
        program.solve()
        return program.objective, program.reduced

    def lp(self) -> highspy.HighsLp:
        """The integer program."""
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.costs), len(self.lower)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self.costs, np.zeros(len(self.costs)), np.ones(len(self.costs))
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = self.starts, self.rows
        lp.a_matrix_.value_ = np.ones(len(self.rows))
        lp.integrality_ = [highspy.HighsVarType.kInteger] * len(self.costs)
        return lp


def is_worthwhile(problem: RoutingProblem, routes: int) -> bool:
    """Whether plans of about so many ``routes`` have short ones, and few enough."""
    return problem.n_stops <= min(MOST_STOPS, MOST_PER_ROUTE * routes)
