from __future__ import annotations

import threading
import time

import dimod
import pytest

from backends.backend import RemoteJob, RemoteStatus
from backends.local_jobs import LocalJobs
from solvers.errors import BackendError, BackendTimeout, ProgramRefused

LIMIT_S = 10.0


def one_sample(_is_cancelled):
    return dimod.SampleSet.from_samples([{"a": 1}], vartype="BINARY", energy=[0.0])


def until_cancelled(is_cancelled):
    ends_s = time.monotonic() + LIMIT_S
    while not is_cancelled() and time.monotonic() < ends_s:
        time.sleep(0.001)
    return one_sample(is_cancelled)


@pytest.fixture
def jobs():
    jobs = LocalJobs("here", max_parallel=1)
    yield jobs
    jobs.close()


def test_finished_job_gives_its_samples_with_seconds_and_cost(jobs):
    job = jobs.submit("k", 1, one_sample)
    assert jobs.wait(job, LIMIT_S) is RemoteStatus.DONE
    info = jobs.fetch(job).info
    assert info["seconds"] >= 0.0
    assert info["cost_usd_micros"] == 0


def test_same_key_runs_once_also_when_many_threads_submit(jobs):
    runs, made = [], []

    def work(is_cancelled):
        runs.append(1)
        return one_sample(is_cancelled)

    threads = [threading.Thread(target=lambda: made.append(jobs.submit("k", 1, work))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    jobs.wait(made[0], LIMIT_S)
    assert len(set(made)) == 1
    assert runs == [1]


def test_key_has_the_same_job_id_after_a_restart(jobs):
    assert LocalJobs("here").submit("k", 1, one_sample).id == jobs.submit("k", 1, one_sample).id


def test_running_job_is_cancelled(jobs):
    job = jobs.submit("k", 1, until_cancelled)
    jobs.cancel(job)
    assert jobs.wait(job, LIMIT_S) is RemoteStatus.CANCELLED
    with pytest.raises(BackendError, match="cancelled"):
        jobs.fetch(job)


def test_waiting_job_is_cancelled_at_once_and_never_runs(jobs):
    first = jobs.submit("first", 1, until_cancelled)
    ran = []
    second = jobs.submit("second", 1, lambda c: ran.append(1) or one_sample(c))
    assert jobs.queue_length() == 2
    jobs.cancel(second)
    assert jobs.poll(second) is RemoteStatus.CANCELLED
    jobs.cancel(first)
    jobs.wait(first, LIMIT_S)
    assert jobs.wait(jobs.submit("third", 1, one_sample), LIMIT_S) is RemoteStatus.DONE
    assert not ran


def test_cancel_leaves_a_finished_job_as_it_is(jobs):
    job = jobs.submit("k", 1, one_sample)
    jobs.wait(job, LIMIT_S)
    jobs.cancel(job)
    assert jobs.poll(job) is RemoteStatus.DONE
    assert len(jobs.fetch(job)) == 1


def test_failure_is_told_with_its_cause(jobs):
    def broken(_is_cancelled):
        raise ZeroDivisionError("by hand")

    job = jobs.submit("k", 1, broken)
    assert jobs.wait(job, LIMIT_S) is RemoteStatus.FAILED
    with pytest.raises(BackendError, match="ZeroDivisionError: by hand") as caught:
        jobs.fetch(job)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_backend_errors_of_work_pass_as_they_are(jobs):
    def refused(_is_cancelled):
        raise ProgramRefused("here", "too large")

    job = jobs.submit("k", 1, refused)
    jobs.wait(job, LIMIT_S)
    with pytest.raises(ProgramRefused):
        jobs.fetch(job)


def test_waiting_has_a_limit(jobs):
    job = jobs.submit("k", 1, until_cancelled)
    with pytest.raises(BackendTimeout, match=r"still (queued|running)"):
        jobs.wait(job, 0.01)
    jobs.cancel(job)


def test_unknown_job_is_an_error(jobs):
    with pytest.raises(BackendError, match="not known"):
        jobs.poll(RemoteJob("here", "here-0", "k", 1))


def test_old_samples_are_forgotten_but_their_key_is_not():
    jobs = LocalJobs("small", keep=1)
    first = jobs.submit("first", 1, one_sample)
    jobs.wait(first, LIMIT_S)
    jobs.wait(jobs.submit("second", 1, one_sample), LIMIT_S)
    with pytest.raises(BackendError, match="no longer kept"):
        jobs.fetch(first)
    assert jobs.submit("first", 1, one_sample) == first
    assert jobs.poll(first) is RemoteStatus.DONE
    jobs.close()


def test_closed_jobs_take_nothing_more(jobs):
    job = jobs.submit("k", 1, until_cancelled)
    jobs.close()
    assert jobs.wait(job, LIMIT_S) is RemoteStatus.CANCELLED
    with pytest.raises(BackendError, match="closed"):
        jobs.submit("other", 1, one_sample)
