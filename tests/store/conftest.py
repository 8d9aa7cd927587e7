"""Every test that asks for ``store`` or ``database_url`` runs on SQLite, and on PostgreSQL where a server is given."""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from store.amounts import Amounts
from store.store import Store

POSTGRES = "ISINGLASS_TEST_POSTGRES_URL"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database of this test session's own, dropped at its end."""
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"no PostgreSQL server: ${POSTGRES} is not set")
    parsed = make_url(server).set(drivername="postgresql+psycopg")
    name = f"isinglass_test_{uuid.uuid4().hex}"
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield parsed.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database; a new file on SQLite, the session's one on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'isinglass.db'}"
    return str(request.getfixturevalue("postgres_url"))


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
    """A tenant of this test's own, since tests share one PostgreSQL database."""
    return f"tenant-{uuid.uuid4().hex}"


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
