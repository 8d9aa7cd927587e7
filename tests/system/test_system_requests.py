"""Requests go the whole way: gRPC, Serve, coordinator, workers, devices, store, and back."""

from __future__ import annotations

import threading
import time
import urllib.request
from typing import Any

import grpc
import pytest
import system_requests as requests
from google.rpc import error_details_pb2, status_pb2

from protos import common_pb2, decisions_pb2, federation_pb2, jobs_pb2, routing_pb2, sampling_pb2
from services import host
from services.convert import binary, invoices, routing
from store.keys import Role
from store.store import Store

pytestmark = pytest.mark.system

CASES = [
    ("routing", "OptimizeTours", requests.routing, routing),
    ("invoices", "PrioritizeInvoices", requests.invoices, invoices),
    ("sampling", "Sample", requests.binary, binary),
]


def _violations(error: grpc.RpcError) -> dict[str, str]:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    request = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(request)
    return {v.field: v.description for v in request.field_violations}


def _jobs(service: Any) -> int:
    page = service.call("jobs", "ListJobs", jobs_pb2.ListJobsRequest(page_size=500))
    return len(page.jobs)


@pytest.mark.parametrize(("name", "method", "make", "convert"), CASES)
def test_a_request_is_answered_in_time_with_a_plan_that_verifies(
    service: Any, name: str, method: str, make: Any, convert: Any
) -> None:
    request = make(deadline_s=3.0)
    started = time.monotonic()
    response = service.call(name, method, request)
    assert time.monotonic() - started < 3.0 + requests.GRACE_S
    report = response.report
    assert report.feasible
    assert report.service_level == common_pb2.FULL
    assert report.job_id
    assert report.decision_id
    problem = convert.problem_from_message(request.problem)
    plan = convert.plan_from_message(problem, response.plan)
    verdict = problem.verify(plan)
    assert verdict.feasible
    assert verdict.objective == pytest.approx(report.objective)
    assert sum(report.terms.values()) == pytest.approx(report.objective)


@pytest.mark.parametrize(("name", "method", "make", "convert"), CASES)
def test_profile_simulate_reports_the_quantum_part_whether_it_helped_or_not(
    service: Any, name: str, method: str, make: Any, convert: Any
) -> None:
    response = service.call(name, method, make(deadline_s=8.0, profile="SIMULATE"))
    by_backend = {c.backend: c for c in response.report.contributions if c.backend}
    assert set(by_backend) == {"local-annealer", "statevector"}
    answered = [c for c in by_backend.values() if c.outcome == "OK"]
    assert answered or all(c.reason == "NO_KERNEL" for c in by_backend.values())
    for contribution in answered:
        lift = contribution.quantum_lift
        assert lift.kernel_variables >= 2
        assert lift.samples > 0
        assert lift.control_samples > 0
        assert lift.mean_low <= lift.mean_difference <= lift.mean_high
        assert contribution.improvement >= 0
        assert contribution.cost_usd == 0


def test_a_stream_improves_and_ends_with_the_answer(service: Any) -> None:
    request = requests.routing(60, deadline_s=2.0)
    seen = list(service.stub("routing").StreamTours(request, metadata=service.metadata, timeout=10))
    objectives = [message.report.objective for message in seen]
    assert len(seen) >= 2
    assert objectives == sorted(objectives, reverse=True)
    assert seen[-1].report.decision_id
    assert seen[-1].report.objective == min(objectives)


def test_the_same_key_is_the_same_job_and_another_request_is_refused(service: Any) -> None:
    first = service.call("invoices", "PrioritizeInvoices", requests.invoices(idempotency_key="same-1"))
    again = service.call("invoices", "PrioritizeInvoices", requests.invoices(idempotency_key="same-1"))
    assert again.report.job_id == first.report.job_id
    assert again.plan == first.plan
    with pytest.raises(grpc.RpcError) as caught:
        service.call("invoices", "PrioritizeInvoices", requests.invoices(seed=2, idempotency_key="same-1"))
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


