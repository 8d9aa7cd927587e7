"""Canaries in the audit log of the store: when each began, and its verdict; read again at the next start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from actors import logs
from store.store import Store

EVENT = "canary"
"""What the entries of canaries are called in the audit log."""


def entries(store: Store) -> list[dict[str, Any]]:
    """Every entry so far, with ``at_s``, when it was written (Unix time)."""
    return [{**entry.record, "at_s": entry.at.timestamp()} for entry in store.audit.of_event(EVENT)]


def append(store: Store, records: Sequence[dict[str, Any]]) -> None:
    """Keep entries, on disk before this returns."""
    store.audit.append(EVENT, records, datetime.now(UTC))
    for record in records:
        said = {name: str(value) for name, value in record.items() if name != "event"}
        logs.logger().warning("canary_verdict" if record["verdict"] != "CONTINUE" else "canary_begins", **said)
