"""What is held and what is spent: the sums behind budgets, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, func, literal, literal_column, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from store.amounts import TOTAL, UNITS, Amounts
from store.errors import BudgetExceeded, NotFound, TerminalState
from store.schema import budget_limits, budget_settled, jobs, reservations


class ReservationState(StrEnum):
    """``RESERVED -> SETTLED | RELEASED``. A released one may still be settled when the vendor charged after all."""

    RESERVED = "RESERVED"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"


Scope = tuple[str, str]
"""Project and period. Project ``""`` is the tenant as a whole, period ``"total"`` is all time."""

_r = reservations.c
IS_OPEN = _r.state == literal_column("'RESERVED'")
"""Still held. A literal, since neither database finds a partial index by a parameter that it does not know yet."""

_HELD = tuple(_r[f"held_{unit}"] for unit in UNITS)


def amounts_in(values: Iterable[Any]) -> Amounts:
    """Amounts from columns in the order of `UNITS`. PostgreSQL adds big integers up as decimals."""
    return Amounts(*(int(value) for value in values))


def holding(state: ReservationState, held: Amounts) -> dict[str, Any]:
    """Columns of a reservation in ``state`` that counts ``held`` against its limits."""
    return {"state": state.value, **{f"held_{unit}": getattr(held, unit) for unit in UNITS}}


def held_in(row: Row[Any]) -> Amounts:
    """What a reservation counts against its limits."""
    return amounts_in(row._mapping[column] for column in _HELD)


def locked(connection: Connection, reservation_id: str) -> Row[Any]:
    """The reservation, locked until the transaction ends.

    Raises
    ------
    NotFound
        When there is none of this id.
    """
    row = connection.execute(select(reservations).where(_r.id == reservation_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("reservation", reservation_id)
    return row


def earlier(connection: Connection, tenant: str, idempotency_key: str, job_id: str) -> Row[Any] | None:
    """What the key reserved before, if anything, once it is known that the job exists.

    Raises
    ------
    NotFound
        When there is no such job.
    """
    same_key = and_(_r.tenant == tenant, _r.idempotency_key == idempotency_key)
    job = select(jobs.c.id.label("of_job")).where(jobs.c.id == job_id).subquery()
    row = connection.execute(select(job, reservations).join_from(job, reservations, same_key, isouter=True)).first()
    if row is None:
        raise NotFound("job", job_id)
    return None if row.id is None else row


def settle(connection: Connection, charges: Mapping[str, Amounts]) -> None:
    """Record what reservations, by id, were charged; see `store.budgets.Budgets.settle`.

    Raises
    ------
    NotFound
        When a reservation does not exist.
    TerminalState
        When one was settled with other amounts.
    """
    added: dict[tuple[str, str, str], Amounts] = {}
    for reservation_id, amounts in sorted(charges.items()):  # locks are always taken in the same order
        statement = update(reservations).where(_r.id == reservation_id, _r.state != ReservationState.SETTLED.value)
        statement = statement.values(holding(ReservationState.SETTLED, amounts))
        row = connection.execute(statement.returning(_r.tenant, _r.project, _r.period)).one_or_none()
        if row is not None:
            key = (row.tenant, row.project, row.period)
            added[key] = added.get(key, Amounts()) + amounts
        elif held_in(locked(connection, reservation_id)) != amounts:
            raise TerminalState(f"reservation {reservation_id!r} is settled with other amounts")
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for (tenant, project, period), amounts in sorted(added.items(), key=lambda item: item[0]):
        values = {unit: getattr(amounts, unit) for unit in UNITS}
        insert = dialect.insert(budget_settled).values(tenant=tenant, project=project, period=period, **values)
        sums = {unit: budget_settled.c[unit] + insert.excluded[unit] for unit in UNITS}
        connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "project", "period"], set_=sums))


def limits(
    connection: Connection, tenant: str, projects: Collection[str], periods: Collection[str], lock: bool = False
) -> dict[Scope, Amounts]:
    """The limits that are set for ``projects`` in ``periods``; with ``lock``, locked until the transaction ends."""
    columns = budget_limits.c
    statement = (
        select(columns.project, columns.period, *(columns[unit] for unit in UNITS))
        .where(columns.tenant == tenant, columns.project.in_(sorted(projects)), columns.period.in_(sorted(periods)))
        .order_by(columns.project, columns.period)  # always locked in the same order, so that no two wait in a circle
    )
    if lock:
        statement = statement.with_for_update()
    return {(row[0], row[1]): amounts_in(row[2:]) for row in connection.execute(statement)}


def locked_limits(connection: Connection, tenant: str, project: str, period: str) -> dict[Scope, Amounts]:
    """Every limit that a reservation must fit, locked until the transaction ends."""
    projects = {"", project}
    found = limits(connection, tenant, projects, {period, TOTAL}, lock=True)
    for of in projects:
        found.setdefault((of, period), Amounts())
    return dict(sorted(found.items()))


def spent(connection: Connection, tenant: str, scopes: Collection[Scope]) -> dict[Scope, tuple[Amounts, Amounts]]:
    """What is reserved and what is settled in each of ``scopes``, as of one moment."""
    numbered = list(scopes)
    statements: list[Select[Any]] = []
    for i, scope in enumerate(numbered):
        held = select(literal(2 * i).label("i"), *_sum(_HELD)).where(IS_OPEN, *within(reservations, tenant, scope))
        statements.append(held)
        columns = tuple(budget_settled.c[unit] for unit in UNITS)
        statements.append(
            select(literal(2 * i + 1).label("i"), *_sum(columns)).where(*within(budget_settled, tenant, scope))
        )
    found = {row[0]: amounts_in(row[1:]) for row in connection.execute(union_all(*statements))}
    return {scope: (found[2 * i], found[2 * i + 1]) for i, scope in enumerate(numbered)}


def must_fit(connection: Connection, amounts: Amounts, tenant: str, found: Mapping[Scope, Amounts]) -> None:
    """Compare with each of the limits ``found``.

    Raises
    ------
    BudgetExceeded
        For the first that ``amounts`` does not fit.
    """
    sums = spent(connection, tenant, found)
    for (project, period), limit in found.items():
        reserved, settled = sums[project, period]
        name = f"tenant {tenant}, project {project}" if project else f"tenant {tenant}"
        _refuse_beyond(amounts, limit.less(reserved + settled), f"{name} in {period}")


def must_fit_job(connection: Connection, amounts: Amounts, job_id: str, limit: Amounts) -> None:
    """Compare with ``limit`` on all that one job holds and spent.

    Raises
    ------
    BudgetExceeded
        When it does not fit.
    """
    of_job = amounts_in(connection.execute(select(*_sum(_HELD)).where(_r.job_id == job_id)).one())
    _refuse_beyond(amounts, limit.less(of_job), f"request {job_id}")


def within(table: Table, tenant: str, scope: Scope) -> list[Any]:
    """Conditions on ``table`` for what counts in ``scope``."""
    project, period = scope
    conditions = [table.c.tenant == tenant]
    if period != TOTAL:
        conditions.append(table.c.period == period)
    if project:
        conditions.append(table.c.project == project)
    return conditions


def _sum(columns: Iterable[Any]) -> list[Any]:
    return [func.coalesce(func.sum(column), 0) for column in columns]


def _refuse_beyond(amounts: Amounts, free: Amounts, scope: str) -> None:
    unit = amounts.first_beyond(free)
    if unit is not None:
        raise BudgetExceeded(scope, unit, getattr(amounts, unit), getattr(free, unit))
