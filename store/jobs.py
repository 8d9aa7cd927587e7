"""Jobs: accepted once, worked on under a lease, finished for good."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store import leases
from store.columns import new_id
from store.database import Database
from store.errors import IdempotencyConflict, NotFound
from store.events import Event, read_events, write_event
from store.leases import PRIORITIES, JobState
from store.pages import Page, fetch_page
from store.schema import jobs

UNCLAIMED_AFTER_S = 3.0
"""An accepted job that nobody leased for so many seconds is recovery's to claim."""


@dataclass(frozen=True)
class Job:
    """A job as it is stored now.

    Parameters
    ----------
    labels, policy_json
        JSON objects as they were accepted.
    fencing_token
        Token of the newest lease; 0 before the first.
    holder
        Who has, or last had, the lease.
    claimable_at
        From when on recovery may take the job; ``None`` once it is finished.
    result_digest
        Digest of the result among the artifacts.
    error
        Why, when FAILED.
    """

    id: str
    tenant: str
    kind: str
    state: JobState
    request_digest: str
    idempotency_key: str | None
    priority: int
    labels: Mapping[str, str]
    policy_json: Mapping[str, Any]
    correlation_id: str
    accepted_at: datetime
    deadline_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    fencing_token: int
    holder: str | None
    claimable_at: datetime | None
    result_digest: str | None
    error: str | None
    decision_id: str | None


@dataclass(frozen=True)
class AcceptedJob:
    """``is_new`` is false when the idempotency key had brought this same request before.

    ``token`` is the fencing token of the lease that a new job was accepted under; 0 without one.
    """

    job_id: str
    is_new: bool
    token: int = 0


@dataclass(frozen=True)
class Claim:
    """A job that recovery took over, and the fencing token to work under."""

    job: Job
    token: int


_FIELDS = tuple(field.name for field in fields(Job))
_select = select(jobs.c.seq, *(jobs.c[name] for name in _FIELDS))
_get = _select.where(jobs.c.id == bindparam("b_id"))
_inserts = {
    "sqlite": sqlite.insert(jobs).on_conflict_do_nothing().returning(jobs.c.id),
    "postgresql": postgresql.insert(jobs).on_conflict_do_nothing().returning(jobs.c.id),
}
_by_key = select(jobs.c.id, jobs.c.request_digest).where(
    jobs.c.tenant == bindparam("b_tenant"), jobs.c.idempotency_key == bindparam("b_key")
)


def new_job_id(now: datetime) -> str:
    """An id to accept a job under, for callers that must name it before it is stored."""
    return new_id("job", now)


def _job(row: Row[Any]) -> Job:
    values = {name: row._mapping[name] for name in _FIELDS}
    values["state"] = JobState(values["state"])
    return Job(**values)


def get_job(connection: Connection, job_id: str, tenant: str | None = None) -> Job:
    """The job, inside the caller's transaction; see `Jobs.get`."""
    row = connection.execute(_get, {"b_id": job_id}).one_or_none()
    if row is None or (tenant is not None and row.tenant != tenant):
        raise NotFound("job", job_id)
    return _job(row)


