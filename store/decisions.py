"""The decision log: append-only, every entry hashed over its predecessor's hash, and signed.

The hash of an entry is the SHA-256 of the RFC 8785 text of the object::

    {"at", "id", "job_id", "key_id", "position", "previous_hash", "record_digest", "tenant"}

where ``record_digest`` is the SHA-256 of the RFC 8785 text of the record and ``at`` is in microseconds since 1970. So
no entry can be changed, moved or left out without a change of every later hash, and those are signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from sqlalchemy import Connection, Row, insert, select, update

from store.artifacts import digest_of
from store.columns import microseconds, new_id
from store.database import Database
from store.errors import NotFound
from store.pages import Page, fetch_page
from store.schema import GENESIS_HASH, decision_head, decisions
from store.signing import PublicKeys, Signer

_head = select(decision_head.c.position, decision_head.c.hash).where(decision_head.c.id == 1)


@dataclass(frozen=True)
class Decision:
    """An entry of the log.

    Parameters
    ----------
    position
        Place in the log of all tenants, from 1 without holes.
    record
        The JSON object that was recorded.
    hash, previous_hash
        Of this entry and of the one before, ``"sha256:..."``.
    key_id
        Which key signed.
    signature
        ML-DSA-65 over the ASCII text of ``hash``, 3,309 bytes.
    """

    id: str
    job_id: str
    tenant: str
    position: int
    at: datetime
    record: dict[str, Any]
    record_digest: str
    previous_hash: str
    hash: str
    key_id: str
    signature: bytes


@dataclass(frozen=True)
class Check:
    """One thing that was checked of a decision: what, whether it holds, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Record:
    """A record in canonical form, made before the transaction so that the log is locked for as short as can be."""

    text: str
    digest: str

    @property
    def value(self) -> dict[str, Any]:
        """The JSON object."""
        read: dict[str, Any] = json.loads(self.text)
        return read

    @classmethod
    def of_text(cls, text: bytes) -> Record:
        """The record whose canonical form is ``text``, for who has written that already."""
        return cls(text.decode(), digest_of(text))

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Record:
        """The canonical form of ``record``.

        Raises
        ------
        ValueError
            When it holds a number that is not finite, or an integer beyond +-(2**53 - 1).
        """
        try:
            text = rfc8785.dumps(dict(record))
        except rfc8785.CanonicalizationError as error:
            raise ValueError(f"the record has no canonical JSON: {error}") from error
        return cls.of_text(text)


def new_decision_id(now: datetime) -> str:
    """An id to append a decision under, for callers that must name it before it is written."""
    return new_id("dec", now)


def append(
    connection: Connection,
    record: Mapping[str, Any] | Record,
    *,
    job_id: str,
    tenant: str,
    now: datetime,
    signer: Signer,
    decision_id: str | None = None,
) -> Decision:
    """Append to the log inside the caller's write transaction, which holds the log until it ends.

    Raises
    ------
    ValueError
        When ``record`` has no canonical JSON.
    """
    prepared = record if isinstance(record, Record) else Record.of(record)
    head = connection.execute(_head.with_for_update()).one()
    values: dict[str, Any] = {
        "id": decision_id or new_decision_id(now),
        "job_id": job_id,
        "tenant": tenant,
        "position": head.position + 1,
        "at": now,
        "record_digest": prepared.digest,
        "previous_hash": head.hash,
        "key_id": signer.key_id,
    }
    values["hash"] = entry_hash(values)
    values["signature"] = signer.sign(values["hash"].encode("ascii"))
    connection.execute(insert(decisions), {**values, "record": prepared.text})
    connection.execute(update(decision_head).values(position=values["position"], hash=values["hash"]))
    return Decision(record=prepared.value, **values)


def entry_hash(entry: Mapping[str, Any]) -> str:
    """The hash of an entry over all that it consists of, ``"sha256:..."``."""
    names = ("id", "job_id", "key_id", "position", "previous_hash", "record_digest", "tenant")
    return digest_of(rfc8785.dumps({**{name: entry[name] for name in names}, "at": microseconds(entry["at"])}))


