"""A quadratic objective over binary, spin and integer variables under linear constraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solvers.binary.problem import DEFAULT_NUM_SAMPLES
from solvers.binary.validate import check_finite, check_memory, check_names, check_options, check_pairs, listed
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import Features, Verdict

if TYPE_CHECKING:
    from solvers.binary.plan import SamplePlan

TYPES = ("BINARY", "SPIN", "INTEGER")
SENSES = ("LESS_OR_EQUAL", "EQUAL", "GREATER_OR_EQUAL")
MOST = 2**31 - 1


@dataclass(frozen=True)
class Variable:
    """One variable: ``type`` is one of `TYPES`; bounds are inclusive and follow from the type unless INTEGER."""

    name: str
    type: str
    lower: int
    upper: int

    @property
    def step(self) -> int:
        """Distance between neighbouring values."""
        return 2 if self.type == "SPIN" else 1


@dataclass(frozen=True, eq=False)
class Expression:
    """``sum linear_coefficients x_linear_variables + sum values x_rows x_columns + offset``.

    Terms are in order, none is zero; ``rows <= columns`` (equal for the square of an INTEGER variable).
    """

    linear_variables: NDArray[np.int64]
    linear_coefficients: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    offset: float = 0.0

    def key(self) -> tuple[object, ...]:
        """What tells two expressions apart."""
        parts = (self.linear_variables, self.linear_coefficients, self.rows, self.columns, self.values)
        return (self.offset, *(part.tobytes() for part in parts))

    def __eq__(self, other: object) -> bool:
        return self.key() == other.key() if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key())


@dataclass(frozen=True)
class Constraint:
    """``left`` (linear) compared with ``right``; ``sense`` is one of `SENSES`."""

    name: str
    left: Expression
    sense: str
    right: float


@dataclass(frozen=True)
class ConstrainedProblem:
    """``objective`` minimised subject to every one of ``constraints``. Made by `constrained_problem`."""

    kind: ClassVar[str] = "binary"

    variables: tuple[Variable, ...]
    objective: Expression
    constraints: tuple[Constraint, ...]
    num_samples: int = field(default=DEFAULT_NUM_SAMPLES)

    @property
    def num_variables(self) -> int:
        """Number of variables."""
        return len(self.variables)

    def name_of(self, index: int) -> str:
        """The variable's name."""
        return self.variables[index].name

    def verify(self, plan: SamplePlan) -> Verdict:
        """Recompute objective and every constraint; see `solvers.binary.constrained_verify`."""
        from solvers.binary.constrained_verify import verify

        return verify(self, plan)

    def features(self) -> Features:
        """Size, density of the objective, and tightness: constraints a variable is in, over all constraints."""
        n, m = self.num_variables, len(self.constraints)
        terms = int(self.objective.values.shape[0])
        entries = sum(constraint.left.linear_variables.shape[0] for constraint in self.constraints)
        equalities = sum(constraint.sense == "EQUAL" for constraint in self.constraints)
        values = {
            "size": n,
            "density": 2.0 * terms / (n * (n - 1)) if n > 1 else 0.0,
            "tightness": min(1.0, entries / (n * m)) if n and m else 0.0,
            "terms": terms,
            "constraints": m,
            "equality_share": equalities / m if m else 0.0,
            "integer_share": sum(variable.type == "INTEGER" for variable in self.variables) / n if n else 0.0,
        }
        return Features("binary", {name: float(value) for name, value in values.items()})


@dataclass(frozen=True)
class RawExpression:
    """An expression as it came, in any order."""

    linear_variables: ArrayLike = ()
    linear_coefficients: ArrayLike = ()
    rows: ArrayLike = ()
    columns: ArrayLike = ()
    values: ArrayLike = ()
    offset: float = 0.0


