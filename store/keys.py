"""API keys: shown once, stored hashed, bound to a tenant and roles.

A token carries 256 random bits, so a plain SHA-256 is the right hash: there is nothing to guess that a slow, salted
password hash would protect, and every request has to be looked up by it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update

from store.columns import new_id
from store.database import Database
from store.errors import NotFound
from store.schema import api_keys

_PREFIX = "isk_"


class Role(StrEnum):
    """What a key may do: submit jobs, look at its tenant's, operate the service, read every decision."""

    SUBMITTER = "submitter"
    VIEWER = "viewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"


@dataclass(frozen=True)
class Principal:
    """Who is calling."""

    key_id: str
    tenant: str
    roles: frozenset[Role]


@dataclass(frozen=True)
class ApiKey:
    """A key as it is listed; the token itself is not kept. ``revoked_at`` is ``None`` while it works."""

    id: str
    tenant: str
    roles: frozenset[Role]
    label: str
    created_at: datetime
    revoked_at: datetime | None


class Keys:
    """The API keys in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, tenant: str, roles: Collection[Role], now: datetime, label: str = "") -> tuple[str, str]:
        """Make a key; returns its id and its token, which is not to be had again.

        Raises
        ------
        ValueError
            When ``tenant`` or ``roles`` is empty or a role is not known.
        """
        granted = sorted({Role(role).value for role in roles})
        if not tenant or not granted:
            raise ValueError("a key needs a tenant and at least one role")
        key_id, token = new_id("key", now), _PREFIX + secrets.token_urlsafe(32)
        row = {
            "id": key_id,
            "token_hash": _hash(token),
            "tenant": tenant,
            "roles": granted,
            "label": label,
            "created_at": now,
        }
        with self._database.write() as connection:
            connection.execute(insert(api_keys), row)
        return key_id, token

    def authenticate(self, token: str) -> Principal | None:
        """Who ``token`` belongs to; ``None`` when nobody issued it or it was revoked."""
        columns = api_keys.c
        statement = select(columns.id, columns.tenant, columns.roles)
        statement = statement.where(columns.token_hash == _hash(token), columns.revoked_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else Principal(row.id, row.tenant, frozenset(Role(role) for role in row.roles))

    def revoke(self, key_id: str, now: datetime) -> None:
        """Refuse the key from now on; twice is once.

        Raises
        ------
        NotFound
            When there is no such key.
        """
        columns = api_keys.c
        with self._database.write() as connection:
            if connection.execute(select(columns.id).where(columns.id == key_id)).one_or_none() is None:
                raise NotFound("key", key_id)
            working = (columns.id == key_id) & columns.revoked_at.is_(None)
            connection.execute(update(api_keys).where(working).values(revoked_at=now))

    def list(self, tenant: str | None = None) -> tuple[ApiKey, ...]:
        """Keys of ``tenant`` (``None``: of all), revoked ones too, oldest first."""
        statement = select(api_keys).order_by(api_keys.c.seq)
        if tenant is not None:
            statement = statement.where(api_keys.c.tenant == tenant)
        with self._database.read() as connection:
            return tuple(_key(row) for row in connection.execute(statement))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(row.id, row.tenant, frozenset(Role(r) for r in row.roles), row.label, row.created_at, row.revoked_at)
