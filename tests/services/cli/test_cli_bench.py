"""`isinglass bench`, and the benchmark of the service against a stand-in for it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest
from cli_fake_service import FakeService, Refusal, Run

import benchmarks
from benchmarks import service as service_bench
from benchmarks import service_load
from protos.common_pb2 import FULL, INSURANCE, OPTIMAL, SolveReport, Timings
from protos.federation_pb2 import Budget
from protos.invoices_pb2 import PrioritizeInvoicesResponse
from services.client import Client
from services.convert.invoices import problem_from_message

PARTS = ("solver", "network", "queue", "store", "rest")


@pytest.fixture
def few_calls(monkeypatch: pytest.MonkeyPatch, service: FakeService) -> FakeService:
    timings = Timings(total_s=0.010, solver_s=0.004, queue_s=0.001, verify_s=0.0005, store_s=0.002)
    report = SolveReport(status=OPTIMAL, feasible=True, service_level=FULL, timings=timings)
    service.answers["PrioritizeInvoices"] = PrioritizeInvoicesResponse(report=report)
    service.answers["GetBudget"] = Budget()
    monkeypatch.setattr(service_bench, "CALLS", 5)
    monkeypatch.setattr(service_bench, "WARM_UP", 2)
    monkeypatch.setattr(service_load, "REQUESTS", 12)
    monkeypatch.setattr(service_load, "CLIENTS", 4)

    def start(stack: ExitStack, name: str, share_commits: int) -> service_load.Side:
        client = stack.enter_context(Client(service.address, "k-1"))
        return service_load.Side(name, share_commits, client, os.getpid())

    monkeypatch.setattr(service_load, "start", start)
    return service


def test_the_service_bench_counts_calls_after_the_warm_up(run: Run, few_calls: FakeService) -> None:
    result = run("bench", "service", "--quick", "--json").json
    sides = [result["load"][side]["by_round"] for side in ("each_its_own", "shared")]
    assert [len(rounds) for rounds in sides] == [2, 2]
    assert len(few_calls.requests("PrioritizeInvoices")) == 7 + 2 * (4 + 2 * 12), "alone, then many at once"
    assert result["calls"] == 5
    assert result["optimal"] == 5
    assert result["insurance"] == 0
    parts = sum(result[part]["p50_ms"] for part in PARTS if part != "solver")
    assert result["sum_of_parts_p50_ms"] == pytest.approx(parts)
    seeds = [request.policy.seed for request in few_calls.requests("PrioritizeInvoices")[:7]]
    assert len(set(seeds)) == 7, "no call repeats another"


def test_the_parts_of_a_call_add_up_to_its_time(run: Run, few_calls: FakeService) -> None:
    with service_bench.Session(address=few_calls.address).client() as client:
        sample = service_bench._one_call(client, seed=3)
    assert sum(sample[part] for part in PARTS) == pytest.approx(sample["total"])
    assert sample["outside"] == pytest.approx(sample["total"] - 0.004)


def test_the_service_bench_tells_answers_by_insurance_apart(run: Run, few_calls: FakeService) -> None:
    few_calls.answers["PrioritizeInvoices"].report.service_level = INSURANCE
    assert run("bench", "service", "--quick", "--json").json["insurance"] == 5


def test_the_service_bench_prints_every_part_for_people(run: Run, few_calls: FakeService) -> None:
    out = run("bench", "service", "--quick").out
    for text in (
        "in solvers",
        "outside solvers",
        "in the store",
        "one GetBudget",
        "p95",
        "sum of these",
        "25 ms at p50",
    ):
        assert text in out, text


def test_a_bench_that_the_service_refuses_says_so(run: Run, service: FakeService) -> None:
    service.answers["PrioritizeInvoices"] = Refusal("PERMISSION_DENIED", "needs role submitter")
    outcome = run("bench", "service", "--quick")
    assert outcome.code == 1
    assert "needs role submitter" in outcome.err


def test_requests_of_the_bench_are_problems_that_the_contract_takes() -> None:
    for seed in range(20):
        problem = problem_from_message(service_bench.invoice_request(seed).problem)
        assert problem.features().values["size"] == service_bench.INVOICES


def module(monkeypatch: pytest.MonkeyPatch, name: str, run_it: Any) -> None:
    fake = ModuleType(f"benchmarks.{name}")
    fake.run, fake.table = run_it, lambda result: f"ratio {result['ratio']}"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"benchmarks.{name}", fake)
    monkeypatch.setattr(benchmarks, name, fake, raising=False)


def test_bench_prints_a_table_or_one_object(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "binary", lambda quick: {"ratio": 2.0, "quick": quick})
    assert run("bench", "binary").out == "ratio 2.0\n"
    assert run("bench", "binary", "--quick", "--json").json == {"ratio": 2.0, "quick": True}


def test_bench_without_its_data_says_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(quick: bool) -> None:
        raise FileNotFoundError("X-n200-k36.vrp below $ISINGLASS_DATA")

    module(monkeypatch, "routing", lacking)
    outcome = run("bench", "routing", "--quick")
    assert outcome.code == 1
    assert "X-n200-k36.vrp" in outcome.err


def test_a_bench_that_nobody_knows_is_wrong_usage(run: Run) -> None:
    assert run("bench", "weather").code == 2


def test_a_bench_without_its_peer_names_the_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.selection", None)
    outcome = run("bench", "selection")
    assert outcome.code == 1
    assert "selection" in outcome.err
