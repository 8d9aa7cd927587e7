"""Files of binary models: G-set graphs, ``.sparse`` QUBO, LP and MPS, dimod's BQM JSON and our own canonical JSON."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from solvers.binary import canonical
from solvers.binary.canonical import AnyProblem
from solvers.binary.interop import from_dimod
from solvers.binary.problem import BinaryProblem, Vartype, quadratic_problem
from solvers.binary.program_files import SUFFIXES as PROGRAMS
from solvers.binary.program_files import read_program
from solvers.errors import FieldViolation, InvalidProblem


def read(path: Path) -> AnyProblem:
    """The model in ``path``, by its name.

    ``.sparse`` is a QUBO, ``.json`` canonical JSON or dimod's, ``.txt`` and ``.mc`` a Max-Cut graph; each may end in
    ``.gz`` as well. ``.lp`` and ``.mps`` are integer programs.

    Raises
    ------
    InvalidProblem
        When the name is none of these or the content is not what the name says.
    """
    data = path.read_bytes()
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PROGRAMS:
        return read_program(path)
    if suffixes and suffixes[-1] == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise _refused("file", f"cannot be unpacked ({error})", "gzip") from error
        suffixes = suffixes[:-1]
    suffix = suffixes[-1] if suffixes else ""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _refused("file", f"is no text ({error})", "UTF-8") from error
    if suffix == ".sparse":
        return read_sparse(text)
    if suffix in (".txt", ".mc"):
        return read_maxcut(text)
    if suffix == ".json":
        return read_json(text)
    raise _refused("file", f"is called {path.name}", ".sparse, .txt, .mc or .json, with or without .gz, or .lp or .mps")


def read_maxcut(text: str) -> BinaryProblem:
    """A weighted graph ``n m``, then ``i j w`` (1-based; ``w`` 1 when absent), as spins to be minimised.

    The energy is minus the cut: ``sum_ij w_ij (s_i s_j - 1) / 2``. Parallel edges are added up.
    """
    n, table = _table(text, "i j w")
    i, j, w = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]
    loops = np.flatnonzero(i == j)
    if loops.shape[0]:
        raise InvalidProblem(
            [FieldViolation(f"line {k + 2}", f"joins node {i[k]} with itself", "two nodes") for k in loops[:20]]
        )
    rows, columns, weights = _merged(n, i - 1, j - 1, w)
    return quadratic_problem(
        Vartype.SPIN, np.zeros(n), rows, columns, weights / 2.0, offset=-math.fsum(w) / 2.0, num_variables=n
    )


def read_sparse(text: str) -> BinaryProblem:
    """A QUBO ``n m``, ``i j q`` (1-based), minimised as ``x'Qx``: off-diagonal entries count twice."""
    n, table = _table(text, "i j q")
    i, j, q = table[:, 0].astype(np.int64) - 1, table[:, 1].astype(np.int64) - 1, table[:, 2]
    linear = np.zeros(n)
    diagonal = i == j
    np.add.at(linear, i[diagonal], q[diagonal])
    rows, columns, values = _merged(n, i[~diagonal], j[~diagonal], 2.0 * q[~diagonal])
    return quadratic_problem(Vartype.BINARY, linear, rows, columns, values, num_variables=n)


def read_json(text: str) -> AnyProblem:
    """Our canonical JSON, or what `dimod.BinaryQuadraticModel.to_serializable` gives."""
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refused("file", f"is no JSON ({error})", "a JSON object") from error
    if not isinstance(data, dict):
        raise _refused("file", f"holds a {type(data).__name__}", "a JSON object")
    if data.get("type") != "BinaryQuadraticModel":
        return canonical.problem_from_json(data)
    try:
        return from_dimod(dimod.BinaryQuadraticModel.from_serializable(data))
    except (KeyError, TypeError, ValueError) as error:
        raise _refused("file", f"is no model of dimod's ({error!r})", "what to_serializable gives") from error


def _table(text: str, columns: str) -> tuple[int, NDArray[np.float64]]:
    """Number of variables and the rows ``i j value`` after the head ``n m``."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith(("#", "c "))]
    try:
        n, m = (int(word) for word in lines[0])
    except (IndexError, ValueError) as error:
        raise _refused("line 1", f"is {' '.join(lines[0]) if lines else 'absent'!r}", "two integers: n m") from error
    faults = []
    if n < 0 or m != len(lines) - 1:
        faults.append(
            FieldViolation("line 1", f"says {n} {m}, and {len(lines) - 1} lines follow", "as many lines as m")
        )
    rows = np.ones((len(lines) - 1, 3))
    for k, words in enumerate(lines[1:]):
        try:
            rows[k, : len(words)] = [int(words[0]), int(words[1]), *(float(word) for word in words[2:])]
        except (IndexError, ValueError):
            faults.append(FieldViolation(f"line {k + 2}", f"is {' '.join(words)[:60]!r}", columns))
            continue
        if not (1 <= rows[k, 0] <= n and 1 <= rows[k, 1] <= n) or not math.isfinite(rows[k, 2]):
            faults.append(
                FieldViolation(f"line {k + 2}", f"is {' '.join(words)[:60]!r}", f"{columns} with i and j in 1 to {n}")
            )
    if faults:
        raise InvalidProblem(faults[:200])
    return n, rows


def _merged(
    n: int, i: NDArray[np.int64], j: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Each unordered pair once, values added up."""
    key, inverse = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
    total = np.bincount(inverse, weights=values, minlength=key.shape[0]).astype(np.float64)
    return key // max(n, 1), key % max(n, 1), total


def _refused(path: str, problem: str, allowed: str) -> InvalidProblem:
    return InvalidProblem([FieldViolation(path, problem, allowed)])
