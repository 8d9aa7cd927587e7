"""Pages of a list: newest first, with an opaque token that names where the next page begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Select
from sqlalchemy.schema import Column

from store.errors import FieldViolation, InvalidProblem

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list. ``next_page_token`` is empty on the last page."""

    items: tuple[T, ...]
    next_page_token: str


def fetch_page(
    connection: Connection,
    statements: Sequence[Select[Any]],
    *,
    order: Column[Any],
    scope: Sequence[str],
    page_size: int,
    page_token: str,
    build: Callable[[Any], T],
) -> Page[T]:
    """One page of what ``statements`` find together, the largest ``order`` first.

    Parameters
    ----------
    connection
        An open transaction.
    statements
        Select and filter the rows, without an order; no row is found by two of them. Several, where each is answered
        by an index and their union would not be.
    order
        A unique integer column that grows with every new row; it is among the columns of ``statements``.
    scope
        What is listed and by which filters. A token serves only the scope that it was made for.
    page_size
        1 - 500; 0 means 50.
    page_token
        ``next_page_token`` of the page before; empty for the first page.
    build
        Makes an item of a row.

    Raises
    ------
    InvalidProblem
        When ``page_size`` is out of range or ``page_token`` was not made for this list.
    """
    size, before = _checked(scope, page_size, page_token)
    rows: list[Row[Any]] = []
    for statement in statements:
        later = statement if before is None else statement.where(order < before)
        rows.extend(connection.execute(later.order_by(order.desc()).limit(size + 1)))
    if len(statements) > 1:
        rows.sort(key=lambda row: row._mapping[order], reverse=True)
    token = _encode(scope, rows[size - 1]._mapping[order]) if len(rows) > size else ""
    return Page(tuple(build(row) for row in rows[:size]), token)


def _checked(scope: Sequence[str], page_size: int, page_token: str) -> tuple[int, int | None]:
    violations = []
    before = None
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        violations.append(FieldViolation("page_size", f"is {page_size}", f"0 - {MAX_PAGE_SIZE}"))
    if page_token:
        try:
            before = _decode(scope, page_token)
        except ValueError:
            violations.append(
                FieldViolation("page_token", "is not known", "next_page_token of the same list, or empty")
            )
    if violations:
        raise InvalidProblem(violations)
    return page_size or DEFAULT_PAGE_SIZE, before


def _fingerprint(scope: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(scope)).encode()).hexdigest()[:16]


def _encode(scope: Sequence[str], last: int) -> str:
    return base64.urlsafe_b64encode(f"{_fingerprint(scope)}.{last}".encode()).decode().rstrip("=")


def _decode(scope: Sequence[str], token: str) -> int:
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("not base64") from error
    mark, _, last = decoded.partition(".")
    if mark != _fingerprint(scope) or not last.isdecimal() or len(last) > 18:
        raise ValueError("made for another list")
    return int(last)
