"""Budgets: what a tenant may spend, reserved before a submit and settled after.

Nothing here is a counter that could drift. What is free is always asked of the reservations themselves: the limit less
what is settled less what is still held. A reservation is made under a lock on the limits that it must fit, so that of
any number of concurrent ones only those pass that fit together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, literal, select, tuple_, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from store.amounts import TOTAL, UNITS, Amounts, checked_period
from store.columns import new_id
from store.database import Database
from store.errors import BudgetExceeded, IdempotencyConflict, NotFound, TerminalState
from store.pages import Page, fetch_page
from store.schema import budget_limits, jobs, reservations


class ReservationState(StrEnum):
    """``RESERVED -> SETTLED | RELEASED``. A released one may still be settled when the vendor charged after all."""

    RESERVED = "RESERVED"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"


@dataclass(frozen=True)
class Budget:
    """A limit and where it stands. ``free`` is 0, not less, where more was charged than the limit."""

    tenant: str
    project: str
    period: str
    limit: Amounts
    reserved: Amounts
    settled: Amounts
    free: Amounts


@dataclass(frozen=True)
class Reservation:
    """Money held, spent or given back for one submission.

    ``settled`` is what was charged, zero until then. ``at`` is when it was reserved.
    """

    id: str
    tenant: str
    project: str
    period: str
    job_id: str
    backend: str
    idempotency_key: str
    state: ReservationState
    reserved: Amounts
    settled: Amounts
    at: datetime


_r = reservations.c
_AMOUNTS = tuple(_r[unit] for unit in UNITS)
_HELD = tuple(_r[f"held_{unit}"] for unit in UNITS)
_SUMS = tuple(func.coalesce(func.sum(column), 0) for column in _HELD)


class Budgets:
    """The budgets in a database. Project ``""`` is the tenant as a whole; times come from the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_limit(self, tenant: str, project: str, period: str, limit: Amounts) -> None:
        """Set what may be spent in ``period`` (``"2026-11"`` or ``"total"``). It may be below what is spent already.

        Raises
        ------
        InvalidProblem
            When ``period`` is neither a month nor ``"total"``.
        """
        key = {"tenant": tenant, "project": project, "period": checked_period(period)}
        amounts = {unit: getattr(limit, unit) for unit in UNITS}
        with self._database.write() as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            statement = dialect.insert(budget_limits).values(**key, **amounts)
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=amounts))

    def reserve(
        self,
        *,
        tenant: str,
        project: str,
        period: str,
        job_id: str,
        backend: str,
        idempotency_key: str,
        amounts: Amounts,
        now: datetime,
        request_limit: Amounts | None = None,
    ) -> str:
        """Hold ``amounts`` and return the reservation's id, in one transaction.

        It must fit the tenant's limit of ``period`` and, with a ``project``, the project's too; a limit that nobody set
        is 0. Where a limit of the period ``"total"`` is set beside a month's, it must fit that as well.
        ``request_limit`` is the most that this job may hold and spend altogether.

        The same ``idempotency_key`` returns the same reservation and holds nothing twice. One that was released is
        held again if it fits; one that is settled stays so.

        Raises
        ------
        BudgetExceeded
            When it does not fit.
        IdempotencyConflict
            When the key reserved something else before.
        InvalidProblem
            When ``period`` is neither a month nor ``"total"``.
        NotFound
            When there is no such job.
        """
        checked_period(period)
        wanted = {  # what the key stands for; not the period, since a retry may come after the end of a month
            "tenant": tenant,
            "project": project,
            "job_id": job_id,
            "backend": backend,
            "idempotency_key": idempotency_key,
        }
        for unit in UNITS:
            wanted[unit] = getattr(amounts, unit)
        held = _holding(ReservationState.RESERVED, amounts)
        with self._database.write() as connection:
            limits = _locked_limits(connection, tenant, project, period)
            earlier = _earlier(connection, tenant, idempotency_key, job_id)
            if earlier is not None:
                if any(earlier._mapping[name] != value for name, value in wanted.items()):
                    raise IdempotencyConflict(idempotency_key, earlier.job_id)
                if earlier.state != ReservationState.RELEASED:
                    return str(earlier.id)
            _must_fit_all(connection, amounts, tenant, limits, job_id, request_limit)
            if earlier is not None:
                again = update(reservations).where(_r.seq == earlier.seq)
                connection.execute(again.values(period=period, at=now, **held))
                return str(earlier.id)
            reservation_id = new_id("res", now)
            row = {"id": reservation_id, "period": period, "at": now, **wanted, **held}
            connection.execute(insert(reservations), row)
            return reservation_id

    def settle(self, reservation_id: str, amounts: Amounts) -> None:
        """Record what was charged, which frees the rest. The same settlement twice is one.

        More than was reserved is recorded too, and so is a charge on a released reservation: the money is gone.

        Raises
        ------
        NotFound
            When there is no such reservation.
        TerminalState
            When it was settled with other amounts.
        """
        with self._database.write() as connection:
            settle(connection, reservation_id, amounts)

    def release(self, reservation_id: str) -> None:
        """Give back what is held, because nothing was or will be charged. Twice is once.

        Raises
        ------
        NotFound
            When there is no such reservation.
        TerminalState
            When it is settled.
        """
        with self._database.write() as connection:
            row = _locked(connection, reservation_id)
            if row.state == ReservationState.SETTLED:
                raise TerminalState(f"reservation {reservation_id!r} is settled")
            nothing = _holding(ReservationState.RELEASED, Amounts())
            connection.execute(update(reservations).where(_r.id == reservation_id).values(nothing))

    def get(self, reservation_id: str) -> Reservation:
        """The reservation as it is now.

        Raises
        ------
        NotFound
            When there is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(reservations).where(_r.id == reservation_id)).one_or_none()
        if row is None:
            raise NotFound("reservation", reservation_id)
        return _reservation(row)

    def budget(self, tenant: str, project: str, period: str) -> Budget:
        """Limit, reserved, settled and free. The tenant as a whole counts every project, ``"total"`` every month.

        Raises
        ------
        InvalidProblem
            When ``period`` is neither a month nor ``"total"``.
        """
        of = and_(*_within(tenant, project, checked_period(period)))
        statement = select(_r.state, *_SUMS).where(of).group_by(_r.state)
        with self._database.read() as connection:
            limit = _limits(connection, tenant, [(project, period)]).get((project, period), Amounts())
            by_state = {row[0]: _sums(row[1:]) for row in connection.execute(statement)}
        reserved = by_state.get(ReservationState.RESERVED, Amounts())
        settled = by_state.get(ReservationState.SETTLED, Amounts())
        return Budget(tenant, project, period, limit, reserved, settled, limit.less(reserved + settled))

    def usage(
        self, tenant: str, project: str, period: str, page_size: int = 0, page_token: str = ""
    ) -> Page[Reservation]:
        """Reservations that count in ``period``, newest first.

        Raises
        ------
        InvalidProblem
            When ``period``, ``page_size`` (0 - 500; 0: 50) or ``page_token`` is not allowed.
        """
        statement = select(reservations).where(*_within(tenant, project, checked_period(period)))
        with self._database.read() as connection:
            return fetch_page(
                connection,
                statement,
                order=_r.seq,
                scope=("usage", tenant, project, period),
                page_size=page_size,
                page_token=page_token,
                build=_reservation,
            )

    def open_reservations(self, older_than: datetime, limit: int = 1000) -> tuple[Reservation, ...]:
        """Reservations still held that were made before ``older_than``, oldest first."""
        statement = select(reservations).where(_r.state == ReservationState.RESERVED.value, _r.at < older_than)
        with self._database.read() as connection:
            return tuple(_reservation(row) for row in connection.execute(statement.order_by(_r.at).limit(limit)))

    def of_job(self, job_id: str) -> tuple[Reservation, ...]:
        """Every reservation of a job, oldest first."""
        statement = select(reservations).where(_r.job_id == job_id).order_by(_r.seq)
        with self._database.read() as connection:
            return tuple(_reservation(row) for row in connection.execute(statement))


def settle(connection: Connection, reservation_id: str, amounts: Amounts) -> None:
    """Settle inside the caller's transaction; see `Budgets.settle`."""
    statement = update(reservations).where(_r.id == reservation_id, _r.state != ReservationState.SETTLED.value)
    if connection.execute(statement.values(_holding(ReservationState.SETTLED, amounts))).rowcount:
        return
    row = _locked(connection, reservation_id)
    if _sums(row._mapping[column] for column in _HELD) != amounts:
        raise TerminalState(f"reservation {reservation_id!r} is settled with other amounts")


