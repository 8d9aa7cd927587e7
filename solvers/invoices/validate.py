"""Every fault of an invoice problem, with paths in proto field names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from solvers.errors import FieldViolation
from solvers.invoices.calendars import is_business_day, iso
from solvers.invoices.faults import amount, identifier, known, number, unique
from solvers.invoices.money import MAX_AMOUNT_MINOR, MINOR_DIGITS, in_base_minor
from solvers.invoices.rates import CONTRACT, NO_INTEREST, STATUTORY
from solvers.invoices.records import CHECK_STATUSES, Invoice
from solvers.invoices.validate_outage import mode_faults, preparation_faults
from solvers.invoices.validity import ValidityReader

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

MAX_INVOICES = 200_000
MAX_RUN_DATES = 366
MAX_ITEMS = 400_000


def needs_statutory_rates(problem: InvoiceProblem) -> bool:
    """Whether some invoice is under a statutory regime."""
    return any(invoice.late is not None and invoice.late.regime in STATUTORY for invoice in problem.invoices)


def violations(problem: InvoiceProblem) -> list[FieldViolation]:
    """Every fault of ``problem``, in the order of its fields."""
    return [
        *_dates(problem),
        *_currencies(problem),
        *_suppliers(problem),
        *_liquidity(problem),
        *_rate_table(problem),
        *_invoices(problem),
        *_policy(problem),
        *mode_faults(problem),
        *preparation_faults(problem),
    ]


def _dates(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    as_of, end, runs = problem.as_of_day, problem.horizon_end_day, problem.payment_run_days
    if known(as_of, end) and end < as_of:
        yield FieldViolation("horizon_end_date", f"is {iso(end)}", f"not before as_of_date ({iso(as_of)})")
    if not 1 <= len(runs) <= MAX_RUN_DATES:
        yield FieldViolation("payment_run_dates", f"has {len(runs)} entries", f"1 - {MAX_RUN_DATES}")
    if problem.calendar not in {"WEEKENDS", "TARGET", "EVERY_DAY"}:
        yield FieldViolation("calendar.name", f"is {problem.calendar!r}", "WEEKENDS, TARGET, EVERY_DAY")
    if len(problem.holidays) > 1000:
        yield FieldViolation("calendar.holidays", f"has {len(problem.holidays)} entries", "at most 1000")
    holidays = frozenset(problem.holidays)
    for index, day in enumerate(runs):
        path = f"payment_run_dates[{index}]"
        if not known(day):
            continue
        if known(as_of, end) and not as_of <= day <= end:
            yield FieldViolation(path, f"is {iso(day)}", f"from {iso(as_of)} to {iso(end)}")
        if index and known(runs[index - 1]) and day <= runs[index - 1]:
            yield FieldViolation(path, f"is {iso(day)}", f"after {iso(runs[index - 1])}, the one before it")
        if not is_business_day(day, problem.calendar, holidays):
            yield FieldViolation(path, f"is {iso(day)}, not a business day", f"business days of {problem.calendar}")


def _currencies(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    if problem.base_currency not in MINOR_DIGITS:
        yield FieldViolation("base_currency", f"is {problem.base_currency!r}", "an ISO 4217 currency code")
    seen: dict[str, str] = {problem.base_currency: "base_currency"}
    for index, rate in enumerate(problem.exchange_rates):
        path = f"exchange_rates[{index}]"
        if rate.currency not in MINOR_DIGITS:
            yield FieldViolation(f"{path}.currency", f"is {rate.currency!r}", "an ISO 4217 currency code")
        yield from unique(f"{path}.currency", seen, rate.currency)
        yield from number(f"{path}.rate", rate.rate, 0.0, 1e9, open_low=True)


def _suppliers(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    seen: dict[str, str] = {}
    for index, supplier in enumerate(problem.suppliers):
        path = f"suppliers[{index}]"
        yield from identifier(f"{path}.supplier_id", supplier.supplier_id)
        yield from unique(f"{path}.supplier_id", seen, supplier.supplier_id)
        yield from number(f"{path}.criticality", supplier.criticality, 0.0, 1.0)


def _liquidity(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    yield from number("liquidity.opportunity_rate", problem.opportunity_rate, 0.0, 10.0)
    accounts: dict[str, str] = {}
    if not 1 <= len(problem.bank_accounts) <= 32:
        yield FieldViolation("liquidity.bank_accounts", f"has {len(problem.bank_accounts)} entries", "1 - 32")
    for index, account in enumerate(problem.bank_accounts):
        path = f"liquidity.bank_accounts[{index}]"
        yield from identifier(f"{path}.account_id", account.account_id)
        yield from unique(f"{path}.account_id", accounts, account.account_id)
        if account.currency not in MINOR_DIGITS:
            yield FieldViolation(f"{path}.opening_balance", f"is in {account.currency!r}", "an ISO 4217 currency code")
        elif account.currency not in problem.rate_by_currency:
            yield FieldViolation(f"{path}.opening_balance", f"is in {account.currency}", "one of exchange_rates")
        yield from amount(f"{path}.opening_balance", account.opening_minor)
        yield from amount(f"{path}.overdraft_limit", account.overdraft_limit_minor, 0)
        yield from amount(f"{path}.min_balance", account.floor_minor)
        yield from number(f"{path}.overdraft_rate", account.overdraft_rate, 0.0, 10.0)
    scenarios: dict[str, str] = {}
    if len(problem.inflow_scenarios) > 1000:
        count = len(problem.inflow_scenarios)
        yield FieldViolation("liquidity.inflow_scenarios", f"has {count} entries", "at most 1000")
    for index, scenario in enumerate(problem.inflow_scenarios):
        path = f"liquidity.inflow_scenarios[{index}]"
        if scenario.scenario_id:
            yield from unique(f"{path}.scenario_id", scenarios, scenario.scenario_id)
        yield from number(f"{path}.probability", scenario.probability, 0.0, 1.0, open_low=True)
        if len(scenario.inflows) > 10_000:
            yield FieldViolation(f"{path}.inflows", f"has {len(scenario.inflows)} entries", "at most 10000")
        for position, inflow in enumerate(scenario.inflows):
            where = f"{path}.inflows[{position}]"
            if inflow.account_id not in accounts:
                yield FieldViolation(f"{where}.account_id", f"is {inflow.account_id!r}", "one of bank_accounts")
            if known(inflow.day, problem.as_of_day, problem.horizon_end_day) and not (
                problem.as_of_day <= inflow.day <= problem.horizon_end_day
            ):
                allowed = f"from {iso(problem.as_of_day)} to {iso(problem.horizon_end_day)}"
                yield FieldViolation(f"{where}.date", f"is {iso(inflow.day)}", allowed)
            yield from amount(f"{where}.amount", inflow.amount_minor)
    if problem.inflow_scenarios:
        total = math.fsum(scenario.probability for scenario in problem.inflow_scenarios)
        if not abs(total - 1.0) <= 1e-9:
            yield FieldViolation("liquidity.inflow_scenarios", f"has probabilities summing to {total!r}", "a sum of 1")


def _rate_table(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    table = problem.late_rate_table
    if table is None:
        return
    yield from identifier("late_rate_table.version", table.version)
    for index, rate in enumerate(table.rates):
        path = f"late_rate_table.rates[{index}]"
        if rate.regime not in STATUTORY:
            yield FieldViolation(f"{path}.regime", f"is {rate.regime}", ", ".join(STATUTORY))
        yield from number(f"{path}.annual_rate", rate.annual_rate, 0.0, 10.0)
        yield from amount(f"{path}.fixed_compensation", rate.compensation_minor, 0)
        if rate.compensation_minor and rate.compensation_currency not in MINOR_DIGITS:
            problem_text = f"is in {rate.compensation_currency!r}"
            yield FieldViolation(f"{path}.fixed_compensation", problem_text, "an ISO 4217 currency code")
        if index:
            last = table.rates[index - 1]
            ordered = (last.regime, last.from_day) < (rate.regime, rate.from_day)
            if known(last.from_day, rate.from_day) and not ordered:
                yield FieldViolation(path, "is out of order or repeated", "sorted by regime, then from_date, each once")


def _invoices(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    if not 1 <= len(problem.invoices) <= MAX_INVOICES:
        yield FieldViolation("invoices", f"has {len(problem.invoices)} entries", f"1 - {MAX_INVOICES}")
    payable = {account.currency for account in problem.bank_accounts}
    seen: dict[str, str] = {}
    items = 0
    for index, invoice in enumerate(problem.invoices):
        path = f"invoices[{index}]"
        items += problem.policy.partial_parts if invoice.partial_allowed else 1
        yield from identifier(f"{path}.invoice_id", invoice.invoice_id)
        yield from unique(f"{path}.invoice_id", seen, invoice.invoice_id)
        yield from identifier(f"{path}.supplier_id", invoice.supplier_id)
        yield from _invoice_money(problem, payable, path, invoice)
        issued = invoice.due_day if invoice.issue_day is None else invoice.issue_day
        if known(issued, invoice.due_day) and issued > invoice.due_day:
            allowed = f"not before issue_date ({iso(issued)})"
            yield FieldViolation(f"{path}.payment_due_date", f"is {iso(invoice.due_day)}", allowed)
        yield from _terms(path, invoice)
        yield from _late(problem, path, invoice)
        yield from _validation(path, invoice)
    if items > MAX_ITEMS:
        yield FieldViolation("invoices", f"make {items} instalments", f"at most {MAX_ITEMS}")


def _invoice_money(problem: InvoiceProblem, payable: set[str], path: str, invoice: Invoice) -> Iterator[FieldViolation]:
    where, currency = f"{path}.amount_due", invoice.currency
    yield from amount(where, invoice.amount_minor, 1)
    if currency not in MINOR_DIGITS:
        yield FieldViolation(where, f"is in {currency!r}", "an ISO 4217 currency code")
    elif currency not in problem.rate_by_currency:
        yield FieldViolation(where, f"is in {currency}", "the base currency or one of exchange_rates")
    elif payable and currency not in payable:
        yield FieldViolation(where, f"is in {currency}", "a currency of one of the bank accounts")
    elif problem.base_currency in MINOR_DIGITS and 0 < problem.rate_by_currency[currency] <= 1e9:
        rate = problem.rate_by_currency[currency]
        if in_base_minor(invoice.amount_minor, currency, rate, problem.base_currency) > MAX_AMOUNT_MINOR:
            yield FieldViolation(where, "is too large in the base currency", f"at most {MAX_AMOUNT_MINOR} minor units")


def _terms(path: str, invoice: Invoice) -> Iterator[FieldViolation]:
    if len(invoice.terms) > 8:
        yield FieldViolation(f"{path}.payment_terms", f"has {len(invoice.terms)} entries", "at most 8")
    for index, term in enumerate(invoice.terms):
        where = f"{path}.payment_terms[{index}]"
        if (term.discount_ppm is None) == (term.apr_ppm is None):
            yield FieldViolation(where, "has no discount", "one of settlement_discount_percent and dynamic_apr")
        for name, value, high in (
            ("settlement_discount_percent", term.discount_ppm, "0 - 100"),
            ("dynamic_apr", term.apr_ppm, "0 - 1"),
        ):
            if value is not None and not 0 <= value <= 1_000_000:
                yield FieldViolation(f"{where}.{name}", "is out of range", high)


def _late(problem: InvoiceProblem, path: str, invoice: Invoice) -> Iterator[FieldViolation]:
    late = invoice.late
    if late is None:
        return
    where = f"{path}.late_payment"
    if late.regime not in {*STATUTORY, CONTRACT, NO_INTEREST}:
        yield FieldViolation(f"{where}.regime", f"is {late.regime!r}", "a late payment regime")
    if late.annual_rate is not None:
        yield from number(f"{where}.annual_rate", late.annual_rate, 0.0, 10.0)
        if late.regime != CONTRACT:
            yield FieldViolation(f"{where}.annual_rate", f"is given under {late.regime}", "CONTRACT only")
    if late.compensation_minor is not None:
        yield from amount(f"{where}.fixed_compensation", late.compensation_minor, 0)
        if late.regime == NO_INTEREST:
            yield FieldViolation(f"{where}.fixed_compensation", "is given under NO_INTEREST", "absent")
    table = problem.late_rate_table
    if late.regime in STATUTORY and table is not None and known(invoice.due_day):
        rate = table.in_force(late.regime, invoice.due_day + 1)
        if rate is None:
            found = f"needs a rate of {late.regime} on {iso(invoice.due_day + 1)}"
            yield FieldViolation(f"{where}.regime", found, "a late_rate_table that covers it")
            return
        priced = rate.compensation_currency in problem.rate_by_currency or not rate.compensation_minor
        if late.compensation_minor is None and not priced:
            found = f"makes {rate.compensation_currency} a currency in use"
            yield FieldViolation(f"{where}.regime", found, "its rate in exchange_rates, or fixed_compensation")


def _validation(path: str, invoice: Invoice) -> Iterator[FieldViolation]:
    if len(invoice.validation) > 16:
        yield FieldViolation(f"{path}.validation", f"has {len(invoice.validation)} entries", "at most 16")
    seen: dict[str, str] = {}
    for index, check in enumerate(invoice.validation):
        where = f"{path}.validation[{index}]"
        yield from identifier(f"{where}.check_type", check.check_type)
        yield from unique(f"{where}.check_type", seen, check.check_type)
        if check.status not in CHECK_STATUSES:
            yield FieldViolation(f"{where}.status", f"is {check.status!r}", ", ".join(CHECK_STATUSES))
        if check.p_invalid is not None:
            yield from number(f"{where}.p_invalid", check.p_invalid, 0.0, 1.0)
        if check.loss_minor is not None:
            yield from amount(f"{where}.loss_if_invalid", check.loss_minor, 0)
        yield from number(f"{where}.recovery_rate", check.recovery_rate, 0.0, 1.0)


def _policy(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    policy, path = problem.policy, "payment_policy"
    yield from number(f"{path}.cvar_alpha", policy.cvar_alpha, 0.0, 0.999)
    yield from number(f"{path}.cvar_weight", policy.cvar_weight, 0.0, 1e6)
    yield from number(f"{path}.criticality_rate", policy.criticality_rate, 0.0, 10.0)
    yield from number(f"{path}.default_p_invalid", policy.default_p_invalid, 0.0, 1.0)
    if policy.cvar_limit_minor is not None:
        yield from amount(f"{path}.cvar_limit", policy.cvar_limit_minor, 0)
    if policy.max_unverified_minor is not None:
        yield from amount(f"{path}.max_unverified_exposure", policy.max_unverified_minor, 0)
    if not 2 <= policy.partial_parts <= 12:
        yield FieldViolation(f"{path}.partial_parts", f"is {policy.partial_parts}", "2 - 12")
    if not 0 <= policy.quarantine_days <= 3650:
        yield FieldViolation(f"{path}.bank_detail_quarantine_days", f"is {policy.quarantine_days}", "0 - 3650")
    if len(policy.required_checks) > 16:
        yield FieldViolation(f"{path}.required_checks", f"has {len(policy.required_checks)} entries", "at most 16")
    seen: dict[str, str] = {}
    for index, check_type in enumerate(policy.required_checks):
        yield from identifier(f"{path}.required_checks[{index}]", check_type)
        yield from unique(f"{path}.required_checks[{index}]", seen, check_type)
    supplier_ids = {invoice.supplier_id for invoice in problem.invoices}
    supplier_ids.update(supplier.supplier_id for supplier in problem.suppliers)
    capped: dict[str, str] = {}
    for index, cap in enumerate(policy.supplier_caps):
        where = f"{path}.supplier_caps[{index}]"
        if cap.supplier_id not in supplier_ids:
            yield FieldViolation(f"{where}.supplier_id", f"is {cap.supplier_id!r}", "a supplier of the request")
        yield from unique(f"{where}.supplier_id", capped, cap.supplier_id)
        yield from amount(f"{where}.amount", cap.amount_minor, 0)
    yield from _must_pay(problem)


def _must_pay(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    if not problem.policy.must_pay:
        return
    by_id = {invoice.invoice_id: invoice for invoice in problem.invoices}
    reader = ValidityReader(problem)
    seen: dict[str, str] = {}
    for index, must in enumerate(problem.policy.must_pay):
        where = f"payment_policy.must_pay[{index}]"
        yield from unique(f"{where}.invoice_id", seen, must.invoice_id)
        invoice = by_id.get(must.invoice_id)
        if invoice is None:
            yield FieldViolation(f"{where}.invoice_id", f"is {must.invoice_id!r}", "an invoice_id of the request")
            continue
        blocked = reader.read(invoice).blocked
        if blocked:
            found = f"is {must.invoice_id!r}, which may not be paid ({blocked})"
            yield FieldViolation(f"{where}.invoice_id", found, "an invoice that may be paid")
        last = problem.horizon_end_day if must.by_day is None else must.by_day
        first = problem.as_of_day if invoice.earliest_day is None else invoice.earliest_day
        runs = problem.payment_run_days
        if known(last, first, *runs) and not any(first <= day <= last for day in runs):
            found = f"leaves no payment run from {iso(first)} to {iso(last)}"
            yield FieldViolation(f"{where}.by_date", found, "a date on or after a payment run")
