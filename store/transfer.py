"""Move everything from one database to another, such as from SQLite to PostgreSQL when a second node joins."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from store.database import Database
from store.schema import decision_head, metadata

_BATCH = 1000


def copy_database(source: Database, target: Database) -> dict[str, int]:
    """Copy every row, ids and positions included, in one transaction on each side; returns rows by table.

    The service must be stopped: what it writes to ``source`` meanwhile would be left behind.

    Raises
    ------
    ValueError
        When ``target`` is not empty.
    """
    copied: dict[str, int] = {}
    with source.read() as reading, target.write() as writing:
        for table in metadata.sorted_tables:
            if table is not decision_head and writing.execute(select(table).limit(1)).first() is not None:
                raise ValueError(f"{target!r} is not empty: table {table.name} has rows")
        for table in metadata.sorted_tables:
            copied[table.name] = 0
            for rows in reading.execute(select(table)).mappings().partitions(_BATCH):
                batch = [dict(row) for row in rows]
                if table is decision_head:
                    writing.execute(table.update().values(batch[0]))
                else:
                    writing.execute(table.insert(), batch)
                copied[table.name] += len(batch)
        if not target.is_sqlite:
            _count_on(writing)
    return copied


def _count_on(connection: Connection) -> None:
    """Let PostgreSQL's counters go on after the rows that came with numbers of their own."""
    for table in metadata.sorted_tables:
        if "seq" in table.c:
            last = connection.execute(select(func.max(table.c.seq))).scalar_one()
            if last is not None:
                sequence = connection.execute(
                    text("SELECT pg_get_serial_sequence(:table, 'seq')"), {"table": table.name}
                ).scalar_one()
                connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
