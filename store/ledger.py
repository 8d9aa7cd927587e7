"""What is held and what is spent: the sums behind budgets, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from store.amounts import TOTAL, UNITS, Amounts
from store.errors import BudgetExceeded, NotFound, TerminalState
from store.labels import label_texts
from store.schema import budget_limits, budget_settled, jobs, reservation_labels, reservations


class ReservationState(StrEnum):
    """``RESERVED -> SETTLED | RELEASED``. A released one may still be settled when the vendor charged after all."""

    RESERVED = "RESERVED"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"


class Scope(NamedTuple):
    """What a budget is for. Project ``""`` is the tenant as a whole, ``label`` ``""`` whatever the label is, period
    ``"total"`` all time.
    """

    project: str
    period: str
    label: str = ""

    def named(self, tenant: str) -> str:
        """For people: ``tenant acme, project north, label team=a in 2026-11``."""
        parts = [f"tenant {tenant}"]
        parts += [f"project {self.project}"] if self.project else []
        parts += [f"label {self.label}"] if self.label else []
        return f"{', '.join(parts)} in {self.period}"


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


def labels_of(connection: Connection, job_id: str) -> tuple[str, ...]:
    """The labels of a job as texts: a reservation counts in the budget of each.

    Raises
    ------
    NotFound
        When there is no such job.
    """
    labels = connection.execute(select(jobs.c.labels).where(jobs.c.id == job_id)).scalar_one_or_none()
    if labels is None:
        raise NotFound("job", job_id)
    return label_texts(labels)


def add_labels(connection: Connection, tenant: str, seq: int, labels: Collection[str]) -> None:
    """Note the labels of a new reservation."""
    if labels:
        rows = [{"tenant": tenant, "label": label, "reservation_seq": seq} for label in labels]
        connection.execute(insert(reservation_labels), rows)


def settle(connection: Connection, charges: Mapping[str, Amounts]) -> None:
    """Record what reservations, by id, were charged; see `store.budgets.Budgets.settle`.

    Raises
    ------
    NotFound
        When a reservation does not exist.
    TerminalState
        When one was settled with other amounts.
    """
    added: dict[tuple[str, Scope], Amounts] = {}
    for reservation_id, amounts in sorted(charges.items()):  # locks are always taken in the same order
        statement = update(reservations).where(_r.id == reservation_id, _r.state != ReservationState.SETTLED.value)
        statement = statement.values(holding(ReservationState.SETTLED, amounts))
        row = connection.execute(statement.returning(_r.seq, _r.tenant, _r.project, _r.period)).one_or_none()
        if row is not None:
            for label in ("", *_labels_at(connection, row.tenant, row.seq)):
                key = (row.tenant, Scope(row.project, row.period, label))
                added[key] = added.get(key, Amounts()) + amounts
        elif held_in(locked(connection, reservation_id)) != amounts:
            raise TerminalState(f"reservation {reservation_id!r} is settled with other amounts")
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for (tenant, scope), amounts in sorted(added.items(), key=lambda item: item[0]):
        values = {unit: getattr(amounts, unit) for unit in UNITS}
        adding = dialect.insert(budget_settled).values(tenant=tenant, **scope._asdict(), **values)
        sums = {unit: budget_settled.c[unit] + adding.excluded[unit] for unit in UNITS}
        key_columns = ["tenant", "project", "label", "period"]
        connection.execute(adding.on_conflict_do_update(index_elements=key_columns, set_=sums))


def _labels_at(connection: Connection, tenant: str, seq: int) -> tuple[str, ...]:
    columns = reservation_labels.c
    statement = select(columns.label).where(columns.reservation_seq == seq, columns.tenant == tenant)
    return tuple(row.label for row in connection.execute(statement))


def limits(
    connection: Connection,
    tenant: str,
    projects: Collection[str],
    labels: Collection[str],
    periods: Collection[str],
    lock: bool = False,
) -> dict[Scope, Amounts]:
    """The limits that are set for ``projects`` and ``labels`` in ``periods``; with ``lock``, locked until the
    transaction ends.
    """
    columns = budget_limits.c
    scope = (columns.project, columns.period, columns.label)
    statement = (
        select(*scope, *(columns[unit] for unit in UNITS))
        .where(columns.tenant == tenant, columns.project.in_(sorted(projects)))
        .where(columns.label.in_(sorted(labels)), columns.period.in_(sorted(periods)))
        .order_by(*scope)  # always locked in the same order, so that no two wait in a circle
    )
    if lock:
        statement = statement.with_for_update()
    return {Scope(*row[:3]): amounts_in(row[3:]) for row in connection.execute(statement)}


def locked_limits(
    connection: Connection, tenant: str, project: str, labels: Collection[str], period: str
) -> dict[Scope, Amounts]:
    """Every limit that a reservation must fit, locked until the transaction ends.

    A tenant or project without a limit may spend nothing; a label without one is limited by nothing but these.
    """
    projects = {"", project}
    found = limits(connection, tenant, projects, {"", *labels}, {period, TOTAL}, lock=True)
    for of in projects:
        found.setdefault(Scope(of, period), Amounts())
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
    for scope, limit in found.items():
        reserved, settled = sums[scope]
        _refuse_beyond(amounts, limit.less(reserved + settled), scope.named(tenant))


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
    conditions = [table.c.tenant == tenant]
    if scope.period != TOTAL:
        conditions.append(table.c.period == scope.period)
    if scope.project:
        conditions.append(table.c.project == scope.project)
    if table is budget_settled:
        conditions.append(budget_settled.c.label == scope.label)
    elif scope.label:
        of = reservation_labels.c
        labelled = exists().where(of.tenant == tenant, of.label == scope.label, of.reservation_seq == _r.seq)
        conditions.append(labelled)
    return conditions


def _sum(columns: Iterable[Any]) -> list[Any]:
    return [func.coalesce(func.sum(column), 0) for column in columns]


def _refuse_beyond(amounts: Amounts, free: Amounts, scope: str) -> None:
    unit = amounts.first_beyond(free)
    if unit is not None:
        raise BudgetExceeded(scope, unit, getattr(amounts, unit), getattr(free, unit))
