"""The end of a job is one transaction, whatever dies in the middle of it."""

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from store.amounts import Amounts
from store.budgets import ReservationState
from store.commit import Settlement
from store.decisions import new_decision_id
from store.errors import NotFound, StaleLease, TerminalState
from store.leases import JobState
from store.store import Store

Make = Callable[..., str]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RESULT = "sha256:" + "4" * 64


def commit(store: Store, job_id: str, token: int, *settlements: Settlement, **changes: object) -> str:
    values: dict[str, object] = {
        "result_digest": RESULT,
        "error": None,
        "record": {"objective": 1.5},
        "settlements": settlements,
        "now": NOW,
    }
    return store.commit_result(job_id, token, JobState.SUCCEEDED, **{**values, **changes}).id  # type: ignore[arg-type]


def is_untouched(store: Store, job_id: str, reservation_id: str) -> bool:
    job = store.jobs.get(job_id)
    return (
        (job.state, job.result_digest, job.decision_id) == (JobState.RUNNING, None, None)
        and store.budgets.get(reservation_id).state is ReservationState.RESERVED
        and store.decisions.list(None, job_id=job_id).items == ()
        and len(store.jobs.events(job_id)) == 2
    )


@pytest.fixture
def running(store: Store, accept: Make, reserve: Make, tenant: str) -> tuple[str, int, str]:
    """A job under way: its id, its fencing token and its reservation of 1 USD."""
    store.budgets.set_limit(tenant, "", "2026-11", Amounts(usd_micros=5_000_000))
    job_id = accept()
    return job_id, store.jobs.lease(job_id, "a", 10, NOW), reserve(job_id)


def test_a_commit_finishes_records_and_settles(store: Store, running: tuple[str, int, str], tenant: str) -> None:
    job_id, token, held = running
    drawn = new_decision_id(NOW)
    assert commit(store, job_id, token, Settlement(held, Amounts(usd_micros=400_000)), decision_id=drawn) == drawn
    job = store.jobs.get(job_id)
    assert (job.state, job.result_digest, job.decision_id) == (JobState.SUCCEEDED, RESULT, drawn)
    assert store.decisions.get(drawn, tenant).job_id == job_id
    assert all(check.passed for check in store.decisions.verify_chain(drawn))
    assert store.budgets.budget(tenant, "", "2026-11").settled == Amounts(usd_micros=400_000)
    assert [one.state for one in store.jobs.events(job_id)] == ["ACCEPTED", "RUNNING", "SUCCEEDED"]


def test_a_second_commit_changes_nothing(store: Store, running: tuple[str, int, str], tenant: str) -> None:
    job_id, token, held = running
    first = commit(store, job_id, token, Settlement(held, Amounts()))
    with pytest.raises(TerminalState):
        commit(store, job_id, token, Settlement(held, Amounts()), record={"objective": 0})
    assert [one.id for one in store.decisions.list(tenant).items] == [first]
    assert store.jobs.get(job_id).decision_id == first


def test_who_lost_the_lease_commits_nothing(store: Store, running: tuple[str, int, str]) -> None:
    job_id, token, held = running
    newer = store.jobs.lease(job_id, "b", 10, NOW + timedelta(seconds=11))
    with pytest.raises(StaleLease):
        commit(store, job_id, token, Settlement(held, Amounts(usd_micros=1)))
    assert is_untouched(store, job_id, held)
    commit(store, job_id, newer, Settlement(held, Amounts(usd_micros=2)))


@pytest.mark.parametrize("broken", ["settlement", "record", "decision id"])
def test_a_commit_that_fails_in_one_part_fails_in_all(
    store: Store, running: tuple[str, int, str], accept: Make, broken: str, tenant: str
) -> None:
    job_id, token, held = running
    settlement = Settlement(held, Amounts(usd_micros=1))
    if broken == "settlement":
        with pytest.raises(NotFound):
            commit(store, job_id, token, settlement, Settlement("res-x", Amounts()))
    elif broken == "record":
        with pytest.raises(ValueError, match="canonical"):
            commit(store, job_id, token, settlement, record={"objective": float("nan")})
    else:
        other = accept()
        taken = commit(store, other, store.jobs.lease(other, "a", 10, NOW))
        with pytest.raises(Exception, match=r"(?i)unique"):
            commit(store, job_id, token, settlement, decision_id=taken)
    assert is_untouched(store, job_id, held)
    commit(store, job_id, token, settlement)
    assert store.decisions.verify_log() == ()


