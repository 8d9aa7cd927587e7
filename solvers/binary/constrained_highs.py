"""HiGHS on constrained models, products of binaries made linear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.constrained_verify import energy
from solvers.binary.plan import SamplePlan
from solvers.highs_run import stream
from solvers.strategy import Candidate, Context

MOST_PRODUCTS = 20_000
BOUND_SLACK = 1e-6
"""HiGHS works with tolerances; its bound is lowered by this share of its size before it counts as proved."""


class ConstrainedHighs:
    """Branch and cut. A product of two binaries is a column tied to both by Fortet's inequalities (1960)."""

    name = "highs"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        """Linear objectives, and products of BINARY and SPIN variables, `MOST_PRODUCTS` at most."""
        if not isinstance(problem, ConstrainedProblem) or problem.num_variables == 0:
            return False
        goal = problem.objective
        involved = {int(i) for i in (*goal.rows, *goal.columns)}
        return goal.values.shape[0] <= MOST_PRODUCTS and all(problem.variables[i].type != "INTEGER" for i in involved)

    def candidates(self, problem: ConstrainedProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each better solution and each better bound; none when the model is infeasible."""
        n = problem.num_variables
        scale = np.array([float(variable.step) for variable in problem.variables])
        shift = np.array([-1.0 if variable.type == "SPIN" else 0.0 for variable in problem.variables])
        program = _program(problem, scale, shift)
        options = {"mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "mip_feasibility_tolerance": 1e-9}
        best: SamplePlan | None = None
        objective, told = np.inf, -np.inf
        for news in stream(program, context.stop, context.seed, options=options):
            bound = news.bound - BOUND_SLACK * max(1.0, abs(news.bound)) if np.isfinite(news.bound) else -np.inf
            better = False
            if news.solution is not None:
                values = np.rint(news.solution[:n]) * scale + shift
                plan = SamplePlan(values[None, :].astype(np.int32), np.ones(1, dtype=np.int64))
                found = energy(problem, plan.best)
                if found < objective and problem.verify(plan).feasible:
                    best, objective, better = plan, found, True
            if best is not None and (better or bound > told):
                told = max(told, bound)
                limit = min(told, objective) if np.isfinite(told) else None
                yield Candidate(best, objective, self.name, context.seed, limit)


def _program(problem: ConstrainedProblem, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> highspy.HighsLp:
    """The integer program over ``z`` with ``x = scale z + shift``, then one column per product."""
    n, goal = problem.num_variables, problem.objective
    i, j, w = goal.rows, goal.columns, goal.values
    k = w.shape[0]
    cost = np.zeros(n + k)
    np.add.at(cost, goal.linear_variables, goal.linear_coefficients * scale[goal.linear_variables])
    np.add.at(cost, i, w * scale[i] * shift[j])
    np.add.at(cost, j, w * shift[i] * scale[j])
    cost[n:] = w * scale[i] * scale[j]
    constant = goal.offset + float((w * shift[i] * shift[j]).sum())
    constant += float((goal.linear_coefficients * shift[goal.linear_variables]).sum())
    rows, columns, values, low, high = [], [], [], [], []
    for c, constraint in enumerate(problem.constraints):
        where, weight = constraint.left.linear_variables, constraint.left.linear_coefficients
        right = constraint.right - constraint.left.offset - float((weight * shift[where]).sum())
        rows.append(np.full(where.shape[0], c))
        columns.append(where)
        values.append(weight * scale[where])
        low.append(-np.inf if constraint.sense == "LESS_OR_EQUAL" else right)
        high.append(np.inf if constraint.sense == "GREATER_OR_EQUAL" else right)
    at = len(problem.constraints)
    dear = np.flatnonzero(cost[n:] > 0)
    cheap = np.flatnonzero(cost[n:] < 0)
    one = np.ones(dear.shape[0])
    number = at + np.arange(dear.shape[0])
    rows += [number, number, number]
    columns += [i[dear], j[dear], n + dear]
    values += [one, one, -one]  # z_i + z_j - y <= 1
    low += [-np.inf] * dear.shape[0]
    high += [1.0] * dear.shape[0]
    for factor in (i, j):
        number = len(low) + np.arange(cheap.shape[0])
        one = np.ones(cheap.shape[0])
        rows += [number, number]
        columns += [n + cheap, factor[cheap]]
        values += [one, -one]  # y - z <= 0
        low += [-np.inf] * cheap.shape[0]
        high += [0.0] * cheap.shape[0]
    return _lp(problem, cost, constant, (rows, columns, values), (low, high))


def _lp(
    problem: ConstrainedProblem,
    cost: NDArray[np.float64],
    constant: float,
    entries: tuple[list[Any], list[Any], list[Any]],
    limits: tuple[list[float], list[float]],
) -> highspy.HighsLp:
    n, width, height = problem.num_variables, cost.shape[0], len(limits[0])
    empty = [np.empty(0)]
    rows, columns, values = (np.concatenate([*empty, *part]) for part in entries)
    matrix = coo_array((values, (rows.astype(np.int64), columns.astype(np.int64))), shape=(height, width)).tocsr()
    binary = np.array([variable.type != "INTEGER" for variable in problem.variables])
    lower = np.array([float(variable.lower) for variable in problem.variables])
    upper = np.array([float(variable.upper) for variable in problem.variables])
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_, lp.offset_, lp.col_cost_ = width, height, constant, cost
    lp.col_lower_ = np.concatenate([np.where(binary, 0.0, lower), np.zeros(width - n)])
    lp.col_upper_ = np.concatenate([np.where(binary, 1.0, upper), np.ones(width - n)])
    lp.row_lower_, lp.row_upper_ = np.array(limits[0], dtype=np.float64), np.array(limits[1], dtype=np.float64)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data.astype(np.float64)
    kinds = [highspy.HighsVarType.kInteger] * n
    lp.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * (width - n)
    return lp
