import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from store.errors import IdempotencyConflict, InvalidProblem, NotFound, StaleLease, TerminalState
from store.jobs import UNCLAIMED_AFTER_S
from store.leases import JobState
from store.store import Store

Accept = Callable[..., str]


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_an_accepted_job_reads_back_whole(store: Store, accept: Accept, tenant: str, now: datetime) -> None:
    deadline = datetime(2026, 11, 20, 13, 0, 0, 123456, tzinfo=UTC)
    job = store.jobs.get(
        accept(
            deadline_at=deadline,
            labels={"Straße": "ü"},
            policy_json={"seed": 7, "profile": "HYBRID"},
            idempotency_key="k",
        )
    )
    assert (job.tenant, job.kind, job.state, job.priority) == (tenant, "routing", JobState.ACCEPTED, 5)
    assert (job.deadline_at, job.accepted_at, job.idempotency_key) == (deadline, now, "k")
    assert job.labels == {"Straße": "ü"}
    assert job.policy_json == {"seed": 7, "profile": "HYBRID"}
    assert (job.fencing_token, job.holder, job.started_at, job.finished_at, job.decision_id) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_an_accepted_job_is_there_for_another_process(
    store: Store, open_store: Callable[[], Store], accept: Accept
) -> None:
    job_id = accept()
    assert open_store().jobs.get(job_id) == store.jobs.get(job_id)


def test_a_job_can_be_accepted_under_a_lease(store: Store, accept: Accept, now: datetime) -> None:
    """One step does what accepting and leasing do in two: state, token, events, and recovery once it has run out."""
    job_id = accept(holder="coordinator-1", ttl_s=5.0)
    job = store.jobs.get(job_id)
    assert (job.state, job.fencing_token, job.holder, job.started_at) == (JobState.RUNNING, 1, "coordinator-1", now)
    assert [(event.sequence, event.state) for event in store.jobs.events(job_id)] == [(1, "ACCEPTED"), (2, "RUNNING")]
    with pytest.raises(StaleLease):
        store.jobs.lease(job_id, "coordinator-2", 5.0, now + seconds(4))
    assert store.jobs.heartbeat(job_id, 1, 5.0, now + seconds(4)) is False
    assert store.jobs.claim_expired("coordinator-2", 5.0, now + seconds(8)) == ()
    claim = store.jobs.claim_expired("coordinator-2", 5.0, now + seconds(10))[0]
    assert (claim.job.id, claim.token) == (job_id, 2)


def test_the_token_comes_with_the_job_and_only_to_who_is_first(
    store: Store, tenant: str, new_job: Callable[..., dict[str, object]]
) -> None:
    """A repeated request gets the job but no token to write under; without a holder nobody does."""
    first = store.jobs.accept(**new_job(tenant, idempotency_key="k", holder="a", ttl_s=5.0))
    again = store.jobs.accept(**new_job(tenant, idempotency_key="k", holder="b", ttl_s=5.0))
    assert (first.token, again.token, again.is_new) == (1, 0, False)
    assert store.jobs.get(first.job_id).holder == "a"
    assert store.jobs.accept(**new_job(tenant)).token == 0


def test_a_job_is_not_accepted_before_its_request_is_durable(store: Store, tenant: str, accept: Accept) -> None:
    """What fails while the request is being kept takes the job with it; what works leaves both."""
    digest, durable = store.artifacts.put_beside(b"request")

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        accept(request_digest=digest, durable=fail)
    assert store.jobs.list(tenant).items == ()
    assert store.jobs.get(accept(request_digest=digest, durable=durable)).request_digest == digest
    assert store.artifacts.get(digest) == b"request"


def test_a_holder_needs_a_time(accept: Accept) -> None:
    """A lease of no length is refused."""
    with pytest.raises(ValueError, match="ttl_s"):
        accept(holder="a")


