"""Integer programs in LP and MPS files, by HiGHS's own readers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from solvers.binary.constrained import (
    MOST,
    ConstrainedProblem,
    RawExpression,
    Variable,
    constrained_problem,
)
from solvers.binary.problem import BinaryProblem, quadratic_problem
from solvers.binary.validate import check_finite, check_memory, listed
from solvers.errors import FieldViolation, InvalidProblem

SUFFIXES = (".lp", ".mps")


def read_program(path: Path) -> BinaryProblem | ConstrainedProblem:
    """The program in an ``.lp`` or ``.mps`` file, minimised: a maximised objective is negated.

    Integer variables from 0 to 1 are BINARY. A row with two different limits becomes two constraints, called by its
    name with ``_low`` and ``_high``. Without constraints and over BINARY variables alone it is a `BinaryProblem`.

    Raises
    ------
    InvalidProblem
        When HiGHS cannot read the file, for continuous variables, for bounds beyond 32 bits, and for whatever
        `constrained_problem` refuses.

    """
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    if solver.readModel(str(path)) != highspy.HighsStatus.kOk:
        raise InvalidProblem(
            [FieldViolation("file", f"{path.name} is no program that HiGHS reads", "a linear or quadratic program")]
        )
    model = solver.getModel()
    lp = model.lp_
    n = int(lp.num_col_)
    if n == 0:
        raise InvalidProblem([FieldViolation("file", f"{path.name} holds no variable", "a program with variables")])
    names = _names(lp.col_names_, n, "x")
    variables = _variables(lp, names)
    sign = -1.0 if lp.sense_ == highspy.ObjSense.kMaximize else 1.0
    objective = _objective(model, n, sign, np.array([variable.type == "BINARY" for variable in variables], dtype=bool))
    constraints = _constraints(lp, _names(lp.row_names_, int(lp.num_row_), "r"))
    if constraints or any(variable.type != "BINARY" for variable in variables):
        return constrained_problem(variables, objective, constraints)
    return quadratic_problem(
        "BINARY",
        objective.linear_coefficients,
        objective.rows,
        objective.columns,
        objective.values,
        offset=objective.offset,
        variables=names,
    )


def _variables(lp: Any, names: list[str]) -> list[Variable]:
    lower, upper = np.array(lp.col_lower_, dtype=np.float64), np.array(lp.col_upper_, dtype=np.float64)
    kinds = list(lp.integrality_)
    integer = highspy.HighsVarType.kInteger
    faults = []
    variables = []
    for k, name in enumerate(names):
        path = f"variables[{name}]"
        if not kinds or kinds[k] != integer:
            faults.append(FieldViolation(path, "is continuous", "a binary or an integer variable"))
            continue
        low, high = math.ceil(max(lower[k], -1e10)), math.floor(min(upper[k], 1e10))
        if (low, high) == (0, 1):
            variables.append(Variable(name, "BINARY", 0, 1))
        elif -MOST <= low <= high <= MOST:
            variables.append(Variable(name, "INTEGER", low, high))
        else:
            faults.append(FieldViolation(path, f"has bounds {lower[k]:g} and {upper[k]:g}", f"bounds within +-{MOST}"))
    if faults:
        raise InvalidProblem(faults[:200])
    return variables


def _objective(model: Any, n: int, sign: float, binary: NDArray[np.bool_]) -> RawExpression:
    """``c x + x' H x / 2`` as terms; the square of a BINARY variable is the variable."""
    lp, hessian = model.lp_, model.hessian_
    linear = sign * np.array(lp.col_cost_, dtype=np.float64)
    starts = np.array(hessian.start_, dtype=np.int64)
    rows = np.array(hessian.index_, dtype=np.int64)
    values = sign * np.array(hessian.value_, dtype=np.float64)
    if hessian.dim_ == 0 or values.shape[0] == 0:
        return RawExpression(np.arange(n), linear, offset=sign * float(lp.offset_))
    columns = np.repeat(np.arange(starts.shape[0] - 1), np.diff(starts))
    if faults := check_memory("objective", n, values.shape[0], 1):
        raise InvalidProblem(faults)
    # Triangular: a pair is listed once and stands for both halves, so that x' H x / 2 has it once; a square has half.
    amount = np.where(rows == columns, 0.5 * values, values)
    if hessian.format_ != highspy.HessianFormat.kTriangular:
        amount = 0.5 * values
    squared = (rows == columns) & binary[rows]
    np.add.at(linear, rows[squared], amount[squared])
    low, high = np.minimum(rows[~squared], columns[~squared]), np.maximum(rows[~squared], columns[~squared])
    key, inverse = np.unique(low * n + high, return_inverse=True)
    total = np.bincount(inverse, weights=amount[~squared], minlength=key.shape[0]).astype(np.float64)
    return RawExpression(np.arange(n), linear, key // n, key % n, total, sign * float(lp.offset_))


def _constraints(lp: Any, names: list[str]) -> list[tuple[str, RawExpression, str, float]]:
    """Rows with a limit, by sense."""
    m = int(lp.num_row_)
    matrix = lp.a_matrix_
    starts = np.array(matrix.start_, dtype=np.int64)
    inner = np.array(matrix.index_, dtype=np.int64)
    values = np.array(matrix.value_, dtype=np.float64)
    outer = np.repeat(np.arange(starts.shape[0] - 1), np.diff(starts))
    row, column = (inner, outer) if matrix.format_ == highspy.MatrixFormat.kColwise else (outer, inner)
    order = np.argsort(row, kind="stable")
    ends = np.searchsorted(row[order], np.arange(m + 1))
    low, high = np.array(lp.row_lower_, dtype=np.float64), np.array(lp.row_upper_, dtype=np.float64)
    faults = listed("rows", np.isnan(low) | np.isnan(high), "has a limit", high, "a number") + check_finite(
        "rows", values
    )
    if faults:
        raise InvalidProblem(faults)
    found = []
    for c in range(m):
        part = order[ends[c] : ends[c + 1]]
        left = RawExpression(column[part], values[part])
        below, above = math.isfinite(low[c]), math.isfinite(high[c])
        if below and above and low[c] == high[c]:
            found.append((names[c], left, "EQUAL", float(high[c])))
            continue
        both = below and above
        if below:
            found.append((names[c] + ("_low" if both else ""), left, "GREATER_OR_EQUAL", float(low[c])))
        if above:
            found.append((names[c] + ("_high" if both else ""), left, "LESS_OR_EQUAL", float(high[c])))
    return found


def _names(given: Any, count: int, letter: str) -> list[str]:
    """The file's names; letter and number where it has none."""
    names = [str(name) for name in given]
    return names if len(names) == count and all(names) else [f"{letter}{k}" for k in range(count)]
