"""The judge of plans for constrained models. Reads the terms as given; shares no code with any solver."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solvers.problem import Verdict, Violation

if TYPE_CHECKING:
    from solvers.binary.constrained import ConstrainedProblem, Expression
    from solvers.binary.plan import SamplePlan

TOLERANCE = 1e-9
"""How far a constraint may be exceeded, relative to the size of its terms: rounding alone."""


def value_of(expression: Expression, values: NDArray[np.int32]) -> float:
    """The expression at one assignment, shape ``(n,)``."""
    return math.fsum([*_terms(expression, values), expression.offset])


def energy(problem: ConstrainedProblem, values: NDArray[np.int32]) -> float:
    """The objective at one assignment."""
    return value_of(problem.objective, values)


def verify(problem: ConstrainedProblem, plan: SamplePlan) -> Verdict:
    """Objective of the first sample; feasible when every sample keeps to domains and constraints.

    Samples are distinct, at most as many as asked for, and none is lower than the first.
    """
    values = plan.values
    if values.shape[0] < 1 or values.shape[1] != problem.num_variables or plan.occurrences.shape != values.shape[:1]:
        return Verdict(math.inf, False, (Violation("shape", "samples", 1.0),))
    violations: list[Violation] = []
    if values.shape[0] > problem.num_samples:
        violations.append(Violation("num_samples", "samples", float(values.shape[0] - problem.num_samples)))
    if len({row.tobytes() for row in values}) < values.shape[0]:
        violations.append(Violation("distinct", "samples", 1.0))
    objective = energy(problem, values[0])
    size = TOLERANCE * (1.0 + sum(abs(term) for term in _terms(problem.objective, values[0])))
    for k, row in enumerate(values):
        at = f"samples[{k}] " if k else ""
        violations += _domains(problem, row, at)
        for constraint in problem.constraints:
            excess = _excess(constraint.sense, value_of(constraint.left, row) - constraint.right)
            scale = 1.0 + abs(constraint.right) + sum(abs(term) for term in _terms(constraint.left, row))
            if excess > TOLERANCE * scale:
                violations.append(Violation("constraint", f"{at}{constraint.name}", excess))
        if plan.occurrences[k] < 1:
            violations.append(Violation("occurrences", f"samples[{k}]", float(1 - plan.occurrences[k])))
        below = objective - energy(problem, row)
        if below > size:
            violations.append(Violation("order", f"samples[{k}]", below))
    terms = {"objective": objective - problem.objective.offset, "offset": problem.objective.offset}
    return Verdict(objective, not violations, tuple(violations), terms)


def _domains(problem: ConstrainedProblem, row: NDArray[np.int32], at: str) -> list[Violation]:
    found = []
    for variable, value in zip(problem.variables, row.tolist(), strict=True):
        off = max(variable.lower - value, value - variable.upper)
        if variable.type == "SPIN" and value == 0:
            off = 1
        if off > 0:
            found.append(Violation("domain", f"{at}{variable.name}", float(off)))
    return found


def _excess(sense: str, difference: float) -> float:
    if sense == "EQUAL":
        return abs(difference)
    return difference if sense == "LESS_OR_EQUAL" else -difference


def _terms(expression: Expression, values: NDArray[np.int32]) -> list[float]:
    x = values.astype(np.float64)
    linear = expression.linear_coefficients * x[expression.linear_variables]
    quadratic = expression.values * x[expression.rows] * x[expression.columns]
    return [*linear.tolist(), *quadratic.tolist()]
