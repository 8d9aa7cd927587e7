"""Labels of requests, as budgets name them: the text ``key=value``."""

from __future__ import annotations

from collections.abc import Mapping

from store.errors import FieldViolation, InvalidProblem

MAX_LENGTH = 63
"""Most characters of a key, and of a value."""


def label_texts(labels: Mapping[str, str]) -> tuple[str, ...]:
    """``labels`` of a job as texts, sorted. A key has no ``=`` in it, so no two labels have the same text."""
    return tuple(sorted(f"{key}={value}" for key, value in labels.items()))


def checked_label(label: str) -> str:
    """``label`` itself; ``""`` names none.

    Raises
    ------
    InvalidProblem
        When it is not ``key=value``, both of at most 63 characters and the key not empty.
    """
    key, sign, value = label.partition("=")
    if label and not (sign and 0 < len(key) <= MAX_LENGTH and len(value) <= MAX_LENGTH):
        allowed = f"key=value, each of at most {MAX_LENGTH} characters, the key not empty"
        raise InvalidProblem([FieldViolation("label", f"is {label!r:.160}", allowed)])
    return label
