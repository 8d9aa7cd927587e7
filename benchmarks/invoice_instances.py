"""Invoice problems by seed: a payer with lumpy invoices, discounts, late rules and uncertain, scarce cash."""

from __future__ import annotations

import numpy as np

from solvers.invoices.calendars import day_number
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.records import (
    BankAccount,
    Inflow,
    InflowScenario,
    Invoice,
    LatePayment,
    PaymentPolicy,
    PaymentTerm,
    Supplier,
    SupplierCap,
    ValidationCheck,
)

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
