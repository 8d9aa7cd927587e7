"""Liquidity and policy of an invoice problem as ``# key: value`` lines, which stand above a table's header.

``docs/invoices.md`` documents the settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.csv_amounts import Unreadable, money_of, parse_amount, parse_day
from solvers.invoices.parse import parse_problem
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reader import date_json
from solvers.problem import JsonObject

SETTINGS = (
    "as_of_date", "horizon_end_date", "payment_run_dates", "base_currency", "decimal_mark", "account", "min_balance",
    "overdraft_limit", "overdraft_rate", "opening_balance", "opportunity_rate", "scenario", "inflow", "exchange_rate",
    "cvar_alpha", "cvar_weight", "cvar_limit", "max_unverified_exposure", "criticality_rate", "default_p_invalid",
    "supplier_cap", "calendar", "mode", "services_down", "reconcile_by", "prepare_for", "partial_parts", "problem",
)  # fmt: skip
Setting = tuple[str, str, int]
"""Key, value and line."""


def read_settings(text: str, invoices: Sequence[JsonObject], places: Sequence[str]) -> InvoiceProblem:
    """The problem of ``invoices`` (as JSON) under settings alone: the lines that stand above a table's header.

    ``places`` names each invoice in faults. Raises `solvers.errors.InvalidProblem`, naming every fault.
    """
    found: list[FieldViolation] = []
    settings, rest, first = split_settings(text, found)
    if rest:
        found.append(FieldViolation(f"line {first}", "is no setting", "# key: value"))
    mark = next((value for key, value, _ in settings if key == "decimal_mark"), ".")
    data = settings_json(settings, mark, found)
    data["invoices"] = list(invoices)
    try:
        problem = parse_problem(without_empty(data))
    except InvalidProblem as error:
        for violation in error.violations:
            inside = re.fullmatch(r"invoices\[(\d+)\]\.?(.*)", violation.path)
            path = f"{places[int(inside[1])]}, {inside[2]}" if inside else violation.path
            found.append(FieldViolation(path, violation.problem, violation.allowed))
    if found:
        raise InvalidProblem(found)
    return problem


def split_settings(text: str, found: list[FieldViolation]) -> tuple[list[Setting], list[str], int]:
    """Settings, the lines below them, and the number of the first of these; faults go to ``found``."""
    settings: list[Setting] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("#")):
        line = lines[at].strip().lstrip("#").strip()
        key, colon, value = line.partition(":")
        if colon and re.fullmatch(r"[a-z_]+", key.strip()):
            name = key.strip()
            if name in SETTINGS:
                settings.append((name, value.strip(), at + 1))
            else:
                found.append(FieldViolation(f"line {at + 1}", f"sets {name!r}", ", ".join(SETTINGS)))
        at += 1
    return settings, lines[at:], at + 1


def settings_json(settings: Sequence[Setting], mark: str, found: list[FieldViolation]) -> JsonObject:
    """The problem's JSON but for its invoices; ``mark`` is the decimal mark, faults go to ``found``."""
    data: JsonObject = {"payment_policy": {}, "liquidity": {}}
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
            found.append(FieldViolation(f"line {line}", f"is no problem: {error}", "a JSON object"))
    base = next((value.upper() for key, value, _ in settings if key == "base_currency"), "")
    if base:
        data["base_currency"] = base
    reader = _Lines(data, str(data.get("base_currency", "")), mark, found)
    for key, value, line in settings:
        reader.take(key, value, line)
    reader.close()
    return data


class _Lines:
    """The settings on their way into a problem."""

    def __init__(self, data: JsonObject, base: str, mark: str, found: list[FieldViolation]) -> None:
        self.data, self.base, self.mark, self.found = data, base, mark, found
        self.accounts: dict[str, JsonObject] = {}
        self.scenarios: dict[str, JsonObject] = {}
        self.line = 0

    def take(self, key: str, value: str, line: int) -> None:
        """One ``key: value``."""
        self.line = line
        try:
            self._take(key, value)
        except Unreadable as error:
            self.found.append(FieldViolation(f"line {line}", f"sets {key} to {value!r}", str(error)))

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
        elif key == "prepare_for":
            data.setdefault(key, []).append(self._outage(words))

    def _outage(self, words: list[str]) -> JsonObject:
        """``CHECK_TYPE ... [exposure=AMOUNT] [days=DAYS]``."""
        outage: JsonObject = {"services_down": [word for word in words if "=" not in word]}
        for word in words:
            name, equals, value = word.partition("=")
            if equals and name == "exposure":
                outage["max_unverified_exposure"] = money_of(self._plain([value]), self.base)
            elif equals and name == "days":
                outage["valid_days"] = float(self._plain([value]))
            elif equals:
                raise Unreadable("check types, and perhaps exposure=AMOUNT and days=DAYS")
        return outage

    def _plain(self, words: Sequence[str]) -> Decimal:
        return parse_amount("".join(words), self.mark)

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


def without_empty(value: Any) -> Any:
    """JSON without empty strings, ``None`` and empty containers: an empty cell says nothing."""
    if isinstance(value, dict):
        pairs: Iterator[tuple[str, Any]] = ((key, without_empty(entry)) for key, entry in value.items())
        return {key: entry for key, entry in pairs if entry is not None and entry not in ("", [], {})}
    if isinstance(value, list):
        return [without_empty(entry) for entry in value]
    return value
