"""Canonical JSON of invoice problems and plans, in the field names of ``protos/invoices.proto``."""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.parse import parse_problem
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reader import Reader, date_json, money_json, timestamp_json
from solvers.invoices.records import (
    DEFAULT_CVAR_ALPHA,
    DEFAULT_P_INVALID,
    DEFAULT_PARTIAL_PARTS,
    DEFAULT_VALID_DAYS,
    MATCH_NOT_ASKED,
    NORMAL,
    NOT_PERFORMED,
    BankAccount,
    ExpectedOutage,
    InflowScenario,
    Invoice,
    LatePayment,
    PaymentPolicy,
    PaymentTerm,
    Supplier,
    ValidationCheck,
)
from solvers.problem import JsonObject


def _drop(data: JsonObject) -> JsonObject:
    """``data`` without what says nothing: ``None``, ``""``, ``False``, 0 and empty lists and objects."""
    return {key: value for key, value in data.items() if value not in (None, "", False, 0, [], {})}


def _float(value: float) -> float | int:
    """A number as canonical JSON writes it: 1 and 1.0 have one text."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def term_to_json(term: PaymentTerm) -> JsonObject:
    """A settlement discount."""
    out: JsonObject = {"discount_due_date": date_json(term.until_day)}
    if term.discount_ppm is not None:
        out["settlement_discount_percent"] = _float(term.discount_ppm / 10_000)
    if term.apr_ppm is not None:
        out["dynamic_apr"] = _float(term.apr_ppm / 1_000_000)
    return out


def late_to_json(late: LatePayment, currency: str) -> JsonObject:
    """What paying late costs."""
    out: JsonObject = {"regime": late.regime}
    if late.annual_rate is not None:
        out["annual_rate"] = _float(late.annual_rate)
    if late.compensation_minor is not None:
        out["fixed_compensation"] = money_json(late.compensation_minor, currency)
    return out


def check_to_json(check: ValidationCheck, currency: str) -> JsonObject:
    """One validation check."""
    out = _drop(
        {
            "check_type": check.check_type,
            "status": None if check.status == NOT_PERFORMED else check.status,
            "recovery_rate": _float(check.recovery_rate),
        }
    )
    if check.checked_at_ns is not None:
        out["checked_at"] = timestamp_json(check.checked_at_ns)
    if check.p_invalid is not None:
        out["p_invalid"] = _float(check.p_invalid)
    if check.loss_minor is not None:
        out["loss_if_invalid"] = money_json(check.loss_minor, currency)
    return out


def invoice_to_json(invoice: Invoice) -> JsonObject:
    """One invoice."""
    out = _drop(
        {
            "invoice_id": invoice.invoice_id,
            "invoice_number": invoice.invoice_number,
            "supplier_id": invoice.supplier_id,
            "seller_vat_id": invoice.seller_vat_id,
            "payee_iban": invoice.payee_iban,
            "payment_terms": [term_to_json(term) for term in invoice.terms],
            "payment_block_code": invoice.block_code,
            "match_status": None if invoice.match_status == MATCH_NOT_ASKED else invoice.match_status,
            "disputed": invoice.disputed,
            "partial_allowed": invoice.partial_allowed,
            "validation": [check_to_json(check, invoice.currency) for check in invoice.validation],
        }
    )
    out["payment_due_date"] = date_json(invoice.due_day)
    out["amount_due"] = money_json(invoice.amount_minor, invoice.currency)
    if invoice.issue_day is not None:
        out["issue_date"] = date_json(invoice.issue_day)
    if invoice.earliest_day is not None:
        out["earliest_payment_date"] = date_json(invoice.earliest_day)
    if invoice.late is not None:
        out["late_payment"] = late_to_json(invoice.late, invoice.currency)
    return out


def account_to_json(account: BankAccount) -> JsonObject:
    """One bank account."""
    out = _drop({"account_id": account.account_id, "overdraft_rate": _float(account.overdraft_rate)})
    out["opening_balance"] = money_json(account.opening_minor, account.currency)
    if account.floor_minor:
        out["min_balance"] = money_json(account.floor_minor, account.currency)
    if account.overdraft_limit_minor:
        out["overdraft_limit"] = money_json(account.overdraft_limit_minor, account.currency)
    return out


def scenario_to_json(scenario: InflowScenario, currency_of: dict[str, str]) -> JsonObject:
    """One scenario of inflows."""
    inflows = [
        {
            "account_id": inflow.account_id,
            "date": date_json(inflow.day),
            "amount": money_json(inflow.amount_minor, currency_of[inflow.account_id]),
        }
        for inflow in scenario.inflows
    ]
    return _drop({"scenario_id": scenario.scenario_id, "probability": _float(scenario.probability), "inflows": inflows})


def policy_to_json(policy: PaymentPolicy, base: str) -> JsonObject:
    """How the payer weighs risk."""
    out = _drop(
        {
            "cvar_weight": _float(policy.cvar_weight),
            "criticality_rate": _float(policy.criticality_rate),
            "bank_detail_quarantine_days": policy.quarantine_days,
            "required_checks": list(policy.required_checks),
        }
    )
    for name, value, default in (
        ("cvar_alpha", policy.cvar_alpha, DEFAULT_CVAR_ALPHA),
        ("default_p_invalid", policy.default_p_invalid, DEFAULT_P_INVALID),
        ("partial_parts", policy.partial_parts, DEFAULT_PARTIAL_PARTS),
    ):
        if value != default:
            out[name] = _float(value)
    for name, minor in (
        ("cvar_limit", policy.cvar_limit_minor),
        ("max_unverified_exposure", policy.max_unverified_minor),
    ):
        if minor is not None:
            out[name] = money_json(minor, base)
    if policy.supplier_caps:
        out["supplier_caps"] = [
            {"supplier_id": cap.supplier_id, "amount": money_json(cap.amount_minor, base)}
            for cap in policy.supplier_caps
        ]
    if policy.must_pay:
        out["must_pay"] = [
            {"invoice_id": must.invoice_id} | ({} if must.by_day is None else {"by_date": date_json(must.by_day)})
            for must in policy.must_pay
        ]
    return out


def supplier_to_json(supplier: Supplier) -> JsonObject:
    """One supplier."""
    out = _drop({"supplier_id": supplier.supplier_id, "criticality": _float(supplier.criticality)})
    if supplier.bank_detail_changed_at_ns is not None:
        out["bank_detail_changed_at"] = timestamp_json(supplier.bank_detail_changed_at_ns)
    return out


def outage_to_json(outage: ExpectedOutage, base: str) -> JsonObject:
    """An outage to be ready for."""
    out: JsonObject = {"services_down": list(outage.services_down)}
    if outage.max_unverified_minor is not None:
        out["max_unverified_exposure"] = money_json(outage.max_unverified_minor, base)
    if outage.valid_days != DEFAULT_VALID_DAYS:
        out["valid_days"] = outage.valid_days
    return out


def problem_to_json(problem: InvoiceProblem) -> JsonObject:
    """The canonical JSON of ``problem``."""
    currency_of = {account.account_id: account.currency for account in problem.bank_accounts}
    liquidity = _drop(
        {
            "bank_accounts": [account_to_json(account) for account in problem.bank_accounts],
            "inflow_scenarios": [scenario_to_json(scenario, currency_of) for scenario in problem.inflow_scenarios],
            "opportunity_rate": _float(problem.opportunity_rate),
        }
    )
    table: JsonObject = {}
    if problem.late_rate_table is not None:
        table = {"version": problem.late_rate_table.version}
        rates = []
        for rate in problem.late_rate_table.rates:
            entry = _drop({"annual_rate": _float(rate.annual_rate)})
            entry |= {"regime": rate.regime, "from_date": date_json(rate.from_day)}
            if rate.compensation_minor:
                entry["fixed_compensation"] = money_json(rate.compensation_minor, rate.compensation_currency)
            rates.append(entry)
        table |= _drop({"rates": rates})
    calendar = _drop(
        {
            "name": None if problem.calendar == "WEEKENDS" else problem.calendar,
            "holidays": [date_json(day) for day in problem.holidays],
        }
    )
    return _drop(
        {
            "as_of_date": date_json(problem.as_of_day),
            "horizon_end_date": date_json(problem.horizon_end_day),
            "payment_run_dates": [date_json(day) for day in problem.payment_run_days],
            "base_currency": problem.base_currency,
            "exchange_rates": [{"currency": r.currency, "rate": _float(r.rate)} for r in problem.exchange_rates],
            "invoices": [invoice_to_json(invoice) for invoice in problem.invoices],
            "suppliers": [supplier_to_json(supplier) for supplier in problem.suppliers],
            "liquidity": liquidity,
            "payment_policy": policy_to_json(problem.policy, problem.base_currency),
            "late_rate_table": table,
            "calendar": calendar,
            "mode": None if problem.mode == NORMAL else problem.mode,
            "services_down": list(problem.services_down),
            "reconcile_by": None if problem.reconcile_by_day is None else date_json(problem.reconcile_by_day),
            "prepare_for": [outage_to_json(outage, problem.base_currency) for outage in problem.prepare_for],
        }
    )


def problem_from_json(data: JsonObject) -> InvoiceProblem:
    """The problem in ``data``. Raises `InvalidProblem` naming every field at fault."""
    return parse_problem(data)


def plan_to_json(problem: InvoiceProblem, plan: InvoicePlan) -> JsonObject:
    """The payments of ``plan``; what is not paid is left out."""
    columns = problem.columns
    if len(plan) != len(columns):
        raise ValueError(f"plan has {len(plan)} items; allowed: {len(columns)}")
    decisions = []
    for item in np.flatnonzero(plan.date_index != NEVER).tolist():
        entry: JsonObject = {
            "invoice_id": problem.invoices[columns.invoice[item]].invoice_id,
            "decision": "PAY",
            "requested_execution_date": date_json(problem.payment_run_days[plan.date_index[item]]),
            "account_id": problem.bank_accounts[plan.account_index[item]].account_id,
        }
        if columns.part[item]:
            entry["part"] = int(columns.part[item])
        decisions.append(entry)
    return _drop({"decisions": decisions})


def plan_from_json(problem: InvoiceProblem, data: JsonObject) -> InvoicePlan:
    """The plan in ``data``; decisions other than PAY count as not paid. Raises `InvalidProblem`."""
    found: list[FieldViolation] = []
    columns = problem.columns
    item_of = {
        (problem.invoices[index].invoice_id, part): item
        for item, (index, part) in enumerate(zip(columns.invoice.tolist(), columns.part.tolist(), strict=True))
    }
    run_of = {day: index for index, day in enumerate(problem.payment_run_days)}
    account_of = {account.account_id: index for index, account in enumerate(problem.bank_accounts)}
    dates = np.full(len(columns), NEVER, dtype=np.int16)
    accounts = np.full(len(columns), NEVER, dtype=np.int16)
    seen: set[Any] = set()
    for reader in Reader(data, "", found).children("decisions"):
        action = reader.choice("decision", ("PAY", "DEFER", "HOLD", "REVIEW"), "PAY")
        key = (reader.text("invoice_id"), reader.integer("part") or 0)
        if key not in item_of:
            reader.fault("invoice_id", f"is {key[0]!r} part {key[1]}", "an invoice (and instalment) of the problem")
        elif key in seen:
            reader.fault("invoice_id", f"is {key[0]!r} part {key[1]} again", "each once")
        seen.add(key)
        if action != "PAY":
            continue
        day, account = reader.needed_date("requested_execution_date"), reader.text("account_id")
        if day not in run_of:
            reader.fault("requested_execution_date", "is not a payment run", "one of payment_run_dates")
        if account not in account_of:
            reader.fault("account_id", f"is {account!r}", "one of bank_accounts")
        if not found:
            dates[item_of[key]], accounts[item_of[key]] = run_of[day], account_of[account]
    if found:
        raise InvalidProblem(found)
    return InvoicePlan(dates, accounts)
