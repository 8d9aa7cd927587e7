"""Canonical JSON of binary problems and plans, held together with the contract's JSON."""

import json

import numpy as np
import pytest
from binary_models import problems
from google.protobuf import json_format
from hypothesis import given, settings

from protos import sampling_pb2 as pb
from services.convert import binary as convert
from solvers import canonical as rfc
from solvers.binary import canonical
from solvers.binary.descent import Descent
from solvers.errors import InvalidProblem
from solvers.strategy import Context


def as_dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@given(problem=problems())
@settings(max_examples=80, deadline=None)
def test_canonical_and_proto_json_are_one(problem):
    """A problem survives both ways through canonical JSON, the message, and the message's JSON."""
    data = json.loads(rfc.dumps(canonical.problem_to_json(problem)))
    assert canonical.problem_from_json(data) == problem
    message = json_format.ParseDict(data, pb.BinaryProblem())
    assert convert.problem_from_message(message) == problem
    assert convert.problem_to_message(problem) == message
    assert as_dict(convert.problem_to_message(problem)) == data


@given(problem=problems())
@settings(max_examples=40, deadline=None)
def test_plans_survive_both_ways(problem):
    """A plan survives canonical JSON and the message, and both say the same."""
    plan = next(iter(Descent().candidates(problem, Context(seed=3)))).plan
    data = json.loads(rfc.dumps(canonical.plan_to_json(problem, plan)))
    assert canonical.plan_from_json(problem, data) == plan
    message = convert.plan_to_message(problem, plan, problem.verify(plan))
    assert convert.plan_from_message(problem, message) == plan
    assert as_dict(message) == data


def test_an_altered_energy_is_refused():
    problem = canonical.problem_from_json({"quadratic": {"vartype": "SPIN", "linear": [1.0], "num_variables": 1}})
    with pytest.raises(InvalidProblem, match=r"samples\[0\].energy is -2\.0; allowed: -1\.0"):
        canonical.plan_from_json(problem, {"samples": [{"values": [-1], "energy": -2.0, "occurrences": 1}]})


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({}, {"quadratic"}),
        ({"quadratic": {}}, {"quadratic.vartype"}),
        ({"quadratic": 3}, {"quadratic"}),
        ({"quadratic": {"vartype": "SPIN"}, "extra": 1}, {"extra"}),
        ({"constrained": {}, "quadratic": {}}, {"quadratic"}),
        ({"constrained": {"variables": [{"name": 3}]}}, {"constrained.variables[0].name"}),
        ({"quadratic": {"linear": ["x"], "rows": [0.5]}}, {"quadratic.linear[0]", "quadratic.rows[0]"}),
        ({"quadratic": {"vartype": "SPIN", "num_variables": 1, "linear": ["NaN"]}}, {"quadratic.linear[0]"}),
        ({"quadratic": {"vartype": "SPIN"}, "options": {"temperature": -1.0}}, {"options.temperature"}),
    ],
)  # fmt: skip
def test_json_that_breaks_the_contract_is_refused_by_path(data, paths):
    with pytest.raises(InvalidProblem) as caught:
        canonical.problem_from_json(data)
    assert {violation.path for violation in caught.value.violations} == paths


def test_messages_that_break_the_contract_are_refused_by_path():
    """What protobuf lets through is refused here: no model, a number that names no type, NaN."""
    cases = {
        "quadratic": pb.BinaryProblem(),
        "constrained.variables[0].type": pb.BinaryProblem(
            constrained=pb.ConstrainedModel(variables=[pb.ModelVariable(name="a")])
        ),
        "quadratic.vartype": pb.BinaryProblem(quadratic=pb.QuadraticModel(vartype=7)),
        "quadratic.linear[0]": pb.BinaryProblem(
            quadratic=pb.QuadraticModel(vartype=pb.SPIN, num_variables=1, linear=[np.nan])
        ),
    }
    for path, message in cases.items():
        with pytest.raises(InvalidProblem) as caught:
            convert.problem_from_message(message)
        assert path in {violation.path for violation in caught.value.violations}
