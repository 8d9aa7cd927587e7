"""`--payments`, and electronic invoices as input of `solve`."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cli_fake_service import FakeService, Run

from examples import city_day, outage_day
from protos.common_pb2 import SolveReport
from protos.invoices_pb2 import PrioritizeInvoicesResponse
from services.convert.invoices import plan_to_message, problem_from_message
from services.convert.invoices_pain import NAMESPACE
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of

UBL = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:ID>{number}</cbc:ID><cbc:IssueDate>2026-01-02</cbc:IssueDate><cbc:DueDate>2026-02-01</cbc:DueDate>
 <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
 <cac:AccountingSupplierParty><cac:Party><cac:PartyTaxScheme><cbc:CompanyID>DE123456789</cbc:CompanyID>
 </cac:PartyTaxScheme></cac:Party></cac:AccountingSupplierParty>
 <cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">{amount}</cbc:PayableAmount></cac:LegalMonetaryTotal>
</Invoice>"""
SETTINGS = (
    "as_of_date=2026-01-05", "horizon_end_date=2026-03-02", "payment_run_dates=2026-01-05 2026-02-02",
    "base_currency=EUR", "account=main EUR", "opening_balance=5000",
)  # fmt: skip


@pytest.fixture
def decides(service: FakeService, report: SolveReport) -> FakeService:
    """The service answers with the greedy plan."""

    def answer(request: Any) -> PrioritizeInvoicesResponse:
        problem = problem_from_message(request.problem)
        plan = greedy_plan(model_of(problem))
        return PrioritizeInvoicesResponse(plan=plan_to_message(problem, plan, problem.verify(plan)), report=report)

    service.answers["PrioritizeInvoices"] = answer
    return service


def with_settings() -> list[str]:
    return [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.mark.usefixtures("decides")
def test_a_plan_is_written_for_the_bank(run: Run, tmp_path: Path) -> None:
    """Payments go to a pain.001 file, the answer stays alone on standard output."""
    target = tmp_path / "new" / "pay.xml"
    outcome = run("solve", outage_day.FILE, "--payments", target, "--debtor", "Example AG", "--json")
    assert outcome.code == 0, outcome.err
    root = ET.parse(target).getroot()
    ids = [e.text or "" for e in root.iter(f"{{{NAMESPACE}}}EndToEndId")]
    assert sorted(ids) == sorted(payment["end_to_end_id"] for payment in outcome.json["payments"])


@pytest.mark.usefixtures("decides")
def test_every_decision_is_written_as_a_table(run: Run, tmp_path: Path) -> None:
    """A .csv has one row per decision; people also see what cash is worth and what is not paid."""
    target = tmp_path / "pay.csv"
    outcome = run("solve", outage_day.FILE, "--payments", target)
    assert outcome.code == 0, outcome.err
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert len(rows) == outage_day.INVOICES
    assert {row["decision"] for row in rows} >= {"PAY", "REVIEW"}
    assert "Not paid or with a warning" in outcome.out
    assert "VALIDATION_OPEN" in outcome.out


@pytest.mark.usefixtures("decides")
def test_a_payment_without_an_iban_keeps_the_answer_and_says_so(run: Run, tmp_path: Path) -> None:
    """Each invoice is named, no file is written, the answer is printed all the same."""
    (tmp_path / "a.xml").write_text(UBL.format(number="A", amount="100.00"))
    target = tmp_path / "pay.xml"
    outcome = run("solve", tmp_path / "a.xml", *with_settings(), "--payments", target, "--debtor", "A", "--json")
    assert outcome.code == 1
    assert "invoices[0].payee_iban: is missing" in outcome.err
    assert outcome.json["payments"][0]["amount"] == 100.0
    assert not target.exists()


def test_many_electronic_invoices_come_in_a_zip(run: Run, decides: FakeService, tmp_path: Path) -> None:
    """Each .xml of the archive is an invoice of the request."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for number in ("A", "B"):
            archive.writestr(f"{number}.xml", UBL.format(number=number, amount="100.00"))
    assert run("solve", tmp_path / "in.zip", *with_settings(), "--json").code == 0
    request = decides.requests("PrioritizeInvoices")[0]
    assert [invoice.invoice_id for invoice in request.problem.invoices] == ["DE123456789/A", "DE123456789/B"]


def test_every_bad_file_of_a_zip_is_named(run: Run, service: FakeService, tmp_path: Path) -> None:
    """All faults together, by file, and nothing is asked."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a.xml", UBL.format(number="A", amount="-1.00"))
        archive.writestr("b.xml", "<b/>")
    outcome = run("solve", tmp_path / "in.zip", *with_settings(), "--set", "opening_balance=x")
    assert outcome.code == 1
    assert "a.xml, BT-115" in outcome.err
    assert "b.xml" in outcome.err
    assert "--set number 7" in outcome.err
    assert service.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((city_day.FILE, "--payments", "x.csv"), "kind routing"),
        ((outage_day.FILE, "--payments", "x.pdf"), ".csv or .xml"),
        ((outage_day.FILE, "--payments", "x.xml"), "needs --debtor"),
        ((outage_day.FILE, "--debtor", "A"), "go with --payments"),
        ((outage_day.FILE, "--payments", "x.csv", "--debtor", "A"), "go with --payments"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    run: Run, service: FakeService, arguments: tuple[str | Path, ...], said: str
) -> None:
    """Exit code 2, and the reason."""
    outcome = run("solve", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert service.asked == []
