"""Messages of the sampling service: the same problem both ways, and whatever is wrong named before it costs memory."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from protos import sampling_pb2 as pb
from services.convert.binary import problem_from_message, problem_to_message
from solvers.binary import validate
from solvers.binary.canonical import problem_from_json
from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.problem import BinaryProblem
from solvers.errors import InvalidProblem
from tests.solvers.binary.binary_models import random_problem


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
def test_a_problem_survives_the_wire(vartype: str) -> None:
    problem = random_problem(1, 12, 30, vartype, num_samples=3)
    assert problem_from_message(problem_to_message(problem)) == problem


def faults_of(**fields: Any) -> set[str]:
    model = pb.QuadraticModel(**({"vartype": pb.VariableType.SPIN, "num_variables": 3} | fields))
    with pytest.raises(InvalidProblem) as caught:
        problem_from_message(pb.BinaryProblem(quadratic=model))
    return {violation.path for violation in caught.value.violations}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"linear": [0.0, math.nan, 0.0]}, "quadratic.linear[1]"),
        ({"rows": [0], "columns": [1], "values": [math.inf]}, "quadratic.values[0]"),
        ({"offset": -math.inf}, "quadratic.offset"),
        ({"rows": [0, 1], "columns": [1, 0], "values": [1.0, 2.0]}, "quadratic.rows[1]"),
        ({"rows": [0], "columns": [0], "values": [1.0]}, "quadratic.columns[0]"),
        ({"rows": [0], "columns": [9], "values": [1.0]}, "quadratic.columns[0]"),
        ({"rows": [0], "columns": [1, 2], "values": [1.0]}, "quadratic.values"),
        ({"num_variables": 0, "variables": ["a", "b", "a"]}, "quadratic.variables[2]"),
        ({"num_variables": 4_000_000_000}, "quadratic"),
    ],
)
def test_a_fault_on_the_wire_is_named(fields: dict[str, Any], path: str) -> None:
    assert path in faults_of(**fields)


def test_an_empty_model_and_a_constant_are_problems() -> None:
    for model in (
        pb.QuadraticModel(vartype=pb.VariableType.BINARY),
        pb.QuadraticModel(vartype=pb.VariableType.SPIN, offset=2.5),
    ):
        problem = problem_from_message(pb.BinaryProblem(quadratic=model))
        assert isinstance(problem, BinaryProblem)
        assert (problem.num_variables, problem.num_terms) == (0, 0)
    empty = problem_from_message(pb.BinaryProblem(constrained=pb.ConstrainedModel()))
    assert isinstance(empty, ConstrainedProblem)
    assert empty.num_variables == 0


def test_no_model_at_all_is_a_fault() -> None:
    with pytest.raises(InvalidProblem, match="quadratic is absent"):
        problem_from_message(pb.BinaryProblem())


def peak_of_refusal(terms: int) -> int:
    """Most bytes held beside the message while it is refused for its ``terms``."""
    ends = np.arange(terms, dtype=np.uint32)
    model = pb.QuadraticModel(vartype=pb.VariableType.SPIN, num_variables=terms + 1)
    model.rows.extend(ends)
    model.columns.extend(ends + 1)
    model.values.extend(np.ones(terms))
    message = pb.BinaryProblem(quadratic=model)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidProblem, match=rf"{terms:,} quadratic terms .* needs about [\d,]+ MiB"):
            problem_from_message(message)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_terms_are_refused_with_the_figure_before_they_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "MEMORY_LIMIT_BYTES", 1 << 20)
    assert peak_of_refusal(50_000) < 50_000


@pytest.mark.long
def test_ten_million_terms_over_ten_million_variables_are_refused_with_the_figure() -> None:
    assert peak_of_refusal(10_000_000) < 1_000_000


def test_canonical_json_is_refused_by_its_lengths_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "MEMORY_LIMIT_BYTES", 1 << 20)
    many = [1] * 50_000
    with pytest.raises(InvalidProblem, match="50,000 quadratic terms"):
        problem_from_json({"quadratic": {"vartype": "SPIN", "num_variables": 9, "rows": many, "values": many}})
