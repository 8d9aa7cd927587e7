"""Column types that mean the same on SQLite and PostgreSQL, and the ids of rows."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key that the database counts up; SQLite does that for ``INTEGER`` only."""


class Unstorable(ValueError, DontWrapMixin):
    """A value that a column cannot keep. SQLAlchemy passes it on as it is."""


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 in UTC.

    Raises
    ------
    ValueError
        When ``at`` has no time zone.
    """
    if at.tzinfo is None:
        raise Unstorable(f"a time with a zone is wanted, not {at.isoformat()}")
    return (at - _EPOCH) // _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as microseconds since 1970 in UTC: exact, and sorted alike by both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + value * _MICROSECOND


class Json(TypeDecorator[Any]):
    """A JSON value as compact text with sorted keys. Numbers must be finite."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        try:
            return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Unstorable(f"no JSON: {error}") from error

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)


def new_id(prefix: str, now: datetime) -> str:
    """A fresh id such as ``job-019a...``: milliseconds of ``now``, so that ids sort by age, then 80 random bits."""
    return f"{prefix}-{microseconds(now) // 1000:012x}{secrets.token_hex(10)}"
