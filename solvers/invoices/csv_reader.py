"""Invoice problems from CSV: invoices as rows, liquidity and policy as ``# key: value`` lines above the header.

``docs/invoices.md`` documents the columns and settings. Every bad cell is reported by line and column, all of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.calendars import to_date
from solvers.invoices.csv_amounts import Unreadable, decimal_mark, money_of, parse_amount
from solvers.invoices.csv_layout import Layout
from solvers.invoices.csv_settings import settings_json, split_settings, without_empty
from solvers.invoices.parse import parse_problem
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reader import TIMESTAMP, date_json
from solvers.problem import JsonObject

NEEDED = ("invoice_id", "supplier_id", "payment_due_date", "amount_due", "currency")
AMOUNTS = ("amount_due", "fixed_compensation", "loss_if_invalid")
NUMBERS = ("settlement_discount_percent", "dynamic_apr", "annual_rate", "criticality", "p_invalid", "recovery_rate")
DATES = ("issue_date", "payment_due_date", "discount_due_date", "earliest_payment_date")
FLAGS = ("disputed", "partial_allowed")
TEXTS = (
    "invoice_id", "invoice_number", "supplier_id", "currency", "seller_vat_id", "payee_iban", "payment_block_code",
)  # fmt: skip
CHOICES = ("regime", "match_status", "status")
COLUMNS = (*TEXTS, *DATES, *AMOUNTS, *NUMBERS, *FLAGS, *CHOICES, "check_type", "checked_at", "must_pay")
"""Every column that may stand in the header; ``status`` and what follows ``check_type`` belong to one check."""
YES = {"yes", "true", "1", "y", "x"}
NO = {"no", "false", "0", "n", ""}
CHECK_COLUMNS = ("check_type", "status", "checked_at", "p_invalid", "recovery_rate", "loss_if_invalid")


def read_csv(
    data: bytes | str, mapping: Mapping[str, str] | None = None, layout: Layout | None = None
) -> InvoiceProblem:
    """The problem in a CSV file.

    Parameters
    ----------
    data
        The file; bytes are UTF-8, or Windows-1252 where they are not.
    mapping
        From the file's own header names to those documented; wins over the layout's columns.
    layout
        How else the file differs from what is documented.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every fault, with paths such as ``line 17, column amount_due``.
    """
    layout = layout or Layout()
    return _File(_decode(data), {**layout.columns, **(mapping or {})}, layout).problem()


def _decode(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.lstrip("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


@dataclass
class _File:
    """One file on its way to a problem."""

    text: str
    mapping: dict[str, str]
    layout: Layout
    found: list[FieldViolation] = field(default_factory=list)
    theirs: dict[str, str] = field(default_factory=dict)
    """The file's own name of each documented column that it calls otherwise."""

    def fault(self, line: int, column: str, problem: str, allowed: str) -> None:
        """Note a bad cell."""
        self.found.append(FieldViolation(self.place(line, column), problem, allowed))

    def place(self, line: int, column: str) -> str:
        """A cell, by the file's own header."""
        own = self.theirs.get(column, column)
        return f"line {line}, column {own}" + (f" ({column})" if own != column else "")

    def problem(self) -> InvoiceProblem:
        """Read everything, then judge everything."""
        settings, body, first_line = split_settings(self.text, self.found)
        header, rows = self._table(body, first_line)
        cells = (row.get(name, "") for _, row in rows for name in AMOUNTS)
        own = next((value for key, value, _ in settings if key == "decimal_mark"), "").strip()
        chosen = self.layout.decimal_mark or own
        self.mark = chosen if chosen in {".", ","} else decimal_mark(cells)
        self.lines = [line for line, _ in rows]
        data = settings_json(settings, self.mark or ".", self.found)
        self._invoices(rows, data, header)
        try:
            problem = parse_problem(without_empty(data))
        except InvalidProblem as error:
            named = [self._named(violation) for violation in error.violations]
            told = {violation.path for violation in self.found}
            raise InvalidProblem(self.found + [v for v in named if v.path not in told]) from None
        if self.found:
            raise InvalidProblem(self.found)
        return problem

    def _table(self, body: list[str], first_line: int) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
        """The header in documented names, and (line, cells) of each row."""
        if not body:
            raise InvalidProblem([FieldViolation(f"line {first_line}", "has no header", ", ".join(NEEDED))])
        delimiter = self.layout.delimiter or max(",;\t|", key=body[0].count)
        reader = csv.reader(StringIO("\n".join(body) + "\n"), delimiter=delimiter)
        names = [name.strip() for name in next(reader)]
        header = ["" if n in self.layout.ignored else self.mapping.get(n, n).lower() for n in names]
        for name in self.mapping:
            if name not in names:
                self.fault(first_line, name, "is mapped, but not in the header", f"one of {', '.join(names)}")
        self.theirs = {ours: n for ours, n in zip(header, names, strict=True) if ours in COLUMNS and ours != n.lower()}
        seen: set[str] = set(self.layout.constants)
        for name, theirs in zip(header, names, strict=True):
            if theirs in self.layout.ignored:
                continue
            if name not in COLUMNS:
                self.fault(first_line, name or "(empty)", "is not a column", ", ".join(sorted(COLUMNS)))
            if name in seen:
                self.fault(first_line, name, "stands twice in the header", "each once")
            seen.add(name)
        for name in NEEDED:
            if name not in seen:
                self.fault(first_line, name, "is missing from the header", "a column of this name, or a mapping to it")
        rows: list[tuple[int, dict[str, str]]] = []
        try:
            start = first_line + reader.line_num
            for cells in reader:
                line, start = start, first_line + reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    problem = f"has {len(cells)} cells"
                    self.found.append(FieldViolation(f"line {line}", problem, f"{len(header)}, as the header"))
                pairs = zip(header, cells, strict=False)
                row = {**self.layout.constants, **{name: cell.strip() for name, cell in pairs if name}}
                for name, meaning in self.layout.values.items():
                    row[name] = meaning.get(row.get(name, ""), row.get(name, ""))
                rows.append((line, row))
        except csv.Error as error:
            self.found.append(FieldViolation(f"line {start}", f"cannot be read: {error}", "CSV"))
        return [*header, *self.layout.constants], rows

    # Rows

    def _invoices(self, rows: list[tuple[int, dict[str, str]]], data: JsonObject, header: Sequence[str]) -> None:
        suppliers: dict[str, float] = {}
        invoices: list[JsonObject] = []
        must: list[JsonObject] = []
        for line, row in rows:
            cell = _Cells(self, line, row)
            invoices.append(cell.invoice())
            criticality = cell.number("criticality")
            supplier = row.get("supplier_id", "")
            if criticality is not None and suppliers.setdefault(supplier, criticality) != criticality:
                self.fault(line, "criticality", f"is {criticality}", f"one value for supplier {supplier}")
            wish = row.get("must_pay", "")
            if wish.lower() in YES:
                must.append({"invoice_id": row.get("invoice_id", "")})
            elif wish.lower() not in NO:
                by = cell.parsed("must_pay", self.layout.day)
                must.append(
                    {"invoice_id": row.get("invoice_id", "")} | ({} if by is None else {"by_date": date_json(by)})
                )
        data["invoices"] = invoices
        if "criticality" in header:
            data["suppliers"] = [{"supplier_id": name, "criticality": value} for name, value in suppliers.items()]
        if must:
            data["payment_policy"]["must_pay"] = must

    def _named(self, violation: FieldViolation) -> FieldViolation:
        """A violation of the problem by line and column of the file."""
        inside = re.fullmatch(r"invoices\[(\d+)\](?:\.(.*))?", violation.path)
        if inside and int(inside[1]) < len(self.lines):
            last = (inside[2] or "").split(".")
            name = next((part for part in reversed(last) if part in COLUMNS), last[0].split("[")[0])
            column = "currency" if violation.path.endswith("currency_code") else name
            where = self.place(self.lines[int(inside[1])], column)
            return FieldViolation(where, violation.problem, violation.allowed)
        return violation


