"""The export of an ERP system in `examples/`, and its mapping file."""

from __future__ import annotations

from pathlib import Path

from services.cli.read import read_file
from services.cli.tables import CsvOptions
from services.convert.invoices import problem_from_message
from solvers.invoices.calendars import iso
from solvers.invoices.insurance import InsuranceStrategy
from solvers.strategy import Context

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_export_reads_through_its_mapping_and_has_a_plan() -> None:
    """Every row, in the file's own dates and amounts, with checks, blocks and the outage to be ready for."""
    options = CsvOptions(mapping=EXAMPLES / "erp_mapping.toml", settings=(("opening_balance", "30.000,00"),))
    problem = problem_from_message(read_file(EXAMPLES / "erp_export.csv", None, options).request.problem)
    first = problem.invoices[0]
    assert (len(problem.invoices), first.amount_minor, iso(first.due_day)) == (12, 4_820_00, "2026-03-11")
    assert [check.status for check in first.validation] == ["VALID"]
    assert problem.invoices[6].block_code == "R"
    assert problem.bank_accounts[0].opening_minor == 30_000_00, "--set wins over the mapping's settings"
    assert [outage.name for outage in problem.prepare_for] == ["vat_id"]
    plan = next(InsuranceStrategy().candidates(problem, Context(seed=0))).plan
    assert problem.verify(plan).feasible
