"""What operators run: copying a database, verifying the log, rotating the key, finding what leaked."""

import importlib
import multiprocessing
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from store.__main__ import main
from store.amounts import Amounts
from store.commit import Settlement
from store.database import open_database
from store.decisions import Decisions
from store.keys import Role
from store.leases import JobState
from store.measure import STEPS
from store.observations import Observation
from store.prepared import PreparedPlan
from store.schema import HEAD, metadata
from store.signing import PublicKeys, Signer
from store.store import Store
from store.transfer import copy_database

Make = Callable[..., str]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def lived_in(store: Store, accept: Make, reserve: Make, tenant: str, now: datetime) -> Store:
    """A store with something in every table."""
    store.budgets.set_limit(tenant, "", "2026-11", Amounts(10**7, 10**4, 10**4))
    store.keys.create(tenant, [Role.VIEWER], now)
    for n in range(3):
        job_id = accept(idempotency_key=str(n), labels={"ü": "\N{SNOWMAN}"})
        token = store.jobs.lease(job_id, "a", 10, now)
        settlement = Settlement(reserve(job_id), Amounts(usd_micros=n))
        store.commit_result(
            job_id,
            token,
            JobState.SUCCEEDED,
            result_digest=None,
            error=None,
            record={"n": n, "x": 0.1},
            settlements=[settlement],
            now=now,
        )
    reserve(accept())
    store.observations.record(Observation("routing", "s", "", {"size": 1.0}, 0.0, 0.1, 0, None, "OK", now))
    store.audit.append("flag", [{"n": 1}], now)
    store.prepared.register(
        PreparedPlan(tenant, "", "invoices", "books", "vat_id", job_id, job_id, now + timedelta(days=7)), now=now
    )
    store.observations.record_calibration("metered", "sha256:1", [{"name": "t1", "value": 1e-4}], now)
    return store


def contents(store_or_url: Store | str) -> dict[str, list[tuple[object, ...]]]:
    database = open_database(store_or_url) if isinstance(store_or_url, str) else store_or_url.database
    with database.read() as connection:
        found = {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }
    if isinstance(store_or_url, str):
        database.close()
    return found


def test_a_copy_holds_the_same_and_goes_on_from_there(
    lived_in: Store, empty_database_url: str, accept: Make, tenant: str, now: datetime, new_job: Callable[..., object]
) -> None:
    result = run("copy", lived_in.database.url, empty_database_url)
    assert result.exit_code == 0, result.output
    before = contents(lived_in)
    assert all(before.values())
    assert contents(empty_database_url) == before
    moved = Store.open(empty_database_url, lived_in.artifacts.url, lived_in.signer.state_dir)
    newest = moved.jobs.accept(**new_job(tenant)).job_id  # type: ignore[operator]
    assert moved.jobs.list(tenant).items[0].id == newest
    moved.decisions.append({"after": "the move"}, job_id=newest, tenant=tenant, now=now)
    assert moved.decisions.verify_log() == ()
    assert moved.budgets.budget(tenant, "", "2026-11") == lived_in.budgets.budget(tenant, "", "2026-11")
    assert moved.budgets.recount(tenant)
    moved.close()


def test_nothing_is_copied_onto_something(lived_in: Store, tmp_path: Path) -> None:
    before = contents(lived_in)
    result = run("copy", lived_in.database.url, lived_in.database.url)
    assert result.exit_code != 0
    assert "is not empty" in result.output
    assert contents(lived_in) == before
    with pytest.raises(ValueError, match="is not empty"):
        copy_database(lived_in.database, lived_in.database)


def test_verify_fails_when_the_log_was_altered(lived_in: Store) -> None:
    arguments = ("verify", lived_in.database.url, str(lived_in.signer.state_dir))
    whole = run(*arguments)
    assert (whole.exit_code, whole.output) == (0, "the log is whole\n")
    with lived_in.database.write() as connection:
        if lived_in.database.is_sqlite:
            connection.execute(text("DROP TRIGGER decisions_no_update"))
        else:
            connection.execute(text("ALTER TABLE decisions DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE decisions SET record = '{}' WHERE position = 2"))
    altered = run(*arguments)
    assert altered.exit_code == 1
    assert "record digest" in altered.output
    assert altered.output.endswith("the log does not verify\n")


