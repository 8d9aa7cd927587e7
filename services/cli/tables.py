"""Invoice tables (``.csv``): what the command line adds to them, and faults by the line of the file itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from services.cli.parameters import Label
from solvers.errors import FieldViolation, InvalidProblem

if TYPE_CHECKING:
    from solvers.invoices.csv_layout import Layout

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_REPEATABLE = {
    "account",
    "exchange_rate",
    "inflow",
    "min_balance",
    "opening_balance",
    "overdraft_limit",
    "overdraft_rate",
    "prepare_for",
    "scenario",
    "supplier_cap",
}
"""Settings that add to each other; any other one on the command line replaces the file's."""
_LINE = re.compile(r"line (\d+)")
_SETTING = re.compile(r"\s*#+\s*([a-z_]+)\s*:")


@dataclass(frozen=True)
class CsvOptions:
    """What an invoice table does not say itself.

    Parameters
    ----------
    settings
        Pairs of a setting and its value, as the ``# key: value`` lines above a table's header.
    columns
        Pairs of a name in the file's header and the documented one.
    mapping
        A mapping file, see `solvers.invoices.csv_layout`.

    """

    settings: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    mapping: Path | None = None


def csv_options(function: FunctionT) -> FunctionT:
    """Add the options of `CsvOptions` to a command."""
    settings = click.option(
        "--set", "settings", type=Label(), multiple=True, help="Setting of a .csv: as_of_date=2026-03-02. Repeatable."
    )
    columns = click.option(
        "--column", "columns", type=Label(), multiple=True, help="Column of a .csv: Amount=amount_due. Repeatable."
    )
    mapping = click.option(
        "--mapping",
        "mapping",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="How a .csv is laid out, as TOML or JSON: its columns, delimiter, dates, settings.",
    )
    return settings(columns(mapping(function)))


def read_table(path: Path, options: CsvOptions) -> Any:
    """The InvoiceProblem message of the table in ``path``.

    Raises
    ------
    InvalidProblem
        Naming each bad cell by line and column.

    """
    from google.protobuf.json_format import ParseDict

    from protos.invoices_pb2 import InvoiceProblem
    from solvers.invoices.canonical import problem_to_json
    from solvers.invoices.csv_reader import read_csv

    layout = _layout(options.mapping)
    given = {key for key, _ in options.settings} - _REPEATABLE
    lines = [(f"{options.mapping}, settings.{key}", key, value) for key, value in layout.settings if key not in given]
    lines += [(f"--set number {n}", key, value) for n, (key, value) in enumerate(options.settings, start=1)]
    head = "".join(f"# {key}: {value}\n" for _, key, value in lines)
    replaced = {key for _, key, _ in lines} - _REPEATABLE
    try:
        problem = read_csv(head.encode() + _without(path.read_bytes(), replaced), dict(options.columns), layout)
    except InvalidProblem as error:
        places = [place for place, _, _ in lines]
        raise InvalidProblem([_placed(violation, places) for violation in error.violations]) from None
    return ParseDict(problem_to_json(problem), InvoiceProblem())


def _layout(path: Path | None) -> Layout:
    """The layout in a mapping file; faults are named by the file, line and column."""
    from solvers.invoices.csv_layout import Layout, read_layout
    from solvers.invoices.csv_reader import COLUMNS
    from solvers.invoices.csv_settings import SETTINGS

    if path is None:
        return Layout()
    try:
        return read_layout(path.read_bytes(), COLUMNS, SETTINGS)
    except InvalidProblem as error:
        raise InvalidProblem([replace(v, path=f"{path}, {v.path}") for v in error.violations]) from None


def _without(table: bytes, keys: set[str]) -> bytes:
    """``table`` with empty comments where it sets ``keys``, so that lines keep their numbers."""
    lines = table.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
        setting = _SETTING.match(line.decode("ascii", errors="replace"))
        if setting and setting[1] in keys:
            lines[number] = b"#"
    return b"\n".join(lines)


def _placed(violation: FieldViolation, places: list[str]) -> FieldViolation:
    """``violation`` by the file's own line, or by what set it before the file, in ``places``."""

    def place(match: re.Match[str]) -> str:
        line = int(match[1])
        return places[line - 1] if line <= len(places) else f"line {line - len(places)}"

    return replace(violation, path=_LINE.sub(place, violation.path))