class Decisions:
    """The decision log in a database. A `Signer` as ``keys`` can write it, `PublicKeys` can verify it."""

    def __init__(self, database: Database, keys: PublicKeys) -> None:
        self._database = database
        self._keys = keys

    def append(
        self,
        record: Mapping[str, Any],
        *,
        job_id: str,
        tenant: str,
        now: datetime,
        decision_id: str | None = None,
    ) -> Decision:
        """Append a record that finishes no job; those that do go through `store.commit.commit_result`.

        Raises
        ------
        PermissionError
            When there is only a public key.
        ValueError
            When ``record`` has no canonical JSON.
        """
        if not isinstance(self._keys, Signer):
            raise PermissionError("there is no private key to sign with")
        prepared = Record.of(record)
        with self._database.write() as connection:
            return append(
                connection,
                prepared,
                job_id=job_id,
                tenant=tenant,
                now=now,
                signer=self._keys,
                decision_id=decision_id,
            )

    def get(self, decision_id: str, tenant: str | None = None) -> Decision:
        """The decision as it is stored; `verify_chain` says whether to believe it.

        Raises
        ------
        NotFound
            When there is none of this id, or it is not of ``tenant`` (when one is given).
        """
        with self._database.read() as connection:
            row = connection.execute(select(decisions).where(decisions.c.id == decision_id)).one_or_none()
        if row is None or (tenant is not None and row.tenant != tenant):
            raise NotFound("decision", decision_id)
        return _decision(row)

    def list(
        self, tenant: str | None, job_id: str | None = None, page_size: int = 0, page_token: str = ""
    ) -> Page[Decision]:
        """Decisions of ``tenant`` (``None``: of all), of one job when ``job_id`` is given, newest first.

        Raises
        ------
        InvalidProblem
            When ``page_size`` is not 0 - 500 (0: 50) or ``page_token`` is not from the same list.
        """
        statement = select(decisions)
        if tenant is not None:
            statement = statement.where(decisions.c.tenant == tenant)
        if job_id:
            statement = statement.where(decisions.c.job_id == job_id)
        with self._database.read() as connection:
            return fetch_page(
                connection,
                [statement],
                order=decisions.c.position,
                scope=("decisions", repr(tenant), job_id or ""),
                page_size=page_size,
                page_token=page_token,
                build=_decision,
            )

    def verify_chain(self, decision_id: str) -> tuple[Check, ...]:
        """Check one decision: its record's digest, its hash, its links to both neighbours, its signature.

        Raises
        ------
        NotFound
            When there is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(decisions).where(decisions.c.id == decision_id)).one_or_none()
            if row is None:
                raise NotFound("decision", decision_id)
            hashes = select(decisions.c.hash, decisions.c.previous_hash)
            before = connection.execute(hashes.where(decisions.c.position == row.position - 1)).one_or_none()
            after = connection.execute(hashes.where(decisions.c.position == row.position + 1)).one_or_none()
            head = connection.execute(_head).one()
        expected = before.hash if before is not None else GENESIS_HASH if row.position == 1 else None
        if after is not None:
            follows = after.previous_hash == row.hash
        else:
            follows = (head.position, head.hash) == (row.position, row.hash)
        return (
            *self._checks_of(row),
            _check("predecessor", row.previous_hash == expected, f"position {row.position - 1}"),
            _check("successor", follows, f"position {row.position + 1}" if after is not None else "end of the log"),
        )

    def verify_log(self) -> tuple[Check, ...]:
        """Check every decision from the first to the end of the log; returns what failed, empty when all is well."""
        failed: list[Check] = []
        previous, position = GENESIS_HASH, 0
        with self._database.read() as connection:
            head = connection.execute(_head).one()
            statement = select(decisions).order_by(decisions.c.position).execution_options(yield_per=500)
            for row in connection.execute(statement.where(decisions.c.position <= head.position)):
                linked = row.previous_hash == previous and row.position == position + 1
                checks = (*self._checks_of(row), _check("predecessor", linked, f"position {row.position - 1}"))
                failed += [Check(c.name, c.passed, f"{row.id}: {c.detail}") for c in checks if not c.passed]
                previous, position = row.hash, row.position
        if (position, previous) != (head.position, head.hash):
            failed.append(Check("end of the log", passed=False, detail=f"position {head.position} is missing"))
        return tuple(failed)

    def _checks_of(self, row: Row[Any]) -> tuple[Check, ...]:
        found = digest_of(row.record.encode())
        known = self._keys.knows(row.key_id)
        signed = known and self._keys.verify(row.key_id, row.hash.encode(), row.signature)
        return (
            _check("record digest", found == row.record_digest, found),
            _check("hash", entry_hash(row._asdict()) == row.hash, row.hash),
            _check("signature", signed, f"ML-DSA-65 key {row.key_id}" + ("" if known else ", which is not known here")),
        )


def _check(name: str, passed: bool, detail: str) -> Check:
    return Check(name, passed, detail if passed else f"does not match: {detail}")


def _decision(row: Row[Any]) -> Decision:
    values = dict(row._mapping)
    return Decision(**{**values, "record": json.loads(values["record"])})
