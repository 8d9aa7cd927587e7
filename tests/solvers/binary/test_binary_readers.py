"""Files of binary models, by their conventions."""

import gzip
import json
import os
from pathlib import Path

import dimod
import numpy as np
import pytest

from solvers.binary import canonical, readers
from solvers.binary.annealing import anneal
from solvers.binary.exact import all_energies
from solvers.binary.interop import from_dimod
from solvers.errors import InvalidProblem

DATA = Path(os.environ.get("ISINGLASS_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark data at {DATA} (set ISINGLASS_DATA)")


def test_a_graph_becomes_minus_its_cut():
    """The triangle with weights 1, 2 and -4 has a largest cut of 3."""
    problem = readers.read_maxcut("3 3\n1 2 1\n2 3 2\n1 3 -4\n")
    assert all_energies(problem.ising).min() == -3.0


def test_off_diagonal_entries_of_a_sparse_file_count_twice():
    problem = readers.read_sparse("2 3\n1 1 5\n2 2 -1\n1 2 -3\n")
    assert problem.ising.energies(np.array([[1, 1]], dtype=np.int8))[0] == 5 - 1 - 6


def test_json_is_ours_or_dimods(tmp_path):
    bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.5, "BINARY")
    path = tmp_path / "model.json.gz"
    path.write_bytes(gzip.compress(json.dumps(bqm.to_serializable()).encode()))
    problem = readers.read(path)
    assert problem == from_dimod(bqm)
    ours = tmp_path / "ours.json"
    ours.write_text(json.dumps(canonical.problem_to_json(problem)))
    assert readers.read(ours) == problem


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("a.txt", "", "line 1"),
        ("a.txt", "2 1\n1 2 1\n1 2 1", "line 1"),
        ("a.txt", "2 1\n1 3 1", "line 2"),
        ("a.txt", "2 1\n1 1 1", "line 2"),
        ("a.txt", "2 1\n1 x 1", "line 2"),
        ("a.sparse", "2 1\n1 2 nan", "line 2"),
        ("a.json", "{", "file"),
        ("a.json", "[]", "file"),
        ("a.json", '{"type": "BinaryQuadraticModel"}', "file"),
        ("a.xls", "2 1\n1 2 1", "file"),
        ("a.txt.gz", "no gzip", "file"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, text, path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidProblem) as caught:
        readers.read(tmp_path / name)
    assert path in {violation.path for violation in caught.value.violations}


@needs_data
def test_known_best_values_are_reached_on_real_files():
    """The conventions are right: short anneals reach exactly the best values that the literature has."""
    for file, best in (
        ("gset/G11.txt", -564.0),
        ("qubo/gka/gka1a.sparse", -3414.0),
        ("qubo/beasley/bqp100-1.sparse", -7970.0),
    ):
        problem = readers.read(DATA / file)
        spins = anneal(problem.ising, 64, 2000, np.random.default_rng(1), lambda: True)
        assert problem.ising.energies(spins).min() == best
