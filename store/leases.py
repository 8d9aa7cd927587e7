"""Who works on a job: leases with a heartbeat and a fencing token that every write is checked against.

A token is the count of leases that a job has had. Whoever holds the newest one may write; everybody before it may not,
however late their writes arrive. The functions work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from sqlalchemy import Connection, Row, and_, bindparam, case, func, or_, select, update

from store.errors import NotFound, StaleLease, TerminalState
from store.events import write_event
from store.schema import jobs


class JobState(StrEnum):
    """``ACCEPTED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED``; the last three are final."""

    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this state never changes again."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

PRIORITIES = range(10)

_ACCEPTED, _RUNNING = JobState.ACCEPTED.value, JobState.RUNNING.value

_begin = update(jobs).values(
    state=_RUNNING,
    fencing_token=jobs.c.fencing_token + 1,
    holder=bindparam("b_holder"),
    claimable_at=bindparam("b_until", type_=jobs.c.claimable_at.type),
    started_at=func.coalesce(jobs.c.started_at, bindparam("b_now", type_=jobs.c.started_at.type)),
    event_sequence=jobs.c.event_sequence + case((jobs.c.state == _ACCEPTED, 1), else_=0),
)

_take = (
    _begin.where(jobs.c.id == bindparam("b_id"))
    .where(
        or_(
            jobs.c.state == _ACCEPTED,
            and_(
                jobs.c.state == _RUNNING,
                or_(jobs.c.claimable_at <= bindparam("b_now", type_=jobs.c.started_at.type), bindparam("b_steal")),
            ),
        )
    )
    .returning(jobs.c.fencing_token, jobs.c.event_sequence)
)

_held = and_(jobs.c.id == bindparam("b_id"), jobs.c.fencing_token == bindparam("b_token"), jobs.c.state == _RUNNING)

_beat = (
    update(jobs)
    .where(_held)
    .values(claimable_at=bindparam("b_until", type_=jobs.c.claimable_at.type))
    .returning(jobs.c.cancel_requested_at)
)

_count_event = (
    update(jobs).where(_held).values(event_sequence=jobs.c.event_sequence + 1).returning(jobs.c.event_sequence)
)

_finish = (
    update(jobs)
    .where(_held)
    .values(
        state=bindparam("b_state"),
        result_digest=bindparam("b_result"),
        error=bindparam("b_error"),
        decision_id=bindparam("b_decision"),
        finished_at=bindparam("b_now", type_=jobs.c.finished_at.type),
        claimable_at=None,
        event_sequence=jobs.c.event_sequence + 1,
    )
    .returning(jobs.c.tenant, jobs.c.event_sequence)
)

_due = (
    select(jobs.c.id)
    .where(jobs.c.priority == bindparam("b_priority"))
    .where(jobs.c.claimable_at.is_not(None), jobs.c.claimable_at <= bindparam("b_now", type_=jobs.c.claimable_at.type))
    .order_by(jobs.c.claimable_at)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)

_any_due = (
    select(jobs.c.id)
    .where(jobs.c.priority.in_(PRIORITIES))
    .where(jobs.c.claimable_at.is_not(None), jobs.c.claimable_at <= bindparam("b_now", type_=jobs.c.claimable_at.type))
    .limit(1)
)

_claim = _begin.where(jobs.c.id.in_(bindparam("b_ids", expanding=True))).returning(jobs)


def take(connection: Connection, job_id: str, holder: str, *, ttl_s: float, now: datetime, steal: bool) -> int:
    """Lease ``job_id``; see `store.jobs.Jobs.lease`."""
    values = {"b_id": job_id, "b_holder": holder, "b_until": _until(now, ttl_s), "b_now": now, "b_steal": steal}
    row = connection.execute(_take, values).one_or_none()
    if row is None:
        state, _, other, until = _standing(connection, job_id)
        if JobState(state).is_terminal:
            raise TerminalState(f"job {job_id!r} is finished ({state})")
        raise StaleLease(f"job {job_id!r} is leased by {other!r} until {until.isoformat()}")
    token, sequence = row
    if token == 1:
        write_event(connection, job_id, sequence, now, _RUNNING)
    return int(token)


def beat(connection: Connection, job_id: str, token: int, ttl_s: float, now: datetime) -> bool:
    """Extend the lease; whether a cancel was asked for."""
    values = {"b_id": job_id, "b_token": token, "b_until": _until(now, ttl_s)}
    row = connection.execute(_beat, values).one_or_none()
    if row is None:
        refuse(connection, job_id, token)
    return row[0] is not None


def count_event(connection: Connection, job_id: str, token: int) -> int:
    """Draw the sequence number of the job's next event, under its lease."""
    row = connection.execute(_count_event, {"b_id": job_id, "b_token": token}).one_or_none()
    if row is None:
        refuse(connection, job_id, token)
    return int(row[0])


