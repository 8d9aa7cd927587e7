"""Plans prepared for what may come: which job computes each, for whom, and until when it is of use.

A prepared plan is the result of an ordinary job, with a decision record of its own; this table says where to find it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from store.database import Database
from store.leases import JobState
from store.schema import jobs, prepared_plans

_MOST = 32
"""Prepared plans looked at for one request: the newest."""


@dataclass(frozen=True)
class PreparedPlan:
    """A plan in preparation.

    Parameters
    ----------
    tenant, project
        Whose it is. Nobody else is ever shown it.
    kind
        Of the problem.
    scope
        What identifies the books that it is for, the same for all problems of the same books.
    name
        What it is for.
    job_id
        The job that computes it.
    prepared_by
        The job that asked for it.
    expires_at
        From then on it is not used any more.
    """

    tenant: str
    project: str
    kind: str
    scope: str
    name: str
    job_id: str
    prepared_by: str
    expires_at: datetime


@dataclass(frozen=True)
class ReadyPlan:
    """A prepared plan whose job has succeeded; the digests name artifacts: the request and the plan."""

    name: str
    job_id: str
    prepared_by: str
    decision_id: str
    request_digest: str
    plan_digest: str
    prepared_at: datetime
    expires_at: datetime


class PreparedPlans:
    """The prepared plans in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, *plans: PreparedPlan, now: datetime) -> None:
        """Keep where plans will be found, once per job; what has expired is forgotten on the way."""
        if not plans:
            return
        rows = [{name: getattr(plan, name) for name in PreparedPlan.__dataclass_fields__} for plan in plans]
        with self._database.write() as connection:
            connection.execute(delete(prepared_plans).where(prepared_plans.c.expires_at <= now))
            if connection.dialect.name == "postgresql":
                connection.execute(postgresql.insert(prepared_plans).on_conflict_do_nothing(), rows)
            else:
                connection.execute(sqlite.insert(prepared_plans).on_conflict_do_nothing(), rows)

    def ready(self, tenant: str, project: str, kind: str, scope: str, now: datetime) -> tuple[ReadyPlan, ...]:
        """The plans of ``tenant`` and ``project`` for ``scope`` that are computed and not expired, newest first."""
        mine = prepared_plans.c
        statement = (
            select(
                mine.name,
                mine.job_id,
                mine.prepared_by,
                jobs.c.decision_id,
                jobs.c.request_digest,
                jobs.c.result_digest.label("plan_digest"),
                jobs.c.finished_at.label("prepared_at"),
                mine.expires_at,
            )
            .join(jobs, jobs.c.id == mine.job_id)
            .where(
                mine.tenant == tenant,
                mine.project == project,
                mine.kind == kind,
                mine.scope == scope,
                mine.expires_at > now,
                jobs.c.tenant == tenant,
                jobs.c.state == JobState.SUCCEEDED.value,
                jobs.c.result_digest.is_not(None),
            )
            .order_by(mine.seq.desc())
            .limit(_MOST)
        )
        with self._database.read() as connection:
            return tuple(ReadyPlan(**row._mapping) for row in connection.execute(statement))