def test_bad_input_names_every_field_and_stores_nothing(service: Any) -> None:
    request = requests.routing(5)
    request.problem.visits[1].delivery["load"] = -4
    request.problem.visits[2].id = request.problem.visits[3].id
    request.problem.visits[4].location = "nowhere"
    request.problem.visits[0].time_windows.add(earliest_s=10, latest_s=5)
    request.problem.locations[2].point.x = float("nan")
    request.policy.budget_usd = -1
    request.policy.allowed_backends.append("no-such-device")
    before = _jobs(service)
    with pytest.raises(grpc.RpcError) as caught:
        service.call("routing", "OptimizeTours", request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    fields = _violations(caught.value)
    for wanted in (
        "problem.visits[1].delivery",
        "problem.visits[3].id",
        "problem.visits[4].location",
        "problem.visits[0].time_windows[0]",
        "problem.locations[2].point",
        "policy.budget_usd",
        "policy.allowed_backends[0]",
    ):
        assert any(field.startswith(wanted) for field in fields), (wanted, fields)
    assert _jobs(service) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.policy.deadline.FromMilliseconds(50),
        lambda r: r.policy.deadline.FromSeconds(3601),
        lambda r: r.policy.deadline.FromSeconds(-1),
        lambda r: setattr(r.policy, "target_gap", float("nan")),
        lambda r: setattr(r.policy, "priority", 10),
        lambda r: setattr(r.policy, "idempotency_key", "x" * 129),
        lambda r: setattr(r, "project", "x" * 64),
    ],
)
def test_a_policy_out_of_range_is_refused(service: Any, spoil: Any) -> None:
    request = requests.invoices(5)
    spoil(request)
    with pytest.raises(grpc.RpcError) as caught:
        service.call("invoices", "PrioritizeInvoices", request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(_violations(caught.value)) == 1


def test_a_message_of_100_megabytes_is_refused_by_name(service: Any) -> None:
    request = sampling_pb2.SampleRequest()
    request.problem.quadratic.vartype = sampling_pb2.BINARY
    request.problem.quadratic.num_variables = 5_000
    request.problem.quadratic.linear.extend([0.5] * 12_500_000)
    with pytest.raises(grpc.RpcError) as caught:
        service.call("sampling", "Sample", request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "bytes" in _violations(caught.value)["problem"]


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer isk_wrong")], [("authorization", "Basic abc")]])
def test_without_a_good_key_nothing_is_answered(service: Any, metadata: list[tuple[str, str]]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        service.stub("jobs").ListJobs(jobs_pb2.ListJobsRequest(), metadata=metadata, timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_opens_only_what_its_roles_allow(service: Any) -> None:
    from datetime import UTC, datetime

    settings = service.config.settings()
    store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
    _, token = store.keys.create("elsewhere", [Role.VIEWER], datetime.now(UTC))
    store.close()
    metadata = [("authorization", f"Bearer {token}")]
    listed = service.stub("jobs").ListJobs(jobs_pb2.ListJobsRequest(), metadata=metadata, timeout=10)
    assert list(listed.jobs) == [], "another tenant's jobs are not to be seen"
    with pytest.raises(grpc.RpcError) as caught:
        service.stub("invoices").PrioritizeInvoices(requests.invoices(5), metadata=metadata, timeout=10)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_submitted_job_can_be_watched_to_its_end(service: Any) -> None:
    request = jobs_pb2.SubmitJobRequest(routing=requests.routing(40, deadline_s=2.0))
    job = service.call("jobs", "SubmitJob", request)
    assert job.state in (jobs_pb2.ACCEPTED, jobs_pb2.RUNNING)
    watch = jobs_pb2.WatchJobRequest(job_id=job.id)
    events = list(service.stub("jobs").WatchJob(watch, metadata=service.metadata, timeout=20))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].state == jobs_pb2.SUCCEEDED
    assert events[-1].job.routing.report.feasible
    resumed = jobs_pb2.WatchJobRequest(job_id=job.id, after_sequence=events[-2].sequence)
    tail = list(service.stub("jobs").WatchJob(resumed, metadata=service.metadata, timeout=20))
    assert [event.sequence for event in tail] == [events[-1].sequence]


def test_a_cancelled_job_ends_at_once_and_keeps_its_plan(service: Any) -> None:
    request = jobs_pb2.SubmitJobRequest(routing=requests.routing(60, deadline_s=60.0))
    job = service.call("jobs", "SubmitJob", request)
    time.sleep(0.7)
    started = time.monotonic()
    cancelled = service.call("jobs", "CancelJob", jobs_pb2.CancelJobRequest(job_id=job.id))
    assert time.monotonic() - started < 5.0, "of a minute"
    assert cancelled.state == jobs_pb2.CANCELLED
    assert cancelled.routing.report.feasible
    again = service.call("jobs", "CancelJob", jobs_pb2.CancelJobRequest(job_id=job.id))
    assert again.state == jobs_pb2.CANCELLED, "a terminal state is final"


def test_a_client_that_goes_away_cancels_its_synchronous_job(service: Any, eventually: Any) -> None:
    call = service.stub("routing").OptimizeTours.future(
        requests.routing(60, deadline_s=60.0, labels={"who": "gone"}), metadata=service.metadata, timeout=60
    )
    time.sleep(1.0)
    call.cancel()

    def ended() -> bool:
        page = service.call("jobs", "ListJobs", jobs_pb2.ListJobsRequest(page_size=20))
        mine = [job for job in page.jobs if job.labels.get("who") == "gone"]
        return bool(mine) and mine[0].state == jobs_pb2.CANCELLED

    eventually(ended, 15.0)


@pytest.mark.parametrize(
    ("service_name", "method", "request_"),
    [
        ("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id="job-none")),
        ("decisions", "GetDecision", decisions_pb2.GetDecisionRequest(decision_id="dec-none")),
        ("decisions", "VerifyDecision", decisions_pb2.VerifyDecisionRequest(decision_id="dec-none")),
    ],
)
def test_ids_that_do_not_exist_are_not_found(service: Any, service_name: str, method: str, request_: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        service.call(service_name, method, request_)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_decision_verifies_until_its_plan_is_altered(service: Any) -> None:
    report = service.call("routing", "OptimizeTours", requests.routing(20, deadline_s=1.5)).report
    verify = decisions_pb2.VerifyDecisionRequest(decision_id=report.decision_id)
    sound = service.call("decisions", "VerifyDecision", verify)
    assert sound.valid, [c for c in sound.checks if not c.passed]
    assert sound.objective == pytest.approx(report.objective)
    record = service.call("decisions", "GetDecision", decisions_pb2.GetDecisionRequest(decision_id=report.decision_id))
    digest = record.record.fields["plan_digest"].string_value.removeprefix("sha256:")
    stored = [
        path for path in (service.config.state_dir / "artifacts").rglob("*") if digest in path.name.replace("/", "")
    ]
    if not stored:  # sharded by the digest's first characters
        stored = [
            p for p in (service.config.state_dir / "artifacts").rglob("*") if p.is_file() and digest.endswith(p.name)
        ]
    assert len(stored) == 1
    original = stored[0].read_bytes()
    stored[0].chmod(0o600)
    stored[0].write_bytes(original.replace(b"1", b"2", 1))
    try:
        altered = service.call("decisions", "VerifyDecision", verify)
    finally:
        stored[0].write_bytes(original)
    assert not altered.valid
    assert [c.name for c in altered.checks if not c.passed] == ["plan artifact"]


def test_a_replayable_decision_replays_to_the_same_bytes(service: Any) -> None:
    report = service.call("routing", "OptimizeTours", requests.routing(30, deadline_s=2.0, replayable=True)).report
    assert report.feasible
    replay = service.call(
        "decisions", "ReplayDecision", decisions_pb2.ReplayDecisionRequest(decision_id=report.decision_id)
    )
    assert replay.recorded_plan_digest.startswith("sha256:")
    assert replay.identical
    assert replay.replayed_objective == pytest.approx(report.objective)


def test_the_correlation_id_runs_from_the_metadata_to_the_record(service: Any) -> None:
    report = service.call(
        "invoices", "PrioritizeInvoices", requests.invoices(6), x_correlation_id="corr-from-caller"
    ).report
    assert report.correlation_id == "corr-from-caller"
    decision = service.call(
        "decisions", "GetDecision", decisions_pb2.GetDecisionRequest(decision_id=report.decision_id)
    )
    assert decision.record.fields["correlation_id"].string_value == "corr-from-caller"


def test_operators_see_jobs_latencies_and_queues_on_metrics(service: Any) -> None:
    service.call("invoices", "PrioritizeInvoices", requests.invoices(6))
    with urllib.request.urlopen(f"http://{service.info.http_address}/metrics", timeout=10) as response:
        text = response.read().decode()
    for name in (
        'isinglass_jobs_total{kind="invoices"',
        "isinglass_job_seconds_bucket",
        "isinglass_requests_total",
        "isinglass_queue_length",
        "isinglass_insurance_seconds_sum",
    ):
        assert name in text, name


def test_backends_are_listed_with_price_and_dates_of_calibration(service: Any) -> None:
    listed = service.call("federation", "ListBackends", federation_pb2.ListBackendsRequest()).backends
    by_name = {backend.name: backend for backend in listed}
    assert set(by_name) == {"local-annealer", "statevector", "noisy-fez"}
    noisy = by_name["noisy-fez"]
    assert noisy.available
    assert noisy.price.per_task_usd > 0
    assert noisy.price.source
    assert noisy.calibration_id
    assert noisy.oldest_calibration.seconds < noisy.newest_calibration.seconds


def test_reconciling_an_outage_is_answered_and_recorded(service: Any) -> None:
    from google.type import date_pb2

    from protos import invoices_pb2

    asked = requests.invoices(8)
    plan = service.call("invoices", "PrioritizeInvoices", asked).plan
    request = invoices_pb2.ReconcileOutageRequest(problem=asked.problem, plan=plan)
    with pytest.raises(grpc.RpcError) as caught:
        service.call("invoices", "ReconcileOutage", request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "reconciled_on" in _violations(caught.value)
    request.reconciled_on.CopyFrom(date_pb2.Date(year=2030, month=1, day=2))
    answer = service.call("invoices", "ReconcileOutage", request)
    assert answer.job_id
    verify = decisions_pb2.VerifyDecisionRequest(decision_id=answer.decision_id)
    assert service.call("decisions", "VerifyDecision", verify).valid


def test_up_twice_says_it_is_up(service: Any) -> None:
    again = host.start(service.config)
    assert again.already_running
    assert again.pid == service.info.pid


def test_many_callers_at_once_are_all_answered_in_time(service: Any) -> None:
    late: list[float] = []
    errors: list[str] = []

    def call(seed: int) -> None:
        started = time.monotonic()
        try:
            report = service.call("routing", "OptimizeTours", requests.routing(25, seed, deadline_s=3.0)).report
        except grpc.RpcError as error:
            errors.append(str(error.code()))
            return
        assert report.feasible
        if time.monotonic() - started > 3.6:
            late.append(time.monotonic() - started)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert late == []


def test_every_method_of_the_contract_is_served(service: Any) -> None:
    """A method without a handler would answer UNIMPLEMENTED before it looked for a key."""
    from protos import invoices_pb2

    for module in (routing_pb2, invoices_pb2, sampling_pb2, jobs_pb2, federation_pb2, decisions_pb2):
        for descriptor in module.DESCRIPTOR.services_by_name.values():
            for method in descriptor.methods:
                path = f"/{descriptor.full_name}/{method.name}"
                request = method.input_type._concrete_class()
                kind = service.channel.unary_stream if method.server_streaming else service.channel.unary_unary
                call = kind(path, lambda message: message.SerializeToString(), lambda data: data)
                with pytest.raises(grpc.RpcError) as caught:
                    list(call(request, timeout=10)) if method.server_streaming else call(request, timeout=10)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, path