def test_the_same_key_with_the_same_request_is_the_same_job(
    store: Store, tenant: str, new_job: Callable[..., dict[str, object]], now: datetime
) -> None:
    first = store.jobs.accept(**new_job(tenant, idempotency_key="k"))
    again = store.jobs.accept(**new_job(tenant, idempotency_key="k", now=now + seconds(9), priority=9))
    assert first.is_new
    assert not again.is_new
    assert again.job_id == first.job_id
    assert store.jobs.get(first.job_id).priority == 5


def test_the_same_key_with_another_request_is_refused(store: Store, accept: Accept) -> None:
    job_id = accept(idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as caught:
        accept(idempotency_key="k", request_digest="sha256:" + "2" * 64)
    assert caught.value.job_id == job_id


def test_keys_of_two_tenants_do_not_meet(store: Store, tenant: str, new_job: Callable[..., dict[str, object]]) -> None:
    first = store.jobs.accept(**new_job(tenant, idempotency_key="k"))
    other = store.jobs.accept(**new_job(tenant + "-b", idempotency_key="k"))
    assert other.is_new
    assert other.job_id != first.job_id


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_every_request_is_a_job_of_its_own(accept: Accept, key: str | None) -> None:
    assert accept(idempotency_key=key) != accept(idempotency_key=key)


def test_of_many_that_bring_one_key_at_once_one_is_new(
    store: Store, tenant: str, new_job: Callable[..., dict[str, object]]
) -> None:
    accepted = []
    barrier = threading.Barrier(8)

    def bring() -> None:
        barrier.wait()
        accepted.append(store.jobs.accept(**new_job(tenant, idempotency_key="k")))

    threads = [threading.Thread(target=bring) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 8
    assert len({one.job_id for one in accepted}) == 1
    assert sum(one.is_new for one in accepted) == 1


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_out_of_range_is_refused(accept: Accept, priority: int) -> None:
    with pytest.raises(ValueError, match="allowed: 0 - 9"):
        accept(priority=priority)


def test_a_time_without_a_zone_is_refused(accept: Accept) -> None:
    with pytest.raises(ValueError, match="zone"):
        accept(now=datetime(2026, 11, 20))


def test_a_job_of_another_tenant_does_not_exist(store: Store, accept: Accept, tenant: str) -> None:
    job_id = accept()
    assert store.jobs.get(job_id, tenant).id == job_id
    with pytest.raises(NotFound):
        store.jobs.get(job_id, "somebody")
    with pytest.raises(NotFound):
        store.jobs.request_cancel(job_id, datetime.now(UTC), "somebody")


def test_a_lease_runs_the_job_and_its_tokens_only_grow(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    assert store.jobs.lease(job_id, "a", 10, now) == 1
    assert store.jobs.get(job_id).state is JobState.RUNNING
    assert store.jobs.lease(job_id, "b", 10, now + seconds(10)) == 2
    assert store.jobs.lease(job_id, "c", 10, now + seconds(10), steal=True) == 3
    job = store.jobs.get(job_id)
    assert (job.holder, job.fencing_token, job.started_at) == ("c", 3, now)


def test_a_held_lease_is_not_given_away(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    store.jobs.lease(job_id, "a", 10, now)
    with pytest.raises(StaleLease, match="'a'"):
        store.jobs.lease(job_id, "b", 10, now + seconds(9.999))


def test_of_many_that_want_a_lease_one_gets_it(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    got: list[str] = []
    refused: list[StaleLease] = []

    def want(name: str) -> None:
        try:
            store.jobs.lease(job_id, name, 10, now)
            got.append(name)
        except StaleLease as error:
            refused.append(error)

    threads = [threading.Thread(target=want, args=(f"h{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 7
    assert store.jobs.get(job_id).holder == got[0]


def test_every_write_under_an_old_token_is_refused(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    old = store.jobs.lease(job_id, "a", 10, now)
    store.jobs.lease(job_id, "b", 10, now + seconds(11))
    with pytest.raises(StaleLease):
        store.jobs.heartbeat(job_id, old, 10, now + seconds(11))
    with pytest.raises(StaleLease):
        store.jobs.append_event(job_id, old, JobState.RUNNING, objective=1.0, bound=None, found_by="x", now=now)
    with pytest.raises(StaleLease):
        store.jobs.finish(job_id, old, JobState.SUCCEEDED, result_digest=None, error=None, now=now)
    assert store.jobs.get(job_id).state is JobState.RUNNING


def test_a_token_from_the_future_is_refused(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    with pytest.raises(StaleLease):
        store.jobs.finish(job_id, token + 1, JobState.SUCCEEDED, result_digest=None, error=None, now=now)


def test_a_job_that_nobody_leased_cannot_be_finished(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    with pytest.raises(StaleLease):
        store.jobs.finish(job_id, 0, JobState.SUCCEEDED, result_digest=None, error=None, now=now)


def test_a_heartbeat_keeps_the_lease(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    assert store.jobs.heartbeat(job_id, token, 10, now + seconds(9)) is False
    with pytest.raises(StaleLease):
        store.jobs.lease(job_id, "b", 10, now + seconds(18))
    assert store.jobs.lease(job_id, "b", 10, now + seconds(19)) == token + 1


def test_a_lease_that_ended_but_was_not_taken_lives_on_with_the_next_heartbeat(
    store: Store, accept: Accept, now: datetime
) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    store.jobs.heartbeat(job_id, token, 10, now + seconds(60))
    with pytest.raises(StaleLease):
        store.jobs.lease(job_id, "b", 10, now + seconds(61))


def test_a_clock_that_jumps_never_lets_two_write(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    first = store.jobs.lease(job_id, "a", 10, now)
    second = store.jobs.lease(job_id, "b", 10, now + seconds(3600))  # b's clock is an hour ahead
    with pytest.raises(StaleLease):
        store.jobs.heartbeat(job_id, first, 10, now + seconds(1))
    store.jobs.heartbeat(job_id, second, 10, now + seconds(1))  # and is set right: so is the end of the lease
    assert store.jobs.get(job_id).claimable_at == now + seconds(11)


@pytest.mark.parametrize("final", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_finished_job_never_changes(store: Store, accept: Accept, now: datetime, final: JobState) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    store.jobs.finish(job_id, token, final, result_digest="sha256:" + "3" * 64, error="why", now=now)
    finished = store.jobs.get(job_id)
    assert (finished.state, finished.finished_at, finished.error) == (final, now, "why")
    later = now + seconds(99)
    for write in (
        lambda: store.jobs.finish(job_id, token, JobState.FAILED, result_digest=None, error=None, now=later),
        lambda: store.jobs.heartbeat(job_id, token, 10, later),
        lambda: store.jobs.lease(job_id, "b", 10, later, steal=True),
        lambda: store.jobs.append_event(
            job_id, token, JobState.RUNNING, objective=1.0, bound=None, found_by="", now=later
        ),
    ):
        with pytest.raises(TerminalState):
            write()
    assert store.jobs.request_cancel(job_id, later) == finished
    assert not [one for one in store.jobs.claim_expired("r", 10, later, 500) if one.job.id == job_id]
    assert store.jobs.get(job_id) == finished


def test_a_job_is_not_finished_by_a_state_that_is_not_final(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    with pytest.raises(ValueError, match="RUNNING"):
        store.jobs.finish(job_id, token, JobState.RUNNING, result_digest=None, error=None, now=now)


def test_what_does_not_exist_is_said_so(store: Store, now: datetime) -> None:
    for ask in (
        lambda: store.jobs.get("job-x"),
        lambda: store.jobs.lease("job-x", "a", 10, now),
        lambda: store.jobs.heartbeat("job-x", 1, 10, now),
        lambda: store.jobs.finish("job-x", 1, JobState.FAILED, result_digest=None, error=None, now=now),
        lambda: store.jobs.request_cancel("job-x", now),
    ):
        with pytest.raises(NotFound):
            ask()


def test_recovery_claims_what_nobody_works_on_and_nothing_else(
    store: Store, open_store: Callable[[], Store], accept: Accept, now: datetime
) -> None:
    fresh, forgotten, held, abandoned = accept(now=now + seconds(60)), accept(), accept(), accept()
    store.jobs.lease(held, "a", 600, now)
    store.jobs.lease(abandoned, "b", 5, now)
    mine = {fresh, forgotten, held, abandoned}
    claims = [one for one in store.jobs.claim_expired("r", 30, now + seconds(60), 500) if one.job.id in mine]
    assert {one.job.id: one.token for one in claims} == {forgotten: 1, abandoned: 2}
    assert all(one.job.state is JobState.RUNNING and one.job.holder == "r" for one in claims)
    again = open_store().jobs.claim_expired("s", 30, now + seconds(60), 500)
    assert not mine & {one.job.id for one in again}
    assert store.jobs.heartbeat(forgotten, 1, 30, now + seconds(61)) is False


def test_recovery_waits_for_the_gateway_to_hand_over(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    early = store.jobs.claim_expired("r", 30, now + seconds(UNCLAIMED_AFTER_S - 0.001), 500)
    assert job_id not in {one.job.id for one in early}
    due = store.jobs.claim_expired("r", 30, now + seconds(UNCLAIMED_AFTER_S), 500)
    assert job_id in {one.job.id for one in due}


def test_recovery_takes_the_higher_priority_first_then_the_longest_abandoned(
    store: Store, accept: Accept, now: datetime
) -> None:
    past = now - timedelta(days=400)
    low, late, early = (
        accept(priority=8, now=past),
        accept(priority=9, now=past + seconds(1)),
        accept(priority=9, now=past),
    )
    claims = store.jobs.claim_expired("r", 10**9, past + seconds(10), 2)
    assert [one.job.id for one in claims] == [early, late]
    assert [one.job.id for one in store.jobs.claim_expired("r", 10**9, past + seconds(10), 2)] == [low]


def test_of_many_recoveries_at_once_no_job_goes_to_two(store: Store, accept: Accept, now: datetime) -> None:
    past = now - timedelta(days=800)
    wanted = {accept(now=past) for _ in range(24)}
    got: list[str] = []

    def recover(name: str) -> None:
        while claims := store.jobs.claim_expired(name, 10**9, past + seconds(60), 3):
            got.extend(one.job.id for one in claims)

    threads = [threading.Thread(target=recover, args=(f"r{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(wanted)


def test_a_cancel_reaches_whoever_works_on_the_job(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    assert not store.jobs.is_cancel_requested(job_id)
    assert store.jobs.request_cancel(job_id, now).cancel_requested_at == now
    store.jobs.request_cancel(job_id, now + seconds(5))
    assert store.jobs.is_cancel_requested(job_id)
    assert store.jobs.get(job_id).cancel_requested_at == now
    assert store.jobs.heartbeat(job_id, token, 10, now) is True


def test_events_tell_the_whole_story_in_order(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    for objective in (9.5, 7.25):
        store.jobs.append_event(
            job_id, token, JobState.RUNNING, objective=objective, bound=7.0, found_by="savings", now=now
        )
    store.jobs.finish(job_id, token, JobState.SUCCEEDED, result_digest=None, error=None, now=now + seconds(1))
    events = store.jobs.events(job_id)
    assert [one.sequence for one in events] == [1, 2, 3, 4, 5]
    assert [one.state for one in events] == ["ACCEPTED", "RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    assert [one.objective for one in events] == [None, None, 9.5, 7.25, None]
    assert (events[2].found_by, events[2].bound, events[4].at) == ("savings", 7.0, now + seconds(1))
    assert store.jobs.events(job_id, after_sequence=3) == events[3:]
    assert store.jobs.events(job_id, after_sequence=3, limit=1) == events[3:4]
    assert store.jobs.events(job_id, after_sequence=5) == ()


def test_only_finishing_writes_the_last_event(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    token = store.jobs.lease(job_id, "a", 10, now)
    with pytest.raises(ValueError, match="finishing"):
        store.jobs.append_event(job_id, token, JobState.SUCCEEDED, objective=1.0, bound=None, found_by="", now=now)


def test_a_takeover_goes_on_with_the_same_events(store: Store, accept: Accept, now: datetime) -> None:
    job_id = accept()
    first = store.jobs.lease(job_id, "a", 10, now)
    store.jobs.append_event(job_id, first, JobState.RUNNING, objective=3.0, bound=None, found_by="x", now=now)
    second = store.jobs.lease(job_id, "b", 10, now, steal=True)
    sequence = store.jobs.append_event(
        job_id, second, JobState.RUNNING, objective=2.0, bound=None, found_by="y", now=now
    )
    assert sequence == 4
    assert [one.sequence for one in store.jobs.events(job_id)] == [1, 2, 3, 4]


def test_a_list_is_paged_newest_first_and_by_state(store: Store, accept: Accept, tenant: str, now: datetime) -> None:
    ids = [accept() for _ in range(7)]
    store.jobs.lease(ids[3], "a", 10, now)
    seen: list[str] = []
    token = ""
    while True:
        page = store.jobs.list(tenant, page_size=3, page_token=token)
        seen += [job.id for job in page.items]
        token = page.next_page_token
        if not token:
            break
    assert seen == ids[::-1]
    assert [job.id for job in store.jobs.list(tenant, {JobState.RUNNING}).items] == [ids[3]]
    both = store.jobs.list(tenant, [JobState.RUNNING, JobState.ACCEPTED]).items
    assert [job.id for job in both] == ids[::-1]
    assert store.jobs.list(tenant + "-b").items == ()
    assert store.jobs.count(tenant) == {JobState.ACCEPTED: 6, JobState.RUNNING: 1}


def test_pages_of_several_states_come_in_one_order(store: Store, accept: Accept, tenant: str, now: datetime) -> None:
    ids = [accept() for _ in range(9)]
    for job_id in ids[::2]:
        store.jobs.lease(job_id, "a", 10, now)
    for job_id in ids[::4]:
        store.jobs.finish(job_id, 1, JobState.FAILED, result_digest=None, error="x", now=now)
    wanted = [JobState.FAILED, JobState.ACCEPTED]
    seen: list[str] = []
    token = ""
    for _ in range(4):
        page = store.jobs.list(tenant, wanted, page_size=2, page_token=token)
        seen += [job.id for job in page.items]
        token = page.next_page_token
    assert token == ""
    assert seen == [job_id for i, job_id in enumerate(ids) if i % 2 or i % 4 == 0][::-1]


def test_a_list_that_grows_between_pages_repeats_and_skips_nothing(store: Store, accept: Accept, tenant: str) -> None:
    ids = [accept() for _ in range(4)]
    first = store.jobs.list(tenant, page_size=2)
    accept()
    second = store.jobs.list(tenant, page_size=2, page_token=first.next_page_token)
    assert [job.id for job in (*first.items, *second.items)] == ids[::-1]
    assert second.next_page_token == ""


@pytest.mark.parametrize("token", ["x", "not a token", "e30", "é", "AAAA====", "a" * 1000])
def test_a_made_up_page_token_is_refused_by_name(store: Store, tenant: str, token: str) -> None:
    with pytest.raises(InvalidProblem) as caught:
        store.jobs.list(tenant, page_token=token)
    assert [one.path for one in caught.value.violations] == ["page_token"]


def test_a_page_token_serves_only_the_list_that_it_is_from(store: Store, accept: Accept, tenant: str) -> None:
    for _ in range(2):
        accept()
    token = store.jobs.list(tenant, page_size=1).next_page_token
    assert store.jobs.list(tenant, page_token=token).items
    for other in (lambda: store.jobs.list(None, page_token=token), lambda: store.jobs.list("b", page_token=token)):
        with pytest.raises(InvalidProblem):
            other()
    with pytest.raises(InvalidProblem):
        store.jobs.list(tenant, [JobState.RUNNING], page_token=token)


@pytest.mark.parametrize("size", [-1, 501])
def test_a_page_size_out_of_range_is_refused_by_name(store: Store, tenant: str, size: int) -> None:
    with pytest.raises(InvalidProblem) as caught:
        store.jobs.list(tenant, page_size=size)
    assert [one.path for one in caught.value.violations] == ["page_size"]