def test_verifying_makes_no_key(lived_in: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    result = run("verify", lived_in.database.url, str(elsewhere))
    assert result.exit_code == 1
    assert "not known here" in result.output
    assert not elsewhere.exists()
    with pytest.raises(PermissionError):
        Decisions(lived_in.database, PublicKeys(elsewhere)).append(
            {}, job_id="job-x", tenant="acme", now=datetime.now().astimezone()
        )


def test_rotate_makes_a_key_that_signs_from_the_next_start_on(lived_in: Store, tenant: str, now: datetime) -> None:
    state_dir = lived_in.signer.state_dir
    before = lived_in.signer.key_id
    result = run("rotate", str(state_dir))
    assert result.exit_code == 0
    after = Signer(state_dir).key_id
    assert result.output == f"{before} -> {after}\n"
    assert before != after
    restarted = Store.open(lived_in.database.url, lived_in.artifacts.url, state_dir)
    job_id = restarted.jobs.list(tenant).items[0].id
    assert restarted.decisions.append({}, job_id=job_id, tenant=tenant, now=now).key_id == after
    assert restarted.decisions.verify_log() == ()
    restarted.close()


def test_what_leaked_is_listed_and_given_back(
    lived_in: Store, accept: Make, reserve: Make, tenant: str, now: datetime
) -> None:
    job_id = accept(now=now - timedelta(days=400))
    held = reserve(job_id, now=now - timedelta(days=400), idempotency_key="look-me-up")
    lived_in.jobs.finish(
        job_id, lived_in.jobs.lease(job_id, "a", 1, now), JobState.FAILED, result_digest=None, error="x", now=now
    )
    url = lived_in.database.url
    listed = run("leaked", url)
    assert listed.exit_code == 0
    assert listed.output.split()[0] == held
    assert "look-me-up 1.000000 USD" in listed.output
    assert len(listed.output.splitlines()) == 1
    assert run("release", url, held).output == f"{held} released\n"
    assert run("leaked", url).output == ""
    assert run("settle", url, held, "--usd", "0.300001", "--shots", "7", "--device-seconds", "1.5").exit_code == 0
    assert lived_in.budgets.get(held).settled == Amounts(300_001, 7, 1500)
    for refused in (
        ("release", url, held),
        ("release", url, "res-x"),
        ("settle", url, held),
        ("settle", url, held, "--usd", "0.0000001"),
        ("settle", url, held, "--usd", "much"),
        ("settle", url, held, "--usd", "-1"),
        ("settle", url, held, "--usd", "inf"),
    ):
        result = run(*refused)
        assert result.exit_code == 1, refused
        assert result.output.startswith("Error: "), refused


def test_migrate_says_where_the_schema_stands(empty_database_url: str) -> None:
    result = run("migrate", empty_database_url)
    assert result.exit_code == 0
    assert f"is at {HEAD}" in result.output


def test_measure_tells_of_every_step_and_only_fills_what_is_empty(empty_database_url: str) -> None:
    result = run("measure", empty_database_url, "--processes", "2", "--jobs", "3")
    assert result.exit_code == 0, result.output
    assert [line.split()[1 if n == 0 else 0] for n, line in enumerate(result.output.splitlines())] == ["jobs/s", *STEPS]
    again = run("measure", empty_database_url)
    assert again.exit_code != 0
    assert "holds jobs" in again.output


def test_the_tools_start_without_the_rest_of_the_house() -> None:
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_import_alone)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def _import_alone() -> None:
    for name in ("store.__main__", "store.store"):
        importlib.import_module(name)
    floors = ("actors", "services", "federation", "backends", "ray", "grpc", "google.protobuf", "alembic")
    loaded = [name for name in sys.modules if name.startswith(floors)]
    above = [
        name for name in sys.modules if name.split(".")[0] == "solvers" and name not in {"solvers", "solvers.errors"}
    ]
    assert not loaded, loaded
    assert not above, above
