"""LP and MPS files: the same program here, or refused with what is at fault."""

import itertools

import numpy as np
import pytest

from solvers.binary import readers
from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.constrained_verify import energy
from solvers.binary.problem import BinaryProblem
from solvers.errors import InvalidProblem

LP = """Maximize
 obj: 3 x + 2 y + [ 2 x * y - 4 k^2 ] / 2 + 5
Subject To
 c1: x + y + k <= 4
 c2: x - k >= -3
 c3: x + y = 1
Bounds
 -2 <= k <= 7
Binary
 x y
General
 k
End
"""

MPS = """NAME T
ROWS
 N obj
 L c1
 E c2
COLUMNS
 M1 'MARKER' 'INTORG'
 a obj 1 c1 2
 a c2 1
 b obj -3 c1 1
 b c2 1
 M2 'MARKER' 'INTEND'
RHS
 RHS c1 2 c2 1
RANGES
 RNG c1 3
BOUNDS
 UP BND a 1
 UP BND b 1
QUADOBJ
 a b 2
ENDATA
"""


def read(tmp_path, text, name="model.lp"):
    (tmp_path / name).write_text(text)
    return readers.read(tmp_path / name)


def test_a_maximised_quadratic_program_is_negated_and_keeps_its_constraints(tmp_path):
    problem = read(tmp_path, LP)
    assert isinstance(problem, ConstrainedProblem)
    assert [(v.name, v.type, v.lower, v.upper) for v in problem.variables] == [
        ("x", "BINARY", 0, 1),
        ("y", "BINARY", 0, 1),
        ("k", "INTEGER", -2, 7),
    ]
    for x, y, k in itertools.product((0, 1), (0, 1), range(-2, 8)):
        assert energy(problem, np.array([x, y, k])) == -(3 * x + 2 * y + x * y - 2 * k * k + 5)
    senses = [(c.name, c.sense, c.right) for c in problem.constraints]
    assert senses == [("c1", "LESS_OR_EQUAL", 4.0), ("c2", "GREATER_OR_EQUAL", -3.0), ("c3", "EQUAL", 1.0)]


def test_an_mps_file_with_a_range_gives_two_constraints(tmp_path):
    problem = read(tmp_path, MPS, "model.mps")
    assert [(c.name, c.sense, c.right) for c in problem.constraints] == [
        ("c1_low", "GREATER_OR_EQUAL", -1.0),
        ("c1_high", "LESS_OR_EQUAL", 2.0),
        ("c2", "EQUAL", 1.0),
    ]
    assert [energy(problem, np.array(x)) for x in itertools.product((0, 1), (0, 1))] == [0, -3, 1, 0]


def test_a_program_over_binaries_without_constraints_is_a_quadratic_model(tmp_path):
    text = "Minimize\n obj: x - 2 y + [ 2 x * y + 4 x^2 ] / 2\nSubject To\nBinary\n x y\nEnd\n"
    problem = read(tmp_path, text, "MODEL.LP")
    assert isinstance(problem, BinaryProblem)
    assert problem.variables == ("x", "y")
    assert (problem.linear.tolist(), problem.values.tolist()) == ([3.0, -2.0], [1.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Minimize\n obj: x + z\nSubject To\n c: x + z >= 1\nBinary\n x\nEnd\n", r"variables\[z\] is continuous"),
        ("Minimize\n obj: x + z\nSubject To\n c: x + z >= 1\nGeneral\n x z\nEnd\n", r"variables\[x\] has bounds 0 and"),
        ("Minimize\n obj: x\nSubject To\n c: x + [ x * y ] >= 1\nBinary\n x y\nEnd\n", "no program that HiGHS reads"),
        ("garbage", "holds no variable"),
        ("", "holds no variable"),
        ("Minimize\n obj: 1e400 x\nSubject To\nBinary\n x\nEnd\n", "HiGHS|finite"),
    ],
)
def test_what_is_no_integer_program_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(InvalidProblem, match=said):
        read(tmp_path, text)
