"""Constrained models made from a seed, and Isinglass beside HiGHS and CP-SAT on them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from solvers.binary.constrained import ConstrainedProblem, RawExpression, Variable, constrained_problem
from solvers.binary.constrained_highs import ConstrainedHighs
from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.stop import Deadline
from solvers.strategy import Context, Strategy

SEED = 1

Run = Callable[[ConstrainedProblem, float], float]
"""Solver: problem, seconds -> objective of its best feasible plan, ``inf`` without one."""


def model(seed: int, *, variables: int = 2000, constraints: int = 200, products: int = 0) -> ConstrainedProblem:
    """Half the constraints are one-hot groups that cover all variables, half are capacities over a hundred of them.

    A drawn choice of one variable a group meets every capacity, so the model is feasible.
    """
    rng = np.random.default_rng(seed)
    names = [Variable(f"x{k}", "BINARY", 0, 1) for k in range(variables)]
    groups = rng.permutation(variables).reshape(constraints // 2, -1)
    chosen = np.zeros(variables)
    chosen[[int(rng.choice(group)) for group in groups]] = 1.0
    rows: list[tuple[str, RawExpression, str, float]] = [
        (f"one{k}", RawExpression(np.sort(group), np.ones(group.shape[0])), "EQUAL", 1.0)
        for k, group in enumerate(groups)
    ]
    for k in range(constraints - len(rows)):
        where = np.sort(rng.permutation(variables)[: min(100, variables)])
        weight = rng.integers(1, 50, where.shape[0])
        rows.append((f"cap{k}", RawExpression(where, weight), "LESS_OR_EQUAL", float(weight @ chosen[where]) + 10.0))
    pairs = np.unique(np.sort(rng.integers(0, variables, (products, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    objective = RawExpression(
        np.arange(variables),
        -rng.integers(1, 100, variables),
        pairs[:, 0],
        pairs[:, 1],
        rng.integers(-50, 51, pairs.shape[0]),
    )
    return constrained_problem(names, objective, rows)


def compare(seconds: float, **size: int) -> list[dict[str, Any]]:
    """A row for a linear and one for a quadratic objective: each solver's objective and its gap to the best of all."""
    rows = []
    for name, products in (("linear", 0), ("quadratic", 4000)):
        problem = model(SEED, products=products, **size)
        found = {solver: run(problem, seconds) for solver, run in solvers().items()}
        best = min(found.values())
        gaps = {solver: (value - best) / abs(best) if math.isfinite(value) else None for solver, value in found.items()}
        objectives = {solver: value if math.isfinite(value) else None for solver, value in found.items()}
        rows.append({"instance": name, "seconds": seconds, "best": best, "objectives": objectives, "gaps": gaps})
    return rows


def solvers() -> dict[str, Run]:
    """Isinglass, HiGHS, and CP-SAT where the ``bench`` extra is installed."""
    found: dict[str, Run] = {"isinglass": _ours(ConstrainedAnnealing()), "highs": _ours(ConstrainedHighs())}
    if find_spec("ortools") is not None:
        found["cp_sat"] = cp_sat
    return found


def _ours(strategy: Strategy[Any]) -> Run:
    def run(problem: ConstrainedProblem, seconds: float) -> float:
        stop = Deadline(time.monotonic() + seconds, time.monotonic)
        best = math.inf
        for candidate in strategy.candidates(problem, Context(seed=SEED, stop=stop)):
            verdict = problem.verify(candidate.plan)
            if verdict.feasible:
                best = min(best, verdict.objective)
        return best

    return run


def cp_sat(problem: ConstrainedProblem, seconds: float) -> float:
    """CP-SAT on one worker; a product becomes a boolean that is true when both are."""
    from ortools.sat.python import cp_model

    program = cp_model.CpModel()
    x = [program.new_bool_var(variable.name) for variable in problem.variables]
    senses = {"EQUAL": "__eq__", "LESS_OR_EQUAL": "__le__", "GREATER_OR_EQUAL": "__ge__"}
    for constraint in problem.constraints:
        left = sum(
            int(weight) * x[i]
            for i, weight in zip(constraint.left.linear_variables, constraint.left.linear_coefficients, strict=True)
        )
        program.add(getattr(left, senses[constraint.sense])(int(constraint.right)))
    goal = problem.objective
    terms = [int(c) * x[i] for i, c in zip(goal.linear_variables, goal.linear_coefficients, strict=True)]
    for i, j, weight in zip(goal.rows, goal.columns, goal.values, strict=True):
        both = program.new_bool_var("")
        program.add_bool_or([x[i].negated(), x[j].negated(), both])
        program.add_implication(both, x[i])
        program.add_implication(both, x[j])
        terms.append(int(weight) * both)
    program.minimize(sum(terms))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    status = solver.solve(program)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return math.inf
    return float(solver.objective_value) + goal.offset
