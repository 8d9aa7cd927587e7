"""Budgets: what a tenant may spend, reserved before a submit and settled after.

What is free is not kept but asked for: the limit less what is settled less what is still held. A reservation is made
under a lock on the limits that it must fit, so that of any number of concurrent ones only those pass that fit together.
Settled reservations are final; their sums are kept beside them, in the transaction that settles.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store import ledger
from store.amounts import UNITS, Amounts, checked_period
from store.columns import new_id
from store.database import Database
from store.errors import IdempotencyConflict, NotFound, TerminalState
from store.labels import checked_label
from store.leases import TERMINAL_STATES
from store.ledger import ReservationState, Scope, amounts_in
from store.pages import Page, fetch_page
from store.schema import budget_limits, budget_settled, jobs, reservation_labels, reservations

__all__ = ["Amounts", "Budget", "Budgets", "Reservation", "ReservationState"]


@dataclass(frozen=True)
class Budget:
    """A limit and where it stands. ``free`` is 0, not less, where more was charged than the limit."""

    tenant: str
    project: str
    label: str
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


class Budgets:
    """The budgets in a database; times come from the caller.

    Project ``""`` is the tenant as a whole. ``label`` is ``"key=value"``; ``""`` counts whatever has which label.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_limit(self, tenant: str, project: str, period: str, limit: Amounts, label: str = "") -> None:
        """Set what may be spent in ``period`` (``"2026-11"`` or ``"total"``). It may be below what is spent already.

        Raises
        ------
        InvalidProblem
            When ``period`` is neither a month nor ``"total"``, or ``label`` is not ``"key=value"``.
        """
        scope = _scope(project, period, label)
        key = {"tenant": tenant, **scope._asdict()}
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
        is 0. Where a limit of the period ``"total"`` is set beside a month's, it must fit that as well, and so it must
        every limit that is set for a label of the job, with the project or without: a label that has none adds none.
        ``request_limit`` is the most that this job may hold and spend altogether.

        The same ``idempotency_key`` returns the same reservation and holds nothing twice. One that was released is
        held again if it fits; one that is settled stays so.

        Raises
        ------
        BudgetExceeded
            When it does not fit; its ``scope`` names the budget that refused.
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
        held = ledger.holding(ReservationState.RESERVED, amounts)
        with self._database.write() as connection:
            labels = ledger.labels_of(connection, job_id)
            limits = ledger.locked_limits(connection, tenant, project, labels, period)
            earlier = ledger.earlier(connection, tenant, idempotency_key, job_id)
            if earlier is not None:
                if any(earlier._mapping[name] != value for name, value in wanted.items()):
                    raise IdempotencyConflict(idempotency_key, earlier.job_id)
                if earlier.state != ReservationState.RELEASED:
                    return str(earlier.id)
            ledger.must_fit(connection, amounts, tenant, limits)
            if request_limit is not None:
                ledger.must_fit_job(connection, amounts, job_id, request_limit)
            if earlier is not None:
                again = update(reservations).where(_r.seq == earlier.seq)
                connection.execute(again.values(period=period, at=now, **held))
                return str(earlier.id)
            reservation_id = new_id("res", now)
            row = {"id": reservation_id, "period": period, "at": now, **wanted, **held}
            seq = connection.execute(insert(reservations).returning(_r.seq), row).scalar_one()
            ledger.add_labels(connection, tenant, seq, labels)
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
            ledger.settle(connection, {reservation_id: amounts})

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
            row = ledger.locked(connection, reservation_id)
            if row.state == ReservationState.SETTLED:
                raise TerminalState(f"reservation {reservation_id!r} is settled")
            nothing = ledger.holding(ReservationState.RELEASED, Amounts())
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

    def budget(self, tenant: str, project: str, period: str, label: str = "") -> Budget:
        """Limit, reserved, settled and free. The tenant as a whole counts every project, ``"total"`` every month.

        Raises
        ------
        InvalidProblem
            When ``period`` is neither a month nor ``"total"``, or ``label`` is not ``"key=value"``.
        """
        scope = _scope(project, period, label)
        with self._database.read() as connection:
            limit = ledger.limits(connection, tenant, [project], [label], [period]).get(scope, Amounts())
            reserved, settled = ledger.spent(connection, tenant, [scope])[scope]
        return Budget(tenant, project, label, period, limit, reserved, settled, limit.less(reserved + settled))

    def usage(
        self, tenant: str, project: str, period: str, page_size: int = 0, page_token: str = "", label: str = ""
    ) -> Page[Reservation]:
        """Reservations that count in ``period``, newest first.

        Raises
        ------
        InvalidProblem
            When ``period``, ``label``, ``page_size`` (0 - 500; 0: 50) or ``page_token`` is not allowed.
        """
        scope = _scope(project, period, label)
        statement, order = select(reservations), _r.seq
        if label:  # from the label's own index: it may be one reservation in a million
            of = reservation_labels.c
            statement = select(reservations, of.reservation_seq).join_from(
                reservation_labels, reservations, of.reservation_seq == _r.seq
            )
            statement, order = statement.where(of.tenant == tenant, of.label == label), of.reservation_seq
        statement = statement.where(*ledger.within(reservations, tenant, scope._replace(label="")))
        with self._database.read() as connection:
            return fetch_page(
                connection,
                [statement],
                order=order,
                scope=("usage", tenant, *scope),
                page_size=page_size,
                page_token=page_token,
                build=_reservation,
            )

    def open_reservations(self, older_than: datetime, limit: int = 1000) -> tuple[Reservation, ...]:
        """Reservations still held that were made before ``older_than``, oldest first."""
        statement = select(reservations).where(ledger.IS_OPEN, _r.at < older_than)
        with self._database.read() as connection:
            return tuple(_reservation(row) for row in connection.execute(statement.order_by(_r.at).limit(limit)))

    def of_job(self, job_id: str) -> tuple[Reservation, ...]:
        """Every reservation of a job, oldest first."""
        statement = select(reservations).where(_r.job_id == job_id).order_by(_r.seq)
        with self._database.read() as connection:
            return tuple(_reservation(row) for row in connection.execute(statement))

    def leaked(self, older_than: datetime, limit: int = 1000) -> tuple[Reservation, ...]:
        """Reservations made before ``older_than`` and still held although their job is finished, oldest first.

        Whoever made them died between the submit and the commit. Look each up at its backend by its idempotency key:
        settle what was charged, `release` what was not.
        """
        finished = jobs.c.state.in_(sorted(state.value for state in TERMINAL_STATES))
        statement = select(reservations).join(jobs, jobs.c.id == _r.job_id).where(finished)
        statement = statement.where(ledger.IS_OPEN, _r.at < older_than)
        with self._database.read() as connection:
            return tuple(_reservation(row) for row in connection.execute(statement.order_by(_r.at).limit(limit)))

    def recount(self, tenant: str) -> bool:
        """Whether the kept sums of ``tenant`` are those of its settled reservations, added up anew."""
        sums = [func.sum(_r[f"held_{unit}"]) for unit in UNITS]
        of = reservation_labels.c
        whole = select(_r.project, literal(""), _r.period, *sums).group_by(_r.project, _r.period)
        labelled = select(_r.project, of.label, _r.period, *sums).join_from(
            reservations, reservation_labels, of.reservation_seq == _r.seq
        )
        labelled = labelled.group_by(_r.project, of.label, _r.period)
        names = ("project", "label", "period", *UNITS)
        kept = select(*(budget_settled.c[name] for name in names)).where(budget_settled.c.tenant == tenant)
        counted: dict[tuple[str, ...], Amounts] = {}
        with self._database.read() as connection:
            for statement in (whole, labelled):
                settled = statement.where(_r.tenant == tenant, _r.state == ReservationState.SETTLED.value)
                counted |= {tuple(row[:3]): amounts_in(row[3:]) for row in connection.execute(settled)}
            return counted == {tuple(row[:3]): amounts_in(row[3:]) for row in connection.execute(kept)}


def _scope(project: str, period: str, label: str) -> Scope:
    return Scope(project, checked_period(period), checked_label(label))


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
        reserved=amounts_in(row._mapping[_r[unit]] for unit in UNITS),
        settled=ledger.held_in(row) if state is ReservationState.SETTLED else Amounts(),
        at=row.at,
    )