class Jobs:
    """The jobs in a database. Times are aware and come from the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(
        self,
        *,
        tenant: str,
        kind: str,
        request_digest: str,
        idempotency_key: str | None,
        deadline_at: datetime,
        priority: int,
        labels: Mapping[str, str],
        policy_json: Mapping[str, Any],
        correlation_id: str,
        now: datetime,
        holder: str = "",
        ttl_s: float = 0.0,
        durable: Callable[[], object] | None = None,
        job_id: str = "",
    ) -> AcceptedJob:
        """Accept a job; it is durable when this returns.

        With a ``holder`` it is accepted and leased to him for ``ttl_s`` seconds in one step: it is RUNNING then, and
        recovery's to claim when he does not keep the lease. ``durable`` waits for the request's artifact, see
        `store.artifacts.Artifacts.put_beside`; it is called last of all, and what it raises undoes the job. ``job_id``
        is an id drawn before by `new_job_id`; a new one without it.

        The same ``idempotency_key`` (an empty one is none) with the same ``request_digest`` is the same job, however
        many ask at once.

        Raises
        ------
        IdempotencyConflict
            When the key was used before with another request.
        ValueError
            When ``priority`` is not 0 - 9, a time has no zone, or a holder comes without a time.
        """
        if holder and not ttl_s > 0:
            raise ValueError(f"ttl_s is {ttl_s}; allowed: > 0")
        if priority not in PRIORITIES:
            raise ValueError(f"priority is {priority}; allowed: 0 - 9")
        token = 1 if holder else 0
        states = [JobState.ACCEPTED, JobState.RUNNING] if holder else [JobState.ACCEPTED]
        row = {
            "id": job_id or new_job_id(now),
            "tenant": tenant,
            "kind": kind,
            "state": states[-1].value,
            "request_digest": request_digest,
            "idempotency_key": idempotency_key or None,
            "priority": priority,
            "labels": dict(labels),
            "policy_json": dict(policy_json),
            "correlation_id": correlation_id,
            "accepted_at": now,
            "deadline_at": deadline_at,
            "started_at": now if holder else None,
            "fencing_token": token,
            "holder": holder or None,
            "claimable_at": now + timedelta(seconds=ttl_s if holder else UNCLAIMED_AFTER_S),
            "event_sequence": len(states),
        }
        with self._database.write() as connection:
            inserted = connection.execute(_inserts[connection.dialect.name], row).scalar_one_or_none()
            if inserted is not None:
                for sequence, state in enumerate(states, 1):
                    write_event(connection, inserted, sequence, now, state.value)
                if durable is not None:
                    durable()
                return AcceptedJob(inserted, is_new=True, token=token)
            earlier = connection.execute(_by_key, {"b_tenant": tenant, "b_key": idempotency_key}).one()
        if earlier.request_digest != request_digest:
            raise IdempotencyConflict(str(idempotency_key), earlier.id)
        return AcceptedJob(earlier.id, is_new=False)

    def get(self, job_id: str, tenant: str | None = None) -> Job:
        """The job as it is now.

        Raises
        ------
        NotFound
            When there is none of this id, or it is not of ``tenant`` (when one is given).
        """
        with self._database.read() as connection:
            return get_job(connection, job_id, tenant)

    def list(
        self,
        tenant: str | None,
        states: Collection[JobState] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> Page[Job]:
        """Jobs of ``tenant`` (``None``: of all) in any of ``states`` (empty: all), newest first.

        Raises
        ------
        InvalidProblem
            When ``page_size`` is not 0 - 500 (0: 50) or ``page_token`` is not from the same list.
        """
        wanted = sorted({JobState(state).value for state in states})
        everything = _select if tenant is None else _select.where(jobs.c.tenant == tenant)
        if not wanted or len(wanted) == len(JobState):
            statements = [everything]
        else:
            statements = [everything.where(jobs.c.state == state) for state in wanted]
        scope = ("jobs", repr(tenant), *wanted)
        with self._database.read() as connection:
            return fetch_page(
                connection,
                statements,
                order=jobs.c.seq,
                scope=scope,
                page_size=page_size,
                page_token=page_token,
                build=_job,
            )

    def count(self, tenant: str | None = None) -> dict[JobState, int]:
        """How many jobs of ``tenant`` (``None``: of all) are waiting or running; finished ones are not counted."""
        statement = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        statement = statement.where(jobs.c.state.in_([JobState.ACCEPTED.value, JobState.RUNNING.value]))
        if tenant is not None:
            statement = statement.where(jobs.c.tenant == tenant)
        with self._database.read() as connection:
            counted: dict[str, int] = dict(iter(connection.execute(statement)))
        return {state: counted.get(state.value, 0) for state in (JobState.ACCEPTED, JobState.RUNNING)}

    def lease(self, job_id: str, holder: str, ttl_s: float, now: datetime, steal: bool = False) -> int:
        """Take the job for ``ttl_s`` seconds and return the fencing token to write under; the job is RUNNING then.

        A job that another holds is given only when that lease has ended, or with ``steal``.

        Raises
        ------
        NotFound
            When there is no such job.
        StaleLease
            When another holds it.
        TerminalState
            When it is finished.
        """
        with self._database.write() as connection:
            return leases.take(connection, job_id, holder, ttl_s=ttl_s, now=now, steal=steal)

    def heartbeat(self, job_id: str, token: int, ttl_s: float, now: datetime) -> bool:
        """Hold the lease for ``ttl_s`` seconds from ``now`` on; returns whether a cancel was asked for.

        A lease that has ended but was not taken by another is revived.

        Raises
        ------
        NotFound, StaleLease, TerminalState
            When the lease was lost or the job is finished.
        """
        with self._database.write() as connection:
            return leases.beat(connection, job_id, token, ttl_s, now)

    def claim_expired(self, holder: str, ttl_s: float, now: datetime, limit: int = 10) -> tuple[Claim, ...]:
        """Take over jobs that nobody works on: expired leases, and accepted ones left alone for `UNCLAIMED_AFTER_S`.

        Higher priority first, then the longest abandoned. Several may call at once; no job goes to two of them.
        """
        with self._database.read() as connection:
            if not leases.is_any_due(connection, now):
                return ()
        with self._database.write() as connection:
            ids = leases.due(connection, now, limit)
            rows = leases.claim(connection, ids, holder, ttl_s, now) if ids else []
            return tuple(Claim(_job(row), row.fencing_token) for row in rows)

    def finish(
        self,
        job_id: str,
        token: int,
        state: JobState,
        *,
        result_digest: str | None,
        error: str | None,
        now: datetime,
    ) -> None:
        """Bring the job to ``state`` (SUCCEEDED, FAILED or CANCELLED) for good, without a decision record.

        Results that a caller sees go through `store.commit.commit_result` instead.

        Raises
        ------
        NotFound, StaleLease, TerminalState
            When the lease was lost or the job is finished already.
        """
        with self._database.write() as connection:
            leases.finish(connection, job_id, token, state, result_digest=result_digest, error=error, now=now)

    def request_cancel(self, job_id: str, now: datetime, tenant: str | None = None) -> Job:
        """Ask whoever works on the job to stop it; returns the job. A finished one is left as it is.

        Raises
        ------
        NotFound
            When there is no such job (of ``tenant``, when one is given).
        """
        with self._database.write() as connection:
            job = get_job(connection, job_id, tenant)
            unfinished = jobs.c.state.in_([JobState.ACCEPTED.value, JobState.RUNNING.value])
            asked = func.coalesce(jobs.c.cancel_requested_at, bindparam("b_now", now, jobs.c.cancel_requested_at.type))
            connection.execute(update(jobs).where(jobs.c.id == job.id, unfinished).values(cancel_requested_at=asked))
            return get_job(connection, job_id)

    def is_cancel_requested(self, job_id: str) -> bool:
        """Whether a cancel was asked for.

        Raises
        ------
        NotFound
            When there is no such job.
        """
        return self.get(job_id).cancel_requested_at is not None

    def append_event(
        self,
        job_id: str,
        token: int,
        state: JobState,
        *,
        objective: float | None,
        bound: float | None,
        found_by: str,
        now: datetime,
    ) -> int:
        """Tell watchers of a better plan or bound; returns the event's sequence number.

        Accepting, leasing and finishing write their own events.

        Raises
        ------
        NotFound, StaleLease, TerminalState
            When the lease was lost or the job is finished.
        ValueError
            When ``state`` is terminal: finishing the job says that.
        """
        if state.is_terminal:
            raise ValueError(f"state is {state}; finishing the job writes that event")
        with self._database.write() as connection:
            sequence = leases.count_event(connection, job_id, token)
            write_event(
                connection, job_id, sequence, now, state.value, objective=objective, bound=bound, found_by=found_by
            )
        return sequence

    def events(self, job_id: str, after_sequence: int = 0, limit: int = 1000) -> tuple[Event, ...]:
        """Events later than ``after_sequence``, oldest first; none for a job that does not exist."""
        with self._database.read() as connection:
            return tuple(read_events(connection, job_id, after_sequence, limit))