def constrained_problem(
    variables: Sequence[Variable],
    objective: RawExpression,
    constraints: Sequence[tuple[str, RawExpression, str, float]],
    *,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    temperature: float | None = None,
) -> ConstrainedProblem:
    """A validated problem; ``constraints`` are tuples of name, left side, sense and right side.

    Raises
    ------
    InvalidProblem
        Naming every field at fault in the words of the contract (``constrained.constraints[2].right``).

    """
    at = "constrained"
    faults = check_options("options", num_samples, temperature)
    if temperature is not None:
        faults.append(FieldViolation("options.temperature", "is given with constraints", "absent"))
    faults += check_names(f"{at}.variables", [variable.name for variable in variables])
    for k, variable in enumerate(variables):
        faults += _check_variable(f"{at}.variables[{k}]", variable)
    terms = sum(np.size(left.values) + np.size(left.linear_variables) for _, left, _, _ in constraints)
    faults += check_memory(at, len(variables), terms + np.size(objective.values), num_samples)
    integers = np.array([variable.type == "INTEGER" for variable in variables], dtype=bool)
    goal = _checked(f"{at}.objective", objective, integers, faults)
    faults += check_names(f"{at}.constraints", [name for name, _, _, _ in constraints])
    built = []
    for k, (name, left, sense, right) in enumerate(constraints):
        path = f"{at}.constraints[{k}]"
        expression = _checked(f"{path}.left", left, integers, faults)
        if expression.values.shape[0]:
            faults.append(
                FieldViolation(f"{path}.left.values", "is quadratic, not supported yet", "a linear left side")
            )
        if sense not in SENSES:
            faults.append(FieldViolation(f"{path}.sense", f"is {sense}", ", ".join(SENSES)))
        if not math.isfinite(right):
            faults.append(FieldViolation(f"{path}.right", f"is {right}", "a finite number"))
        built.append(Constraint(name, expression, sense, right + 0.0))
    if faults:
        raise InvalidProblem(faults)
    return ConstrainedProblem(tuple(variables), goal, tuple(built), num_samples)


def _check_variable(path: str, variable: Variable) -> list[FieldViolation]:
    if variable.type not in TYPES:
        return [FieldViolation(f"{path}.type", f"is {variable.type}", ", ".join(TYPES))]
    if variable.type == "INTEGER":
        if not -MOST <= variable.lower <= variable.upper <= MOST:
            return [
                FieldViolation(
                    f"{path}.upper_bound",
                    f"is {variable.upper} with lower_bound {variable.lower}",
                    f"an integer from lower_bound to {MOST}",
                )
            ]
    elif (variable.lower, variable.upper) != natural_bounds(variable.type):
        return [FieldViolation(f"{path}.lower_bound", "is given with upper_bound", "bounds for INTEGER alone")]
    return []


def natural_bounds(type: str) -> tuple[int, int]:
    """Bounds of a type that is not INTEGER."""
    return (-1, 1) if type == "SPIN" else (0, 1)


def _checked(path: str, raw: RawExpression, integers: NDArray[np.bool_], faults: list[FieldViolation]) -> Expression:
    """``raw`` in order; what is wrong with it goes to ``faults``."""
    n = integers.shape[0]
    where = np.array(raw.linear_variables, dtype=np.int64).ravel()
    linear = np.array(raw.linear_coefficients, dtype=np.float64).ravel()
    i, j = (np.array(part, dtype=np.int64).ravel() for part in (raw.rows, raw.columns))
    w = np.array(raw.values, dtype=np.float64).ravel()
    before = len(faults)
    if where.shape != linear.shape:
        faults.append(
            FieldViolation(
                f"{path}.linear_coefficients",
                f"has {linear.shape[0]} entries, linear_variables {where.shape[0]}",
                "two lists of one length",
            )
        )
    allowed = f"an index of a variable, 0 to {n - 1}" if n else "no terms, as there are no variables"
    faults += listed(f"{path}.linear_variables", (where < 0) | (where >= n), "is", where, allowed)
    repeated = np.ones(where.shape[0], dtype=bool)
    repeated[np.unique(where, return_index=True)[1]] = False
    faults += listed(f"{path}.linear_variables", repeated, "is listed before:", where, "each variable once")
    faults += check_finite(f"{path}.linear_coefficients", linear)
    if not i.shape == j.shape == w.shape:
        faults.append(
            FieldViolation(
                f"{path}.values",
                f"has {w.shape[0]} entries, rows {i.shape[0]}, columns {j.shape[0]}",
                "three lists of one length",
            )
        )
    else:
        pairs = check_pairs(path, n, i, j, squares=True)
        faults += pairs
        if not pairs:
            square = (i == j) & ~integers[i]
            faults += listed(f"{path}.columns", square, "is the row as well:", j, "another variable, unless INTEGER")
    faults += check_finite(f"{path}.values", w)
    if not math.isfinite(raw.offset):
        faults.append(FieldViolation(f"{path}.offset", f"is {raw.offset}", "a finite number"))
    if len(faults) > before:
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return Expression(none, nothing, none, none, nothing)
    kept = np.flatnonzero(linear != 0.0)
    kept = kept[np.argsort(where[kept], kind="stable")]
    low, high = np.minimum(i, j), np.maximum(i, j)
    order = np.lexsort((high, low))
    order = order[w[order] != 0.0]
    return Expression(where[kept], linear[kept], low[order], high[order], w[order], float(raw.offset) + 0.0)
