"""`isinglass solve` and `isinglass sample` against a service on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_fake_service import FakeService, Refusal, Run
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from protos.common_pb2 import (
    HYBRID,
    INFEASIBLE,
    INSURANCE,
    DataResidency,
    SolveReport,
    Violation,
)
from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, PrioritizeInvoicesResponse
from protos.routing_pb2 import OptimizeToursResponse, PlannedRoute, PlannedStop, RoutingPlan, UnassignedVisit
from protos.sampling_pb2 import AssignmentSample, SamplePlan, SampleResponse
from services.cli import progress

KEYS = [
    "job_id", "decision_id", "kind", "feasible", "objective", "bound", "gap", "service_level", "routes",
    "contributions", "cost_usd", "elapsed_s",
]  # fmt: skip

TWO_STOPS = {
    "locations": [{"id": "d", "point": {"x": 0, "y": 0}}, {"id": "a", "point": {"x": 3, "y": 4}}],
    "vehicles": [{"id": "van", "start_location": "d", "end_location": "d"}],
    "visits": [{"id": "alpha", "location": "a", "delivery": {"kg": 3}}, {"id": "beta", "location": "a"}],
}

VRP = """NAME : tiny
COMMENT : three customers
TYPE : CVRP
DIMENSION : 4
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 0 3
3 4 0
4 4 3
DEMAND_SECTION
1 0
2 5
3 5
4 5
DEPOT_SECTION
1
-1
EOF
"""


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    path = tmp_path / "two.json"
    path.write_text(json.dumps(TWO_STOPS))
    return path


def tours(report: SolveReport, *routes: tuple[str, ...]) -> OptimizeToursResponse:
    plan = RoutingPlan(
        routes=[
            PlannedRoute(vehicle="van", stops=[PlannedStop(id=stop) for stop in stops], distance=10.0, end_s=3725.0)
            for stops in routes
        ]
    )
    return OptimizeToursResponse(plan=plan, report=report)


def test_json_is_one_object_with_the_documented_keys(
    run: Run, service: FakeService, problem: Path, report: SolveReport
) -> None:
    service.answers["OptimizeTours"] = tours(report, ("beta", "alpha"))
    outcome = run("solve", problem, "--json")
    assert outcome.code == 0
    assert list(outcome.json) == KEYS
    assert outcome.json["routes"] == [["beta", "alpha"]]
    assert outcome.json["kind"] == "routing"
    assert outcome.json["service_level"] == "FULL"
    assert outcome.json["elapsed_s"] == 1.25
    assert outcome.json["gap"] == pytest.approx(0.0248756)
    assert outcome.err == ""


def test_json_names_each_contribution_with_its_lift_over_control(
    run: Run, service: FakeService, problem: Path, report: SolveReport
) -> None:
    service.answers["OptimizeTours"] = tours(report, ("alpha",))
    classical, quantum = run("solve", problem, "--json").json["contributions"]
    assert classical["strategy"] == "savings"
    assert classical["backend"] is None
    assert classical["quantum_lift"] is None
    assert quantum["backend"] == "metered"
    assert quantum["shots"] == 1000
    assert quantum["quantum_lift"]["mean_low"] == 0.5


def test_unknown_bound_and_gap_are_null(run: Run, service: FakeService, problem: Path, report: SolveReport) -> None:
    report.ClearField("bound")
    report.ClearField("gap")
    service.answers["OptimizeTours"] = tours(report, ("alpha",))
    answer = run("solve", problem, "--json").json
    assert answer["bound"] is None
    assert answer["gap"] is None


def test_customers_of_a_vrplib_file_are_node_numbers_minus_one(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    def one_each(request: Any) -> OptimizeToursResponse:
        return tours(report, *((visit.id,) for visit in request.problem.visits))

    service.answers["OptimizeTours"] = one_each
    path = tmp_path / "tiny.vrp"
    path.write_text(VRP)
    assert run("solve", path, "--json").json["routes"] == [[1], [2], [3]]


def test_every_policy_option_reaches_the_service(
    run: Run, service: FakeService, problem: Path, report: SolveReport
) -> None:
    service.answers["OptimizeTours"] = tours(report, ("alpha",))
    options = (
        "--deadline 1500ms --budget-usd 0.5 --profile hybrid --seed 1 --target-gap 0.01 --max-shots 300 --priority 9 "
        "--backend one --backend two --external-allowed --label team=north --label day=1 --idempotency-key abc "
        "--project p --replayable"
    )
    run("solve", problem, *options.split(), "--json")
    (request,) = service.requests("OptimizeTours")
    policy = request.policy
    assert policy.deadline.ToTimedelta().total_seconds() == 1.5
    assert (policy.budget_usd, policy.profile, policy.seed, policy.target_gap) == (0.5, HYBRID, 1, 0.01)
    assert (policy.max_shots, policy.priority, list(policy.allowed_backends)) == (300, 9, ["one", "two"])
    assert policy.data_residency == DataResidency.EXTERNAL_ALLOWED
    assert dict(policy.labels) == {"team": "north", "day": "1"}
    assert (policy.idempotency_key, policy.replayable, request.project) == ("abc", True, "p")
    assert service.metadata[0]["authorization"] == "Bearer k-1"
    assert service.metadata[0]["x-correlation-id"]


def test_what_is_not_given_stays_as_the_file_says(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    service.answers["OptimizeTours"] = tours(report, ("alpha",))
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"problem": TWO_STOPS, "policy": {"deadline": "3s", "seed": 5}, "project": "q"}))
    run("solve", path, "--seed", "6", "--json")
    (request,) = service.requests("OptimizeTours")
    assert request.policy.deadline.seconds == 3
    assert request.policy.seed == 6
    assert not request.policy.HasField("budget_usd")
    assert request.project == "q"


def test_a_person_sees_plan_cost_gap_and_who_contributed(
    run: Run, service: FakeService, problem: Path, report: SolveReport
) -> None:
    report.service_level = INSURANCE
    report.service_level_reason = "WORKERS_LOST"
    response = tours(report, ("beta", "alpha"))
    response.plan.unassigned.add(id="gamma", reason=UnassignedVisit.TOO_FAR, detail="12 km beyond")
    service.answers["OptimizeTours"] = response
    outcome = run("solve", problem)
    assert outcome.code == 0
    for text in ("100.5", "2.49 %", "INSURANCE: WORKERS_LOST", "beta alpha", "01:02:05", "gamma", "12 km beyond",
                 "metered", "$0.31", "1.5 [0.5, 2.5]", "decision-1"):  # fmt: skip
        assert text in outcome.out, text
    assert outcome.err == ""


def test_payments_carry_date_amount_and_currency(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    paid = InvoiceDecision(
        invoice_id="i-1",
        decision=InvoiceDecision.PAY,
        requested_execution_date=Date(year=2026, month=2, day=3),
        payment_amount=Money(currency_code="EUR", units=1234, nanos=560_000_000),
        discount_taken=Money(currency_code="EUR", units=25, nanos=200_000_000),
        priority_rank=1,
        end_to_end_id="E1",
    )
    held = InvoiceDecision(invoice_id="i-2", decision=InvoiceDecision.HOLD)
    plan = InvoicePlan(decisions=[paid, held])
    service.answers["PrioritizeInvoices"] = PrioritizeInvoicesResponse(plan=plan, report=report)
    path = tmp_path / "invoices.json"
    path.write_text(json.dumps({"base_currency": "EUR", "invoices": [{"invoice_id": "i-1"}]}))
    answer = run("solve", path, "--json").json
    assert list(answer) == [key if key != "routes" else "payments" for key in KEYS]
    (payment,) = answer["payments"]
    assert (payment["invoice_id"], payment["date"]) == ("i-1", "2026-02-03")
    assert (payment["amount"], payment["currency"], payment["discount"]) == (1234.56, "EUR", 25.2)
    human = run("solve", path)
    assert "1,234.56" in human.out
    assert "1 HOLD, 1 PAY" in human.out


def test_sample_asks_for_samples_and_shows_energies(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    samples = [AssignmentSample(values=[0, 1], energy=-2.0, occurrences=3)]
    service.answers["Sample"] = SampleResponse(plan=SamplePlan(samples=samples), report=report)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"quadratic": {"vartype": "BINARY", "num_variables": 2, "linear": [1, -2]}}))
    answer = run("sample", path, "--num-samples", "5", "--temperature", "0.5", "--json").json
    assert answer["samples"] == [{"values": [0, 1], "energy": -2.0, "occurrences": 3}]
    (request,) = service.requests("Sample")
    assert (request.problem.options.num_samples, request.problem.options.temperature) == (5, 0.5)
    assert "0 1" in run("sample", path).out


def test_an_infeasible_problem_is_an_answer_with_exit_code_1(run: Run, service: FakeService, problem: Path) -> None:
    violation = Violation(constraint="capacity", entity="alpha", amount=2.0)
    report = SolveReport(job_id="j", status=INFEASIBLE, feasible=False, violations=[violation])
    service.answers["OptimizeTours"] = OptimizeToursResponse(report=report)
    outcome = run("solve", problem, "--json")
    assert outcome.code == 1
    assert outcome.json["feasible"] is False
    assert outcome.json["objective"] is None
    assert outcome.json["routes"] == []
    human = run("solve", problem)
    assert human.code == 1
    assert "infeasible" in human.out
    assert "capacity" in human.out


def test_refused_fields_are_shown_by_path(run: Run, service: FakeService, problem: Path) -> None:
    fields = (("visits[0].delivery", "kg is -4; allowed: >= 0"), ("visits[1].location", "'z' does not exist"))
    service.answers["OptimizeTours"] = Refusal("INVALID_ARGUMENT", "2 fields are at fault", fields)
    outcome = run("solve", problem)
    assert outcome.code == 1
    assert outcome.out == ""
    assert "visits[0].delivery: kg is -4" in outcome.err
    assert "visits[1].location" in outcome.err
    as_json = run("solve", problem, "--json")
    assert as_json.code == 1
    assert as_json.json["code"] == "INVALID_ARGUMENT"
    assert as_json.json["message"] == "2 fields are at fault"
    assert as_json.json["field_violations"][0] == {"field": fields[0][0], "description": fields[0][1]}
    assert as_json.err == ""


def test_too_busy_says_when_to_come_back(run: Run, service: FakeService, problem: Path) -> None:
    service.answers["OptimizeTours"] = Refusal("RESOURCE_EXHAUSTED", "10 jobs wait", retry_after_s=2.5)
    assert "come back in 2.5 s" in run("solve", problem).err
    assert run("solve", problem, "--json").json["retry_after_s"] == 2.5


def test_an_unreachable_service_has_exit_code_3(run: Run, problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISINGLASS_ADDRESS", "127.0.0.1:1")
    outcome = run("solve", problem, "--json")
    assert outcome.code == 3
    assert outcome.json["code"] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1, column 2"),
        ("[]", "is a list"),
        ('{"colour": 1}', "colour"),
        ('{"visits": [{"id": "a", "colour": 1}]}', "problem.visits[0]"),
        ('{"visits": [{"id": "a", "delivery": {"kg": 1.5}}]}', "problem.visits[0].delivery"),
        ('{"problem": {"visits": []}, "policy": {"deadline": "soon"}}', "policy.deadline"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_with_the_place(
    run: Run, service: FakeService, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    outcome = run("solve", path, "--json")
    assert outcome.code == 1
    assert outcome.json["code"] == "INVALID_ARGUMENT"
    (fault,) = outcome.json["field_violations"]
    assert said in fault["field"] + fault["description"]
    assert service.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("solve", "absent.vrp"),
        ("solve", "PROBLEM", "--deadline", "soon"),
        ("solve", "PROBLEM", "--deadline", "-1s"),
        ("solve", "PROBLEM", "--profile", "magic"),
        ("solve", "PROBLEM", "--label", "novalue"),
        ("solve", "PROBLEM", "--seed", "-1"),
        ("dance",),
    ],
)
def test_wrong_usage_has_exit_code_2_and_is_json_when_asked(
    run: Run, problem: Path, arguments: tuple[str, ...]
) -> None:
    given = [str(problem) if argument == "PROBLEM" else argument for argument in arguments]
    assert run(*given).code == 2
    outcome = run(*given, "--json")
    assert outcome.code == 2
    assert outcome.json["code"] == "USAGE"


def test_a_terminal_gets_the_stream_and_its_last_plan(
    run: Run, service: FakeService, problem: Path, report: SolveReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SolveReport(job_id="job-1", objective=200.0, feasible=True)
    service.answers["StreamTours"] = [tours(first, ("alpha",)), tours(report, ("beta", "alpha"))]
    monkeypatch.setattr(progress, "wanted", lambda: True)
    outcome = run("solve", problem)
    assert outcome.code == 0
    assert "beta alpha" in outcome.out
    assert [name for name, _ in service.asked] == ["StreamTours"]


def test_json_does_not_stream_even_on_a_terminal(
    run: Run, service: FakeService, problem: Path, report: SolveReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers["OptimizeTours"] = tours(report, ("alpha",))
    monkeypatch.setattr(progress, "wanted", lambda: True)
    assert run("solve", problem, "--json").json["feasible"] is True


def test_the_progress_line_shows_time_incumbent_bound_gap_and_finder(report: SolveReport) -> None:
    line = progress.ProgressLine()
    assert "no plan yet" in line.text()
    line.report = report
    for text in (" s", "incumbent 100.5", "bound 98", "gap 2.49 %", "by kernel@metered"):
        assert text in line.text()
