"""Canonical JSON of constrained models: the `ConstrainedModel` message's own field names."""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.binary.constrained import (
    ConstrainedProblem,
    Expression,
    RawExpression,
    Variable,
    constrained_problem,
    natural_bounds,
)
from solvers.binary.json_reader import Reader
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject

EXPRESSION = ("linear_variables", "linear_coefficients", "rows", "columns", "values", "offset")


def model_to_json(problem: ConstrainedProblem) -> JsonObject:
    """The ``constrained`` field; defaults and empty lists are left out."""
    variables = []
    for variable in problem.variables:
        entry: JsonObject = {"name": variable.name, "type": variable.type}
        if variable.type == "INTEGER":
            entry |= {"lower_bound": variable.lower, "upper_bound": variable.upper}
        variables.append(_given(entry))
    constraints = [
        _given({"name": c.name, "left": _expression(c.left), "sense": c.sense, "right": c.right})
        for c in problem.constraints
    ]
    return _given({"variables": variables, "objective": _expression(problem.objective), "constraints": constraints})


def model_from_json(
    data: Any, num_samples: int, temperature: float | None, faults: list[FieldViolation]
) -> ConstrainedProblem:
    """The problem in the ``constrained`` field.

    Raises
    ------
    InvalidProblem
        With ``faults`` and every other field at fault.

    """
    model = Reader("constrained", data, ("variables", "objective", "constraints"), faults)
    variables = []
    for k, entry in enumerate(model.list("variables")):
        reader = Reader(f"constrained.variables[{k}]", entry, ("name", "type", "lower_bound", "upper_bound"), faults)
        bounds = (reader.integer("lower_bound", 0), reader.integer("upper_bound", 0))
        variables.append(variable_of(reader.text("name"), reader.text("type") or "absent", *bounds))
    objective = _read_expression("constrained.objective", model.data.get("objective", {}), faults)
    constraints = []
    for k, entry in enumerate(model.list("constraints")):
        path = f"constrained.constraints[{k}]"
        reader = Reader(path, entry, ("name", "left", "sense", "right"), faults)
        left = _read_expression(f"{path}.left", reader.data.get("left", {}), faults)
        constraints.append((reader.text("name"), left, reader.text("sense") or "absent", reader.number("right", 0.0)))
    if faults:
        raise InvalidProblem(faults)
    return constrained_problem(variables, objective, constraints, num_samples=num_samples, temperature=temperature)


def variable_of(name: str, type: str, lower: int, upper: int) -> Variable:
    """A variable from the contract's fields, where bounds that are both absent (0) are the type's own."""
    if type != "INTEGER" and lower == upper == 0:
        return Variable(name, type, *natural_bounds(type))
    return Variable(name, type, lower, upper)


def _given(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value not in (0, "", [], {})}


def _expression(expression: Expression) -> JsonObject:
    return _given(
        {
            "linear_variables": expression.linear_variables.tolist(),
            "linear_coefficients": expression.linear_coefficients.tolist(),
            "rows": expression.rows.tolist(),
            "columns": expression.columns.tolist(),
            "values": expression.values.tolist(),
            "offset": expression.offset,
        }
    )


def _read_expression(path: str, data: Any, faults: list[FieldViolation]) -> RawExpression:
    reader = Reader(path, data, EXPRESSION, faults)
    return RawExpression(
        np.asarray(reader.integers("linear_variables")),
        reader.numbers("linear_coefficients"),
        reader.integers("rows"),
        reader.integers("columns"),
        reader.numbers("values"),
        reader.number("offset", 0.0),
    )
