import os
import stat
import threading
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from store.artifacts import digest_of
from store.decisions import Decisions, new_decision_id
from store.errors import InvalidProblem, NotFound
from store.schema import GENESIS_HASH
from store.signing import Signer
from store.store import Store

Make = Callable[..., str]

DISARM = {
    "sqlite": ("DROP TRIGGER decisions_no_update", "DROP TRIGGER decisions_no_delete"),
    "postgresql": ("ALTER TABLE decisions DISABLE TRIGGER USER",),
}


@pytest.fixture
def append(store: Store, accept: Make, tenant: str, now: datetime) -> Callable[..., str]:
    def append_one(**record: object) -> str:
        return store.decisions.append(record or {"seed": 1}, job_id=accept(), tenant=tenant, now=now).id

    return append_one


@pytest.fixture
def tamper(store: Store) -> Callable[..., None]:
    """Runs SQL as somebody would who owns the database and means ill."""
    armed = True

    def run(statement: str, **values: object) -> None:
        nonlocal armed
        with store.database.write() as connection:
            for one in DISARM[connection.dialect.name] if armed else ():
                connection.execute(text(one))
            connection.execute(text(statement), values)
        armed = False

    return run


def failed(store: Store, decision_id: str) -> set[str]:
    return {check.name for check in store.decisions.verify_chain(decision_id) if not check.passed}


def test_a_decision_reads_back_whole_and_verifies(
    store: Store, open_store: Callable[[], Store], accept: Make, tenant: str, now: datetime
) -> None:
    record = {"b": [1, 2.5, "ü", None, True], "a": {"objective": 58578, "gap": 0.025}}
    job_id = accept()
    written = store.decisions.append(record, job_id=job_id, tenant=tenant, now=now)
    read = open_store().decisions.get(written.id)
    assert read == written
    assert (read.record, read.job_id, read.at, len(read.signature)) == (record, job_id, now, 3309)
    assert {check.name for check in store.decisions.verify_chain(written.id)} == {
        "record digest",
        "hash",
        "signature",
        "predecessor",
        "successor",
    }
    assert failed(store, written.id) == set()


def test_the_log_is_a_chain_without_holes(store: Store, append: Make) -> None:
    written = [store.decisions.get(append(n=n)) for n in range(4)]
    for before, after in pairwise(written):
        assert after.position == before.position + 1
        assert after.previous_hash == before.hash
    assert (written[0].position, written[0].previous_hash) == (1, GENESIS_HASH)


def test_the_order_of_fields_does_not_change_the_digest(store: Store, accept: Make, tenant: str, now: datetime) -> None:
    one = store.decisions.append({"a": 1, "b": 2.0}, job_id=accept(), tenant=tenant, now=now)
    two = store.decisions.append({"b": 2, "a": 1.0}, job_id=accept(), tenant=tenant, now=now)
    assert one.record_digest == two.record_digest == digest_of(b'{"a":1,"b":2}')


@pytest.mark.parametrize("record", [{"objective": float("inf")}, {"seed": 2**53}, {"x": float("nan")}])
def test_a_record_without_canonical_form_is_refused_and_leaves_nothing(
    store: Store, accept: Make, tenant: str, now: datetime, record: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="canonical JSON"):
        store.decisions.append(record, job_id=accept(), tenant=tenant, now=now)
    assert store.decisions.list(tenant).items == ()


@pytest.mark.parametrize(
    ("change", "values", "broken"),
    [
        ("record = :v", {"v": '{"seed":2}'}, {"record digest"}),
        ("record = :v, record_digest = :d", {"v": '{"seed":2}', "d": digest_of(b'{"seed":2}')}, {"hash"}),
        ("tenant = :v", {"v": "another"}, {"hash"}),
        ("at = at + 1", {}, {"hash"}),
        ("signature = :v", {"v": b"0" * 3309}, {"signature"}),
        ("hash = :v", {"v": "sha256:" + "9" * 64}, {"hash", "signature", "successor"}),
        ("previous_hash = :v", {"v": "sha256:" + "9" * 64}, {"hash", "predecessor"}),
        ("key_id = :v", {"v": "0" * 32}, {"hash", "signature"}),
        ("key_id = :v", {"v": "../../etc/passwd"}, {"hash", "signature"}),
    ],
)
def test_an_altered_decision_is_found_out(
    store: Store,
    append: Make,
    tamper: Callable[..., None],
    change: str,
    values: dict[str, object],
    broken: set[str],
) -> None:
    append()
    decision_id = append()
    append()
    tamper(f"UPDATE decisions SET {change} WHERE id = :id", **values, id=decision_id)
    assert failed(store, decision_id) == broken
    assert {check.name for check in store.decisions.verify_log()} >= broken - {"successor"}


def test_a_decision_that_was_taken_out_is_missed(store: Store, append: Make, tamper: Callable[..., None]) -> None:
    ids = [append(n=n) for n in range(4)]
    assert store.decisions.verify_log() == ()
    tamper("DELETE FROM decisions WHERE id = :id", id=ids[1])
    assert failed(store, ids[2]) == {"predecessor"}
    assert failed(store, ids[0]) == {"successor"}
    assert [check.name for check in store.decisions.verify_log()] == ["predecessor"]
    tamper("DELETE FROM decisions WHERE id = :id", id=ids[3])
    assert failed(store, ids[2]) == {"predecessor", "successor"}
    assert [check.name for check in store.decisions.verify_log()] == ["predecessor", "end of the log"]


