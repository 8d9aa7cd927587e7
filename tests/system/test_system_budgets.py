"""Budgets hold under concurrency, and who is refused still gets the classical answer with the reason."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest
import system_requests as requests

from protos import common_pb2, federation_pb2

pytestmark = pytest.mark.system

CALLERS = 200
FITS = 10


def _set(service: Any, project: str, usd: float) -> None:
    limit = federation_pb2.BudgetAmounts(usd=usd)
    service.call("federation", "SetBudget", federation_pb2.SetBudgetRequest(project=project, limit=limit))


def _get(service: Any, project: str) -> Any:
    return service.call("federation", "GetBudget", federation_pb2.GetBudgetRequest(project=project))


def test_without_a_budget_nothing_is_spent_and_the_answer_says_why(service: Any) -> None:
    request = requests.binary(12, deadline_s=6.0, profile="HYBRID", budget_usd=5.0, allowed_backends=["noisy-fez"])
    request.project = "penniless"
    report = service.call("sampling", "Sample", request).report
    assert report.feasible
    assert report.cost_usd == 0
    [refused] = [c for c in report.contributions if c.backend == "noisy-fez"]
    assert (refused.outcome, refused.reason) == ("REFUSED", "BUDGET_EXHAUSTED")
    assert (report.service_level, report.service_level_reason) == (common_pb2.LOCAL, "BUDGET_EXHAUSTED")


def test_what_a_metered_backend_charges_is_settled_and_reported(service: Any) -> None:
    _set(service, "", 1000.0)
    _set(service, "paying", 10.0)
    request = requests.binary(8, deadline_s=20.0, profile="HYBRID", budget_usd=5.0, allowed_backends=["noisy-fez"])
    request.project = "paying"
    report = service.call("sampling", "Sample", request).report
    [entry] = [c for c in report.contributions if c.backend == "noisy-fez"]
    assert entry.outcome == "OK", entry.reason
    assert entry.cost_usd > 0.3
    assert report.cost_usd == pytest.approx(entry.cost_usd)
    budget = _get(service, "paying")
    assert budget.settled.usd == pytest.approx(report.cost_usd)
    assert budget.reserved.usd == 0
    usage = service.call("federation", "ListUsage", federation_pb2.ListUsageRequest(project="paying")).entries
    assert [(u.job_id, u.backend, u.state) for u in usage] == [(report.job_id, "noisy-fez", "SETTLED")]


def test_200_requests_at_once_against_a_budget_for_10_never_overspend(service: Any) -> None:
    shots = 100
    worst_usd = 0.3 + shots * 0.00145
    _set(service, "", 1000.0)
    _set(service, "crowd", FITS * worst_usd + 0.01)
    reports: list[Any] = []
    errors: list[str] = []
    lowest: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            budget = _get(service, "crowd")
            lowest.append(budget.limit.usd - budget.reserved.usd - budget.settled.usd)

    def call(seed: int) -> None:
        request = requests.binary(
            6,
            seed,
            deadline_s=30.0,
            profile="HYBRID",
            budget_usd=5.0,
            max_shots=shots,
            allowed_backends=["noisy-fez"],
        )
        request.project = "crowd"
        try:
            reports.append(service.call("sampling", "Sample", request, timeout_s=60).report)
        except grpc.RpcError as error:
            errors.append(f"{error.code()} {error.details()}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    watcher.join()

    assert errors == []
    assert len(reports) == CALLERS
    assert all(report.feasible for report in reports), "everyone gets the classical answer"
    budget = _get(service, "crowd")
    assert min(lowest) >= -1e-9
    assert budget.reserved.usd == 0
    assert budget.settled.usd <= budget.limit.usd + 1e-9
    paid = [report for report in reports if report.cost_usd > 0]
    assert len(paid) <= FITS
    assert sum(report.cost_usd for report in paid) == pytest.approx(budget.settled.usd)
    for report in reports:
        if report.cost_usd == 0:
            reasons = {c.reason for c in report.contributions if c.backend == "noisy-fez"}
            assert reasons or report.service_level_reason, report
