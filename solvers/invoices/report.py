"""What a plan means for each invoice, for the people who act on it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.invoices.calendars import iso
from solvers.invoices.columns import FAR_DAY
from solvers.invoices.model import Model, model_of
from solvers.invoices.options import late_costs
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.relaxation import Relaxation
from solvers.invoices.why import price_reason

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem


@dataclass(frozen=True)
class Decision:
    """What to do with one item. Amounts in minor units of the invoice's currency, ``expected_late_cost`` in base units.

    ``reasons`` holds (code, text) pairs, the decisive one first.
    """

    item: int
    invoice_id: str
    part: int
    action: str
    day: int | None
    account_id: str
    amount_minor: int
    discount_minor: int
    currency: str
    expected_late_cost: float
    priority_rank: int
    safe_to_process: bool
    p_invalid_used: float
    end_to_end_id: str
    revalidate_required: bool
    checks_not_performed: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CashPoint:
    """An account after a payment run, minor units of its currency; ``overdraft_cost`` in base units."""

    day: int
    account_id: str
    currency: str
    paid_minor: int
    expected_minor: int
    lowest_minor: int
    highest_minor: int
    overdraft_cost: float


def end_to_end_id(problem: InvoiceProblem, item: int, day: int) -> str:
    """The EndToEndId of a payment: the same payment has the same id, whoever computes it. 29 characters."""
    invoice = problem.invoices[problem.columns.invoice[item]]
    text = "\x1f".join(
        (
            invoice.supplier_id,
            invoice.invoice_id,
            invoice.invoice_number,
            invoice.payee_iban,
            invoice.currency,
            str(invoice.amount_minor),
            str(int(problem.columns.part[item])),
            iso(day),
        )
    )
    code = base64.b32encode(hashlib.sha256(text.encode()).digest())[:26]
    return f"ISG{code.decode()}"


def cash_curve(problem: InvoiceProblem, plan: InvoicePlan) -> list[CashPoint]:
    """Every account after every run, by account and date."""
    model = model_of(problem)
    liquidity = model.liquidity
    paid = model.cumulated(plan)
    found = []
    for a, account in enumerate(problem.bank_accounts):
        before = 0
        for t, day in enumerate(problem.payment_run_days):
            balance = liquidity.available_minor[a, t] - paid[a, t]
            below = float(np.maximum(-balance, 0) @ liquidity.probability)
            found.append(
                CashPoint(
                    day=day,
                    account_id=account.account_id,
                    currency=account.currency,
                    paid_minor=int(paid[a, t]) - before,
                    expected_minor=round(float(balance @ liquidity.probability)),
                    lowest_minor=int(balance.min()),
                    highest_minor=int(balance.max()),
                    overdraft_cost=below * float(liquidity.overdraft_weight[a, t]),
                )
            )
            before = int(paid[a, t])
    return found


def decisions(
    problem: InvoiceProblem,
    plan: InvoicePlan,
    relaxed: Relaxation | None = None,
    only: Sequence[int] | None = None,
) -> list[Decision]:
    """One decision per item (or per item of ``only``), in order.

    With the prices of ``relaxed`` the reasons say what cash is worth.
    """
    model = model_of(problem)
    columns, options = model.columns, model.options
    days = np.array([*problem.payment_run_days, problem.horizon_end_day], dtype=np.int64)
    at = np.where(plan.date_index == NEVER, len(days) - 1, plan.date_index).astype(np.int64)
    late = late_costs(problem, columns, days)[np.arange(model.items), at]
    rank = ranks(model, plan)
    feasible = model.is_feasible(plan)
    found = []
    for item in range(model.items) if only is None else only:
        index = int(columns.invoice[item])
        invoice, validity = problem.invoices[index], columns.validity[index]
        run = int(plan.date_index[item])
        paid = run != NEVER
        day = problem.payment_run_days[run] if paid else None
        action = "PAY" if paid else "HOLD" if validity.blocked else "DEFER" if validity.verified else "REVIEW"
        found.append(
            Decision(
                item=item,
                invoice_id=invoice.invoice_id,
                part=int(columns.part[item]),
                action=action,
                day=day,
                account_id=problem.bank_accounts[plan.account_index[item]].account_id if paid else "",
                amount_minor=int(options.cash_minor[item, run]) if paid else 0,
                discount_minor=int(options.discount_minor[item, run]) if paid else 0,
                currency=invoice.currency,
                expected_late_cost=float(late[item]),
                priority_rank=int(rank[item]),
                safe_to_process=not validity.blocked and (validity.verified or (paid and feasible)),
                p_invalid_used=validity.p_invalid,
                end_to_end_id=end_to_end_id(problem, item, day) if day is not None else "",
                revalidate_required=validity.revalidate or not validity.verified,
                checks_not_performed=validity.open_checks,
                reasons=tuple(_with_price(problem, relaxed, item, run, reasons(problem, model, plan, item))),
            )
        )
    return found


def _with_price(
    problem: InvoiceProblem, relaxed: Relaxation | None, item: int, run: int, found: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """``found`` with what the prices say, in place of a bare CASH_LIMITED."""
    codes = [code for code, _ in found]
    if relaxed is None or (run == NEVER and "CASH_LIMITED" not in codes):
        return found
    said = price_reason(problem, relaxed, item, run)
    if said is None:
        return found
    if run != NEVER:
        return [*found, said]
    return [said if code == "CASH_LIMITED" else (code, text) for code, text in found]


def ranks(model: Model, plan: InvoicePlan) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """1 for the payment to make first: by date, then by what waiting would cost per unit paid; 0 for unpaid items."""
    options, columns = model.options, model.columns
    paid = np.flatnonzero(plan.date_index != NEVER)
    when = plan.date_index[paid].astype(np.int64)
    wait = np.where(np.isfinite(options.never[paid]), options.never[paid], np.inf)
    value = np.maximum(columns.amount_minor[paid] * columns.to_base[paid], 1e-9)
    worth = (wait - options.cost[paid, when]) / value
    rank = np.zeros(model.items, dtype=np.int64)
    rank[paid[np.lexsort((paid, -worth, when))]] = np.arange(1, len(paid) + 1)
    return rank


def reasons(problem: InvoiceProblem, model: Model, plan: InvoicePlan, item: int) -> list[tuple[str, str]]:
    """(code, text) of why ``item`` is decided as it is, from the costs of its own options."""
    columns, options = model.columns, model.options
    index = int(columns.invoice[item])
    invoice, validity = problem.invoices[index], columns.validity[index]
    found: list[tuple[str, str]] = []
    if validity.blocked:
        texts = {
            "PAYMENT_BLOCK": f"payment block {invoice.block_code!r} is set",
            "DISPUTED": "the invoice is disputed",
            "MISMATCHED": "order, receipt and invoice do not match",
            "INVALID": "a validation found the invoice invalid",
        }
        return [(validity.blocked, texts[validity.blocked])]
    if not validity.verified:
        found.append(("VALIDATION_OPEN", f"not known to be valid: {', '.join(validity.open_checks)}"))
    run = int(plan.date_index[item])
    if run == NEVER:
        cheapest = float(options.cost[item].min())
        if not np.isfinite(cheapest):
            found.append(("NOT_PAYABLE_IN_HORIZON", "no payment run lies on or after its earliest payment date"))
        elif cheapest >= float(options.never[item]):
            found.append(("CHEAPER_LATER", "paying within the horizon costs more than waiting beyond it"))
        else:
            found.append(("CASH_LIMITED", "paying it would save, but cash or a cap is worth more elsewhere"))
        return found
    day = problem.payment_run_days[run]
    if columns.must_pay_by_day[item] != FAR_DAY:
        found.append(("MUST_PAY", "the policy says that it must be paid"))
    discount = int(options.discount_minor[item, run])
    if discount:
        share = 100.0 * discount / float(columns.amount_minor[item])
        found.append(("DISCOUNT_TAKEN", f"paid on {iso(day)} it earns a discount of {share:.2f} %"))
    if day > invoice.due_day:
        found.append(("PAID_LATE", f"paid {day - invoice.due_day} days after its due date of {iso(invoice.due_day)}"))
    elif not discount:
        found.append(("DUE", f"paid by its due date of {iso(invoice.due_day)}"))
    return found
