"""Files of problems and values of options: read, or refused with the place."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.cli.parameters import duration_s
from services.cli.read import KINDS, read_file, read_json, request_type
from services.cli.tables import CsvOptions
from solvers.errors import InvalidProblem

NAMES = sorted(
    {f.name for kind in KINDS for f in request_type(kind).DESCRIPTOR.fields_by_name["problem"].message_type.fields}
    | {"problem", "policy", "project", "routing", "binary", "id", "units", "vartype", "deadline", "year", "point"}
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), st.sampled_from([None, *KINDS]))
@settings(deadline=None, max_examples=300)
def test_any_json_object_is_a_question_or_refused(data: dict[str, Any], kind: str | None) -> None:
    with suppress(InvalidProblem):
        question = read_json(json.dumps(data).encode(), kind)
        assert isinstance(question.request, request_type(question.kind))


@given(st.binary(max_size=30))
@example(b'{"seed": ' + b"9" * 5000 + b"}")
@example(b"[" * 100_000)
@settings(deadline=None)
def test_any_bytes_are_a_question_or_refused(content: bytes) -> None:
    with suppress(InvalidProblem):
        assert read_json(content).kind in KINDS


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"visits": [], "vehicles": []}, "routing"),
        ({"invoices": [], "base_currency": "EUR"}, "invoices"),
        ({"invoices": []}, "invoices"),
        ({"quadratic": {"num_variables": 1}}, "binary"),
        ({"baseCurrency": "EUR"}, "invoices"),
        ({"problem": {"visits": []}, "policy": {"seed": 1}}, "routing"),
        ({"binary": {"problem": {"quadratic": {}}}}, "binary"),
        ({"routing": {"problem": {}}}, "routing"),
    ],
)
def test_the_kind_is_detected_from_the_fields(data: dict[str, Any], kind: str) -> None:
    assert read_json(json.dumps(data).encode()).kind == kind


def test_a_kind_that_does_not_fit_the_file_is_refused() -> None:
    with pytest.raises(InvalidProblem):
        read_json(b'{"visits": [{"id": "a"}]}', "binary")
    with pytest.raises(InvalidProblem):
        read_json(b'{"routing": {"problem": {}}}', "invoices")


@pytest.mark.parametrize(("name", "kind"), [("a.txt", None), ("a.vrp", "invoices"), ("a.csv", "routing"), ("a", None)])
def test_a_file_with_a_suffix_that_is_not_known_is_refused(tmp_path: Path, name: str, kind: str | None) -> None:
    path = tmp_path / name
    path.write_text("{}")
    with pytest.raises(InvalidProblem, match="suffix"):
        read_file(path, kind, CsvOptions())


@given(st.integers(0, 10**6), st.sampled_from([("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)]))
@settings(deadline=None)
def test_a_duration_is_a_number_and_its_unit(number: int, unit: tuple[str, float]) -> None:
    assert duration_s(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 day", "1e3s", "10s5", "inf", "nan", "١٠s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration_s(text)
