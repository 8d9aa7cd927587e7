import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.fairness import FairQueue, Ticket


def ticket(job, tenant="a", priority=5, want=1, deadline_s=1e9, at=0.0):
    return Ticket(job, tenant, priority, want, deadline_s, at)


def drain(queue, now_s=0.0, prefix="w"):
    grants = queue.grant([f"{prefix}{i}" for i in range(1000)], now_s)
    return [g.job_id for g in grants]


def test_equal_jobs_go_in_order_of_arrival():
    queue = FairQueue()
    for i in range(5):
        queue.enqueue(ticket(f"j{i}", at=i))
    assert queue.queue_length == 5
    assert drain(queue, 5) == [f"j{i}" for i in range(5)]
    assert queue.queue_length == 0


def test_higher_priority_goes_first_within_a_tenant():
    queue = FairQueue()
    for priority in (0, 9, 5):
        queue.enqueue(ticket(f"p{priority}", priority=priority))
    assert drain(queue) == ["p9", "p5", "p0"]


def test_the_lowest_priority_is_reached_however_many_higher_ones_keep_coming():
    queue = FairQueue(aging_s=5)
    queue.enqueue(ticket("low", priority=0, at=0))
    for second in range(200):
        queue.enqueue(ticket(f"high{second}", priority=9, at=second))
        queue.enqueue(ticket(f"high{second}b", priority=9, at=second))
        (grant,) = queue.grant(["w"], second)
        if grant.job_id == "low":
            break
        queue.release("w", second + 0.9)
    assert grant.job_id == "low"
    assert second <= 9 * 5 * 2


def test_an_urgent_job_overtakes_a_patient_one_of_the_same_priority():
    queue = FairQueue()
    queue.enqueue(ticket("hour", deadline_s=3600, at=0.0))
    queue.enqueue(ticket("second", deadline_s=1.0, at=0.1))
    assert drain(queue, 0.2) == ["second", "hour"]


def test_tenants_share_by_weight_however_much_each_asks():
    queue = FairQueue(weights={"a": 1, "b": 3})
    for i in range(400):
        queue.enqueue(ticket(f"a{i}", "a"))
    for i in range(400):
        queue.enqueue(ticket(f"b{i}", "b"))
    served = Counter()
    for step in range(200):
        (grant,) = queue.grant(["w"], step)
        served[grant.tenant] += 1
        queue.release("w", step + 1)
    assert served["b"] / served["a"] == pytest.approx(3, rel=0.1)


def test_shares_count_worker_seconds_not_jobs():
    queue = FairQueue()
    for i in range(300):
        queue.enqueue(ticket(f"long{i}", "long"))
        queue.enqueue(ticket(f"short{i}", "short"))
    used, now_s = Counter(), 0.0
    while now_s < 200:
        (grant,) = queue.grant(["w"], now_s)
        length_s = 4.0 if grant.tenant == "long" else 1.0
        used[grant.tenant] += length_s
        now_s += length_s
        queue.release("w", now_s)
    assert used["long"] / used["short"] == pytest.approx(1, rel=0.1)


def test_an_idle_tenant_saves_no_credit_up():
    queue = FairQueue()
    for i in range(100):
        queue.enqueue(ticket(f"a{i}", "a"))
    for step in range(50):
        queue.grant(["w"], step)
        queue.release("w", step + 1)
    for i in range(100):
        queue.enqueue(ticket(f"b{i}", "b", at=50))
    served = Counter()
    for step in range(50, 70):
        (grant,) = queue.grant(["w"], step)
        served[grant.tenant] += 1
        queue.release("w", step + 1)
    assert served["a"] >= 9


def test_every_job_gets_a_first_worker_before_any_gets_a_second():
    queue = FairQueue()
    queue.enqueue(ticket("greedy", "a", priority=9, want=4))
    queue.enqueue(ticket("x", "b"))
    queue.enqueue(ticket("y", "b"))
    grants = queue.grant(["w1", "w2", "w3", "w4", "w5"], 0)
    assert {g.job_id for g in grants[:3]} == {"greedy", "x", "y"}
    assert [(g.job_id, g.slot) for g in grants[3:]] == [("greedy", 1), ("greedy", 2)]