class _Cells:
    """One row."""

    def __init__(self, file: _File, line: int, row: Mapping[str, str]) -> None:
        self.file, self.line, self.row = file, line, row

    def parsed(self, name: str, parse: Callable[[str], Any]) -> Any:
        """The cell parsed, ``None`` when empty or bad."""
        text = self.row.get(name, "")
        if not text:
            return None
        try:
            return parse(text)
        except Unreadable as error:
            self.file.fault(self.line, name, f"is {text!r}", str(error))
            return None

    def number(self, name: str) -> float | None:
        """A plain number; a % sign is dropped."""
        found = self.parsed(name, lambda text: parse_amount(text.rstrip("% "), self.file.mark or "."))
        return None if found is None else float(found)

    def money(self, name: str, currency: str) -> JsonObject | None:
        """An amount in ``currency``."""
        text = re.sub(rf"\s*{currency}\s*|[€$£]", "", self.row.get(name, "")) if currency else self.row.get(name, "")
        if not text:
            return None
        try:
            return money_of(parse_amount(text, self.file.mark), currency)
        except Unreadable as error:
            self.file.fault(self.line, name, f"is {self.row[name]!r}", str(error))
            return None

    def invoice(self) -> JsonObject:
        """The row as an invoice; bad cells are left out once they are noted."""
        row, currency = self.row, self.row.get("currency", "").upper()
        out: JsonObject = {name: row.get(name, "") for name in TEXTS if name != "currency"}
        for name in ("issue_date", "payment_due_date", "earliest_payment_date"):
            day = self.parsed(name, self.file.layout.day)
            if day is not None:
                out[name] = date_json(day)
        out["amount_due"] = self.money("amount_due", currency)
        percent, apr = self.number("settlement_discount_percent"), self.number("dynamic_apr")
        if percent is not None or apr is not None or row.get("discount_due_date"):
            until = self.parsed("discount_due_date", self.file.layout.day)
            term: JsonObject = {} if until is None else {"discount_due_date": date_json(until)}
            term |= {} if percent is None else {"settlement_discount_percent": percent}
            out["payment_terms"] = [term | ({} if apr is None else {"dynamic_apr": apr})]
        late = {
            "regime": row.get("regime", "").upper() or None,
            "annual_rate": self.number("annual_rate"),
            "fixed_compensation": self.money("fixed_compensation", currency),
        }
        out["late_payment"] = {name: value for name, value in late.items() if value is not None} or None
        out["match_status"] = row.get("match_status", "").upper() or None
        for name in FLAGS:
            text = row.get(name, "").lower()
            if text not in YES | NO:
                self.file.fault(self.line, name, f"is {row[name]!r}", "yes or no")
            out[name] = text in YES
        if any(row.get(name) for name in CHECK_COLUMNS):
            check = {
                "check_type": row.get("check_type") or "validation",
                "status": row.get("status", "").upper() or None,
                "checked_at": self.parsed("checked_at", lambda text: _moment(text, self.file.layout)),
                "p_invalid": self.number("p_invalid"),
                "recovery_rate": self.number("recovery_rate"),
                "loss_if_invalid": self.money("loss_if_invalid", currency),
            }
            out["validation"] = [{name: value for name, value in check.items() if value is not None}]
        return out


def _moment(text: str, layout: Layout) -> str:
    """A moment as RFC 3339; a date alone is its first second in UTC."""
    if TIMESTAMP.fullmatch(text):
        return text
    try:
        return f"{to_date(layout.day(text)).isoformat()}T00:00:00Z"
    except Unreadable as error:
        raise Unreadable(f"{error}, or a moment such as 2026-03-01T17:30:00Z") from None
