"""The outage day in `examples/`."""

from __future__ import annotations

from pathlib import Path

from examples import outage_day
from services.convert.invoices_pain import iban_fault
from solvers.invoices.csv_reader import read_csv
from solvers.invoices.insurance import InsuranceStrategy
from solvers.invoices.report import decisions
from solvers.strategy import Context


def test_the_committed_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    """Same seed, same file."""
    outage_day.write(tmp_path / "day.csv")
    assert outage_day.FILE.read_text() == (tmp_path / "day.csv").read_text()


def test_the_day_is_decided_within_the_exposure_cap() -> None:
    """Some unverified invoices are paid, within the cap and with the missing check named; others wait."""
    problem = read_csv(outage_day.FILE.read_bytes())
    assert problem.mode == "DEGRADED"
    plan = next(InsuranceStrategy().candidates(problem, Context(seed=0))).plan
    assert problem.verify(plan).feasible
    found = decisions(problem, plan)
    paid = [decision for decision in found if decision.action == "PAY"]
    exposed = [decision for decision in paid if decision.checks_not_performed]
    assert exposed
    assert all(decision.checks_not_performed == ("vat_id",) for decision in exposed)
    assert sum(d.amount_minor + d.discount_minor for d in exposed) <= (problem.policy.max_unverified_minor or 0)
    assert any(decision.action in {"REVIEW", "HOLD"} for decision in found)
    assert all(decision.revalidate_required for decision in exposed)
    assert any(decision.revalidate_required and not decision.checks_not_performed for decision in paid)


def test_its_accounts_have_right_ibans() -> None:
    """So that the day can be written as a payment file."""
    problem = read_csv(outage_day.FILE.read_bytes())
    assert all(iban_fault(invoice.payee_iban) is None for invoice in problem.invoices)
    assert iban_fault(problem.bank_accounts[0].account_id) is None
