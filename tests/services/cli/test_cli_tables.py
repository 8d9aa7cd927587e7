"""Invoice tables on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_fake_service import FakeService, Run

from protos.common_pb2 import SolveReport
from protos.invoices_pb2 import PrioritizeInvoicesResponse
from services.cli.read import read_file
from services.cli.tables import CsvOptions
from solvers.errors import InvalidProblem

TABLE = """# as_of_date: 2026-03-02
# horizon_end_date: 2026-04-30
# payment_run_dates: 2026-03-06 2026-03-20
# base_currency: EUR
# account: main EUR
# opening_balance: 5000
invoice_id,supplier_id,payment_due_date,amount_due,currency
i-1,s-1,2026-03-20,1200.50,EUR
i-2,s-2,2026-03-27,800.00,EUR
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_a_table_becomes_a_request_with_its_rows(
    run: Run, service: FakeService, table: Path, report: SolveReport
) -> None:
    service.answers["PrioritizeInvoices"] = PrioritizeInvoicesResponse(report=report)
    assert run("solve", table, "--deadline", "2s", "--json").code == 0
    (request,) = service.requests("PrioritizeInvoices")
    first = request.problem.invoices[0]
    assert (first.invoice_id, first.amount_due.units, first.amount_due.nanos) == ("i-1", 1200, 500_000_000)
    assert request.policy.deadline.seconds == 2


def test_a_setting_on_the_command_line_wins_over_the_file(table: Path) -> None:
    options = CsvOptions(settings=(("as_of_date", "2026-03-03"), ("base_currency", "EUR")))
    problem = read_file(table, None, options).request.problem
    assert (problem.as_of_date.month, problem.as_of_date.day) == (3, 3)


def test_an_account_on_the_command_line_adds_to_the_file(table: Path) -> None:
    options = CsvOptions(settings=(("account", "second EUR"), ("opening_balance", "second 70")))
    accounts = read_file(table, None, options).request.problem.liquidity.bank_accounts
    assert {a.account_id: a.opening_balance.units for a in accounts} == {"second": 70, "main": 5000}


def test_a_plain_export_needs_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    rows = TABLE.splitlines()[6:]
    path.write_text("\n".join(rows).replace("amount_due", "Amount"))
    settings = tuple((k, v) for k, v in (line[2:].split(": ") for line in TABLE.splitlines()[:6]))
    with_options = read_file(path, None, CsvOptions(settings, columns=(("Amount", "amount_due"),)))
    path.write_text(TABLE)
    assert with_options.request == read_file(path, None, CsvOptions()).request


def test_a_bad_cell_is_named_by_the_line_of_the_file(table: Path) -> None:
    table.write_text(TABLE.replace("800.00", "lots"))
    for settings in ((), (("as_of_date", "2026-03-02"), ("calendar", "WEEKENDS"))):
        with pytest.raises(InvalidProblem) as refused:
            read_file(table, None, CsvOptions(settings))
        assert [v.path for v in refused.value.violations] == ["line 9, column amount_due"]


def test_a_bad_setting_is_named_by_its_place_among_the_options(run: Run, service: FakeService, table: Path) -> None:
    outcome = run("solve", table, "--set", "calendar=WEEKENDS", "--set", "as_of_date=soon", "--json")
    assert outcome.code == 1
    assert "--set number 2" in [v["field"] for v in outcome.json["field_violations"]]
    assert service.asked == []


def test_faults_of_a_mapping_file_are_named_by_file_line_and_column(table: Path, tmp_path: Path) -> None:
    """Its entries when it is read, its settings when they are judged."""
    mapping = tmp_path / "m.toml"
    mapping.write_text('[columns]\nA = "nothing"\nB = "nowhere"\n')
    with pytest.raises(InvalidProblem) as caught:
        read_file(table, None, CsvOptions(mapping=mapping))
    assert [v.path for v in caught.value.violations] == [
        f"{mapping}, line 2, column 1 (columns.A)",
        f"{mapping}, line 3, column 1 (columns.B)",
    ]
    mapping.write_text('[settings]\nhorizon_end_date = "soon"\n')
    with pytest.raises(InvalidProblem) as caught:
        read_file(table, None, CsvOptions(mapping=mapping))
    assert f"{mapping}, settings.horizon_end_date" in [v.path for v in caught.value.violations]
