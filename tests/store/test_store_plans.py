"""Long queues and long histories: what is asked often is answered from an index, not by reading everything."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text

from store.amounts import Amounts
from store.leases import JobState
from store.schema import jobs, reservation_labels, reservations
from store.store import Store

ROWS = 3000


@pytest.fixture
def full_store(store: Store, now: datetime) -> Store:
    """Thousands of queued jobs and settled reservations of one tenant."""
    with store.database.write() as connection:
        connection.execute(
            insert(jobs),
            [
                {
                    "id": f"job-{i}",
                    "tenant": "acme",
                    "kind": "routing",
                    "state": "ACCEPTED" if i else "RUNNING",
                    "request_digest": "d",
                    "priority": i % 10,
                    "labels": {"team": "common"},
                    "policy_json": {},
                    "correlation_id": "",
                    "accepted_at": now,
                    "deadline_at": now,
                    "claimable_at": now + timedelta(seconds=i),
                }
                for i in range(ROWS)
            ],
        )
        connection.execute(
            insert(reservations),
            [
                {
                    "id": f"res-{i}",
                    "tenant": "acme",
                    "project": "north",
                    "period": "2026-11",
                    "job_id": f"job-{i}",
                    "backend": "metered",
                    "idempotency_key": str(i),
                    "state": "SETTLED",
                    "at": now,
                    **dict.fromkeys(("usd_micros", "shots", "device_ms"), 3),
                    **dict.fromkeys(("held_usd_micros", "held_shots", "held_device_ms"), 2),
                }
                for i in range(ROWS)
            ],
        )
        store_labels(connection)
        if not store.database.is_sqlite:  # which keeps no statistics by itself, as PostgreSQL does
            connection.execute(text("ANALYZE"))
    for label in ("", "team=rare", "team=common"):
        store.budgets.set_limit("acme", "", "2026-11", Amounts(10**9, 10**9, 10**9), label)
    store.budgets.set_limit("acme", "north", "2026-11", Amounts(10**9, 10**9, 10**9))
    return store


def store_labels(connection: Connection) -> None:
    """Every reservation is of one team, the oldest of another one too."""
    numbers = [row.seq for row in connection.execute(select(reservations.c.seq).order_by(reservations.c.seq))]
    rows = [{"tenant": "acme", "label": "team=common", "reservation_seq": seq} for seq in numbers]
    rows.append({"tenant": "acme", "label": "team=rare", "reservation_seq": numbers[0]})
    connection.execute(insert(reservation_labels), rows)


QUESTIONS: dict[str, Callable[[Store, datetime], object]] = {
    "list": lambda store, _: store.jobs.list("acme"),
    "list of a state": lambda store, _: store.jobs.list("acme", [JobState.ACCEPTED]),
    "list of states that hardly occur": lambda store, _: store.jobs.list("acme", [JobState.RUNNING, JobState.FAILED]),
    "list of all tenants": lambda store, _: store.jobs.list(None, [JobState.RUNNING, JobState.FAILED]),
    "next page": lambda store, _: store.jobs.list("acme", page_token=store.jobs.list("acme").next_page_token),
    "claim": lambda store, now: store.jobs.claim_expired("r", 10, now + timedelta(seconds=ROWS - 50), 10),
    "claim when nothing is due": lambda store, now: store.jobs.claim_expired("r", 10, now - timedelta(seconds=1), 10),
    "usage": lambda store, _: store.budgets.usage("acme", "north", "2026-11"),
    "budget": lambda store, _: store.budgets.budget("acme", "north", "2026-11"),
    "budget of all time": lambda store, _: store.budgets.budget("acme", "", "total"),
    "budget of a label": lambda store, _: store.budgets.budget("acme", "", "2026-11", "team=common"),
    "usage of a label": lambda store, _: store.budgets.usage("acme", "north", "2026-11", label="team=common"),
    "usage of a rare label": lambda store, _: store.budgets.usage("acme", "", "2026-11", label="team=rare"),
    "leaked reservations": lambda store, now: store.budgets.leaked(now + timedelta(days=1)),
    "open reservations": lambda store, now: store.budgets.open_reservations(now + timedelta(days=1)),
    "reserve": lambda store, now: store.budgets.reserve(
        tenant="acme",
        project="north",
        period="2026-11",
        job_id="job-1",
        backend="metered",
        idempotency_key="new",
        amounts=Amounts(1, 1, 1),
        now=now,
        request_limit=Amounts(10, 10, 10),
    ),
}


def rows_touched(plan: dict[str, Any]) -> int:
    """Most rows that any step of a PostgreSQL plan touched, filtered ones included."""
    touched = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([int(touched), *(rows_touched(step) for step in plan.get("Plans", []))])


@contextmanager
def on_each_statement(store: Store, listen: Callable[..., None]) -> Iterator[None]:
    event.listen(store.database._engine, "before_cursor_execute", listen)
    yield
    event.remove(store.database._engine, "before_cursor_execute", listen)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_long_table_is_never_read_as_a_whole(full_store: Store, question: str, now: datetime) -> None:
    if full_store.database.is_sqlite:
        assert sqlite_steps(full_store, question, now) < ROWS  # to look at each takes five or more
        return
    asked: list[tuple[str, Any]] = []

    def listen(_c: Connection, _cursor: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        if statement.startswith("SELECT") and "FOR UPDATE" not in statement:
            asked.append((statement, parameters))

    with on_each_statement(full_store, listen):
        QUESTIONS[question](full_store, now)
    assert asked
    for statement, parameters in asked:
        with full_store.database.read() as connection:
            found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
        assert rows_touched(plan) <= ROWS / 8, (statement, plan)


def sqlite_steps(store: Store, question: str, now: datetime) -> int:
    """Instructions of SQLite's machine that the answer took."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 10
        return 0

    def listen(_c: Connection, cursor: Any, *_: object) -> None:
        cursor.connection.set_progress_handler(count, 10)

    with on_each_statement(store, listen):
        QUESTIONS[question](store, now)
    assert steps > 0
    return steps
