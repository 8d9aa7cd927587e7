"""Invoice problems from CSV: invoices as rows, liquidity and policy as ``# key: value`` lines above the header.

``docs/invoices.md`` documents the columns and settings. Every bad cell is reported by line and column, all of them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.calendars import to_date
from solvers.invoices.csv_amounts import Unreadable, decimal_mark, parse_amount, parse_day
from solvers.invoices.money import MINOR_DIGITS
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
SETTINGS = (
    "as_of_date", "horizon_end_date", "payment_run_dates", "base_currency", "decimal_mark", "account", "min_balance",
    "overdraft_limit", "overdraft_rate", "opening_balance", "opportunity_rate", "scenario", "inflow", "exchange_rate",
    "cvar_alpha", "cvar_weight", "cvar_limit", "max_unverified_exposure", "criticality_rate", "default_p_invalid",
    "supplier_cap", "calendar", "mode", "services_down", "reconcile_by", "partial_parts", "problem",
)  # fmt: skip
CHECK_COLUMNS = ("check_type", "status", "checked_at", "p_invalid", "recovery_rate", "loss_if_invalid")


def read_csv(data: bytes | str, mapping: Mapping[str, str] | None = None) -> InvoiceProblem:
    """The problem in a CSV file.

    Parameters
    ----------
    data
        The file; bytes are UTF-8, or Windows-1252 where they are not.
    mapping
        From the file's own header names to those documented.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every fault, with paths such as ``line 17, column amount_due``.
    """
    return _File(_decode(data), dict(mapping or {})).problem()


def read_settings(text: str, invoices: Sequence[JsonObject], places: Sequence[str]) -> InvoiceProblem:
    """The problem of ``invoices`` (as JSON) under settings alone: the lines that stand above a table's header.

    ``places`` names each invoice in faults. Raises `solvers.errors.InvalidProblem`, naming every fault.
    """
    file = _File(text, {})
    settings, rest, first = file._split()
    if rest:
        file.found.append(FieldViolation(f"line {first}", "is no setting", "# key: value"))
    file.mark = next((value for key, value, _ in settings if key == "decimal_mark"), ".")
    data: JsonObject = {"payment_policy": {}, "liquidity": {}}
    file._settings(settings, data)
    data["invoices"] = list(invoices)
    try:
        problem = parse_problem(_without_empty(data))
    except InvalidProblem as error:
        for violation in error.violations:
            inside = re.fullmatch(r"invoices\[(\d+)\]\.?(.*)", violation.path)
            path = f"{places[int(inside[1])]}, {inside[2]}" if inside else violation.path
            file.found.append(FieldViolation(path, violation.problem, violation.allowed))
    if file.found:
        raise InvalidProblem(file.found)
    return problem


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
    found: list[FieldViolation] = field(default_factory=list)

    def fault(self, line: int, column: str, problem: str, allowed: str) -> None:
        """Note a bad cell."""
        self.found.append(FieldViolation(f"line {line}, column {column}", problem, allowed))

    def problem(self) -> InvoiceProblem:
        """Read everything, then judge everything."""
        settings, body, first_line = self._split()
        header, rows = self._table(body, first_line)
        cells = (row.get(name, "") for _, row in rows for name in AMOUNTS)
        chosen = next((value for key, value, _ in settings if key == "decimal_mark"), "").strip()
        self.mark = chosen if chosen in {".", ","} else decimal_mark(cells)
        self.lines = [line for line, _ in rows]
        data: JsonObject = {"payment_policy": {}, "liquidity": {}}
        self._settings(settings, data)
        self._invoices(rows, data, header)
        try:
            problem = parse_problem(_without_empty(data))
        except InvalidProblem as error:
            named = [self._named(violation) for violation in error.violations]
            told = {violation.path for violation in self.found}
            raise InvalidProblem(self.found + [v for v in named if v.path not in told]) from None
        if self.found:
            raise InvalidProblem(self.found)
        return problem

    def _split(self) -> tuple[list[tuple[str, str, int]], list[str], int]:
        """Settings (key, value, line), the lines of the table, and the number of its first line."""
        settings: list[tuple[str, str, int]] = []
        lines = self.text.splitlines()
        at = 0
        while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("#")):
            text = lines[at].strip().lstrip("#").strip()
            key, colon, value = text.partition(":")
            if colon and re.fullmatch(r"[a-z_]+", key.strip()):
                name = key.strip()
                if name in SETTINGS:
                    settings.append((name, value.strip(), at + 1))
                else:
                    self.found.append(FieldViolation(f"line {at + 1}", f"sets {name!r}", ", ".join(SETTINGS)))
            at += 1
        return settings, lines[at:], at + 1

    def _table(self, body: list[str], first_line: int) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
        """The header in documented names, and (line, cells) of each row."""
        if not body:
            raise InvalidProblem([FieldViolation(f"line {first_line}", "has no header", ", ".join(NEEDED))])
        delimiter = max(",;\t|", key=body[0].count)
        reader = csv.reader(StringIO("\n".join(body) + "\n"), delimiter=delimiter)
        header = [self.mapping.get(name.strip(), name.strip()).lower() for name in next(reader)]
        seen: set[str] = set()
        for name in header:
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
                rows.append((line, {name: cell.strip() for name, cell in pairs}))
        except csv.Error as error:
            self.found.append(FieldViolation(f"line {start}", f"cannot be read: {error}", "CSV"))
        return header, rows

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
                by = cell.parsed("must_pay", parse_day)
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
            return FieldViolation(
                f"line {self.lines[int(inside[1])]}, column {column}", violation.problem, violation.allowed
            )
        return violation

    # Settings

    def _settings(self, settings: list[tuple[str, str, int]], data: JsonObject) -> None:
        for key, value, line in settings:
            if key != "problem":
                continue
            try:
                given = json.loads(value)
                if not isinstance(given, dict) or "invoices" in given:
                    raise ValueError("an object without invoices")
                data.update(given)
                data.setdefault("payment_policy", {})
                data.setdefault("liquidity", {})
            except ValueError as error:
                self.found.append(FieldViolation(f"line {line}", f"is no problem: {error}", "a JSON object"))
        base = next((value.upper() for key, value, _ in settings if key == "base_currency"), "")
        if base:
            data["base_currency"] = base
        reader = _Settings(self, data, str(data.get("base_currency", "")))
        for key, value, line in settings:
            reader.take(key, value, line)
        reader.close()


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
            day = self.parsed(name, parse_day)
            if day is not None:
                out[name] = date_json(day)
        out["amount_due"] = self.money("amount_due", currency)
        percent, apr = self.number("settlement_discount_percent"), self.number("dynamic_apr")
        if percent is not None or apr is not None or row.get("discount_due_date"):
            until = self.parsed("discount_due_date", parse_day)
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
                "checked_at": self.parsed("checked_at", _moment),
                "p_invalid": self.number("p_invalid"),
                "recovery_rate": self.number("recovery_rate"),
                "loss_if_invalid": self.money("loss_if_invalid", currency),
            }
            out["validation"] = [{name: value for name, value in check.items() if value is not None}]
        return out


class _Settings:
    """The lines above the header."""

    def __init__(self, file: _File, data: JsonObject, base: str) -> None:
        self.file, self.data, self.base = file, data, base
        self.accounts: dict[str, JsonObject] = {}
        self.scenarios: dict[str, JsonObject] = {}
        self.line = 0

    def take(self, key: str, value: str, line: int) -> None:
        """One ``key: value``."""
        self.line = line
        try:
            self._take(key, value)
        except Unreadable as error:
            self.file.found.append(FieldViolation(f"line {line}", f"sets {key} to {value!r}", str(error)))

    def _take(self, key: str, value: str) -> None:
        data, policy, liquidity = self.data, self.data["payment_policy"], self.data["liquidity"]
        words = value.split()
        if key in {"as_of_date", "horizon_end_date", "reconcile_by"}:
            data[key] = date_json(parse_day(value))
        elif key == "payment_run_dates":
            data[key] = [date_json(parse_day(word)) for word in words]
        elif key == "decimal_mark":
            if value not in {".", ","}:
                raise Unreadable("'.' or ','")
        elif key == "account":
            if len(words) != 2:
                raise Unreadable("an account id and its currency: main EUR")
            self.accounts[words[0]] = {"account_id": words[0], "_currency": words[1].upper()}
        elif key in {"opening_balance", "min_balance", "overdraft_limit", "overdraft_rate"}:
            name, rest = self._account(words)
            account = self.accounts[name]
            is_rate = key == "overdraft_rate"
            amount = self._plain(rest)
            account[key] = float(amount) if is_rate else money_of(amount, account["_currency"])
        elif key == "scenario":
            if len(words) != 2:
                raise Unreadable("a scenario id and its probability: low 0.3")
            self.scenarios[words[0]] = {"scenario_id": words[0], "probability": float(self._plain(words[1:]))}
        elif key == "inflow":
            self._inflow(words)
        elif key == "exchange_rate":
            if len(words) != 2:
                raise Unreadable("a currency and what one unit is worth in the base currency: USD 0.92")
            rate = float(self._plain(words[1:]))
            data.setdefault("exchange_rates", []).append({"currency": words[0].upper(), "rate": rate})
        elif key == "supplier_cap":
            if len(words) < 2:
                raise Unreadable("a supplier id and an amount: S1 10000")
            cap = {"supplier_id": words[0], "amount": money_of(self._plain(words[1:]), self.base)}
            policy.setdefault("supplier_caps", []).append(cap)
        elif key in {"cvar_limit", "max_unverified_exposure"}:
            policy[key] = money_of(self._plain(words), self.base)
        elif key in {"cvar_alpha", "cvar_weight", "criticality_rate", "default_p_invalid", "partial_parts"}:
            policy[key] = float(self._plain(words))
        elif key == "opportunity_rate":
            liquidity[key] = float(self._plain(words))
        elif key == "calendar":
            data[key] = {"name": value.upper()}
        elif key == "mode":
            data[key] = value.upper()
        elif key == "services_down":
            data[key] = words

    def _plain(self, words: Sequence[str]) -> Decimal:
        return parse_amount("".join(words), self.file.mark or ".")

    def _account(self, words: list[str]) -> tuple[str, list[str]]:
        """The account meant, and the words left: the first word where it names one, else the last account set up."""
        if words and words[0] in self.accounts:
            return words[0], words[1:]
        if not self.accounts:
            self.accounts["main"] = {"account_id": "main", "_currency": self.base}
        return list(self.accounts)[-1], words

    def _inflow(self, words: list[str]) -> None:
        """``DATE AMOUNT [SCENARIO [ACCOUNT]]``; without a scenario in all of them."""
        if not 2 <= len(words) <= 4:
            raise Unreadable("a date, an amount without spaces, and perhaps a scenario and an account")
        day, amount = date_json(parse_day(words[0])), self._plain(words[1:2])
        name = words[3] if len(words) == 4 else self._account([])[0]
        if name not in self.accounts:
            raise Unreadable(f"one of the accounts {', '.join(self.accounts)}")
        entry = {"account_id": name, "date": day, "amount": money_of(amount, self.accounts[name]["_currency"])}
        if len(words) >= 3:
            if words[2] not in self.scenarios:
                raise Unreadable("a scenario set up above")
            chosen = [self.scenarios[words[2]]]
        else:
            chosen = list(self.scenarios.values())
            if not chosen:
                self.scenarios["expected"] = {"scenario_id": "expected", "probability": 1.0}
                chosen = [self.scenarios["expected"]]
        for scenario in chosen:
            scenario.setdefault("inflows", []).append(entry)

    def close(self) -> None:
        """Hand accounts and scenarios over."""
        liquidity = self.data["liquidity"]
        for account in self.accounts.values():
            currency = account.pop("_currency")
            account.setdefault("opening_balance", money_of(Decimal(0), currency))
        if self.accounts:
            liquidity["bank_accounts"] = list(self.accounts.values())
        if self.scenarios:
            liquidity["inflow_scenarios"] = list(self.scenarios.values())


def money_of(amount: Decimal, currency: str) -> JsonObject:
    """google.type.Money of a decimal amount.

    Raises
    ------
    Unreadable
        When it has more decimals than nanos can hold or than ``currency`` has.
    """
    digits = MINOR_DIGITS.get(currency, 2)
    scaled = amount.scaleb(digits)
    if scaled != scaled.to_integral_value() or abs(amount) >= Decimal(10) ** 15:
        raise Unreadable(f"at most {digits} decimals in {currency or 'this currency'} and 15 digits")
    units = int(amount)
    nanos = int((amount - units) * 10**9)
    return {"currency_code": currency, "units": units, "nanos": nanos}


def _moment(text: str) -> str:
    """A moment as RFC 3339; a date alone is its first second in UTC."""
    if TIMESTAMP.fullmatch(text):
        return text
    try:
        return f"{to_date(parse_day(text)).isoformat()}T00:00:00Z"
    except Unreadable as error:
        raise Unreadable(f"{error}, or a moment such as 2026-03-01T17:30:00Z") from None


def _without_empty(value: Any) -> Any:
    """JSON without empty strings, ``None`` and empty containers: an empty cell says nothing."""
    if isinstance(value, dict):
        pairs: Iterator[tuple[str, Any]] = ((key, _without_empty(entry)) for key, entry in value.items())
        return {key: entry for key, entry in pairs if entry is not None and entry not in ("", [], {})}
    if isinstance(value, list):
        return [_without_empty(entry) for entry in value]
    return value