def test_of_many_that_commit_one_job_one_does(store: Store, running: tuple[str, int, str], tenant: str) -> None:
    job_id, token, held = running
    committed: list[str] = []
    refused: list[TerminalState] = []

    def try_it(n: int) -> None:
        try:
            committed.append(commit(store, job_id, token, Settlement(held, Amounts()), record={"n": n}))
        except TerminalState as error:
            refused.append(error)

    threads = [threading.Thread(target=try_it, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(committed), len(refused)) == (1, 7)
    assert [one.id for one in store.decisions.list(tenant).items] == committed


def _die_at(where: str, url: str, folder: str, job_id: str, token: int, held: str) -> None:
    """Run one step of a job's life and be killed in the middle of its transaction, when ``where`` is called."""
    store = Store.open(url, folder + "/artifacts", folder + "/state")
    module, name = where.rsplit(".", 1)

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if module == "signer":
        store.signer.sign = die  # type: ignore[method-assign, assignment]
    else:
        setattr(importlib.import_module(module), name, die)
    if where == "store.jobs.write_event":
        accepted = {"tenant": "acme", "kind": "routing", "request_digest": "d", "idempotency_key": "dying"}
        store.jobs.accept(
            **accepted,  # type: ignore[arg-type]
            deadline_at=NOW,
            priority=5,
            labels={},
            policy_json={},
            correlation_id="",
            now=NOW,
        )
    elif where == "store.leases.write_event":
        store.jobs.finish(job_id, token, JobState.FAILED, result_digest=None, error="x", now=NOW)
    else:
        commit(store, job_id, token, Settlement(held, Amounts(usd_micros=1)))


@pytest.mark.parametrize(
    "where",
    [
        "store.jobs.write_event",
        "store.leases.write_event",
        "store.ledger.settle",
        "signer.sign",
        "store.decisions.insert",
        "store.decisions.update",
        "store.decisions.Decision",
    ],
)
def test_a_process_killed_in_the_middle_leaves_all_or_nothing(
    store: Store, running: tuple[str, int, str], where: str, database_url: str, tmp_path: object, tenant: str
) -> None:
    job_id, token, held = running
    child = multiprocessing.get_context("spawn").Process(
        target=_die_at, args=(where, database_url, str(tmp_path), job_id, token, held)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert is_untouched(store, job_id, held)
    assert [job.id for job in store.jobs.list(tenant).items] == [job_id]
    later = NOW + timedelta(seconds=11)
    (claim,) = store.jobs.claim_expired("recovery", 10, later)
    assert (claim.job.id, claim.token) == (job_id, token + 1)
    decision_id = commit(store, job_id, claim.token, Settlement(held, Amounts(usd_micros=2)))
    assert store.jobs.get(job_id).decision_id == decision_id
    assert store.decisions.verify_log() == ()


def _work_until_killed(url: str, folder: str, name: str, acknowledged: object) -> None:
    store = Store.open(url, folder + "/artifacts", folder + "/state")
    for n in range(10_000):
        job_id = store.jobs.accept(
            tenant="acme",
            kind="routing",
            request_digest="d",
            idempotency_key=f"{name}-{n}",
            deadline_at=NOW,
            priority=5,
            labels={},
            policy_json={},
            correlation_id="",
            now=NOW,
        ).job_id
        acknowledged.send(("accepted", job_id))  # type: ignore[attr-defined]
        token = store.jobs.lease(job_id, name, 10, NOW)
        held = store.budgets.reserve(
            tenant="acme",
            project="",
            period="2026-11",
            job_id=job_id,
            backend="metered",
            idempotency_key=job_id,
            amounts=Amounts(usd_micros=5),
            now=NOW,
        )
        commit(store, job_id, token, Settlement(held, Amounts(usd_micros=3)))
        acknowledged.send(("committed", job_id))  # type: ignore[attr-defined]


def test_what_was_acknowledged_survives_a_kill_at_any_moment(
    store: Store, database_url: str, tmp_path: object, tenant: str
) -> None:
    store.budgets.set_limit(tenant, "", "2026-11", Amounts(usd_micros=10**9))
    context = multiprocessing.get_context("spawn")
    workers = []
    for n in range(3):
        receiving, sending = context.Pipe(duplex=False)
        worker = context.Process(
            target=_work_until_killed, args=(database_url, str(tmp_path), f"w{n}", sending), daemon=True
        )
        worker.start()
        sending.close()
        workers.append((worker, receiving))
    told: dict[str, set[str]] = {"accepted": set(), "committed": set()}
    for n, (worker, receiving) in enumerate(workers):
        for _ in range(11 + 8 * n):  # odd counts: some die between an accept and its commit
            what, job_id = receiving.recv()
            told[what].add(job_id)
        worker.kill()
        worker.join(60)
        try:
            while True:
                what, job_id = receiving.recv()
                told[what].add(job_id)
        except EOFError:
            receiving.close()
    jobs = {}
    token = ""
    while True:
        page = store.jobs.list(tenant, page_size=500, page_token=token)
        jobs.update({job.id: job for job in page.items})
        token = page.next_page_token
        if not token:
            break
    assert told["accepted"] <= set(jobs)
    assert all(jobs[job_id].state is JobState.SUCCEEDED for job_id in told["committed"])
    for job in jobs.values():
        decisions = [one.id for one in store.decisions.list(tenant, job_id=job.id).items]
        states = [one.state for one in store.budgets.of_job(job.id)]
        if job.state is JobState.SUCCEEDED:
            assert decisions == [job.decision_id]
            assert states == [ReservationState.SETTLED]
        else:
            assert decisions == []
            assert states in ([], [ReservationState.RESERVED])
    assert store.decisions.verify_log() == ()
