"""What happened to a job, in order: its state changes and its improving plans."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from store.schema import job_events


@dataclass(frozen=True)
class Event:
    """One event of a job.

    ``sequence`` counts from 1 without holes within a job. ``objective`` and ``bound`` are set when a plan was found;
    ``found_by`` is ``strategy`` or ``strategy@backend`` then, else empty.
    """

    sequence: int
    at: datetime
    state: str
    objective: float | None
    bound: float | None
    found_by: str


def write_event(
    connection: Connection,
    job_id: str,
    sequence: int,
    at: datetime,
    state: str,
    *,
    objective: float | None = None,
    bound: float | None = None,
    found_by: str = "",
) -> None:
    """Insert one event. The caller drew ``sequence`` from the job's counter in the same transaction."""
    connection.execute(
        insert(job_events),
        {
            "job_id": job_id,
            "sequence": sequence,
            "at": at,
            "state": state,
            "objective": objective,
            "bound": bound,
            "found_by": found_by,
        },
    )


def read_events(connection: Connection, job_id: str, after_sequence: int, limit: int) -> list[Event]:
    """Events of ``job_id`` later than ``after_sequence``, oldest first, at most ``limit``."""
    columns = job_events.c
    rows = connection.execute(
        select(columns.sequence, columns.at, columns.state, columns.objective, columns.bound, columns.found_by)
        .where(columns.job_id == job_id, columns.sequence > after_sequence)
        .order_by(columns.sequence)
        .limit(limit)
    )
    return [Event(*row) for row in rows]
