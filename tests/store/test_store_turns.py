"""Writers that share a commit keep every promise that one with a commit to himself keeps. SQLite alone shares."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from store.errors import TooBusy
from store.leases import JobState
from store.store import Store
from store.turns import Turns

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NewJob = Callable[..., dict[str, Any]]
_WAIT_S = 30.0


def open_at(folder: Path) -> Store:
    return Store.open(f"sqlite:///{folder}/isinglass.db", str(folder / "artifacts"), folder / "state")


@pytest.fixture
def folder(sqlite_file: Path, tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    shutil.copy(sqlite_file, tmp_path / "isinglass.db")
    return tmp_path


@pytest.fixture
def shared(folder: Path) -> Iterator[Store]:
    store = open_at(folder)
    yield store
    store.close()


@pytest.fixture
def commits(shared: Store) -> list[int]:
    """Grows by one with every commit."""
    seen: list[int] = []
    event.listen(shared.database._engine, "commit", lambda connection: seen.append(1))
    return seen


def turns(store: Store) -> Turns:
    assert store.database._turns is not None
    return store.database._turns


def together(store: Store, works: list[Callable[[], Any]]) -> list[Any]:
    """What each work returned or raised, all of them having come, in this order, while another writer was at it."""
    results: list[Any] = [None] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = works[place]()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    with store.database.write():
        for place, thread in enumerate(threads):
            thread.start()
            give_up_s = time.monotonic() + _WAIT_S
            while len(turns(store)._waiting) <= place:
                assert time.monotonic() < give_up_s, "a writer did not queue"
                time.sleep(0.001)
    for thread in threads:
        thread.join(_WAIT_S)
        assert not thread.is_alive()
    return results


def count(store: Store, table: str = "jobs") -> int:
    with store.database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def finish(store: Store, job_id: str, token: int = 1, **changes: Any) -> Any:
    values = {"result_digest": None, "error": None, "record": {"job": job_id}, "settlements": (), "now": NOW}
    return store.commit_result(job_id, token, JobState.SUCCEEDED, **{**values, **changes})


def test_writers_that_come_while_another_is_at_it_share_one_commit(
    shared: Store, commits: list[int], new_job: NewJob
) -> None:
    accepted = together(shared, [lambda: shared.jobs.accept(**new_job("acme"))] * 10)
    assert len(commits) == 2, "one of the writer that was at it, one of the ten"
    assert count(shared) == len({one.job_id for one in accepted}) == 10


def test_a_writer_alone_has_a_commit_of_his_own_and_waits_for_nobody(
    shared: Store, commits: list[int], new_job: NewJob
) -> None:
    for _ in range(3):
        shared.jobs.accept(**new_job("acme"))
    assert len(commits) == 3


@pytest.mark.parametrize(("most", "expected"), [(1, 11), (4, 4), (64, 2)])
def test_no_more_writers_share_a_commit_than_may(
    shared: Store, commits: list[int], new_job: NewJob, most: int, expected: int
) -> None:
    shared.database.share_commits(most)
    try:
        together(shared, [lambda: shared.jobs.accept(**new_job("acme"))] * 10)
    finally:
        shared.database.share_commits(64)
    assert len(commits) == expected
    assert count(shared) == 10
    with pytest.raises(ValueError, match=">= 1"):
        Turns(0)


def test_one_bad_writer_among_good_ones_is_undone_alone(shared: Store, commits: list[int], new_job: NewJob) -> None:
    def lost() -> None:
        raise OSError("the artifact could not be written")

    good = lambda: shared.jobs.accept(**new_job("acme"))  # noqa: E731
    bad = lambda: shared.jobs.accept(**new_job("acme", durable=lost, job_id="job-bad"))  # noqa: E731
    first, failed, refused, last = together(shared, [good, bad, lambda: finish(shared, "job-that-is-not"), good])
    assert isinstance(failed, OSError)
    assert type(refused).__name__ == "NotFound"
    assert len(commits) == 2
    assert {one.id for one in shared.jobs.list(None).items} == {first.job_id, last.job_id}
    assert count(shared, "job_events") == 2, "nothing of the bad one is left"


def test_decisions_of_one_commit_are_chained_and_each_job_is_decided_once(shared: Store, new_job: NewJob) -> None:
    ids = [shared.jobs.accept(**new_job("acme", holder="a", ttl_s=10.0)).job_id for _ in range(4)]
    works = [lambda job=job: finish(shared, job) for job in (*ids, ids[0])]
    *decided, again = together(shared, works)
    assert type(again).__name__ == "TerminalState"
    assert sorted(one.position for one in decided) == [1, 2, 3, 4]
    assert shared.decisions.verify_log() == ()
    assert [len(shared.decisions.list(None, job_id=id).items) for id in ids] == [1, 1, 1, 1]


def test_an_older_lease_is_refused_within_a_commit_too(shared: Store, new_job: NewJob) -> None:
    job_id = shared.jobs.accept(**new_job("acme", holder="a", ttl_s=10.0)).job_id
    token, stale = together(
        shared, [lambda: shared.jobs.lease(job_id, "b", 10.0, NOW, steal=True), lambda: finish(shared, job_id)]
    )
    assert (token, type(stale).__name__) == (2, "StaleLease")
    assert shared.jobs.get(job_id).state is JobState.RUNNING


def test_the_same_key_twice_in_one_commit_is_one_job(shared: Store, new_job: NewJob) -> None:
    other = new_job("acme", idempotency_key="k", request_digest="sha256:" + "2" * 64)
    same = new_job("acme", idempotency_key="k")
    first, again, conflict = together(
        shared,
        [
            lambda: shared.jobs.accept(**same),
            lambda: shared.jobs.accept(**same),
            lambda: shared.jobs.accept(**other),
        ],
    )
    assert (first.is_new, again.is_new, again.job_id) == (True, False, first.job_id)
    assert type(conflict).__name__ == "IdempotencyConflict"
    assert count(shared) == 1


def test_a_commit_that_fails_is_told_to_every_writer_of_it(
    shared: Store, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    end = Turns._end

    def fails(group: Any) -> None:
        ended.append(1)
        if len(ended) == 2:  # the first is of the writer that all wait for
            group.error = OSError("the disk is full")
        end(group)

    monkeypatch.setattr(Turns, "_end", staticmethod(fails))
    results = together(shared, [lambda: shared.jobs.accept(**new_job("acme"))] * 3)
    assert [type(one) for one in results] == [OSError] * 3
    assert count(shared) == 0
    assert shared.jobs.accept(**new_job("acme")).is_new, "the next writer finds the way free"


def test_who_gives_up_waiting_takes_nobody_with_him(
    shared: Store, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.database.LOCK_WAIT_S", 0.1)
    given_up = threading.Event()

    def impatient() -> None:
        try:
            shared.jobs.accept(**new_job("acme"))
        except TooBusy:
            given_up.set()

    with shared.database.write():
        waiting = threading.Thread(target=impatient)
        waiting.start()
        assert given_up.wait(_WAIT_S)
    waiting.join(_WAIT_S)
    shared.jobs.accept(**new_job("acme"))
    assert count(shared) == 1


def _die_in_the_middle(folder: str, values: dict[str, Any]) -> None:
    store = open_at(Path(folder))
    store.jobs.accept(**{**values, "job_id": "job-before"})

    def accept(name: str, durable: Callable[[], object] | None = None) -> Callable[[], Any]:
        return lambda: store.jobs.accept(**{**values, "job_id": name, "idempotency_key": name, "durable": durable})

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    together(store, [accept("job-1"), accept("job-2"), accept("job-3", die), accept("job-4")])


def test_a_process_that_dies_in_the_middle_of_a_shared_commit_leaves_nothing_of_it(
    folder: Path, new_job: NewJob
) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_in_the_middle, args=(str(folder), new_job("acme")))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    store = open_at(folder)
    assert [job.id for job in store.jobs.list(None).items] == ["job-before"]
    again = store.jobs.accept(**new_job("acme", job_id="job-1", idempotency_key="job-1"))
    assert again.is_new, "nobody was told that it was accepted, so the key is free"
    assert store.decisions.verify_log() == ()
    store.close()