def _earlier(connection: Connection, tenant: str, idempotency_key: str, job_id: str) -> Row[Any] | None:
    """What the key reserved before, if anything, once it is known that the job exists."""
    same_key = and_(_r.tenant == tenant, _r.idempotency_key == idempotency_key)
    job = select(jobs.c.id.label("of_job")).where(jobs.c.id == job_id).subquery()
    row = connection.execute(select(job, reservations).join_from(job, reservations, same_key, isouter=True)).first()
    if row is None:
        raise NotFound("job", job_id)
    return None if row.id is None else row


def _must_fit_all(
    connection: Connection,
    amounts: Amounts,
    tenant: str,
    limits: Mapping[tuple[str, str], Amounts],
    job_id: str,
    request_limit: Amounts | None,
) -> None:
    """Compare with every limit, all of them summed up in one statement."""
    checks = [
        (f"{_scope(tenant, project)} in {period}", limit, _within(tenant, project, period))
        for (project, period), limit in limits.items()
    ]
    if request_limit is not None:
        checks.append((f"request {job_id}", request_limit, [_r.job_id == job_id]))
    sums = [select(literal(i).label("i"), *_SUMS).where(*within) for i, (_, _, within) in enumerate(checks)]
    spent = {row[0]: _sums(row[1:]) for row in connection.execute(union_all(*sums))}
    for i, (scope, limit, _) in enumerate(checks):
        free = limit.less(spent[i])
        unit = amounts.first_beyond(free)
        if unit is not None:
            raise BudgetExceeded(scope, unit, getattr(amounts, unit), getattr(free, unit))


