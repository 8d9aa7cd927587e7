import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from store import database as module
from store.amounts import Amounts
from store.budgets import Budgets
from store.database import Database, open_database
from store.errors import TooBusy
from store.migrations.run import head, upgrade
from store.schema import HEAD, metadata
from store.store import Store
from store.turns import Turns


def test_the_tables_in_code_are_those_that_migrations_make(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_the_head_in_code_is_the_newest_migration() -> None:
    assert head() == HEAD


def test_a_database_is_migrated_once_and_then_only_opened(empty_database_url: str) -> None:
    first = Database(empty_database_url)
    assert first.version() is None
    first.migrate()
    assert first.version() == HEAD
    again = open_database(empty_database_url)
    assert again.version() == HEAD
    first.close()
    again.close()


def test_sums_of_what_an_older_release_settled_are_added_up(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    rows = [("a", "", "SETTLED", 5), ("b", "", "SETTLED", 7), ("c", "north", "SETTLED", 1), ("d", "", "RESERVED", 9)]
    with database.write() as connection:
        upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO jobs (id, tenant, kind, state, request_digest, priority, labels, policy_json,"
                " correlation_id, accepted_at, deadline_at)"
                " VALUES ('job-1', 'acme', 'routing', 'ACCEPTED', 'd', 5, :labels, '{}', '', 0, 0)"
            ),
            {"labels": '{"team":"north"}'},
        )
        for name, project, state, held in rows:
            connection.execute(
                text(
                    "INSERT INTO reservations (id, tenant, project, period, job_id, backend, idempotency_key, state,"
                    " at, usd_micros, shots, device_ms, held_usd_micros, held_shots, held_device_ms) VALUES"
                    " (:name, 'acme', :project, '2026-11', 'job-1', 'm', :name, :state, 0, 9, 9, 9, :held, 2, 3)"
                ),
                {"name": name, "project": project, "state": state, "held": held},
            )
    assert database.version() == "0001"
    database.migrate()
    budgets = Budgets(database)
    assert budgets.budget("acme", "", "2026-11").settled == Amounts(13, 6, 9)
    assert budgets.budget("acme", "", "total").reserved == Amounts(9, 2, 3)
    assert budgets.budget("acme", "north", "2026-11").settled == Amounts(1, 2, 3)
    labelled = budgets.budget("acme", "", "total", "team=north")
    assert (labelled.reserved, labelled.settled) == (Amounts(9, 2, 3), Amounts(13, 6, 9))
    assert [one.id for one in budgets.usage("acme", "north", "2026-11", label="team=north").items] == ["c"]
    assert budgets.recount("acme")
    database.close()


def test_a_database_of_a_newer_release_is_refused(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RuntimeError, match="does not know the schema"):
        open_database(empty_database_url)
    database.close()


def _open(url: str, barrier: object, results: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    try:
        database = open_database(url)
        results.put(database.version())  # type: ignore[attr-defined]
        database.close()
    except BaseException as error:
        results.put(repr(error))  # type: ignore[attr-defined]
        raise


def test_several_processes_may_open_a_new_database_at_once(empty_database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open, args=(empty_database_url, barrier, results)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [HEAD] * 4
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_a_store_travels_between_processes(store: Store, now: datetime, accept: Callable[..., str]) -> None:
    job_id = accept()
    copy = pickle.loads(pickle.dumps(store))
    assert copy.jobs.get(job_id) == store.jobs.get(job_id)
    assert copy.signer.key_id == store.signer.key_id
    copy.close()


def test_sqlite_commits_are_on_disk_when_they_return(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/a.db")
    with database.read() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    database.close()


def test_an_exception_leaves_no_trace_of_its_transaction(store: Store, accept: Callable[..., str]) -> None:
    job_id = accept()

    def fail() -> None:
        with store.database.write() as connection:
            connection.execute(text("UPDATE jobs SET holder = 'x' WHERE id = :id"), {"id": job_id})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert store.jobs.get(job_id).holder is None
    assert accept()  # the lock is free again


def test_rows_cannot_name_a_job_that_does_not_exist(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.database.write() as connection:
        connection.execute(text("INSERT INTO job_events VALUES ('job-x', 1, 0, 'ACCEPTED', NULL, NULL, '')"))


def test_a_read_sees_one_moment(store: Store, accept: Callable[..., str]) -> None:
    accept()
    count = text("SELECT count(*) FROM jobs")
    with store.database.read() as connection:
        before = connection.execute(count).scalar_one()
        accept()
        assert connection.execute(count).scalar_one() == before
    with store.database.read() as connection:
        assert connection.execute(count).scalar_one() == before + 1


def test_reading_goes_on_while_another_writes(store: Store, accept: Callable[..., str]) -> None:
    job_id = accept()
    with store.database.write() as connection:
        connection.execute(text("UPDATE jobs SET holder = 'x' WHERE id = :id"), {"id": job_id})
        seen: list[str | None] = []
        reader = threading.Thread(target=lambda: seen.append(store.jobs.get(job_id).holder))
        reader.start()
        reader.join(20)
        assert seen == [None]


def test_who_waits_too_long_is_told_to_come_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.2)
    one, other = open_database(database_url), open_database(database_url)
    monkeypatch.setattr(other, "_turns", Turns() if other.is_sqlite else None)  # as if it were another process
    lock = text("UPDATE decision_head SET position = position")
    with one.write() as holding:
        holding.execute(lock)
        with pytest.raises(TooBusy), other.write() as waiting:
            waiting.execute(lock)
    with other.write() as connection:
        connection.execute(lock)
    one.close()
    other.close()


def test_threads_of_one_process_wait_their_turn_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.2)
    url = f"sqlite:///{tmp_path}/a.db"
    one, other = open_database(url), open_database(url)
    with one.write(), pytest.raises(TooBusy, match="another thread"), other.write():
        pytest.fail("two writers at once")
    one.close()
    other.close()


def test_a_forked_process_opens_connections_of_its_own(store: Store, accept: Callable[..., str]) -> None:
    job_id = accept()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, store.jobs.get(job_id).id.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == job_id
    assert os.waitpid(child, 0)[1] == 0
    assert store.jobs.get(job_id).id == job_id


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "memory"),
        ("mysql://host/name", "mysql"),
        ("not a url", "no database URL"),
    ],
)
def test_a_database_that_could_not_keep_its_promises_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        open_database(url)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Database("postgresql://me:secret@127.0.0.1/x"))
