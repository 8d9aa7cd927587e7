"""Constrained models made from a seed, as files for the peers, and Isinglass on them."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from solvers.binary.constrained import ConstrainedProblem, RawExpression, Variable, constrained_problem
from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.binary.plan import SamplePlan
from solvers.stop import Deadline
from solvers.strategy import Context

SENSES = {"GREATER_OR_EQUAL": -1, "EQUAL": 0, "LESS_OR_EQUAL": 1}


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


def save(problem: ConstrainedProblem, path: Path) -> None:
    """A model of BINARY variables as arrays: dense linear objective, products, constraints one after the other."""
    linear = np.zeros(problem.num_variables)
    linear[problem.objective.linear_variables] = problem.objective.linear_coefficients
    lefts = [constraint.left for constraint in problem.constraints]
    np.savez(
        path,
        linear=linear,
        rows=problem.objective.rows,
        columns=problem.objective.columns,
        values=problem.objective.values,
        starts=np.cumsum([0, *(left.linear_variables.shape[0] for left in lefts)]),
        members=np.concatenate([left.linear_variables for left in lefts]),
        weights=np.concatenate([left.linear_coefficients for left in lefts]),
        senses=np.array([SENSES[constraint.sense] for constraint in problem.constraints]),
        right=np.array([constraint.right for constraint in problem.constraints]),
    )


def load(path: str | Path) -> ConstrainedProblem:
    """The reverse of `save`; names are numbers."""
    with np.load(path) as data:
        names = {number: sense for sense, number in SENSES.items()}
        parts = [slice(a, b) for a, b in zip(data["starts"], data["starts"][1:], strict=False)]
        members, weights, right = data["members"], data["weights"], data["right"]
        rows = [
            (f"c{c}", RawExpression(members[part], weights[part]), names[int(data["senses"][c])], float(right[c]))
            for c, part in enumerate(parts)
        ]
        linear = data["linear"]
        objective = RawExpression(np.arange(linear.shape[0]), linear, data["rows"], data["columns"], data["values"])
    return constrained_problem([Variable(f"x{k}", "BINARY", 0, 1) for k in range(linear.shape[0])], objective, rows)


def solve(problem: ConstrainedProblem, seconds: float, seed: int) -> list[int] | None:
    """Isinglass's best plan; what it is worth, the benchmark works out."""
    stop = Deadline(time.monotonic() + seconds, time.monotonic)
    best, values = math.inf, None
    for candidate in ConstrainedAnnealing().candidates(problem, Context(seed=seed, stop=stop)):
        if problem.verify(candidate.plan).feasible and candidate.claimed_objective < best:
            best, values = candidate.claimed_objective, [int(value) for value in candidate.plan.best]
    return values


def worth(problem: ConstrainedProblem, values: list[int] | None) -> float | None:
    """Objective of ``values`` by the product's verifier; ``None`` unless every constraint holds."""
    if values is None:
        return None
    verdict = problem.verify(SamplePlan(np.array([values], dtype=np.int32), np.ones(1, dtype=np.int64)))
    return verdict.objective if verdict.feasible else None
