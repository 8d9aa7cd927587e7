"""Canonical JSON: the same bytes as the reference writer of RFC 8785, and the same refusals."""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from solvers import canonical

_MOST = 2**53 - 1
_TEXTS = st.text(max_size=12) | st.text(st.characters(max_codepoint=127), max_size=12)
_NUMBERS = (
    st.integers(-_MOST, _MOST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1e6, 1e6).map(lambda value: round(value, 2))
    | st.integers(-(2**60), 2**60).map(float)
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _TEXTS | _NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(_TEXTS, inner, max_size=5)
    ),
    max_leaves=25,
)


@settings(deadline=None, max_examples=300)
@given(_VALUES)
@example([0.0, -0.0, 1e21, 1e-6, 1e-7, 9.5e15, 1e16, 123456789012345680.0, 5e-324, 1.7976931348623157e308, -1.5, 2.0])
@example({"\U0001f600": 1, "\uffee": 2, "a": '\u2028\x7f\x00"\\/\b\f\n\r\t\x1f'})
@example({"": {}, "b": [], "a": [[], {}, ()]})
def test_the_text_is_that_of_the_reference_writer(value: Any) -> None:
    """Whatever JSON can hold has the bytes that the reference implementation of RFC 8785 gives it."""
    assert canonical.dumps(value) == rfc8785.dumps(value)


class _Colour(StrEnum):
    RED = "red"


class _Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    "value",
    [_Colour.RED, _Level.HIGH, {_Colour.RED: 1}, {"x": np.float64(2.5)}, np.float64(3.0), [np.float64(1e-9)]],
)
def test_kinds_of_strings_and_numbers_are_written_as_what_they_are(value: Any) -> None:
    """A value of a class that extends a JSON type has the text of that type."""
    assert canonical.dumps(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**53,
        -(2**53),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {None: 1},
        {"a": 1, 2: 3},
        {1, 2},
        b"bytes",
        np.int64(3),
        object(),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    """Numbers beyond double precision, names that are no strings and strange values are refused, wherever they are."""
    for where in (value, [value], {"inside": [{"deeper": value}]}):
        with pytest.raises(ValueError, match="canonical JSON"):
            canonical.dumps(where)


def test_what_was_written_is_read() -> None:
    """Reading the text of an object gives that object."""
    value = {"b": [1, 2.5, None, True], "a": {"\u00e4": '"x"'}}
    assert canonical.loads(canonical.dumps(value)) == value


def test_only_objects_are_read() -> None:
    """A list at the top is refused."""
    with pytest.raises(ValueError, match="object"):
        canonical.loads(json.dumps([1]).encode())
