"""Everything that can be wrong with a quadratic model, found in one pass over its arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.errors import FieldViolation, InvalidProblem

MEMORY_LIMIT_BYTES = 2 << 30
MAX_NAME = 128
MAX_SAMPLES = 10_000
MOST_LISTED = 200
"""Faults of one sort that are listed one by one; the rest are counted in one more line."""

BYTES_PER_TERM = 280
"""Measured at the peak: 160 as given, symmetric and in conversion, up to 107 for the full matrix of tabu search."""

BYTES_PER_VARIABLE = 640

OptionFaults = list[FieldViolation]


def memory_bytes(num_variables: int, num_terms: int, num_samples: int) -> int:
    """What solving takes at the most: terms as given and as symmetric CSR, replicas of the annealer, samples."""
    return num_terms * BYTES_PER_TERM + num_variables * (BYTES_PER_VARIABLE + 4 * num_samples)


def check_memory(path: str, num_variables: int, num_terms: int, num_samples: int) -> list[FieldViolation]:
    """A fault with the figure when the model needs more memory than is allowed."""
    needed = memory_bytes(num_variables, num_terms, num_samples)
    if needed <= MEMORY_LIMIT_BYTES:
        return []
    return [
        FieldViolation(
            path,
            f"with {num_variables:,} variables, {num_terms:,} quadratic terms and {num_samples:,} samples"
            f" needs about {needed / 2**20:,.0f} MiB",
            f"at most {MEMORY_LIMIT_BYTES / 2**20:,.0f} MiB",
        )
    ]


def refuse_too_large(path: str, num_variables: int, num_terms: int, num_samples: int) -> None:
    """Asked of the lengths alone, before anything is copied.

    Raises
    ------
    InvalidProblem
        With the figure, when the model needs more memory than is allowed; a number of samples that is not allowed
        is left to `check_options`.
    """
    if faults := check_memory(path, num_variables, num_terms, min(max(num_samples, 1), MAX_SAMPLES)):
        raise InvalidProblem(faults)


def check_options(path: str, num_samples: int, temperature: float | None) -> OptionFaults:
    """Faults of the sampling options."""
    faults = []
    if not 1 <= num_samples <= MAX_SAMPLES:
        faults.append(FieldViolation(f"{path}.num_samples", f"is {num_samples}", f"1 to {MAX_SAMPLES}"))
    if temperature is not None and not (math.isfinite(temperature) and temperature > 0):
        faults.append(FieldViolation(f"{path}.temperature", f"is {temperature}", "a finite number > 0, or absent"))
    return faults


def check_names(path: str, names: Sequence[str]) -> list[FieldViolation]:
    """Faults of a list of names: empty, too long, given twice."""
    faults: list[FieldViolation] = []
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not 1 <= len(name) <= MAX_NAME:
            faults.append(FieldViolation(f"{path}[{index}]", f"has {len(name)} characters", f"1 to {MAX_NAME}"))
        elif name in seen:
            faults.append(
                FieldViolation(f"{path}[{index}]", f"is {name!r}, as is {path}[{seen[name]}]", "each name once")
            )
        else:
            seen[name] = index
    return shorten(path, faults)


def check_finite(path: str, numbers: NDArray[np.float64]) -> list[FieldViolation]:
    """A fault per entry that is NaN or infinite."""
    return listed(path, ~np.isfinite(numbers), "is", numbers, "a finite number")


def check_pairs(
    path: str, n: int, rows: NDArray[np.int64], columns: NDArray[np.int64], *, squares: bool = False
) -> list[FieldViolation]:
    """Faults of index pairs: out of range, a variable with itself (unless ``squares``), a pair twice."""
    allowed = f"an index of a variable, 0 to {n - 1}" if n else "no terms, as there are no variables"
    faults = []
    for name, indices in (("rows", rows), ("columns", columns)):
        faults += listed(f"{path}.{name}", (indices < 0) | (indices >= n), "is", indices, allowed)
    if faults:
        return faults
    if not squares:
        faults += listed(
            f"{path}.columns", rows == columns, "is the row as well:", columns, "another variable (x x = x, s s = 1)"
        )
    key = np.minimum(rows, columns) * n + np.maximum(rows, columns)
    order = np.argsort(key, kind="stable")
    again = np.zeros(key.shape[0], dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    for k in np.flatnonzero(again)[:MOST_LISTED]:
        first = int(np.flatnonzero(key == key[k])[0])
        pair = f"({rows[k]}, {columns[k]})"
        faults.append(
            FieldViolation(
                f"{path}.rows[{k}]", f"gives the pair {pair} that term {first} has", "each unordered pair once"
            )
        )
    return faults + _rest(f"{path}.rows", int(again.sum()))


def check_quadratic(
    path: str,
    vartype: str,
    num_variables: int,
    names: Sequence[str],
    linear: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    values: NDArray[np.float64],
    offset: float,
    num_samples: int,
) -> tuple[int, list[FieldViolation]]:
    """Number of variables and every fault of a `QuadraticModel` message's fields."""
    faults = []
    if vartype not in ("BINARY", "SPIN"):
        faults.append(FieldViolation(f"{path}.vartype", f"is {vartype}", "BINARY or SPIN"))
    n = len(names) or num_variables
    if num_variables < 0:
        faults.append(FieldViolation(f"{path}.num_variables", f"is {num_variables}", "an integer >= 0"))
    elif names and num_variables not in (0, len(names)):
        faults.append(
            FieldViolation(
                f"{path}.num_variables", f"is {num_variables}", f"absent, or {len(names)} as there are names"
            )
        )
    faults += check_names(f"{path}.variables", names)
    if linear.shape[0] not in (0, n):
        faults.append(
            FieldViolation(f"{path}.linear", f"has {linear.shape[0]} entries", f"none, or {n}: one per variable")
        )
    faults += check_finite(f"{path}.linear", linear)
    faults += check_memory(path, n, values.shape[0], num_samples)
    if rows.shape[0] == columns.shape[0] == values.shape[0]:
        faults += check_pairs(path, n, rows, columns)
    else:
        faults.append(
            FieldViolation(
                f"{path}.values",
                f"has {values.shape[0]} entries, rows {rows.shape[0]}, columns {columns.shape[0]}",
                "three lists of one length",
            )
        )
    faults += check_finite(f"{path}.values", values)
    if not math.isfinite(offset):
        faults.append(FieldViolation(f"{path}.offset", f"is {offset}", "a finite number"))
    if not faults:
        total = abs(offset) + float(np.abs(linear).sum()) + float(np.abs(values).sum())
        if not math.isfinite(total) or total > 1e300:
            faults.append(FieldViolation(path, f"has coefficients that add up to {total:.3g} in size", "at most 1e300"))
    return n, faults


def listed(
    path: str, at_fault: NDArray[np.bool_], verb: str, shown: NDArray[np.float64] | NDArray[np.int64], allowed: str
) -> list[FieldViolation]:
    """One fault per true entry of ``at_fault``, with the value ``shown`` there."""
    where = np.flatnonzero(at_fault)
    faults = [FieldViolation(f"{path}[{k}]", f"{verb} {shown[k]}", allowed) for k in where[:MOST_LISTED]]
    return faults + _rest(path, where.shape[0])


def shorten(path: str, faults: list[FieldViolation]) -> list[FieldViolation]:
    """The first faults one by one, the others counted."""
    return faults[:MOST_LISTED] + _rest(path, len(faults))


def _rest(path: str, count: int) -> list[FieldViolation]:
    if count <= MOST_LISTED:
        return []
    return [FieldViolation(path, f"has {count - MOST_LISTED:,} more entries at fault in the same way", "as above")]
