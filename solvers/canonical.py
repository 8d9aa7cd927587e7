"""Canonical JSON (RFC 8785) and its digest: one format for files, cache keys, the store and replays.

Field names are the protos' own (snake_case). Absent optional values and empty lists are left out, so that the same
problem has one text whether a default was written or not.

The text is written here, a request being written several times on its way; `rfc8785` is the judge of it in the tests,
and writes what is rare: floats with an exponent, and names that sort otherwise in UTF-16 than by code point.
"""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring
from typing import Any

import rfc8785

from solvers.problem import JsonObject

_INT_MOST = 2**53 - 1
_LAST_SORTED_ALIKE = "\ud7ff"
"""Beyond this code point, UTF-16 and code points sort differently."""


def dumps(value: Any) -> bytes:
    """UTF-8 bytes of ``value`` in RFC 8785 form.

    Raises
    ------
    ValueError
        When a number is not finite, an integer is beyond +-(2**53 - 1), a name is not a string, or a value is nothing
        that JSON knows.
    """
    try:
        return _text(value).encode()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"no canonical JSON: {error}") from error


def _text(value: Any) -> str:
    kind = value.__class__
    if kind is str:
        return _string(value)
    if kind is dict:
        return _object(value)
    if kind is list or kind is tuple:
        return "[" + ",".join([_text(entry) for entry in value]) + "]"
    if kind is int and -_INT_MOST <= value <= _INT_MOST:
        return repr(value)
    if kind is float:
        text = repr(value)
        if "e" not in text and "n" not in text:  # neither an exponent, nor nan or inf
            return text.removesuffix(".0") if value else "0"
    elif value is None:
        return "null"
    elif value is True:
        return "true"
    elif value is False:
        return "false"
    return _rare(value)


def _object(value: JsonObject) -> str:
    try:
        names = sorted(value)
    except TypeError as error:
        raise ValueError("no canonical JSON: object keys must be strings") from error
    members = []
    for name in names:
        if name.__class__ is not str or not (name.isascii() or max(name) <= _LAST_SORTED_ALIKE):
            return _rare(value)
        entry = value[name]
        # Most values are strings, and a call costs as much as one of them.
        text = _string(entry) if entry.__class__ is str else _text(entry)
        members.append(f"{_string(name)}:{text}")
    return "{" + ",".join(members) + "}"


def _rare(value: Any) -> str:
    text: bytes = rfc8785.dumps(value)
    return text.decode()


_string = encode_basestring


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
