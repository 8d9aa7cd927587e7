"""`--plot`: the picture beside the answer."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli_fake_service import FakeService, Run

from examples import city_day
from protos.common_pb2 import SolveReport
from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, PrioritizeInvoicesResponse
from protos.routing_pb2 import OptimizeToursResponse, PlannedRoute, PlannedStop, RoutingPlan
from services.cli import plot

ROOT = Path(__file__).parents[3]


def svg_elements(path: Path) -> int:
    root = ET.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return len(list(root.iter()))


def test_routes_are_drawn_and_json_stays_alone_on_standard_output(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport
) -> None:
    pytest.importorskip("services.plots", reason="the route map is not there")
    stops = [PlannedStop(id=f"stop-{number:03}") for number in range(1, 6)]
    plan = RoutingPlan(routes=[PlannedRoute(vehicle="van-north", stops=stops)])
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=report)
    target = tmp_path / "new" / "routes.svg"
    outcome = run("solve", city_day.FILE, "--plot", target, "--json")
    assert outcome.code == 0
    assert outcome.json["routes"][0][0] == "stop-001"
    assert f"wrote {target}" in outcome.err
    assert svg_elements(target) > 10


def test_the_routes_are_drawn_against_time(run: Run, service: FakeService, tmp_path: Path, report: SolveReport) -> None:
    stops = [PlannedStop(id=f"stop-{number:03}") for number in range(1, 6)]
    plan = RoutingPlan(routes=[PlannedRoute(vehicle="van-north", stops=stops)])
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=report)
    target = tmp_path / "gantt.svg"
    outcome = run("solve", city_day.FILE, "--gantt", target)
    assert outcome.code == 0
    assert svg_elements(target) > 10
    assert all(f"stop-{number:03}" in target.read_text() for number in range(1, 6))


def test_only_routes_are_drawn_against_time(run: Run) -> None:
    outcome = run("solve", ROOT / "examples" / "quarter.csv", "--gantt", "out.svg")
    assert outcome.code == 2
    assert "--gantt draws routes" in outcome.err


def test_only_invoices_have_discounts(run: Run) -> None:
    outcome = run("solve", city_day.FILE, "--discounts", "out.svg")
    assert outcome.code == 2
    assert "--discounts draws invoices" in outcome.err


def test_the_cash_curve_is_drawn(run: Run, service: FakeService, tmp_path: Path, report: SolveReport) -> None:
    def defer_all(request: object) -> PrioritizeInvoicesResponse:
        rows = [
            InvoiceDecision(invoice_id=invoice.invoice_id, decision=InvoiceDecision.DEFER)
            for invoice in request.problem.invoices  # type: ignore[attr-defined]
        ]
        return PrioritizeInvoicesResponse(plan=InvoicePlan(decisions=rows), report=report)

    service.answers["PrioritizeInvoices"] = defer_all
    target, discounts = tmp_path / "cash.svg", tmp_path / "discounts.svg"
    outcome = run("solve", ROOT / "examples" / "quarter.csv", "--plot", target, "--discounts", discounts)
    assert outcome.code == 0
    assert svg_elements(target) > 10
    assert svg_elements(discounts) > 10
    assert "Discounts taken: 0.00 of " in discounts.read_text()


def test_an_answer_without_a_plan_writes_no_picture(run: Run, service: FakeService, tmp_path: Path) -> None:
    service.answers["OptimizeTours"] = OptimizeToursResponse(report=SolveReport(feasible=False))
    target = tmp_path / "routes.svg"
    outcome = run("solve", city_day.FILE, "--plot", target, "--json")
    assert outcome.code == 1
    assert "no plan to draw" in outcome.err
    assert not target.exists()


def test_a_picture_that_cannot_be_written_does_not_lose_the_answer(
    run: Run, service: FakeService, tmp_path: Path, report: SolveReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = RoutingPlan(routes=[PlannedRoute(vehicle="van-north")])
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=report)
    monkeypatch.setattr(plot, "svg", lambda question, response: "<svg/>")
    (tmp_path / "file").write_text("")
    outcome = run("solve", city_day.FILE, "--plot", tmp_path / "file" / "routes.svg", "--json")
    assert outcome.code == 1
    assert outcome.json["feasible"] is True
    assert "could not be written" in outcome.err


def test_samples_have_no_picture_and_nothing_is_asked(run: Run, service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"quadratic": {"vartype": "BINARY", "num_variables": 1}}))
    assert run("solve", path, "--plot", tmp_path / "x.svg").code == 2
    assert service.asked == []
