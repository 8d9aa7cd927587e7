"""Real processes are killed in the middle of a solve: answers come in time, no accepted job is lost."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import system_requests as requests

from protos import common_pb2, decisions_pb2, jobs_pb2

pytestmark = pytest.mark.system


def _submit(service: Any, deadline_s: float, visits: int = 50) -> str:
    request = jobs_pb2.SubmitJobRequest(routing=requests.routing(visits, deadline_s=deadline_s))
    return str(service.call("jobs", "SubmitJob", request).id)


def _job(service: Any, job_id: str) -> Any:
    return service.call("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id=job_id))


@pytest.mark.parametrize("role", ["workers", "coordinators", "scheduler"])
def test_an_accepted_job_survives_the_death_of(service: Any, eventually: Any, role: str) -> None:
    ids = [_submit(service, 8.0) for _ in range(2)]
    time.sleep(1.0)
    assert service.kill(role)

    def finished() -> bool:
        return all(_job(service, job_id).state == jobs_pb2.SUCCEEDED for job_id in ids)

    eventually(finished, 40.0)
    for job_id in ids:
        report = _job(service, job_id).routing.report
        assert report.feasible
        audit = service.call(
            "decisions", "VerifyDecision", decisions_pb2.VerifyDecisionRequest(decision_id=report.decision_id)
        )
        assert audit.valid, [c for c in audit.checks if not c.passed]


@pytest.mark.parametrize(
    "role",
    [
        pytest.param("workers", marks=pytest.mark.long),
        "coordinators",
        pytest.param("scheduler", marks=pytest.mark.long),
    ],
)
def test_a_waiting_caller_is_answered_before_its_deadline_in_spite_of_the_death_of(service: Any, role: str) -> None:
    deadline_s = 7.0
    answers: list[tuple[float, Any]] = []

    def call() -> None:
        started = time.monotonic()
        answer = service.call("routing", "OptimizeTours", requests.routing(50, deadline_s=deadline_s))
        answers.append((time.monotonic() - started, answer))

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(1.0)
    assert service.kill(role)
    caller.join()
    [(took_s, answer)] = answers
    assert took_s < deadline_s + requests.GRACE_S
    assert answer.report.feasible
    assert answer.report.job_id


@pytest.mark.parametrize("deadline_s", [0.1, pytest.param(0.3, marks=pytest.mark.long), 2.0])
def test_the_insurance_answers_when_every_actor_is_dead(service: Any, deadline_s: float) -> None:
    assert len(service.kill("workers", "coordinators", "scheduler", "devices")) >= 5
    for make, name, method in (
        (requests.routing, "routing", "OptimizeTours"),
        (requests.invoices, "invoices", "PrioritizeInvoices"),
    ):
        started = time.monotonic()
        answer = service.call(name, method, make(deadline_s=deadline_s))
        took_s = time.monotonic() - started
        assert took_s < deadline_s + requests.GRACE_S, (name, took_s)
        # Within 100 ms, beside eight processes that start again on the same cores, an explanation is an answer too.
        assert answer.report.feasible or (deadline_s < 1.0 and answer.report.service_level_reason)
        assert answer.report.service_level == common_pb2.INSURANCE or deadline_s > 1.0


@pytest.mark.parametrize("deadline_s", [0.1, 0.25, 1.0])
def test_short_deadlines_are_met_by_a_whole_service(service: Any, deadline_s: float) -> None:
    late = 0
    for seed in range(5):
        started = time.monotonic()
        answer = service.call("routing", "OptimizeTours", requests.routing(100, seed, deadline_s=deadline_s))
        late += time.monotonic() - started > deadline_s + requests.GRACE_S
        assert answer.report.feasible
    assert late == 0
