"""Prices of cash as reasons and as worth: what one more unit of cash would save, and what it beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from solvers.invoices.columns import Columns
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.money import currency_digits
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.relaxation import Relaxation, relax
from solvers.invoices.rules import BASELINES
from solvers.stop import WorkLimit

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

MAX_ITEMS = 20_000
"""Beyond it reasons do without prices, and no rules are compared: an answer is not to wait for its explanation."""
ROUNDS = 60
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Worth:
    """What one more unit of an account's currency from ``day`` on would save, base units."""

    day: int
    account_id: str
    worth: float


@dataclass(frozen=True)
class Compared:
    """A rule's plan against this one; ``objective`` and ``saved`` (base units) are ``None`` when it is infeasible."""

    rule: str
    feasible: bool
    objective: float | None
    saved: float | None


_PRICES: WeakKeyDictionary[Columns, Relaxation] = WeakKeyDictionary()
_RULES: WeakKeyDictionary[Columns, dict[str, float | None]] = WeakKeyDictionary()


def prices_of_cash(problem: InvoiceProblem, plan: InvoicePlan) -> Relaxation | None:
    """The relaxation's prices, ``None`` for problems too large to wait for them.

    They are the problem's, whatever ``plan`` they are asked for: begun from the greedy plan where that is feasible,
    and kept as long as the problem.
    """
    model = model_of(problem)
    if model.items > MAX_ITEMS or not model.is_feasible(plan):
        return None
    relaxed = _PRICES.get(model.columns)
    if relaxed is None:
        greedy = greedy_plan(model)
        start = greedy if model.is_feasible(greedy) else plan
        relaxed = _PRICES[model.columns] = relax(model, WorkLimit(ROUNDS), start, TOLERANCE)
    return relaxed


def worth_of_cash(problem: InvoiceProblem, relaxed: Relaxation) -> list[Worth]:
    """One entry per account and run, where cash is worth anything."""
    found = []
    for a, account in enumerate(problem.bank_accounts):
        scale = 10 ** currency_digits(account.currency)
        for t, day in enumerate(problem.payment_run_days):
            worth = float(relaxed.price[a, t]) * scale
            if worth > 1e-9:
                found.append(Worth(day, account.account_id, worth))
    return found


def compare_with_rules(problem: InvoiceProblem, objective: float) -> list[Compared]:
    """Every rule of `solvers.invoices.rules.BASELINES` against a plan of ``objective``."""
    model = model_of(problem)
    if model.items > MAX_ITEMS:
        return []
    theirs = _RULES.get(model.columns)
    if theirs is None:
        plans = {name: rule(problem, model) for name, rule in BASELINES.items()}
        theirs = {name: model.objective(plan) if model.is_feasible(plan) else None for name, plan in plans.items()}
        _RULES[model.columns] = theirs
    return [
        Compared(name, feasible=cost is not None, objective=cost, saved=None if cost is None else cost - objective)
        for name, cost in theirs.items()
    ]


def prepare(problem: InvoiceProblem, plan: InvoicePlan) -> None:
    """Work out what explains any plan of ``problem``, while a solver is still at it."""
    prices_of_cash(problem, plan)
    compare_with_rules(problem, 0.0)


def price_reason(problem: InvoiceProblem, relaxed: Relaxation, item: int, run: int) -> tuple[str, str] | None:
    """(code, text) of what the prices say of ``item`` paid on ``run`` (-1: not paid); ``None`` if nothing."""
    model = model_of(problem)
    columns, options = model.columns, model.options
    accounts = np.flatnonzero(model.liquidity.currency == columns.currency[item])
    value = max(float(columns.amount_minor[item] * columns.to_base[item]), 1e-9)
    if run >= 0:
        price = float(relaxed.price[accounts, run].min()) / float(columns.to_base[item])
        if price <= 1e-9:
            return "CASH_IS_FREE", "no other payment competes for the cash of this run"
        gain = (float(options.never[item]) - float(options.cost[item, run])) / value
        if not np.isfinite(gain):
            return None
        return "BEATS_CASH", f"paying saves {100 * gain:.2f} % of it, cash is worth {100 * price:.2f} % on this run"
    caps = [g for g in model.caps.member[item].tolist() if g >= 0 and relaxed.cap_price[g] > 0]
    if caps:
        names = ", ".join(model.caps.names[g] for g in caps)
        return "CAP_REACHED", f"paying it would save less than what else fits under {names}"
    total = options.cost[item] + options.cash_minor[item] * relaxed.price[accounts].min(axis=0)
    best = int(np.argmin(total))
    if not np.isfinite(total[best]) or not np.isfinite(options.never[item]):
        return None
    gain = (float(options.never[item]) - float(options.cost[item, best])) / value
    price = float(relaxed.price[accounts, best].min()) / float(columns.to_base[item])
    if gain <= 0:
        return None
    return "CASH_IS_DEARER", f"paying saves {100 * gain:.2f} % of it at best, cash is worth {100 * price:.2f} % then"