def test_a_job_with_several_workers_gives_one_up_at_once():
    queue = FairQueue()
    queue.enqueue(ticket("wide", want=3))
    queue.grant(["w1", "w2", "w3"], 0)
    assert queue.recall(0.01) == []
    queue.enqueue(ticket("new", "b", at=0.02))
    assert queue.recall(0.02) == ["w3"]
    assert queue.recall(0.03) == []
    queue.release("w3", 0.05)
    (grant,) = queue.grant(["w3"], 0.05)
    assert grant.job_id == "new"


def test_an_only_worker_is_recalled_after_its_quantum_and_its_job_waits_again():
    queue = FairQueue(quantum_s=0.5)
    queue.enqueue(ticket("old"))
    queue.grant(["w"], 0)
    queue.enqueue(ticket("new", at=0.1))
    assert queue.recall(0.49) == []
    assert queue.recall(0.5) == ["w"]
    queue.release("w", 0.55)
    assert [g.job_id for g in queue.grant(["w"], 0.55)] == ["new"]
    assert queue.queue_length == 1
    queue.release("w", 0.6)
    assert [g.job_id for g in queue.grant(["w"], 0.6)] == ["old"]


def test_the_tenant_most_over_its_share_gives_back():
    queue = FairQueue()
    for i in range(3):
        queue.enqueue(ticket(f"a{i}", "a"))
    queue.enqueue(ticket("b0", "b"))
    granted = {g.worker: g.tenant for g in queue.grant(["w1", "w2", "w3", "w4"], 0)}
    queue.enqueue(ticket("c0", "c", at=1))
    (worker,) = queue.recall(1)
    assert granted[worker] == "a"


def test_a_tenant_at_its_share_is_not_robbed_by_one_that_has_as_much():
    queue = FairQueue()
    queue.enqueue(ticket("a0", "a"))
    queue.enqueue(ticket("b0", "b"))
    granted = {g.worker: g.tenant for g in queue.grant(["w1", "w2"], 0)}
    for i in range(1, 5):
        queue.enqueue(ticket(f"a{i}", "a"))
    recalled = queue.recall(10)
    assert [granted[w] for w in recalled] == ["a"]


def test_no_more_is_recalled_than_jobs_wait():
    queue = FairQueue()
    for i in range(8):
        queue.enqueue(ticket(f"a{i}", "a"))
    queue.grant([f"w{i}" for i in range(8)], 0)
    for i in range(3):
        queue.enqueue(ticket(f"b{i}", "b", at=5))
    assert len(queue.recall(5)) == 3
    assert queue.recall(6) == []


def test_a_removed_job_waits_no_more_and_its_workers_are_named():
    queue = FairQueue()
    queue.enqueue(ticket("gone", want=3))
    queue.enqueue(ticket("stays"))
    queue.grant(["w1", "w2", "w3"], 0)
    assert set(queue.remove("gone")) <= {"w1", "w2", "w3"}
    assert queue.remove("gone") == ()
    assert queue.queue_length == 0
    assert queue.grant(["w4"], 1) == []
    assert queue.release("w1", 1) is not None


def test_a_dead_workers_slot_is_granted_again():
    queue = FairQueue()
    queue.enqueue(ticket("j"))
    queue.grant(["w1"], 0)
    queue.release("w1", 1, again=True)
    assert [g.job_id for g in queue.grant(["w2"], 1)] == ["j"]


def test_a_finished_slot_is_not_granted_again():
    queue = FairQueue()
    queue.enqueue(ticket("j", want=2))
    queue.grant(["w1", "w2"], 0)
    queue.release("w1", 1)
    assert queue.grant(["w1"], 1) == []
    queue.release("w2", 1)
    assert queue.running == {}