def finish(
    connection: Connection,
    job_id: str,
    token: int,
    state: JobState,
    *,
    result_digest: str | None,
    error: str | None,
    now: datetime,
    decision_id: str | None = None,
) -> str:
    """Bring the job to its terminal state and return its tenant; see `store.jobs.Jobs.finish`."""
    if not state.is_terminal:
        raise ValueError(f"state is {state}; allowed: {', '.join(sorted(TERMINAL_STATES))}")
    values = {
        "b_id": job_id,
        "b_token": token,
        "b_state": state.value,
        "b_result": result_digest,
        "b_error": error,
        "b_decision": decision_id,
        "b_now": now,
    }
    row = connection.execute(_finish, values).one_or_none()
    if row is None:
        refuse(connection, job_id, token)
    tenant, sequence = row
    write_event(connection, job_id, sequence, now, state.value)
    return str(tenant)


def is_any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is a job that nobody works on."""
    return connection.execute(_any_due, {"b_now": now}).first() is not None


def due(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Ids of jobs that nobody works on: higher priority first, then the longest abandoned, at most ``limit``.

    They are locked until the transaction ends; those that another transaction has locked are passed over.
    """
    found: list[str] = []
    for priority in reversed(PRIORITIES):  # one short index range each: a long queue behind them is never read
        values = {"b_priority": priority, "b_now": now, "b_limit": limit - len(found)}
        found.extend(connection.execute(_due, values).scalars())
        if len(found) >= limit:
            break
    return found


def claim(connection: Connection, ids: Sequence[str], holder: str, ttl_s: float, now: datetime) -> list[Row[Any]]:
    """Lease all of ``ids``, which `due` just found in this transaction; their rows in the order of ``ids``."""
    values = {"b_ids": list(ids), "b_holder": holder, "b_until": _until(now, ttl_s), "b_now": now}
    rows = {row.id: row for row in connection.execute(_claim, values)}
    for row in rows.values():
        if row.fencing_token == 1:
            write_event(connection, row.id, row.event_sequence, now, _RUNNING)
    return [rows[job_id] for job_id in ids]


def refuse(connection: Connection, job_id: str, token: int) -> NoReturn:
    """Say why a write under ``token`` did not find its row."""
    state, newest, holder, _ = _standing(connection, job_id)
    if JobState(state).is_terminal:
        raise TerminalState(f"job {job_id!r} is finished ({state})")
    raise StaleLease(f"token {token} of job {job_id!r} is not the newest, {newest} of {holder!r}")


def _standing(connection: Connection, job_id: str) -> tuple[str, int, str | None, datetime]:
    row = connection.execute(
        select(jobs.c.state, jobs.c.fencing_token, jobs.c.holder, jobs.c.claimable_at).where(jobs.c.id == job_id)
    ).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return row[0], row[1], row[2], row[3]


def _until(now: datetime, ttl_s: float) -> datetime:
    if not ttl_s > 0:
        raise ValueError(f"ttl_s is {ttl_s}; allowed: > 0")
    return now + timedelta(seconds=ttl_s)