@pytest.mark.parametrize("statement", ["UPDATE decisions SET tenant = 'x'", "DELETE FROM decisions"])
def test_the_database_itself_refuses_to_rewrite_the_log(store: Store, append: Make, statement: str) -> None:
    decision_id = append()
    with pytest.raises(Exception, match="append-only"), store.database.write() as connection:
        connection.execute(text(statement))
    assert failed(store, decision_id) == set()


def test_many_that_append_at_once_make_one_chain(store: Store, accept: Make, tenant: str, now: datetime) -> None:
    job_id = accept()

    def append_some(worker: int) -> None:
        for n in range(5):
            store.decisions.append({"worker": worker, "n": n}, job_id=job_id, tenant=tenant, now=now)

    threads = [threading.Thread(target=append_some, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = store.decisions.list(tenant, page_size=500).items
    assert len(entries) == 30
    positions = [one.position for one in entries]
    assert positions == list(range(positions[0], positions[0] - 30, -1))
    assert all(failed(store, one.id) == set() for one in entries[::7])
    assert store.decisions.verify_log() == ()


def test_a_list_is_newest_first_and_by_job(store: Store, append: Make, tenant: str) -> None:
    ids = [append(n=n) for n in range(5)]
    first = store.decisions.list(tenant, page_size=3)
    rest = store.decisions.list(tenant, page_size=3, page_token=first.next_page_token)
    assert [one.id for one in (*first.items, *rest.items)] == ids[::-1]
    of_job = store.decisions.list(tenant, job_id=first.items[1].job_id).items
    assert [one.id for one in of_job] == [ids[3]]
    with pytest.raises(InvalidProblem):
        store.decisions.list(tenant, page_token="nonsense")
    with pytest.raises(InvalidProblem):
        store.decisions.list(tenant, job_id="other", page_token=first.next_page_token)


def test_a_decision_of_another_tenant_does_not_exist(store: Store, append: Make, tenant: str) -> None:
    decision_id = append()
    assert store.decisions.get(decision_id, tenant).id == decision_id
    with pytest.raises(NotFound):
        store.decisions.get(decision_id, "somebody")
    for ask in (store.decisions.get, store.decisions.verify_chain):
        with pytest.raises(NotFound):
            ask("dec-x")


def test_an_id_drawn_before_is_the_decisions_id(store: Store, accept: Make, tenant: str, now: datetime) -> None:
    decision_id = new_decision_id(now)
    written = store.decisions.append({}, job_id=accept(), tenant=tenant, now=now, decision_id=decision_id)
    assert written.id == decision_id
    assert failed(store, decision_id) == set()


def test_the_private_key_is_the_owners_alone(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    path = tmp_path / "signing" / "private.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "signing" / f"{signer.key_id}.pub").exists()
    assert sorted(one.name for one in path.parent.iterdir()) == sorted(["private.pem", f"{signer.key_id}.pub"])
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="0600"):
        Signer(tmp_path)


def test_all_that_look_for_the_key_at_once_find_the_same(tmp_path: Path) -> None:
    ids: list[str] = []
    barrier = threading.Barrier(8)

    def look() -> None:
        barrier.wait()
        ids.append(Signer(tmp_path).key_id)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_key_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    Signer(tmp_path)
    path = tmp_path / "signing" / "private.pem"
    path.write_text("not a key")
    with pytest.raises(ValueError, match="PEM"):
        Signer(tmp_path)


def test_decisions_of_an_old_key_verify_after_a_new_one_was_made(
    store: Store, append: Make, tmp_path: Path, accept: Make, tenant: str, now: datetime
) -> None:
    old = append()
    new_key = store.signer.rotate()
    new = append()
    assert store.decisions.get(new).key_id == new_key != store.decisions.get(old).key_id
    later = Decisions(store.database, Signer(store.signer.state_dir))
    for decision_id in (old, new):
        assert all(check.passed for check in later.verify_chain(decision_id))
    assert Signer(store.signer.state_dir).key_id == new_key


def test_a_signature_by_a_key_that_the_folder_does_not_know_is_not_believed(
    store: Store, append: Make, tmp_path: Path
) -> None:
    decision_id = append()
    elsewhere = Decisions(store.database, Signer(tmp_path / "elsewhere"))
    checks = {check.name: check for check in elsewhere.verify_chain(decision_id)}
    assert not checks["signature"].passed
    assert "not known here" in checks["signature"].detail


def test_a_public_key_under_another_keys_name_is_not_believed(tmp_path: Path) -> None:
    mine, other = Signer(tmp_path / "a"), Signer(tmp_path / "b")
    os.replace(tmp_path / "b" / "signing" / f"{other.key_id}.pub", tmp_path / "a" / "signing" / f"{'0' * 32}.pub")
    assert not mine.knows("0" * 32)
    assert not mine.verify("0" * 32, b"x", other.sign(b"x"))