def test_jobs_past_their_deadline_are_not_granted_and_are_reported_once():
    queue = FairQueue()
    queue.enqueue(ticket("late", deadline_s=1.0, priority=9))
    queue.enqueue(ticket("fine", deadline_s=100.0))
    assert [g.job_id for g in queue.grant(["w1", "w2"], 2)] == ["fine"]
    assert queue.expire(2) == ["late"]
    assert queue.expire(3) == []
    assert queue.queue_length == 0


def test_asking_again_does_not_ask_twice():
    queue = FairQueue()
    queue.enqueue(ticket("j", want=2))
    queue.enqueue(ticket("j", want=2))
    assert len(queue.grant(["w1", "w2", "w3"], 0)) == 2
    queue.enqueue(ticket("j", want=3))
    assert [g.slot for g in queue.grant(["w3", "w4"], 0)] == [2]


def test_after_a_restart_running_jobs_are_adopted():
    queue = FairQueue()
    queue.adopt(ticket("j", want=3), ["w1", "w2"], 0)
    assert set(queue.running) == {"w1", "w2"}
    assert [g.job_id for g in queue.grant(["w3", "w4"], 0)] == ["j"]
    with pytest.raises(ValueError, match="w1"):
        queue.adopt(ticket("k"), ["w1"], 0)


def test_a_worker_is_never_granted_twice():
    queue = FairQueue()
    queue.enqueue(ticket("j", want=5))
    queue.grant(["w"], 0)
    with pytest.raises(ValueError, match="held"):
        queue.grant(["w"], 0)
    with pytest.raises(ValueError, match="doubles"):
        queue.grant(["v", "v"], 0)


@pytest.mark.parametrize("bad", [{"want": 0}, {"priority": 10}, {"deadline_s": float("nan")}, {"at": float("inf")}])
def test_a_ticket_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="allowed"):
        ticket("j", **bad)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_nothing_is_lost_or_doubled_in_a_random_life(seed, workers):
    rng = random.Random(seed)
    queue = FairQueue(weights={"t0": 2})
    free = {f"w{i}" for i in range(workers)}
    wants, got, live = {}, Counter(), set()
    now_s = 0.0
    for step in range(150):
        now_s += rng.random() * 0.3
        event = rng.random()
        if event < 0.4:
            id = f"j{step}"
            wants[id] = rng.randint(1, 3)
            live.add(id)
            queue.enqueue(ticket(id, f"t{rng.randrange(4)}", rng.randrange(10), wants[id], at=now_s))
        elif event < 0.7:
            held = sorted(queue.running)
            if held:
                worker = rng.choice(held)
                free.add(worker)
                queue.release(worker, now_s)
        elif event < 0.75 and live:
            id = rng.choice(sorted(live))
            live.discard(id)
            for worker in queue.remove(id):
                queue.release(worker, now_s)
                free.add(worker)
        else:
            for worker in queue.recall(now_s):
                queue.release(worker, now_s)
                free.add(worker)
        for grant in queue.grant(sorted(free), now_s):
            free.discard(grant.worker)
            assert grant.job_id in wants
        assert free.isdisjoint(queue.running)
        assert len(free) + len(queue.running) == workers
        held_by = Counter(g.job_id for g in queue.running.values())
        assert all(count <= wants[id] for id, count in held_by.items())
        assert not (free and queue.queue_length), "a job waits beside a free worker"
    for worker in list(queue.running):
        queue.release(worker, now_s)
    while True:
        grants = queue.grant(sorted(f"w{i}" for i in range(workers)), now_s)
        if not grants:
            break
        got.update(g.job_id for g in grants)
        for grant in grants:
            queue.release(grant.worker, now_s)
    assert queue.queue_length == 0
    assert queue.running == {}


def test_idle_tenants_leave_nothing_behind():
    queue = FairQueue()
    for i in range(2000):
        queue.enqueue(ticket(f"j{i}", f"t{i}", deadline_s=i + 5, at=i))
        queue.grant(["w"], i)
        queue.release("w", i + 0.5)
    assert len(queue._tenants) < 10
    assert len(queue._order) < 500
    assert len(queue._deadlines) < 2000
    assert queue._jobs == {}
