"""Plans for those who pay: pain.001 with exact amounts and every fault named, and every decision as CSV."""

from __future__ import annotations

import csv
import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import make_problem
from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, InvoiceProblem
from services.convert.invoices import plan_to_message, problem_to_message
from services.convert.invoices_pain import NAMESPACE, Debtor, credit_transfer, iban_fault, latin
from services.convert.invoices_table import HEADER, decisions_csv
from solvers.errors import InvalidProblem
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of

IBAN = "DE02120300000000202051"
OTHER = "DE02500105170137075030"
CREATED = datetime(2026, 1, 5, 9, 30, 15, 123456, tzinfo=UTC)
NS = {"p": NAMESPACE}


def decided(iban: str = IBAN) -> tuple[InvoiceProblem, InvoicePlan]:
    """A problem whose invoices have an IBAN, with its plan."""
    made = make_problem(3, 20, 6, 4)
    invoices = tuple(dataclasses.replace(invoice, payee_iban=iban) for invoice in made.invoices)
    problem = dataclasses.replace(made, invoices=invoices)
    plan = greedy_plan(model_of(problem))
    return problem_to_message(problem), plan_to_message(problem, plan, problem.verify(plan))


@pytest.fixture(scope="module")
def example() -> tuple[InvoiceProblem, InvoicePlan]:
    return decided()


def paid(plan: InvoicePlan) -> list[InvoiceDecision]:
    return [decision for decision in plan.decisions if decision.decision == InvoiceDecision.PAY]


def cents(amount: object) -> Decimal:
    return Decimal(amount.units) + Decimal(amount.nanos).scaleb(-9)  # type: ignore[attr-defined]


def test_every_payment_is_in_the_file_with_its_exact_amount(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """Amounts, dates and EndToEndIds are those of the plan; sums and counts hold for the file and each block."""
    problem, plan = example
    root = ET.fromstring(credit_transfer(problem, plan, Debtor("Müller & Söhne", {"main": OTHER}), CREATED))
    expected = {d.end_to_end_id: cents(d.payment_amount) for d in paid(plan)}
    entries = root.findall(".//p:CdtTrfTxInf", NS)
    found = {e.findtext("p:PmtId/p:EndToEndId", "", NS): e.find("p:Amt/p:InstdAmt", NS) for e in entries}
    assert {key: Decimal(e.text or "") for key, e in found.items() if e is not None} == expected
    assert root.findtext(".//p:GrpHdr/p:CtrlSum", "", NS) == f"{sum(expected.values()):.2f}"
    assert root.findtext(".//p:GrpHdr/p:NbOfTxs", "", NS) == str(len(expected))
    blocks = root.findall(".//p:PmtInf", NS)
    assert [b.findtext("p:ReqdExctnDt/p:Dt", "", NS) for b in blocks] == sorted(
        {
            f"{d.requested_execution_date.year}-{d.requested_execution_date.month:02}-{d.requested_execution_date.day:02}"
            for d in paid(plan)
        }
    )
    for block in blocks:
        amounts = [Decimal(e.text or "") for e in block.findall(".//p:InstdAmt", NS)]
        assert Decimal(block.findtext("p:CtrlSum", "", NS)) == sum(amounts)
    assert root.findtext(".//p:Dbtr/p:Nm", "", NS) == "Muller + Sohne"
    assert root.findtext(".//p:GrpHdr/p:CreDtTm", "", NS) == "2026-01-05T09:30:15+00:00"


def test_elements_stand_in_the_order_of_the_schema(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """A schema sequence is an order."""
    root = ET.fromstring(credit_transfer(*example, Debtor("A", {"main": OTHER}, {"main": "BYLADEM1001"}), CREATED))
    block = root.find(".//p:PmtInf", NS)
    assert block is not None
    names = [child.tag.rpartition("}")[2] for child in block]
    order = [
        "PmtInfId",
        "PmtMtd",
        "NbOfTxs",
        "CtrlSum",
        "PmtTpInf",
        "ReqdExctnDt",
        "Dbtr",
        "DbtrAcct",
        "DbtrAgt",
        "ChrgBr",
        "CdtTrfTxInf",
    ]
    assert list(dict.fromkeys(names)) == order
    entry = block.find("p:CdtTrfTxInf", NS)
    assert entry is not None
    assert [c.tag.rpartition("}")[2] for c in entry] == ["PmtId", "Amt", "Cdtr", "CdtrAcct", "RmtInf"]
    assert block.findtext(".//p:BICFI", "", NS) == "BYLADEM1001"


def test_the_same_plan_has_the_same_identifiers(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """A file made twice is recognised as the same one."""
    first, second = (credit_transfer(*example, Debtor("A", {"main": OTHER}), CREATED) for _ in range(2))
    assert first == second


def test_every_invoice_without_an_iban_is_named() -> None:
    """All of them, and accounts without one, in one refusal."""
    problem, plan = decided("")
    with pytest.raises(InvalidProblem) as caught:
        credit_transfer(problem, plan, Debtor(""), CREATED)
    paths = [violation.path for violation in caught.value.violations]
    positions = {invoice.invoice_id: k for k, invoice in enumerate(problem.invoices)}
    assert {p for p in paths if "iban" in p} == {f"invoices[{positions[d.invoice_id]}].payee_iban" for d in paid(plan)}
    assert "debtor account main" in paths
    assert "debtor name" in paths


def test_what_is_not_safe_is_not_written(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """A payment that is not safe to process is refused."""
    problem, plan = example
    copy = InvoicePlan()
    copy.CopyFrom(plan)
    paid(copy)[0].safe_to_process = False
    with pytest.raises(InvalidProblem, match="not safe"):
        credit_transfer(problem, copy, Debtor("A", {"main": OTHER}), CREATED)


def test_a_wrong_account_and_a_wrong_bic_are_named(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """Debtor settings that do not fit are refused, not ignored."""
    with pytest.raises(InvalidProblem) as caught:
        credit_transfer(*example, Debtor("A", {"main": "DE00", "other": OTHER}, {"main": "X"}), CREATED)
    assert len(caught.value.violations) == 3


@pytest.mark.parametrize("text", ["DE02120300000000202051", "de02 1203 0000 0000 2020 51", "GB82WEST12345698765432"])
def test_known_ibans_are_right(text: str) -> None:
    """Published examples pass."""
    assert iban_fault(text) is None


@settings(deadline=None, max_examples=100)
@given(st.integers(4, 21), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(position: int, step: int) -> None:
    """ISO 7064 MOD 97-10 finds every single error."""
    wrong = list(IBAN)
    wrong[position] = str((int(wrong[position]) + step) % 10)
    assert iban_fault("".join(wrong)) is not None


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_names_keep_to_the_character_set(text: str) -> None:
    """Only SEPA's Latin characters come out."""
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")
    made = latin(text, 70)
    assert set(made) <= allowed
    assert len(made) <= 70


def test_every_decision_is_a_row(example: tuple[InvoiceProblem, InvoicePlan]) -> None:
    """The table has all decisions with exact amounts, paid or not."""
    problem, plan = example
    rows = list(csv.DictReader(StringIO(decisions_csv(problem, plan))))
    assert tuple(rows[0]) == HEADER
    assert [row["invoice_id"] for row in rows] == [decision.invoice_id for decision in plan.decisions]
    total = sum(Decimal(row["payment_amount"]) for row in rows if row["decision"] == "PAY")
    assert total == sum(cents(decision.payment_amount) for decision in paid(plan))
