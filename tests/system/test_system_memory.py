"""A worker that the kernel or Ray's memory monitor ends for want of memory: the job goes on, the record says so."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import system_requests as requests

from protos import decisions_pb2, jobs_pb2

pytestmark = pytest.mark.system


def test_a_job_survives_a_worker_that_is_killed_as_for_want_of_memory(service: Any, eventually: Any) -> None:
    pids = service.pids()["workers"]  # before the job: asking takes seconds
    request = jobs_pb2.SubmitJobRequest(routing=requests.routing(300, deadline_s=12.0))
    job_id = service.call("jobs", "SubmitJob", request).id
    time.sleep(2.0)
    os.kill(pids[0], signal.SIGKILL)  # what both send; there is no other sign of it for who is killed

    def job() -> Any:
        return service.call("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id=job_id))

    eventually(lambda: job().state == jobs_pb2.SUCCEEDED, 40.0)
    report = job().routing.report
    assert report.feasible
    asked = decisions_pb2.GetDecisionRequest(decision_id=report.decision_id)
    runs = list(service.call("decisions", "GetDecision", asked).record["runs"])
    lost = [run for run in runs if run["error"]]
    assert len(lost) == 1, "the other worker's run is not disturbed"
    assert "Died" in lost[0]["error"] or "Unavailable" in lost[0]["error"]
    again = [run for run in runs if run["strategy"] == lost[0]["strategy"] and run["seed"] == lost[0]["seed"]]
    assert len(again) == 2, "the lost run begins again"
    service.wait_until_whole()
