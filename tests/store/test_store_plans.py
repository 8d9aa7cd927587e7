"""Long queues and long histories: what is asked often is answered from an index, not by reading everything."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, text

from store.amounts import Amounts
from store.leases import JobState
from store.schema import jobs, reservations
from store.store import Store

ROWS = 4000


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
                    "labels": {},
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
        connection.execute(text("ANALYZE"))
    store.budgets.set_limit("acme", "", "2026-11", Amounts(10**9, 10**9, 10**9))
    store.budgets.set_limit("acme", "north", "2026-11", Amounts(10**9, 10**9, 10**9))
    return store


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


def rows_read_on_postgres(plan: dict[str, Any]) -> int:
    """Most rows that any step of the plan touched, filtered ones included."""
    touched = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([int(touched), *(rows_read_on_postgres(step) for step in plan.get("Plans", []))])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_long_table_is_never_read_as_a_whole(full_store: Store, question: str, now: datetime) -> None:
    asked: list[tuple[str, Any]] = []

    def listen(_c: Connection, _cursor: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE")):
            asked.append((statement, parameters))

    engine = full_store.database._engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        QUESTIONS[question](full_store, now)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert asked
    for statement, parameters in asked:
        with full_store.database.read() as connection:
            if full_store.database.is_sqlite:
                steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                for step in (row[3] for row in steps):
                    assert not step.startswith(("SCAN jobs", "SCAN reservations")), (statement, step)
                    assert "TEMP B-TREE" not in step or "FROM budget_limits" in statement, (statement, step)
            elif statement.lstrip().startswith("SELECT") and "FOR UPDATE" not in statement:
                explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
                found = connection.exec_driver_sql(explain, parameters).scalar_one()
                plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
                assert rows_read_on_postgres(plan) <= 600, (statement, plan)
