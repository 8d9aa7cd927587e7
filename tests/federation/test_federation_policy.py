import math
from dataclasses import fields, replace

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.policy import Policy, Profile, Residency, format_duration, validate
from solvers.errors import InvalidProblem

policies = st.builds(
    Policy,
    deadline_s=st.integers(100, 3_600_000).map(lambda ms: ms / 1000),
    target_gap=st.none() | st.floats(0, 10, allow_nan=False),
    budget_usd_micros=st.integers(0, 10**12),
    max_shots=st.integers(0, 10**9),
    seed=st.integers(0, 2**53 - 1),
    priority=st.integers(0, 9),
    profile=st.sampled_from(Profile),
    allowed_backends=st.lists(st.sampled_from(["anneal", "qaoa", "noisy"]), unique=True).map(tuple),
    residency=st.sampled_from(Residency),
    idempotency_key=st.text("abc", max_size=128),
    labels=st.dictionaries(st.text("ab", min_size=1, max_size=8), st.text("xyz", max_size=8), max_size=4).map(
        lambda labels: tuple(sorted(labels.items()))
    ),
)


def test_defaults_are_those_of_the_contract():
    policy = Policy()
    assert (policy.deadline_s, policy.max_shots, policy.priority) == (10.0, 2000, 5)
    assert (policy.profile, policy.residency, policy.budget_usd_micros) == ("CLASSICAL", "LOCAL_ONLY", 0)
    assert policy.check() == []
    assert Policy.from_json({}) == policy


@settings(deadline=None, max_examples=200)
@given(policies)
def test_json_of_a_valid_policy_reads_back_equal(policy):
    assert policy.check({"anneal", "qaoa", "noisy"}) == []
    assert Policy.from_json(policy.to_json()) == policy


@settings(deadline=None, max_examples=100)
@given(policies)
def test_json_is_the_protos_own_json(policy):
    common_pb2 = pytest.importorskip("protos.common_pb2", reason="stubs are not made yet")
    message = json_format.ParseDict(policy.to_json(), common_pb2.SolvePolicy())
    as_json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert Policy.from_json(as_json) == policy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deadline", 0.0999),
        ("deadline", 3600.1),
        ("deadline", math.nan),
        ("deadline", "10 seconds"),
        ("deadline", True),
        ("target_gap", -1e-9),
        ("target_gap", math.nan),
        ("target_gap", math.inf),
        ("budget_usd", -0.01),
        ("budget_usd", 1_000_000.01),
        ("budget_usd", math.nan),
        ("max_shots", -1),
        ("max_shots", 1.5),
        ("seed", 2**53),
        ("seed", "many"),
        ("priority", 10),
        ("priority", -1),
        ("profile", "QUANTUM"),
        ("data_residency", "MARS"),
        ("allowed_backends", "anneal"),
        ("replayable", 1),
        ("idempotency_key", "k" * 129),
        ("labels", {str(i): "" for i in range(17)}),
        ("labels", {"k" * 64: ""}),
        ("labels", {"": "x"}),
        ("labels", {"k": "v" * 64}),
        ("budget", 1),
    ],
)
def test_each_bad_value_is_named_with_its_path(field, value):
    (violation,) = validate({field: value})
    assert violation.path.startswith(f"policy.{field}")
    assert violation.allowed
    with pytest.raises(InvalidProblem):
        Policy.from_json({field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deadline", "0.100s"),
        ("deadline", 3600),
        ("max_shots", "2000"),
        ("budget_usd", 1_000_000),
        ("idempotency_key", "k" * 128),
        ("profile", "PROFILE_UNSPECIFIED"),
        ("target_gap", None),
    ],
)
def test_values_on_the_edge_are_accepted(field, value):
    assert validate({field: value}) == []
    Policy.from_json({field: value})


def test_every_field_at_fault_is_listed_at_once():
    bad = {"deadline": 0, "priority": 11, "allowed_backends": ["anneal", "nope", "anneal", ""], "seed": -1}
    paths = sorted(v.path for v in validate(bad, known_backends={"anneal"}, path="request.policy"))
    assert paths == [
        "request.policy.allowed_backends[1]",
        "request.policy.allowed_backends[2]",
        "request.policy.allowed_backends[3]",
        "request.policy.deadline",
        "request.policy.priority",
        "request.policy.seed",
    ]


def test_an_unknown_backend_is_refused_with_the_known_ones():
    (violation,) = Policy(allowed_backends=("ibm",)).check({"qaoa", "anneal"})
    assert violation.path == "policy.allowed_backends[0]"
    assert violation.allowed == "anneal, qaoa"


def test_a_replayable_request_must_be_classical():
    (violation,) = Policy(replayable=True, profile=Profile.HYBRID).check()
    assert violation.path == "policy.replayable"
    assert Policy(replayable=True).check() == []


@pytest.mark.parametrize("field", [f.name for f in fields(Policy) if f.name not in ("profile", "residency")])
def test_check_sees_what_was_changed_after_parsing(field):
    bad = {
        "deadline_s": math.inf,
        "target_gap": -1.0,
        "budget_usd_micros": -1,
        "max_shots": -5,
        "seed": 2**60,
        "priority": 12,
        "allowed_backends": ("",),
        "replayable": "yes",
        "idempotency_key": "x" * 500,
        "labels": (("a", "1"), ("a", "2")),
    }[field]
    assert replace(Policy(), **{field: bad}).check()


@pytest.mark.parametrize(
    ("seconds", "text"), [(10, "10s"), (0.1, "0.100s"), (2.5, "2.500s"), (1.000001, "1.000001s"), (3600.0, "3600s")]
)
def test_durations_are_written_as_the_protos_write_them(seconds, text):
    assert format_duration(seconds) == text
