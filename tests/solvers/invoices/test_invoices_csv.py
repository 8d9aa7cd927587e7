"""Invoice CSV files: every number format, every bad cell."""

from pathlib import Path

import pytest

from examples.invoices_quarter import write
from solvers.errors import InvalidProblem
from solvers.invoices.calendars import iso
from solvers.invoices.csv_amounts import Unreadable, decimal_mark, parse_amount, parse_day
from solvers.invoices.csv_reader import read_csv

SETTINGS = """# as_of_date: 2026-01-05
# horizon_end_date: 2026-01-31
# payment_run_dates: 2026-01-07 2026-01-14
# base_currency: EUR
# account: main EUR
# opening_balance: 1.000,50
"""
HEADER = "invoice_id;supplier_id;payment_due_date;amount_due;currency\n"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1234.56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u202f234,56", "1234.56"),
        ("1'234.56", "1234.56"),
        ("1,234,567", "1234567"),
        ("-12.5", "-12.5"),
        ("(12.50)", "-12.50"),
        ("0,5", "0.5"),
        (".5", "0.5"),
        ("1234", "1234"),
        ("1234,567", "1234.567"),
    ],
)
def test_amounts_in_many_formats(cell, value):
    """A number that can be read in one way only is read that way."""
    assert str(parse_amount(cell, None).normalize()) == str(parse_amount(value, ".").normalize())


@pytest.mark.parametrize("cell", ["1,234", "1.234", "abc", "", "1.2.3,4,5", "12,34,567.00", "1e5", "NaN", "--3"])
def test_amounts_that_could_be_two_numbers_or_none_are_refused(cell):
    """An ambiguous or unreadable amount is an error, not a guess."""
    with pytest.raises(Unreadable):
        parse_amount(cell, None)


def test_a_file_decides_what_one_cell_cannot():
    """1.234 is a thousand in a file whose other amounts have decimal commas; contradictions decide nothing."""
    assert decimal_mark(["1.234", "5,50"]) == ","
    assert decimal_mark(["1.50", "5,50"]) is None
    assert parse_amount("1.234", ",") == 1234


@pytest.mark.parametrize("cell", ["2026-01-31", "2026/01/31", "20260131", "31.01.2026"])
def test_dates_in_many_formats(cell):
    """Dates that can be read in one way only are read that way."""
    assert iso(parse_day(cell)) == "2026-01-31"


@pytest.mark.parametrize("cell", ["01/02/2026", "2026-02-30", "31.1.26", "soon"])
def test_dates_that_could_be_two_are_refused(cell):
    """01/02/2026 is an error, not a guess."""
    with pytest.raises(Unreadable):
        parse_day(cell)


def test_a_german_export_is_read():
    """Semicolons, decimal commas, dotted dates and a currency sign."""
    text = SETTINGS + HEADER + "A;S;20.01.2026;1.234,56 EUR;EUR\nB;S;2026-01-21;99,00;eur\n"
    problem = read_csv(text.encode("cp1252"))
    assert [invoice.amount_minor for invoice in problem.invoices] == [123_456, 9_900]
    assert problem.bank_accounts[0].opening_minor == 100_050


def test_every_bad_row_is_reported_by_line_and_column():
    """All faults of all rows, and of the settings, in one go."""
    text = (
        SETTINGS
        + "# colour: red\n# inflow: soon 5\n"
        + HEADER
        + "A;S;2026-13-01;x;EUR\n;S;2026-01-20;5.00;EUR\nC;S;2026-01-20;-5.00;EUR\nD;S;2026-01-20;5.00;EUX\nA;S\n"
    )
    with pytest.raises(InvalidProblem) as error:
        read_csv(text)
    paths = [violation.path for violation in error.value.violations]
    for path in (
        "line 7",
        "line 8",
        "line 10, column payment_due_date",
        "line 10, column amount_due",
        "line 11, column invoice_id",
        "line 12, column amount_due",
        "line 13, column currency",
        "line 14",
        "line 14, column invoice_id",
        "line 14, column amount_due",
    ):
        assert path in paths, (path, paths)


def test_unknown_columns_and_missing_ones_are_reported():
    """The header is checked, and a mapping renames its columns."""
    text = SETTINGS + "Beleg;supplier_id;payment_due_date;amount_due;currency;wat\nA;S;2026-01-20;5,00;EUR;1\n"
    with pytest.raises(InvalidProblem) as error:
        read_csv(text)
    paths = {violation.path for violation in error.value.violations}
    assert {"line 7, column beleg", "line 7, column wat", "line 7, column invoice_id"} <= paths
    fixed = text.replace(";wat", "").replace(";1\n", "\n")
    assert read_csv(fixed, {"Beleg": "invoice_id"}).invoices[0].invoice_id == "A"


def test_optional_columns_reach_the_problem():
    """Discounts, late terms, checks, flags and wishes of a row."""
    text = (
        SETTINGS
        + "# scenario: low 0.25\n# scenario: high 0.75\n# inflow: 2026-01-12 500.00 low\n# inflow: 2026-01-13 9.00\n"
        + "invoice_id,supplier_id,payment_due_date,amount_due,currency,settlement_discount_percent,discount_due_date,"
        + "regime,annual_rate,check_type,status,p_invalid,disputed,must_pay,criticality,partial_allowed\n"
        + "A,S,2026-01-20,100.00,EUR,2.5%,2026-01-09,CONTRACT,0.08,vat_id,UNKNOWN,0.02,no,2026-01-14,0.7,yes\n"
    )
    problem = read_csv(text)
    invoice = problem.invoices[0]
    assert invoice.terms[0].discount_ppm == 25_000
    assert (invoice.late.regime, invoice.late.annual_rate) == ("CONTRACT", 0.08)
    assert (invoice.validation[0].status, invoice.validation[0].p_invalid) == ("UNKNOWN", 0.02)
    assert invoice.partial_allowed
    assert problem.suppliers[0].criticality == 0.7
    assert iso(problem.policy.must_pay[0].by_day) == "2026-01-14"
    assert [len(scenario.inflows) for scenario in problem.inflow_scenarios] == [2, 1]


def test_the_example_is_what_its_script_writes(tmp_path):
    """examples/quarter.csv is reproduced from its seed and reads as 400 invoices."""
    write(tmp_path / "again.csv")
    kept = Path(__file__).parents[3] / "examples" / "quarter.csv"
    assert kept.read_bytes() == (tmp_path / "again.csv").read_bytes()
    assert len(read_csv(kept.read_bytes()).invoices) == 400
