"""From JSON in proto field names to an invoice problem, noting every fault on the way."""

from __future__ import annotations

from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.rates import CONTRACT, NO_INTEREST, REGIMES, STATUTORY, LateRate, LateRateTable
from solvers.invoices.reader import Reader
from solvers.invoices.records import (
    CHECK_STATUSES,
    DEFAULT_CVAR_ALPHA,
    DEFAULT_P_INVALID,
    DEFAULT_PARTIAL_PARTS,
    DEFAULT_VALID_DAYS,
    DEGRADED,
    MATCH_NOT_ASKED,
    MATCH_STATUSES,
    NORMAL,
    NOT_PERFORMED,
    RECONCILE,
    BankAccount,
    ExchangeRate,
    ExpectedOutage,
    Inflow,
    InflowScenario,
    Invoice,
    LatePayment,
    MustPay,
    PaymentPolicy,
    PaymentTerm,
    Supplier,
    SupplierCap,
    ValidationCheck,
)


def parse_problem(data: Any) -> InvoiceProblem:
    """The problem in ``data``.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault.
    """
    found: list[FieldViolation] = []
    reader = Reader(data, "", found)
    base = reader.text("base_currency")
    fields: dict[str, Any] = {
        "as_of_day": reader.needed_date("as_of_date"),
        "horizon_end_day": reader.needed_date("horizon_end_date"),
        "payment_run_days": reader.dates("payment_run_dates"),
        "base_currency": base,
        "exchange_rates": reader.records("exchange_rates", _exchange_rate),
        "invoices": reader.records("invoices", parse_invoice),
        "suppliers": reader.records("suppliers", _supplier),
        "mode": reader.choice("mode", (NORMAL, DEGRADED, RECONCILE), NORMAL),
        "services_down": reader.texts("services_down"),
        "reconcile_by_day": reader.date("reconcile_by"),
        "prepare_for": reader.records("prepare_for", lambda child: _outage(child, base)),
    }
    liquidity = reader.child("liquidity")
    accounts = liquidity.records("bank_accounts", _account)
    currency_of = {account.account_id: account.currency for account in accounts}
    fields["bank_accounts"] = accounts
    fields["inflow_scenarios"] = liquidity.records("inflow_scenarios", lambda child: _scenario(child, currency_of))
    fields["opportunity_rate"] = liquidity.number("opportunity_rate") or 0.0
    liquidity.close()
    policy = reader.child("payment_policy")
    fields["policy"] = _policy(policy, base)
    policy.close()
    fields["late_rate_table"] = _rate_table(reader)
    calendar = reader.child("calendar")
    fields["calendar"] = calendar.choice("name", ("WEEKENDS", "TARGET", "EVERY_DAY"), "WEEKENDS")
    fields["holidays"] = calendar.dates("holidays")
    calendar.close()
    reader.close()
    try:
        problem = InvoiceProblem(**fields)
    except InvalidProblem as error:
        # What could not be read was replaced by a neutral value, which is not to be judged a second time.
        read = [violation.path for violation in found]
        found.extend(v for v in error.violations if not any(_same_field(v.path, path) for path in read))
        raise InvalidProblem(found) from None
    if found:
        raise InvalidProblem(found)
    return problem


def _same_field(path: str, faulty: str) -> bool:
    below, above = (f"{path}.", f"{path}["), (f"{faulty}.", f"{faulty}[")
    return faulty == path or faulty.startswith(below) or path.startswith(above)


def _exchange_rate(reader: Reader) -> ExchangeRate:
    rate = reader.number("rate")
    if rate is None and reader.data.get("rate") is None:
        reader.fault("rate", "is missing", "a number above 0")
    return ExchangeRate(reader.text("currency"), 1.0 if rate is None else rate)


def _supplier(reader: Reader) -> Supplier:
    changed = reader.timestamp_ns("bank_detail_changed_at")
    return Supplier(reader.text("supplier_id"), reader.number("criticality") or 0.0, changed)


def parse_invoice(reader: Reader) -> Invoice:
    """One invoice."""
    amount = reader.needed_money("amount_due")
    minor, currency = (1, "") if amount is None else amount
    late: LatePayment | None = None
    if reader.data.get("late_payment") is not None:
        child = reader.child("late_payment")
        late = _late(child, currency)
        child.close()
    else:
        reader.take("late_payment")
    return Invoice(
        invoice_id=reader.text("invoice_id"),
        supplier_id=reader.text("supplier_id"),
        due_day=reader.needed_date("payment_due_date"),
        amount_minor=minor,
        currency=currency,
        invoice_number=reader.text("invoice_number"),
        issue_day=reader.date("issue_date"),
        seller_vat_id=reader.text("seller_vat_id"),
        payee_iban=reader.text("payee_iban"),
        terms=reader.records("payment_terms", _term),
        late=late,
        block_code=reader.text("payment_block_code"),
        match_status=reader.choice("match_status", MATCH_STATUSES, MATCH_NOT_ASKED),
        disputed=reader.flag("disputed"),
        partial_allowed=reader.flag("partial_allowed"),
        earliest_day=reader.date("earliest_payment_date"),
        validation=reader.records("validation", lambda child: parse_check(child, currency)),
    )


