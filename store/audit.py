"""The audit log: what the service decided about itself, append-only, hashed over its predecessor and signed.

Decisions about requests are in `store.decisions`; here is what concerns no single job, such as a canary that begins, is
promoted or rolled back. The hash of an entry is the SHA-256 of the RFC 8785 text of the object::

    {"at", "event", "key_id", "position", "previous_hash", "record_digest"}

with ``at`` in microseconds since 1970 and ``record_digest`` the SHA-256 of the RFC 8785 text of the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from sqlalchemy import Row, insert, select, text

from store.artifacts import digest_of
from store.columns import microseconds
from store.database import Database
from store.decisions import Check, Record
from store.pages import Page, fetch_page
from store.schema import GENESIS_HASH, audit_log
from store.signing import PublicKeys, Signer


@dataclass(frozen=True)
class AuditEntry:
    """An entry: its place from 1 without holes, when, what sort of event, the JSON object, and how it is sealed."""

    position: int
    at: datetime
    event: str
    record: dict[str, Any]
    record_digest: str
    previous_hash: str
    hash: str
    key_id: str
    signature: bytes


class Audit:
    """The audit log in a database. A `Signer` as ``keys`` can write it, `PublicKeys` can verify it."""

    def __init__(self, database: Database, keys: PublicKeys) -> None:
        self._database, self._keys = database, keys

    def append(self, event: str, records: Iterable[Mapping[str, Any]], now: datetime) -> tuple[AuditEntry, ...]:
        """Append ``records``, all or none; they are on disk when this returns.

        Raises
        ------
        PermissionError
            When there is only a public key.
        ValueError
            When a record has no canonical JSON.
        """
        if not isinstance(self._keys, Signer):
            raise PermissionError("there is no private key to sign with")
        prepared = [Record.of(record) for record in records]
        entries = []
        with self._database.write() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(text("LOCK TABLE audit_log IN EXCLUSIVE MODE"))
            columns = audit_log.c
            newest = select(columns.position, columns.hash).order_by(columns.position.desc()).limit(1)
            last = connection.execute(newest).one_or_none()
            position, previous = (0, GENESIS_HASH) if last is None else (last.position, last.hash)
            for record in prepared:
                position += 1
                values: dict[str, Any] = {
                    "position": position,
                    "at": now,
                    "event": event,
                    "record_digest": record.digest,
                    "previous_hash": previous,
                    "key_id": self._keys.key_id,
                }
                values["hash"] = previous = _hash(values)
                values["signature"] = self._keys.sign(previous.encode("ascii"))
                connection.execute(insert(audit_log), {**values, "record": record.text})
                entries.append(AuditEntry(record=record.value, **values))
        return tuple(entries)

    def of_event(self, event: str) -> tuple[AuditEntry, ...]:
        """Every entry of one sort, oldest first."""
        statement = select(audit_log).where(audit_log.c.event == event).order_by(audit_log.c.position)
        with self._database.read() as connection:
            return tuple(_entry(row) for row in connection.execute(statement))

    def list(self, page_size: int = 0, page_token: str = "") -> Page[AuditEntry]:
        """A page of the log, newest first.

        Raises
        ------
        InvalidProblem
            When ``page_size`` is not 0 - 500 (0: 50) or ``page_token`` is not from this list.
        """
        with self._database.read() as connection:
            return fetch_page(
                connection,
                [select(audit_log)],
                order=audit_log.c.position,
                scope=("audit",),
                page_size=page_size,
                page_token=page_token,
                build=_entry,
            )

    def verify(self) -> tuple[Check, ...]:
        """Check every entry from the first to the last; returns what failed, empty when all is well.

        Entries cut off at the end leave no trace in the log itself: compare the last position with an earlier look.
        """
        failed: list[Check] = []
        previous, position = GENESIS_HASH, 0
        with self._database.read() as connection:
            for row in connection.execute(select(audit_log).order_by(audit_log.c.position)):
                known = self._keys.knows(row.key_id)
                holds = {
                    "record digest": digest_of(row.record.encode()) == row.record_digest,
                    "hash": _hash(row._asdict()) == row.hash,
                    "signature": known and self._keys.verify(row.key_id, row.hash.encode(), row.signature),
                    "predecessor": (row.position, row.previous_hash) == (position + 1, previous),
                }
                failed += [Check(name, False, f"audit entry {row.position}") for name, ok in holds.items() if not ok]
                previous, position = row.hash, row.position
        return tuple(failed)


def _hash(entry: Mapping[str, Any]) -> str:
    names = ("event", "key_id", "position", "previous_hash", "record_digest")
    return digest_of(rfc8785.dumps({**{name: entry[name] for name in names}, "at": microseconds(entry["at"])}))


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**{**row._mapping, "record": json.loads(row.record)})
