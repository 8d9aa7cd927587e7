"""Every test that asks for ``store`` or ``database_url`` runs on SQLite, and on PostgreSQL where a server is given."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from store.amounts import Amounts
from store.database import Database, open_database
from store.schema import GENESIS_HASH, decision_head, metadata
from store.store import Store

POSTGRES = "ISINGLASS_TEST_POSTGRES_URL"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[str], None]]:
    """Runs one statement on the server's own database."""
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"no PostgreSQL server: ${POSTGRES} is not set")
    engine = create_engine(
        make_url(server).set(drivername="postgresql+pg8000"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement))

    yield run
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_database(postgres_server: Callable[[str], None]) -> Iterator[Database]:
    """A migrated database of this test session's own."""
    name = f"isinglass_test_{uuid.uuid4().hex}"
    postgres_server(f"CREATE DATABASE {name}")
    database = open_database(postgres_url(name))
    yield database
    database.close()
    postgres_server(f"DROP DATABASE {name} WITH (FORCE)")


def emptied(database: Database) -> str:
    """URL of ``database``, as it was after its migration. Much faster than a new one for each test."""
    with database.write() as connection:
        for table in ("decisions", "audit_log"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for rows in reversed(metadata.sorted_tables):
            if rows is not decision_head:
                connection.execute(rows.delete())
        connection.execute(decision_head.update().values(position=0, hash=GENESIS_HASH))
        for table in ("decisions", "audit_log"):
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    return database.url


def postgres_url(name: str) -> str:
    parsed = make_url(os.environ[POSTGRES]).set(drivername="postgresql+pg8000", database=name)
    return parsed.render_as_string(hide_password=False)


@pytest.fixture
def new_postgres(postgres_server: Callable[[str], None]) -> Iterator[Callable[[], str]]:
    """Makes an empty database that is dropped at the end of the test; returns its URL."""
    made: list[str] = []

    def make() -> str:
        made.append(f"isinglass_test_{uuid.uuid4().hex}")
        postgres_server(f"CREATE DATABASE {made[-1]}")
        return postgres_url(made[-1])

    yield make
    for name in made:
        postgres_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to be copied: faster than to migrate one for each test."""
    path = tmp_path_factory.mktemp("sqlite") / "isinglass.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated database without content."""
    if request.param == "sqlite":
        (tmp_path / "state").mkdir()
        shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "state" / "isinglass.db")
        return f"sqlite:///{tmp_path / 'state' / 'isinglass.db'}"
    return emptied(request.getfixturevalue("postgres_database"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database that nobody has opened before."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'isinglass.db'}"
    return str(request.getfixturevalue("new_postgres")())


@pytest.fixture
def open_store(database_url: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens one more store on the same state, as another process would."""
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(Store.open(database_url, str(tmp_path / "artifacts"), tmp_path / "state"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def tenant() -> str:
    return "acme"


@pytest.fixture
def accept(store: Store, tenant: str) -> Callable[..., str]:
    """Accepts a job with whatever differs from an ordinary one, and returns its id."""

    def accept_one(**changes: object) -> str:
        return store.jobs.accept(**job_values(tenant, **changes)).job_id  # type: ignore[arg-type]

    return accept_one


def job_values(tenant: str, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "tenant": tenant,
        "kind": "routing",
        "request_digest": "sha256:" + "1" * 64,
        "idempotency_key": None,
        "deadline_at": NOW,
        "priority": 5,
        "labels": {"team": "north"},
        "policy_json": {"seed": 1},
        "correlation_id": "c-1",
        "now": NOW,
    }
    return {**values, **changes}


@pytest.fixture
def new_job() -> Callable[..., dict[str, object]]:
    """The arguments of an ordinary job, to be changed by name."""
    return job_values


@pytest.fixture
def reserve(store: Store, tenant: str) -> Callable[..., str]:
    """Reserves 1 USD for a job, or whatever differs."""

    def reserve_one(job_id: str, **changes: object) -> str:
        values: dict[str, object] = {
            "tenant": tenant,
            "project": "",
            "period": "2026-11",
            "job_id": job_id,
            "backend": "metered",
            "idempotency_key": uuid.uuid4().hex,
            "amounts": Amounts(usd_micros=1_000_000),
            "now": NOW,
        }
        return store.budgets.reserve(**{**values, **changes})  # type: ignore[arg-type]

    return reserve_one