def _locked_limits(connection: Connection, tenant: str, project: str, period: str) -> dict[tuple[str, str], Amounts]:
    """Every limit that a reservation must fit, by project and period, locked until the transaction ends."""
    projects = {"", project}
    needed = [(of, period) for of in projects]
    limits = _limits(connection, tenant, [*needed, *((of, TOTAL) for of in projects)], lock=True)
    for scope in needed:
        limits.setdefault(scope, Amounts())
    return dict(sorted(limits.items()))


def _limits(
    connection: Connection, tenant: str, scopes: Collection[tuple[str, str]], lock: bool = False
) -> dict[tuple[str, str], Amounts]:
    columns = budget_limits.c
    statement = (
        select(columns.project, columns.period, *(columns[unit] for unit in UNITS))
        .where(columns.tenant == tenant, tuple_(columns.project, columns.period).in_(sorted(set(scopes))))
        .order_by(columns.project, columns.period)  # always locked in the same order, so that no two wait in a circle
    )
    if lock:
        statement = statement.with_for_update()
    return {(row[0], row[1]): _sums(row[2:]) for row in connection.execute(statement)}


def _within(tenant: str, project: str, period: str) -> list[Any]:
    conditions = [_r.tenant == tenant]
    if period != TOTAL:
        conditions.append(_r.period == period)
    if project:
        conditions.append(_r.project == project)
    return conditions


def _sums(values: Any) -> Amounts:
    return Amounts(*(int(value) for value in values))  # PostgreSQL adds big integers up as decimals


def _scope(tenant: str, project: str) -> str:
    return f"tenant {tenant}, project {project}" if project else f"tenant {tenant}"


def _locked(connection: Connection, reservation_id: str) -> Row[Any]:
    row = connection.execute(select(reservations).where(_r.id == reservation_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("reservation", reservation_id)
    return row


def _holding(state: ReservationState, held: Amounts) -> dict[str, Any]:
    return {"state": state.value, **{f"held_{unit}": getattr(held, unit) for unit in UNITS}}


def _reservation(row: Row[Any]) -> Reservation:
    state = ReservationState(row.state)
    return Reservation(
        id=row.id,
        tenant=row.tenant,
        project=row.project,
        period=row.period,
        job_id=row.job_id,
        backend=row.backend,
        idempotency_key=row.idempotency_key,
        state=state,
        reserved=_sums(row._mapping[column] for column in _AMOUNTS),
        settled=_sums(row._mapping[column] for column in _HELD) if state is ReservationState.SETTLED else Amounts(),
        at=row.at,
    )