def _term(reader: Reader) -> PaymentTerm:
    return PaymentTerm(
        until_day=reader.needed_date("discount_due_date"),
        discount_ppm=reader.scaled("settlement_discount_percent", 10_000, "0 - 100 with at most 4 decimals"),
        apr_ppm=reader.scaled("dynamic_apr", 1_000_000, "0 - 1 with at most 6 decimals"),
    )


def _late(reader: Reader, currency: str) -> LatePayment | None:
    rate = reader.number("annual_rate")
    compensation = reader.money_in("fixed_compensation", currency)
    implied = NO_INTEREST if rate is None and compensation is None else CONTRACT
    regime = reader.choice("regime", REGIMES, implied)
    if regime == NO_INTEREST and rate is None and compensation is None:
        return None
    return LatePayment(regime, rate, compensation)


def parse_check(reader: Reader, currency: str) -> ValidationCheck:
    """One validation check of an invoice in ``currency``."""
    return ValidationCheck(
        check_type=reader.text("check_type"),
        status=reader.choice("status", CHECK_STATUSES, NOT_PERFORMED),
        checked_at_ns=reader.timestamp_ns("checked_at"),
        p_invalid=reader.number("p_invalid"),
        loss_minor=reader.money_in("loss_if_invalid", currency),
        recovery_rate=reader.number("recovery_rate") or 0.0,
    )


def _account(reader: Reader) -> BankAccount:
    opening = reader.needed_money("opening_balance")
    minor, currency = (0, "") if opening is None else opening
    return BankAccount(
        account_id=reader.text("account_id"),
        currency=currency,
        opening_minor=minor,
        floor_minor=reader.money_in("min_balance", currency) or 0,
        overdraft_limit_minor=reader.money_in("overdraft_limit", currency) or 0,
        overdraft_rate=reader.number("overdraft_rate") or 0.0,
    )


def _scenario(reader: Reader, currency_of: dict[str, str]) -> InflowScenario:
    return InflowScenario(
        scenario_id=reader.text("scenario_id"),
        probability=reader.number("probability") or 0.0,
        inflows=reader.records("inflows", lambda child: _inflow(child, currency_of)),
    )


def _inflow(reader: Reader, currency_of: dict[str, str]) -> Inflow:
    account = reader.text("account_id")
    amount = reader.money_in("amount", currency_of.get(account, ""))
    if amount is None and reader.data.get("amount") is None:
        reader.fault("amount", "is missing", "an amount of money")
    return Inflow(account, reader.needed_date("date"), amount or 0)


def _policy(reader: Reader, base: str) -> PaymentPolicy:
    def or_default(value: float | None, default: float) -> float:
        return default if value is None else value

    parts, days = reader.integer("partial_parts"), reader.integer("bank_detail_quarantine_days")
    return PaymentPolicy(
        cvar_alpha=or_default(reader.number("cvar_alpha"), DEFAULT_CVAR_ALPHA),
        cvar_limit_minor=reader.money_in("cvar_limit", base),
        cvar_weight=or_default(reader.number("cvar_weight"), 0.0),
        max_unverified_minor=reader.money_in("max_unverified_exposure", base),
        supplier_caps=reader.records("supplier_caps", lambda child: _cap(child, base)),
        must_pay=reader.records("must_pay", lambda child: MustPay(child.text("invoice_id"), child.date("by_date"))),
        criticality_rate=or_default(reader.number("criticality_rate"), 0.0),
        default_p_invalid=or_default(reader.number("default_p_invalid"), DEFAULT_P_INVALID),
        quarantine_days=days or 0,
        partial_parts=DEFAULT_PARTIAL_PARTS if parts is None else parts,
        required_checks=reader.texts("required_checks"),
    )


def _cap(reader: Reader, base: str) -> SupplierCap:
    amount = reader.money_in("amount", base)
    if amount is None and reader.data.get("amount") is None:
        reader.fault("amount", "is missing", "an amount of money")
    return SupplierCap(reader.text("supplier_id"), amount or 0)


def _outage(reader: Reader, base: str) -> ExpectedOutage:
    days = reader.integer("valid_days")
    return ExpectedOutage(
        services_down=reader.texts("services_down"),
        max_unverified_minor=reader.money_in("max_unverified_exposure", base),
        valid_days=DEFAULT_VALID_DAYS if days is None else days,
    )


def _rate_table(reader: Reader) -> LateRateTable | None:
    if reader.data.get("late_rate_table") is None:
        reader.take("late_rate_table")
        return None
    child = reader.child("late_rate_table")
    table = LateRateTable(child.text("version"), child.records("rates", _rate))
    child.close()
    return table


def _rate(reader: Reader) -> LateRate:
    compensation = reader.money("fixed_compensation")
    minor, currency = (0, "") if compensation is None or not compensation[0] else compensation
    return LateRate(
        regime=reader.choice("regime", STATUTORY, STATUTORY[0]),
        from_day=reader.needed_date("from_date"),
        annual_rate=reader.number("annual_rate") or 0.0,
        compensation_minor=minor,
        compensation_currency=currency,
    )
