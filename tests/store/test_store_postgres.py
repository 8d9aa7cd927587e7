import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from store.database import Database, open_database
from store.errors import TooBusy
from store.postgres import CONNECT_S, _arguments


@pytest.fixture
def new_database(new_postgres: Callable[[], str]) -> Database:
    return open_database(new_postgres())


def test_every_session_gives_up_on_locks_and_idle_transactions(new_database: Database) -> None:
    with new_database.read() as connection:
        for name, value in (
            ("lock_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("transaction_isolation", "repeatable read"),
            ("client_encoding", "UTF8"),
        ):
            assert connection.execute(text(f"SHOW {name}")).scalar_one() == value
    with new_database.write() as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
    new_database.close()


def test_a_statement_may_take_longer_than_connecting(new_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Database(f"{new_database.url}?connect_timeout=1")
    with patient.read() as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(1.5)")).scalar_one() == 1
    patient.close()
    new_database.close()


def test_a_connection_that_the_server_closed_is_replaced(new_database: Database) -> None:
    with new_database.write() as connection:
        gone = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    end = text("SELECT pg_terminate_backend(:pid, 5000)")
    other = Database(new_database.url)
    with other.write() as connection:
        assert connection.execute(end, {"pid": gone}).scalar_one()
    with new_database.write() as connection:
        gone = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with other.write() as ending:
            assert ending.execute(end, {"pid": gone}).scalar_one()
        with pytest.raises(DBAPIError, match=r"network error after .*terminating connection") as caught:
            connection.execute(text("SELECT :a"), {"a": 1})
        assert caught.value.connection_invalidated
        connection.rollback()
    with new_database.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    other.close()
    new_database.close()


def test_a_failed_statement_leaves_the_connection_usable(new_database: Database) -> None:
    insert = text("INSERT INTO budget_limits VALUES ('a', '', '', 'total', :usd, 0, 0)")
    with new_database.write() as connection:
        connection.execute(insert, {"usd": 1})
    for _ in range(2):
        with pytest.raises(IntegrityError), new_database.write() as connection:
            connection.execute(insert, {"usd": 2})
        with pytest.raises(DBAPIError, match="ck_budget_limits_amounts"), new_database.write() as connection:
            connection.execute(text("UPDATE budget_limits SET usd_micros = :usd"), {"usd": -1})
    with new_database.read() as connection:
        assert connection.execute(text("SELECT usd_micros, NULL, :none FROM budget_limits"), {"none": None}).one() == (
            1,
            None,
            None,
        )
    new_database.close()


def test_a_large_value_comes_back_whole(new_database: Database) -> None:
    value = "ä\n'%s' \\ $1 :x " * 20_000
    with new_database.read() as connection:
        assert connection.execute(text("SELECT CAST(:value AS TEXT)"), {"value": value}).scalar_one() == value
    new_database.close()


def test_two_that_wait_for_each_other_do_not_wait_for_ever(new_database: Database) -> None:
    change = text("UPDATE budget_limits SET shots = shots + 1 WHERE tenant = :tenant")
    with new_database.write() as connection:
        insert = text("INSERT INTO budget_limits VALUES (:tenant, '', '', 'total', 0, 0, 0)")
        connection.execute(insert, [{"tenant": "a"}, {"tenant": "b"}])
    both, failed = threading.Barrier(2), []

    def cross(first: str, second: str) -> None:
        try:
            with new_database.write() as connection:
                connection.execute(change, {"tenant": first})
                both.wait(20)
                connection.execute(change, {"tenant": second})
        except (DBAPIError, TooBusy) as error:
            failed.append(str(error))

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(failed) == 1
    assert "40P01" in failed[0]
    new_database.close()


def test_what_a_url_says_reaches_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    plain = _arguments(make_url("postgresql://me@h/x"))
    assert plain == {"timeout": CONNECT_S, "password": "secret", "ssl_context": None}
    assert "password" not in _arguments(make_url("postgresql://me:mine@h/x"))
    assert _arguments(make_url("postgresql://h/x"))["user"]
    local = _arguments(make_url("postgresql://me@/x?host=/run/pg&connect_timeout=9&application_name=a"))
    assert local["unix_sock"] == "/run/pg/.s.PGSQL.5432"
    assert (local["timeout"], local["application_name"], local["ssl_context"]) == (9.0, "a", False)
    assert _arguments(make_url("postgresql://me@h/x?sslmode=disable"))["ssl_context"] is False
    full = _arguments(make_url("postgresql://me@h/x?sslmode=verify-full"))["ssl_context"]
    assert full.check_hostname


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://h/x", "'postgresql\\+psycopg' is not known"),
        ("postgresql+asyncpg://h/x", "'postgresql\\+asyncpg' is not known"),
        ("postgresql://h/x?sslmode=perhaps", "sslmode is 'perhaps'"),
        ("postgresql://h/x?connect_timeout=soon", "connect_timeout is 'soon'"),
        ("postgresql://h/x?options=-csearch_path%3Dy", "parameter 'options'"),
    ],
)
def test_a_url_that_would_be_understood_otherwise_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Database(url)
