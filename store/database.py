"""One seam to the database: an engine for SQLite or PostgreSQL, its transactions and its migrations."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from store.errors import TooBusy
from store.postgres import DRIVER, LOCK_NOT_AVAILABLE, postgres_engine, sqlstate
from store.schema import HEAD
from store.turns import Turns

LOCK_WAIT_S = 30.0
"""How long a transaction waits for another one before it is refused as too busy."""

_MIGRATION_LOCK = 0x1_5109_1A55
"""Key of the PostgreSQL advisory lock that migrations run under."""

_WAL_ATTEMPTS = 100

_turns: dict[str, Turns] = {}
_turns_guard = threading.Lock()


class Database:
    """A database that is migrated and ready. Safe from several threads; travels between processes as its URL.

    Parameters
    ----------
    url
        ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql+pg8000://user@host/name``.

    Raises
    ------
    ValueError
        When the URL names another database, or SQLite in memory, which no other process could see.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._parsed = _checked(url)
        self.is_sqlite = self._parsed.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(self._parsed) if self.is_sqlite else postgres_engine(self._parsed, LOCK_WAIT_S)
        # SQLite has one writer at a time. Threads of one process queue for that, which costs no looking, and those who
        # queue at the same time share a commit. PostgreSQL has many writers, and shares its own log's writes.
        self._turns = _turns_of(str(self._parsed.database)) if self.is_sqlite else None
        self._writer = self._engine.execution_options(isinglass_writes=True)
        # All statements of a read see one moment, as they do on SQLite by nature.
        self._reader = self._engine if self.is_sqlite else self._engine.execution_options(isinglass_one_moment=True)
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"Database({self._parsed.render_as_string(hide_password=True)!r})"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return open_database, (self.url,)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one moment of the database throughout.

        Raises
        ------
        TooBusy
            When another transaction held the database for longer than ``LOCK_WAIT_S``.
        """
        self._after_fork()
        with _busy_named(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: durable when this ends, undone when an exception leaves it.

        On SQLite it holds the only write lock from its first line, so keep slow work out of it. There, threads that
        came while another wrote share one commit, see `store.turns`.

        Raises
        ------
        TooBusy
            When another transaction held the database for longer than ``LOCK_WAIT_S``.
        """
        self._after_fork()
        with _busy_named():
            if self._turns is None:
                with self._writer.begin() as connection:
                    yield connection
                return
            with self._turns.write(self._writer, LOCK_WAIT_S) as connection:
                yield connection

    def share_commits(self, most: int) -> None:
        """Let at most so many writers of this process share one commit (1: none do). SQLite alone heeds it."""
        if self._turns is not None:
            self._turns.set_most(most)

    def version(self) -> str | None:
        """Name of the newest migration that was applied, ``None`` in an empty database."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" in str(error.orig):
                return None
            raise

    def migrate(self) -> None:
        """Bring the schema to the newest migration. Several processes may do so at once; one does the work.

        Raises
        ------
        RuntimeError
            When the database was made by a newer release.
        """
        if self.version() == HEAD:
            return
        from store.migrations.run import upgrade

        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            upgrade(connection)

    def close(self) -> None:
        """Close idle connections. The next use opens new ones."""
        self._engine.dispose()

    def _after_fork(self) -> None:
        """Drop connections inherited from a parent process: two processes must not speak on one."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._turns = Turns() if self.is_sqlite else None
            self._pid = os.getpid()


def open_database(url: str) -> Database:
    """The database at ``url``, created and migrated when needed.

    Raises
    ------
    ValueError
        As `Database`.
    RuntimeError
        When the database was made by a newer release.
    """
    database = Database(url)
    try:
        database.migrate()
    except BaseException:
        database.close()
        raise
    return database


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError(f"{url!r} is no database URL; allowed: sqlite:///FILE or postgresql+pg8000://...") from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername=DRIVER)
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", DRIVER}:
        raise ValueError(f"database {parsed.drivername!r} is not known; allowed: sqlite or postgresql+pg8000")
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise ValueError("SQLite in memory is lost with its process; allowed: sqlite:///FILE")
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=8, max_overflow=24, connect_args={"timeout": LOCK_WAIT_S})

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # transactions begin where `begin` below says, not where the driver guesses
        cursor = raw.cursor()
        _switch_to_wal(cursor)
        # FULL: a commit is on disk when it returns. It costs one fsync, measured in docs/decisions/0002-store.md.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        if connection.get_execution_options().get("isinglass_writes"):
            _begin_immediate(raw)
        else:
            raw.execute("BEGIN")

    return engine


def _begin_immediate(raw: Any) -> None:
    """Begin as the one writer: a transaction that only turns into one later can fail at once, without waiting.

    SQLite's own wait sleeps up to 100 ms between two looks, so that under load a process starves for seconds behind
    others that come back sooner. Looking about every millisecond keeps the longest wait near the shortest.
    """
    import sqlite3

    raw.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + LOCK_WAIT_S
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                    raise
                if time.monotonic() >= deadline:
                    raise TooBusy("the database is locked by another process", 1.0) from error
            time.sleep(random.uniform(0.0002, 0.001))
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(LOCK_WAIT_S * 1000)}")


def _switch_to_wal(cursor: Any) -> None:
    """Set write-ahead logging once per file. Two processes that do so at once may refuse each other without waiting."""
    import sqlite3

    for attempt in range(_WAL_ATTEMPTS):
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            if cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == _WAL_ATTEMPTS - 1:
                raise
        time.sleep(0.02)
    raise RuntimeError("SQLite cannot keep a write-ahead log on this file system; use a local disk")


def _turns_of(path: str) -> Turns:
    """The queue of writers that all `Database` objects of this process share for one SQLite file."""
    with _turns_guard:
        return _turns.setdefault(path, Turns())


@contextmanager
def _busy_named() -> Iterator[None]:
    """Turn "waited too long for a lock" of either database into the error that callers know."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise TooBusy("the database is locked by another process", 1.0) from error
        if sqlstate(error.orig) == LOCK_NOT_AVAILABLE:
            raise TooBusy("the database is locked by another transaction", 1.0) from error
        raise
