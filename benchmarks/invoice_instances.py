"""Invoice problems by seed: a payer with lumpy invoices, discounts, late rules and uncertain, scarce cash."""

from __future__ import annotations

import math

import numpy as np

from solvers.invoices.calendars import day_number
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.records import (
    BankAccount,
    ExchangeRate,
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

PLANS = 2e7
"""Most plans that a small problem has, about."""
MONDAY = day_number(2026, 1, 5) or 0


def make_problem(
    seed: int,
    invoices: int,
    runs: int,
    scenarios: int,
    *,
    tightness: float = 0.7,
    caps: bool = True,
) -> InvoiceProblem:
    """A problem of ``invoices`` invoices, ``runs`` weekly payment runs and ``scenarios`` inflow scenarios.

    ``tightness`` is about the share of what falls due that can be paid from expected cash; ``caps`` caps one large
    supplier and the value paid unverified.
    """
    rng = np.random.default_rng(seed)
    days = tuple(MONDAY + 7 * t for t in range(runs))
    end = days[-1] + 7
    amounts = np.maximum(np.round(rng.lognormal(8.0, 1.3, invoices), 2), 25.0)
    n_suppliers = max(2, invoices // 12)
    supplier = rng.zipf(1.6, invoices) % n_suppliers
    due = MONDAY + rng.integers(-14, 7 * runs + 14, invoices)
    criticality = np.round(rng.beta(1.2, 4.0, n_suppliers), 2)
    entries = [_invoice(rng, i, int(supplier[i]), int(due[i]), float(amounts[i])) for i in range(invoices)]
    total = float(amounts.sum())
    opening = round(total * tightness * 0.15, 2)
    account = BankAccount(
        account_id="main",
        currency="EUR",
        opening_minor=round(opening * 100),
        floor_minor=round(opening * 5),
        overdraft_limit_minor=round(total * 100 * 0.25),
        overdraft_rate=0.09,
    )
    flow = _scenarios(rng, days, total * tightness * 0.85 / runs, scenarios)
    unverified = float(sum(a for a, entry in zip(amounts, entries, strict=True) if entry.validation))
    largest = int(np.bincount(supplier, weights=amounts).argmax())
    of_largest = float(amounts[supplier == largest].sum())
    return InvoiceProblem(
        as_of_day=MONDAY,
        horizon_end_day=end,
        payment_run_days=days,
        base_currency="EUR",
        invoices=tuple(entries),
        bank_accounts=(account,),
        inflow_scenarios=flow,
        opportunity_rate=0.02,
        suppliers=tuple(
            Supplier(f"S{s:05d}", float(criticality[s])) for s in sorted(set(supplier.tolist())) if criticality[s]
        ),
        policy=PaymentPolicy(
            cvar_alpha=0.9,
            cvar_weight=0.05,
            cvar_limit_minor=round(total * 100 * 0.2),
            max_unverified_minor=round(unverified * 60) if caps else None,
            supplier_caps=(SupplierCap(f"S{largest:05d}", round(of_largest * 85)),) if caps else (),
            criticality_rate=0.3,
        ),
    )


def _invoice(rng: np.random.Generator, index: int, supplier: int, due: int, amount: float) -> Invoice:
    issue = due - int(rng.choice([14, 30, 45, 60]))
    terms: tuple[PaymentTerm, ...] = ()
    kind = rng.random()
    if kind < 0.35:
        terms = (PaymentTerm(due - int(rng.integers(10, 25)), discount_ppm=int(rng.choice([10_000, 20_000, 30_000]))),)
    elif kind < 0.45:
        terms = (PaymentTerm(due - 1, apr_ppm=int(rng.integers(40_000, 180_000))),)
    regime = rng.random()
    late: LatePayment | None = LatePayment("EU_2011_7")
    if regime > 0.9:
        late = LatePayment("CONTRACT", round(float(rng.uniform(0.03, 0.15)), 4), 0)
    elif regime > 0.85:
        late = None
    checks: tuple[ValidationCheck, ...] = ()
    if rng.random() < 0.12:
        p = round(float(rng.beta(1.0, 30.0)), 4)
        checks = (ValidationCheck("vat_id", "UNKNOWN", p_invalid=p, recovery_rate=0.5),)
    return Invoice(
        invoice_id=f"I{index:06d}",
        invoice_number=f"{2026_0000 + index}",
        supplier_id=f"S{supplier:05d}",
        due_day=due,
        amount_minor=round(amount * 100),
        currency="EUR",
        issue_day=issue,
        terms=terms,
        late=late,
        block_code="R" if rng.random() < 0.01 else "",
        validation=checks,
    )


def _scenarios(rng: np.random.Generator, days: tuple[int, ...], mean: float, count: int) -> tuple[InflowScenario, ...]:
    level = rng.lognormal(-0.02, 0.2, count)
    weekly = rng.lognormal(-0.08, 0.4, (count, len(days)))
    found = []
    for s in range(count):
        flows = tuple(
            Inflow("main", day, round(100 * mean * float(level[s] * weekly[s, t]))) for t, day in enumerate(days)
        )
        found.append(InflowScenario(f"s{s}", 1.0 / count, flows))
    return tuple(found)


def make_small(seed: int, most: int = 12, runs: int = 3) -> InvoiceProblem:
    """A problem of at most ``most`` items with any of the features there are, for checks against brute force.

    It need not be feasible. With more options per item there are fewer items, so that all plans can be gone through.
    """
    rng = np.random.default_rng(seed)
    days = tuple(MONDAY + 7 * t + int(rng.integers(0, 3)) for t in range(int(rng.integers(1, runs + 1))))
    end = days[-1] + int(rng.integers(0, 15))
    currencies = ["EUR"] if rng.random() < 0.7 else ["EUR", "USD"]
    accounts_more = int(rng.random() < 0.25)
    entries: list[Invoice] = []
    items = 0
    most = min(most, int(math.log(PLANS) / math.log(1 + len(days) * (1 + accounts_more))))
    parts = int(rng.integers(2, 4))
    while items < most and (len(entries) < 2 or rng.random() < 0.9):
        entry = _small_invoice(rng, len(entries), str(rng.choice(currencies)), days, parts <= most - items)
        entries.append(entry)
        items += parts if entry.partial_allowed else 1
    total = sum(entry.amount_minor for entry in entries)
    accounts = [
        BankAccount(
            account_id=f"A{k}",
            currency=currencies[min(k, len(currencies) - 1)],
            opening_minor=int(total * rng.uniform(-0.05, 0.5)),
            floor_minor=int(total * rng.uniform(-0.2, 0.1)),
            overdraft_limit_minor=int(total * rng.choice([0.0, 0.3, 1.0])),
            overdraft_rate=float(rng.choice([0.0, 0.1])),
        )
        for k in range(len(currencies) + accounts_more)
    ]
    count = int(rng.integers(0, 5))
    weight = rng.integers(1, 6, count).astype(float)
    scenarios = tuple(
        InflowScenario(
            f"s{s}",
            float(weight[s] / weight.sum()),
            tuple(
                Inflow(
                    str(rng.choice([account.account_id for account in accounts])),
                    int(rng.integers(MONDAY, end + 1)),
                    int(total * rng.uniform(-0.05, 0.4)),
                )
                for _ in range(int(rng.integers(0, 4)))
            ),
        )
        for s in range(count)
    )
    degraded = rng.random() < 0.2
    payable = [
        e.invoice_id
        for e in entries
        if not e.block_code
        and not e.disputed
        and e.match_status != "MISMATCHED"
        and all(c.status != "INVALID" for c in e.validation)
        and (e.earliest_day is None or e.earliest_day <= days[-1])
    ]
    policy = PaymentPolicy(
        cvar_alpha=float(rng.choice([0.0, 0.5, 0.9])),
        cvar_limit_minor=None if rng.random() < 0.6 else int(total * rng.uniform(0.0, 0.3)),
        cvar_weight=float(rng.choice([0.0, 0.05, 1.0])),
        max_unverified_minor=None if rng.random() < 0.5 else int(total * rng.uniform(0.0, 0.5)),
        supplier_caps=() if rng.random() < 0.6 else (SupplierCap("S0", int(total * rng.uniform(0.0, 0.6))),),
        must_pay=tuple(MustPay(name) for name in payable if rng.random() < 0.1),
        criticality_rate=float(rng.choice([0.0, 0.5])),
        quarantine_days=int(rng.choice([0, 10])),
        partial_parts=parts,
        required_checks=("iban",) if rng.random() < 0.1 else (),
    )
    return InvoiceProblem(
        as_of_day=MONDAY,
        horizon_end_day=end,
        payment_run_days=days,
        base_currency="EUR",
        invoices=tuple(entries),
        bank_accounts=tuple(accounts),
        inflow_scenarios=scenarios,
        opportunity_rate=float(rng.choice([0.0, 0.03])),
        suppliers=(
            Supplier("S0", 0.8),
            Supplier("S1", 0.2, bank_detail_changed_at_ns=(MONDAY - 3) * 86_400 * 10**9 + 500_000_000),
        ),
        exchange_rates=(ExchangeRate("USD", 0.9137),) if len(currencies) > 1 else (),
        policy=policy,
        calendar=str(rng.choice(["WEEKENDS", "EVERY_DAY"])),
        mode="DEGRADED" if degraded else "NORMAL",
        services_down=("vat_id",) if degraded else (),
        reconcile_by_day=end if degraded and rng.random() < 0.5 else None,
    )


def _small_invoice(
    rng: np.random.Generator, index: int, currency: str, days: tuple[int, ...], may_split: bool
) -> Invoice:
    due = MONDAY + int(rng.integers(-40, 30))
    amount = int(rng.lognormal(11.0, 1.0))
    terms: list[PaymentTerm] = []
    if rng.random() < 0.4:
        terms.append(PaymentTerm(due - int(rng.integers(0, 20)), discount_ppm=int(rng.integers(0, 50_000))))
    if rng.random() < 0.3:
        terms.append(PaymentTerm(due - 1, apr_ppm=int(rng.integers(10_000, 300_000))))
    regime = str(rng.choice(["EU_2011_7", "US_PROMPT_PAYMENT", "CONTRACT", "NONE"], p=[0.5, 0.15, 0.15, 0.2]))
    late: LatePayment | None = LatePayment(regime)
    if regime == "NONE":
        late = None
    elif regime == "CONTRACT":
        late = LatePayment(regime, float(rng.uniform(0.02, 0.3)), int(rng.choice([0, 2500])))
    checks = tuple(
        ValidationCheck(
            name,
            str(rng.choice(["VALID", "UNKNOWN", "NOT_PERFORMED", "INVALID"], p=[0.6, 0.2, 0.15, 0.05])),
            checked_at_ns=None if rng.random() < 0.5 else (MONDAY - 1) * 86_400 * 10**9,
            p_invalid=None if rng.random() < 0.5 else float(rng.uniform(0.0, 0.1)),
            loss_minor=None if rng.random() < 0.5 else amount // 2,
            recovery_rate=float(rng.choice([0.0, 0.5])),
        )
        for name in ("vat_id", "iban")
        if rng.random() < 0.3
    )
    return Invoice(
        invoice_id=f"I{index}",
        supplier_id=f"S{int(rng.integers(0, 3))}",
        due_day=due,
        amount_minor=amount,
        currency=currency,
        invoice_number=f"N{index}" if rng.random() < 0.5 else "",
        issue_day=due - 30 if rng.random() < 0.5 else None,
        payee_iban="DE02120300000000202051" if rng.random() < 0.3 else "",
        terms=tuple(terms),
        late=late,
        block_code="R" if rng.random() < 0.05 else "",
        match_status=str(
            rng.choice(["MATCH_STATUS_UNSPECIFIED", "MATCHED", "PENDING", "MISMATCHED"], p=[0.6, 0.2, 0.15, 0.05])
        ),
        disputed=bool(rng.random() < 0.05),
        partial_allowed=bool(may_split and rng.random() < 0.15),
        earliest_day=int(rng.integers(MONDAY - 5, days[-1] + 1)) if rng.random() < 0.2 else None,
        validation=checks,
    )
