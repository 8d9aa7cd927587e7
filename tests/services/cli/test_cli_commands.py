"""Every other command of `isinglass` against a service on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_fake_service import FakeService, Refusal, Run

from protos.common_pb2 import SolveReport, Violation
from protos.decisions_pb2 import (
    AuditEntry,
    Check,
    Decision,
    ListAuditResponse,
    ListDecisionsResponse,
    ReplayDecisionResponse,
    VerifyDecisionResponse,
)
from protos.federation_pb2 import (
    BackendInfo,
    BackendPrice,
    Budget,
    BudgetAmounts,
    ListBackendsResponse,
    ListUsageResponse,
    UsageEntry,
)
from protos.jobs_pb2 import CANCELLED, RUNNING, SUCCEEDED, Job, JobEvent, ListJobsResponse
from protos.routing_pb2 import OptimizeToursResponse, PlannedRoute, PlannedStop, RoutingPlan


def finished(job_id: str, report: SolveReport) -> Job:
    plan = RoutingPlan(routes=[PlannedRoute(vehicle="van", stops=[PlannedStop(id="alpha")])])
    job = Job(id=job_id, kind="routing", state=SUCCEEDED, routing=OptimizeToursResponse(plan=plan, report=report))
    job.accepted_at.FromDatetime(datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC))
    return job


def test_jobs_lists_the_states_asked_for(run: Run, service: FakeService, report: SolveReport) -> None:
    service.answers["ListJobs"] = ListJobsResponse(jobs=[finished("job-7", report)], next_page_token="t2")
    outcome = run("jobs", "--state", "succeeded", "--limit", "3", "--page", "t1")
    assert "job-7" in outcome.out
    assert "SUCCEEDED" in outcome.out
    assert "2026-03-01 12:00:05" in outcome.out
    assert "--page t2" in outcome.out
    (request,) = service.requests("ListJobs")
    assert (list(request.states), request.page_size, request.page_token) == ([SUCCEEDED], 3, "t1")
    assert run("jobs", "--json").json["jobs"][0]["id"] == "job-7"


def test_jobs_show_prints_the_result(run: Run, service: FakeService, report: SolveReport) -> None:
    service.answers["GetJob"] = finished("job-7", report)
    assert "alpha" in run("jobs", "show", "job-7").out
    answer = run("jobs", "show", "job-7", "--json").json
    assert answer["routing"]["report"]["shots"] == 1000, "64-bit integers are numbers"
    assert answer["state"] == "SUCCEEDED"


def test_jobs_watch_follows_events_to_the_end(run: Run, service: FakeService, report: SolveReport) -> None:
    service.answers["WatchJob"] = [
        JobEvent(sequence=4, state=RUNNING, objective=120.0, found_by="savings"),
        JobEvent(sequence=5, state=SUCCEEDED, job=finished("job-7", report)),
    ]
    outcome = run("jobs", "watch", "job-7", "--after", "3")
    assert outcome.code == 0
    assert "savings" in outcome.out
    assert "decision-1" in outcome.out
    assert service.requests("WatchJob")[0].after_sequence == 3
    lines = [json.loads(line) for line in run("jobs", "watch", "job-7", "--json").out.splitlines()]
    assert [line["sequence"] for line in lines] == [4, 5]


def test_jobs_watch_of_a_cancelled_job_has_exit_code_1(run: Run, service: FakeService) -> None:
    service.answers["WatchJob"] = [JobEvent(sequence=1, state=CANCELLED)]
    assert run("jobs", "watch", "job-7").code == 1


def test_jobs_cancel_says_what_became_of_the_job(run: Run, service: FakeService) -> None:
    service.answers["CancelJob"] = Job(id="job-7", state=CANCELLED)
    assert run("jobs", "cancel", "job-7").out == "job-7 is cancelled\n"


def test_an_id_that_does_not_exist_is_refused(run: Run, service: FakeService) -> None:
    service.answers["GetJob"] = Refusal("NOT_FOUND", "job 'x' does not exist")
    outcome = run("jobs", "show", "x")
    assert outcome.code == 1
    assert "job 'x' does not exist (NOT_FOUND)" in outcome.err


def test_backends_shows_price_queue_and_health(run: Run, service: FakeService) -> None:
    price = BackendPrice(per_task_usd=0.3, per_shot_usd=0.00145, as_of="2026-01-05")
    up = BackendInfo(name="metered", technology="gate", qubits=27, available=True, price=price, queue_length=4)
    down = BackendInfo(name="other", technology="annealer", unavailable_reason="calibration too old")
    service.answers["ListBackends"] = ListBackendsResponse(backends=[up, down])
    outcome = run("backends")
    for text in ("metered", "27", "0.00145", "2026-01-05", "unavailable: calibration too old"):
        assert text in outcome.out, text
    assert run("backends", "--json").json["backends"][0]["queue_length"] == 4


def test_budget_shows_limit_reserved_settled_and_free(run: Run, service: FakeService) -> None:
    service.answers["GetBudget"] = Budget(
        tenant="t", project="p", period="2026-11", limit=BudgetAmounts(usd=5, shots=1000), free=BudgetAmounts(usd=4.25)
    )
    outcome = run("budget", "--project", "p")
    assert "t/p" in outcome.out
    assert "4.25" in outcome.out
    assert "1,000" in outcome.out
    assert "unlimited" in outcome.out, "device seconds have no limit"
    assert run("budget", "--json").json["limit"] == {"usd": 5.0, "shots": 1000}


def test_budget_set_keeps_limits_that_are_not_given(run: Run, service: FakeService) -> None:
    service.answers["GetBudget"] = Budget(tenant="t", limit=BudgetAmounts(usd=5, shots=1000, device_seconds=9))
    service.answers["SetBudget"] = lambda request: Budget(tenant="t", limit=request.limit)
    outcome = run("budget", "set", "--usd", "7.5", "--json")
    assert outcome.json["limit"] == {"usd": 7.5, "shots": 1000, "device_seconds": 9.0}


def test_a_first_budget_limits_only_what_is_given(run: Run, service: FakeService) -> None:
    service.answers["GetBudget"] = Budget(tenant="t", limit=BudgetAmounts(usd=0, shots=0, device_seconds=0))
    service.answers["SetBudget"] = lambda request: Budget(tenant="t", limit=request.limit)
    assert run("budget", "set", "--usd", "3", "--json").json["limit"] == {"usd": 3.0}


def test_a_limit_can_be_lifted(run: Run, service: FakeService) -> None:
    service.answers["GetBudget"] = Budget(tenant="t", limit=BudgetAmounts(usd=5, shots=10, device_seconds=9))
    service.answers["SetBudget"] = lambda request: Budget(tenant="t", limit=request.limit)
    limit = run("budget", "set", "--shots", "unlimited", "--device-seconds", "12.5", "--json").json["limit"]
    assert limit == {"usd": 5.0, "device_seconds": 12.5}


def test_budgets_and_usage_by_label_name_the_label(run: Run, service: FakeService) -> None:
    service.answers["GetBudget"] = lambda request: Budget(tenant="t", label=request.label)
    service.answers["SetBudget"] = lambda request: Budget(tenant="t", label=request.label, limit=request.limit)
    service.answers["ListUsage"] = ListUsageResponse()
    assert "label team=a" in run("budget", "--label", "team=a").out
    assert run("budget", "set", "--label", "team=a", "--usd", "2", "--json").json["label"] == "team=a"
    assert run("budget", "usage", "--label", "team=a").code == 0
    assert {service.requests(name)[-1].label for name in ("GetBudget", "SetBudget", "ListUsage")} == {"team=a"}


def test_the_audit_log_says_what_was_decided_and_whether_it_is_whole(run: Run, service: FakeService) -> None:
    entry = AuditEntry(position=2, event="canary")
    entry.record.update({"kind": "routing", "stable": "old", "candidate": "new", "verdict": "ROLL_BACK", "why": "slow"})
    service.answers["ListAudit"] = ListAuditResponse(entries=[entry])
    outcome = run("decisions", "audit")
    assert outcome.code == 0
    for text in ("routing new for old", "ROLL_BACK", "slow", "The log is whole."):
        assert text in outcome.out
    failed = Check(name="hash", passed=False, detail="audit entry 2")
    service.answers["ListAudit"] = ListAuditResponse(entries=[entry], failed=[failed])
    outcome = run("decisions", "audit")
    assert outcome.code == 1
    assert "audit entry 2: hash does not hold" in outcome.out


@pytest.mark.parametrize("value", ["-1", "1.5", "lots", "nan"])
def test_a_limit_that_is_no_number_of_shots_is_wrong_usage(run: Run, service: FakeService, value: str) -> None:
    assert run("budget", "set", "--shots", value).code == 2
    assert service.asked == []


def test_budget_usage_names_job_backend_and_what_was_settled(run: Run, service: FakeService) -> None:
    entry = UsageEntry(job_id="j-1", backend="metered", state="SETTLED", settled=BudgetAmounts(usd=0.31, shots=1000))
    service.answers["ListUsage"] = ListUsageResponse(entries=[entry])
    outcome = run("budget", "usage", "--project", "p")
    for text in ("j-1", "metered", "SETTLED", "0.31", "1000"):
        assert text in outcome.out, text
    assert service.requests("ListUsage")[0].project == "p"


def test_budget_set_without_a_limit_is_wrong_usage(run: Run, service: FakeService) -> None:
    assert run("budget", "set").code == 2
    assert service.asked == []


def test_decisions_lists_and_shows_records(run: Run, service: FakeService) -> None:
    decision = Decision(id="d-1", job_id="j-1", position=3, hash="ab" * 32)
    decision.record.update({"request_digest": "sha256:00"})
    service.answers["ListDecisions"] = ListDecisionsResponse(decisions=[decision])
    service.answers["GetDecision"] = decision
    assert "d-1" in run("decisions", "--job", "j-1").out
    assert service.requests("ListDecisions")[0].job_id == "j-1"
    shown = run("decisions", "show", "d-1", "--json").json
    assert shown["record"]["request_digest"] == "sha256:00"
    assert shown["position"] == 3


@pytest.mark.parametrize(("valid", "code"), [(True, 0), (False, 1)])
def test_verify_has_exit_code_1_when_anything_was_altered(
    run: Run, service: FakeService, valid: bool, code: int
) -> None:
    violations = [] if valid else [Violation(constraint="capacity", entity="van", amount=3)]
    checks = [Check(name="plan_digest", passed=valid, detail="sha256:12")]
    service.answers["VerifyDecision"] = VerifyDecisionResponse(
        valid=valid, checks=checks, objective=12.5, feasible=valid, violations=violations
    )
    outcome = run("verify", "d-1")
    assert outcome.code == code
    assert "plan_digest" in outcome.out
    assert ("NOT valid" in outcome.out) == (not valid)
    assert ("capacity" in outcome.out) == (not valid)
    as_json = run("verify", "d-1", "--json")
    assert as_json.code == code
    assert as_json.json["valid"] is valid


def test_replay_compares_digests(run: Run, service: FakeService) -> None:
    service.answers["ReplayDecision"] = ReplayDecisionResponse(
        identical=False, recorded_plan_digest="a", replayed_plan_digest="b", replayed_objective=3.0
    )
    outcome = run("replay", "d-1")
    assert outcome.code == 1
    assert "NOT identical" in outcome.out


def test_what_the_service_does_not_do_is_said_plainly(run: Run, service: FakeService) -> None:
    service.answers.clear()
    outcome = run("replay", "d-1")
    assert outcome.code == 1
    assert "ReplayDecision is not served (UNIMPLEMENTED)" in outcome.err
    assert run("replay", "d-1", "--json").json["code"] == "UNIMPLEMENTED"


def problems(folder: Path, names: tuple[str, ...]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(json.dumps({"visits": [{"id": name}], "vehicles": [{"id": "van"}]}))
    return folder


def test_batch_answers_every_file_of_a_folder_on_its_own_line(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    source, target = problems(tmp_path / "in", ("a.json", "b.json", "c.json")), tmp_path / "out.jsonl"
    busy = iter([Refusal("RESOURCE_EXHAUSTED", "busy", retry_after_s=0.01)])

    def submit(request: Any) -> Any:
        return next(busy, Job(id=request.routing.problem.visits[0].id))

    service.answers["SubmitJob"] = submit
    service.answers["WatchJob"] = lambda request: [
        JobEvent(sequence=1, state=SUCCEEDED, job=finished(request.job_id, report))
    ]
    outcome = run("batch", source, target, "--deadline", "2s", "--parallel", "2")
    assert outcome.code == 0
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert sorted(line["input"] for line in lines) == ["a.json", "b.json", "c.json"]
    assert all(line["routes"] == [["alpha"]] for line in lines)
    assert service.requests("SubmitJob")[0].routing.policy.deadline.seconds == 2
    assert run("batch", source, target).code == 2, "an answer that exists is not overwritten"


def test_batch_goes_on_after_a_bad_input_and_resumes_with_what_is_missing(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"visits": [{"id": "a"}]}\n{"nonsense": 1}\n')
    service.answers["SubmitJob"] = Job(id="job-1")
    service.answers["WatchJob"] = [JobEvent(sequence=1, state=SUCCEEDED, job=finished("job-1", report))]
    assert run("batch", source, target).code == 1
    by_input = {line["input"]: line for line in map(json.loads, target.read_text().splitlines())}
    assert by_input["line 1"]["feasible"] is True
    assert by_input["line 2"]["error"]["code"] == "INVALID_ARGUMENT"
    service.asked.clear()
    run("batch", source, target, "--resume")
    assert service.requests("SubmitJob") == [], "line 1 has its answer, line 2 never reaches the service"


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from services.cli.main import main; code = main(['--help']);"
        "heavy = {'ray', 'numba', 'numpy', 'qiskit', 'rich', 'google.protobuf', 'sqlalchemy'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    finished_run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished_run.returncode == 0, finished_run.stderr
    commands = [
        "up",
        "down",
        "status",
        "solve",
        "sample",
        "jobs",
        "backends",
        "budget",
        "decisions",
        "verify",
        "replay",
        "batch",
        "bench",
    ]
    for command in commands:
        assert f"\n  {command} " in finished_run.stdout, command


def test_asking_a_running_service_loads_no_engine(service: FakeService, tmp_path: Path, report: SolveReport) -> None:
    plan = RoutingPlan(routes=[PlannedRoute(stops=[PlannedStop(id="a")])])
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=report)
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"visits": [{"id": "a"}]}))
    script = (
        "import sys; from services.cli.main import main;"
        f"code = main(['--state-dir', {str(tmp_path)!r}, '--address', {service.address!r}, 'solve', {str(path)!r}]);"
        "heavy = {'ray', 'numba', 'qiskit', 'pyvrp', 'dimod', 'sqlalchemy'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    finished_run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished_run.returncode == 0, finished_run.stderr
