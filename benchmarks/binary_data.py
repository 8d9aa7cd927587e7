"""The public instances of binary models, with the least energy that is known for each."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solvers.binary import readers
from solvers.binary.problem import BinaryProblem, quadratic_problem

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Work:
    """One instance and the least energy that is known for it."""

    name: str
    family: str
    path: Path
    best: float

    def read(self) -> BinaryProblem:
        """The model in the file.

        Raises
        ------
        TypeError
            When it is a constrained one.

        """
        if self.family == "independent":
            return independent_set(_text(self.path))
        if self.family == "split":
            return market_split(_text(self.path))
        problem = readers.read(self.path)
        if not isinstance(problem, BinaryProblem):
            raise TypeError(f"{self.path} holds a constrained model")
        return problem


def graphs(folder: Path) -> Iterator[Work]:
    """Max-Cut graphs of the G set, by number."""
    with (folder / "gset" / "best_known.csv").open() as file:
        best = {row["instance"]: -float(row["best_reported"]) for row in csv.DictReader(file)}
    paths = (folder / "gset").glob("G*.txt*")
    for path in sorted(paths, key=lambda path: int(path.name.split(".")[0][1:])):
        name = path.name.split(".")[0]
        yield Work(name, "gset", path, best[name])


def qubos(folder: Path) -> Iterator[Work]:
    """The be, gka and bqp1000 sets."""
    for family in ("be", "gka", "beasley1000"):
        with (folder / "qubo" / family / "best_known.csv").open() as file:
            rows = {row["instance"]: row for row in csv.DictReader(file)}
        for path in sorted((folder / "qubo" / family).glob("*.sparse*")):
            name = path.name.split(".sparse")[0]
            known = [float(v) for key, v in rows[name].items() if key.startswith("best_known") and v]
            yield Work(name, family, path, min(known))


def independent_sets(folder: Path) -> Iterator[Work]:
    """QOBLIB's independent sets with at most 500 nodes whose optimum is proved; the energy is minus the size."""
    at = folder / "qoblib" / "07-independentset"
    if not at.is_dir():
        return
    with (at / "recomputed.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "opt"]
    for row in rows:
        for path in (at / "instances").glob(f"{row['instance']}.gph*"):
            yield Work(row["instance"], "independent", path, -float(row["set_size_recomputed"]))


def market_splits(folder: Path) -> Iterator[Work]:
    """QOBLIB's market splits of 3 rows and 20 variables; a split has energy 0, and all have one."""
    for path in sorted((folder / "qoblib" / "01-marketsplit" / "instances").glob("ms_03_*.dat")):
        yield Work(path.stem, "split", path, 0.0)


def mqlib(folder: Path) -> dict[str, float]:
    """Energies of the best of MQLib's four strongest heuristics in 10 s on one core, by graph."""
    path = folder / "gset" / "mqlib_10s.csv"
    if not path.is_file():
        return {}
    with path.open() as file:
        return {row["instance"]: -float(row["cut_10s_one_core"]) for row in csv.DictReader(file)}


def independent_set(text: str) -> BinaryProblem:
    """A DIMACS graph as a QUBO: -1 a node, +1 an edge with both ends chosen, so the optimum is minus the largest set.

    An edge inside the choice costs as much as the node that would have to leave, so nothing is gained by keeping it.
    """
    lines = [line.split() for line in text.splitlines() if line[:1] in ("p", "e")]
    n = int(lines[0][2])
    ends = np.array([(int(words[1]), int(words[2])) for words in lines[1:]], dtype=np.int64).reshape(-1, 2) - 1
    pairs = np.unique(np.sort(ends, axis=1), axis=0)
    return quadratic_problem("BINARY", -np.ones(n), pairs[:, 0], pairs[:, 1], np.ones(pairs.shape[0]))


def market_split(text: str) -> BinaryProblem:
    """``A x = b`` as the QUBO ``|A x - b|^2``; lines are ``m n``, then ``m`` rows of ``A`` with ``b`` at the end."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    m, n = int(lines[0][0]), int(lines[0][1])
    table = np.array([[float(word) for word in line] for line in lines[1 : m + 1]])
    a, b = table[:, :n], table[:, n]
    square = a.T @ a
    i, j = np.triu_indices(n, 1)
    return quadratic_problem("BINARY", np.diag(square) - 2.0 * b @ a, i, j, 2.0 * square[i, j], offset=float(b @ b))


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
