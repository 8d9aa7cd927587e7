"""Mapping files: how somebody else's table is laid out."""

import json

import pytest

from solvers.errors import InvalidProblem
from solvers.invoices.calendars import iso
from solvers.invoices.csv_amounts import Unreadable
from solvers.invoices.csv_layout import Layout, read_layout
from solvers.invoices.csv_reader import COLUMNS, read_csv
from solvers.invoices.csv_settings import SETTINGS

HEAD = """# as_of_date: 2026-03-02
# horizon_end_date: 2026-04-30
# payment_run_dates: 2026-03-06
# base_currency: EUR
# account: main EUR
"""
MAPPING = """delimiter = ";"
decimal_mark = ","
date_format = "DD/MM/YY"
ignored = ["Text"]
[columns]
"No." = "invoice_id"
Vendor = "supplier_id"
Due = "payment_due_date"
Amount = "amount_due"
Stop = "disputed"
[constants]
currency = "EUR"
[values.disputed]
J = "yes"
N = "no"
"""


def layout(text):
    return read_layout(text.encode(), COLUMNS, SETTINGS)


def faults(text):
    with pytest.raises(InvalidProblem) as caught:
        layout(text)
    return {violation.path for violation in caught.value.violations}


def test_a_table_in_another_layout_reads_as_documented():
    """Header names, delimiter, decimal mark, dates, cell values and constants are all taken from the mapping."""
    table = HEAD + "No.;Vendor;Due;Amount;Stop;Text\n7;V1;03/04/26;1.234,50;J;x\n8;V1;04/04/26;1,234;N;y\n"
    with pytest.raises(InvalidProblem) as caught:
        read_csv(table, layout=layout(MAPPING))
    assert [v.path for v in caught.value.violations] == ["line 8, column Amount (amount_due)"]
    problem = read_csv(table.replace("1,234;", "1,23;"), layout=layout(MAPPING))
    first, second = problem.invoices
    assert (first.invoice_id, first.amount_minor, iso(first.due_day), first.disputed) == (
        "7",
        123450,
        "2026-04-03",
        True,
    )
    assert (second.amount_minor, second.disputed, second.currency) == (123, False, "EUR")


def test_every_bad_row_is_named_by_the_files_own_header():
    """All bad cells at once, by line and the name that the column has in the file."""
    table = (
        HEAD + "No.;Vendor;Due;Amount;Stop;Text\n7;V1;2026-04-03;abc;vielleicht;x\n8;;31/02/26;5,00;N;y\n9;V;01/04/26\n"
    )
    with pytest.raises(InvalidProblem) as caught:
        read_csv(table, layout=layout(MAPPING))
    paths = [v.path for v in caught.value.violations]
    for wanted in (
        "line 7, column Due (payment_due_date)",
        "line 7, column Amount (amount_due)",
        "line 7, column Stop (disputed)",
        "line 8, column Due (payment_due_date)",
        "line 8, column Vendor (supplier_id)",
        "line 9",
    ):
        assert wanted in paths
    assert "a date as DD/MM/YY" in [v.allowed for v in caught.value.violations]


def test_a_mapped_column_that_the_file_lacks_is_named():
    """So that a renamed column is not read as an empty one."""
    with pytest.raises(InvalidProblem) as caught:
        read_csv(HEAD + "No.;Vendor;Due;Amount;Text\n7;V1;03/04/26;1,00;x\n", layout=layout(MAPPING))
    assert [v.path for v in caught.value.violations] == ["line 6, column Stop"]


def test_every_bad_entry_is_named_by_line_and_column():
    """All of them, in TOML and in JSON."""
    text = """delimiter = "x"
decimal_mark = 5
date_format = "YYYY-MM"
speed = 1
[columns]
A = "no_column"
B = "amount_due"
  C = "amount_due"
D = ["x"]
[constants]
amount_due = 5
wrong = "x"
[values.nothing]
a = "b"
[settings]
base_curency = "EUR"
as_of_date = 2026-03-02
"""
    assert faults(text) == {
        "line 1, column 1 (delimiter)",
        "line 2, column 1 (decimal_mark)",
        "line 3, column 1 (date_format)",
        "line 4, column 1 (speed)",
        "line 6, column 1 (columns.A)",
        "line 8, column 3 (columns.C)",
        "line 9, column 1 (columns.D)",
        "line 11, column 1 (constants.amount_due)",
        "line 12, column 1 (constants.wrong)",
        "line 13, column 9 (values.nothing)",
        "line 16, column 1 (settings.base_curency)",
    }
    data = {"delimiter": "x", "columns": {"A": "no_column", "B": "amount_due"}}
    assert faults(json.dumps(data, indent=1)) == {"line 2, column 3 (delimiter)", "line 4, column 4 (columns.A)"}


@pytest.mark.parametrize("text", ["[columns\n", '{"columns": ', '{"a": 1, "a": 2}', "a = 1\na = 2\n"])
def test_what_is_no_mapping_file_is_refused_with_its_place(text):
    """Broken TOML and JSON, and entries that stand twice, name a line or the end of the file."""
    assert all(path.startswith(("line ", "end of the file")) for path in faults(text))


def test_json_says_the_same_as_toml():
    """Both notations give one layout."""
    data = {
        "delimiter": ";",
        "decimal_mark": ",",
        "date_format": "DD/MM/YY",
        "ignored": ["Text"],
        "columns": {
            "No.": "invoice_id",
            "Vendor": "supplier_id",
            "Due": "payment_due_date",
            "Amount": "amount_due",
            "Stop": "disputed",
        },
        "constants": {"currency": "EUR"},
        "values": {"disputed": {"J": "yes", "N": "no"}},
    }
    assert layout(json.dumps(data)) == layout(MAPPING)


@pytest.mark.parametrize(
    ("date_format", "cell", "day"),
    [
        ("MM/DD/YYYY", "02/03/2026", "2026-02-03"),
        ("D.M.YY", "2.3.26", "2026-03-02"),
        ("YYYYMMDD", "20260302", "2026-03-02"),
    ],
)
def test_dates_follow_the_format(date_format, cell, day):
    """And only it: a date in another format is refused rather than guessed."""
    assert iso(Layout(date_format=date_format).day(cell)) == day
    for bad in ("2026-3-2x", "99/99/9999", "30.2.26"):
        with pytest.raises(Unreadable, match="a date"):
            Layout(date_format=date_format).day(bad)
