"""When money was spent: settled charges by day and since given times, in millionths of a US dollar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, func, literal_column, select, type_coerce

from store import ledger
from store.database import Database
from store.ledger import ReservationState, Scope
from store.schema import reservations

# written out, not bound: PostgreSQL takes the same expression with two parameters for two expressions
_DAY_MICROSECONDS = literal_column("86400000000", BigInteger)
_EPOCH = date(1970, 1, 1)
_r = reservations.c
_usd = func.coalesce(func.sum(_r.held_usd_micros), 0)


def spent_by_day(database: Database, tenant: str, scope: Scope) -> dict[date, int]:
    """Settled in ``scope`` by the UTC day on which it was reserved; days without any are left out."""
    day = (type_coerce(_r.at, BigInteger) // _DAY_MICROSECONDS).label("day")
    statement = (
        select(day, _usd)
        .where(_r.state == ReservationState.SETTLED.value, *ledger.within(reservations, tenant, scope))
        .group_by(day)
    )
    with database.read() as connection:
        return {_EPOCH + timedelta(days=int(row[0])): int(row[1]) for row in connection.execute(statement)}


def spent_since(database: Database, tenant: str, scope: Scope, times: Sequence[datetime]) -> tuple[int, ...]:
    """Settled in ``scope`` and reserved at or after each of ``times``."""
    within = ledger.within(reservations, tenant, scope)
    sums = [func.coalesce(func.sum(_r.held_usd_micros).filter(_r.at >= at), 0) for at in times]
    statement = select(*sums).where(_r.state == ReservationState.SETTLED.value, _r.at >= min(times), *within)
    with database.read() as connection:
        return tuple(int(value) for value in connection.execute(statement).one())
