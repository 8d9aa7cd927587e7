"""To and from dimod's models, and from Qiskit's quadratic programs."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np

from solvers.binary.constrained import ConstrainedProblem, RawExpression, Variable, constrained_problem
from solvers.binary.problem import DEFAULT_NUM_SAMPLES, BinaryProblem, Vartype, quadratic_problem
from solvers.errors import FieldViolation, InvalidProblem


def from_dimod(bqm: Any, *, num_samples: int = DEFAULT_NUM_SAMPLES, temperature: float | None = None) -> BinaryProblem:
    """A `dimod.BinaryQuadraticModel` as a problem, variables in its order.

    Labels 0 .. n - 1 in order stay indices; any others become names by ``str``.

    Raises
    ------
    InvalidProblem
        When a coefficient is not finite or two labels have the same text.
    """
    labels = list(bqm.variables)
    vectors = bqm.to_numpy_vectors(variable_order=labels)
    plain = labels == list(range(len(labels))) and all(type(label) is int for label in labels)
    return quadratic_problem(
        Vartype.SPIN if bqm.vartype is dimod.SPIN else Vartype.BINARY,
        vectors.linear_biases,
        vectors.quadratic.row_indices,
        vectors.quadratic.col_indices,
        vectors.quadratic.biases,
        offset=float(vectors.offset),
        variables=() if plain else tuple(str(label) for label in labels),
        num_variables=len(labels),
        num_samples=num_samples,
        temperature=temperature,
    )


def to_dimod(problem: BinaryProblem) -> dimod.BinaryQuadraticModel:
    """The same model for dimod, labelled by name or index, in the problem's vartype."""
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        problem.linear,
        (problem.rows, problem.columns, problem.values),
        problem.offset,
        problem.vartype.value,
    )
    if problem.variables:
        bqm.relabel_variables(dict(enumerate(problem.variables)))
    return bqm


def ising_to_dimod(problem: BinaryProblem) -> dimod.BinaryQuadraticModel:
    """The model over spins, labelled 0 .. n - 1 in order."""
    model = problem.ising
    owner = np.repeat(np.arange(model.size), np.diff(model.indptr))
    upper = owner < model.indices
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        model.field, (owner[upper], model.indices[upper], model.weights[upper]), model.offset, dimod.SPIN
    )


_SENSES = {"<=": "LESS_OR_EQUAL", "==": "EQUAL", ">=": "GREATER_OR_EQUAL"}


def from_cqm(cqm: Any, *, num_samples: int = DEFAULT_NUM_SAMPLES) -> ConstrainedProblem:
    """A `dimod.ConstrainedQuadraticModel` as a problem; labels become names by ``str``.

    Raises
    ------
    InvalidProblem
        For real variables, soft constraints, quadratic constraints, and whatever `constrained_problem` refuses.

    """
    faults = []
    labels = list(cqm.variables)
    variables = []
    for k, label in enumerate(labels):
        type = cqm.vartype(label).name
        if type == "REAL":
            faults.append(FieldViolation(f"constrained.variables[{k}].type", "is REAL", "BINARY, SPIN or INTEGER"))
        bounds = (int(cqm.lower_bound(label)), int(cqm.upper_bound(label)))
        if type == "INTEGER" and max(map(abs, bounds)) > 2**31 - 1:
            faults.append(
                FieldViolation(f"constrained.variables[{k}]", f"has bounds {bounds}", "bounds within +-(2**31 - 1)")
            )
        variables.append(Variable(str(label), type, *bounds))
    position = {label: k for k, label in enumerate(labels)}
    constraints = []
    for k, (label, constraint) in enumerate(cqm.constraints.items()):
        if constraint.lhs.is_soft():
            faults.append(FieldViolation(f"constrained.constraints[{k}]", "is soft", "a hard constraint"))
        left = _raw(constraint.lhs, position)
        constraints.append((str(label), left, _SENSES[constraint.sense.value], float(constraint.rhs)))
    if faults:
        raise InvalidProblem(faults)
    return constrained_problem(variables, _raw(cqm.objective, position), constraints, num_samples=num_samples)


def _raw(model: Any, position: dict[Any, int]) -> RawExpression:
    linear = list(model.iter_linear())
    quadratic = list(model.iter_quadratic())
    return RawExpression(
        [position[label] for label, _ in linear],
        [float(bias) for _, bias in linear],
        [position[u] for u, _, _ in quadratic],
        [position[v] for _, v, _ in quadratic],
        [float(bias) for _, _, bias in quadratic],
        float(model.offset),
    )


def from_quadratic_program(program: Any, *, num_samples: int = DEFAULT_NUM_SAMPLES) -> ConstrainedProblem:
    """A `qiskit_optimization.QuadraticProgram` as a problem; a maximised objective is negated.

    Raises
    ------
    InvalidProblem
        For continuous variables, quadratic constraints, and whatever `constrained_problem` refuses.

    """
    faults = []
    variables = []
    for k, variable in enumerate(program.variables):
        type = variable.vartype.name
        if type == "CONTINUOUS":
            faults.append(FieldViolation(f"constrained.variables[{k}].type", "is CONTINUOUS", "BINARY or INTEGER"))
            type = "INTEGER"
        bounds = (variable.lowerbound, variable.upperbound)
        if max(map(abs, bounds)) > 2**31 - 1:
            faults.append(
                FieldViolation(f"constrained.variables[{k}]", f"has bounds {bounds}", "bounds within +-(2**31 - 1)")
            )
            bounds = (0, 0)
        variables.append(Variable(variable.name, type, int(bounds[0]), int(bounds[1])))
    if program.quadratic_constraints:
        faults.append(FieldViolation("constrained.constraints", "has quadratic ones", "linear constraints"))
    if faults:
        raise InvalidProblem(faults)
    goal, sign = program.objective, float(program.objective.sense.value)
    binary = [variable.type == "BINARY" for variable in variables]
    linear = {k: sign * float(v) for k, v in goal.linear.to_dict().items()}
    rows, columns, values = [], [], []
    for (i, j), value in goal.quadratic.to_dict().items():
        if i == j and binary[i]:  # x x = x
            linear[i] = linear.get(i, 0.0) + sign * float(value)
        else:
            rows.append(i)
            columns.append(j)
            values.append(sign * float(value))
    objective = RawExpression(list(linear), list(linear.values()), rows, columns, values, sign * float(goal.constant))
    constraints = []
    for constraint in program.linear_constraints:
        entries = constraint.linear.to_dict()
        left = RawExpression(list(entries), [float(v) for v in entries.values()])
        constraints.append((constraint.name, left, _SENSES[constraint.sense.label], float(constraint.rhs)))
    return constrained_problem(variables, objective, constraints, num_samples=num_samples)
