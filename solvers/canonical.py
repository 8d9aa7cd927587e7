"""Canonical JSON (RFC 8785) and its digest: one format for files, cache keys, the store and replays.

Field names are the protos' own (snake_case). Absent optional values and empty lists are left out, so that the same
problem has one text whether a default was written or not.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785

from solvers.problem import JsonObject


def dumps(value: Any) -> bytes:
    """UTF-8 bytes of ``value`` in RFC 8785 form.

    Raises
    ------
    ValueError
        When a number is not finite or an integer is beyond +-(2**53 - 1).
    """
    try:
        data: bytes = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"no canonical JSON: {error}") from error
    return data


def loads(data: bytes) -> JsonObject:
    """The JSON object in ``data``.

    Raises
    ------
    ValueError
        When it is not UTF-8 JSON or not an object.
    """
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is wanted, not {type(value).__name__}")
    return value


def digest(data: bytes) -> str:
    """SHA-256 of ``data`` as ``"sha256:<64 hex digits>"``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
