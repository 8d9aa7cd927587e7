"""Rules by which invoices are paid today, as baselines and as insurance.

Each rule goes from one payment run to the next and says in which order open invoices are paid there; every one is paid
as long as it keeps all constraints, what must be paid is kept in reserve for its last allowed run.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import fits, has_room, liquidity_arguments, pay, risk, take_room
from solvers.invoices.greedy import with_musts
from solvers.invoices.model import Model
from solvers.invoices.options import DAYS_PER_YEAR
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Rule = Callable[[InvoiceProblem, Model], InvoicePlan]


@numba.njit(cache=True, nogil=True)
def _pay_in_order(  # type: ignore[no-untyped-def]
    sequence, run, cost, cash, currency, account_currency, cap, paid, room, member, value, date, where,
    cvar_limit, available, floor, to_base, probability, alpha,
):  # fmt: skip
    """Pay each item of ``sequence`` on its ``run`` if nothing breaks and it is not paid before."""
    limited = np.isfinite(cvar_limit)
    for position in range(len(sequence)):
        item, t = sequence[position], run[position]
        old_t, old_a = date[item], where[item]
        if not np.isfinite(cost[item, t]) or 0 <= old_t <= t:
            continue
        if old_t < 0 and not has_room(room, member, item, value[item]):
            continue
        if old_t >= 0:
            pay(paid, old_a, old_t, -cash[item, old_t])
        new_t, new_a = old_t, old_a
        for a in range(paid.shape[0]):
            if account_currency[a] != currency[item] or not fits(paid, cap, a, t, cash[item, t]):
                continue
            pay(paid, a, t, cash[item, t])
            if not limited or risk(paid, available, floor, to_base, probability, alpha) <= cvar_limit:
                new_t, new_a = t, a
                break
            pay(paid, a, t, -cash[item, t])
        if new_t != t and old_t >= 0:
            pay(paid, old_a, old_t, cash[item, old_t])
        if old_t < 0 <= new_t:
            take_room(room, member, item, value[item])
        date[item], where[item] = new_t, new_a


def in_order(model: Model, orders: list[IntArray]) -> InvoicePlan:
    """The plan that pays ``orders[t]`` on run t, in this order."""
    filling, liquidity, options = with_musts(model), model.liquidity, model.options
    sequence = np.concatenate(orders)
    run = np.repeat(np.arange(len(orders)), [len(order) for order in orders])
    available, floor, to_base, probability, _, alpha, _ = liquidity_arguments(liquidity)
    _pay_in_order(
        sequence, run, options.cost, options.cash_minor, *filling.shared, filling.date, filling.where,
        liquidity.cvar_limit, available, floor, to_base, probability, alpha,
    )  # fmt: skip
    return filling.plan()


def _next_days(problem: InvoiceProblem) -> list[int]:
    """The day until which each run can put off: the day before the next run, or the end of the horizon."""
    return [day - 1 for day in problem.payment_run_days[1:]] + [problem.horizon_end_day]


def last_chance(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """SAP's payment run (F110): as late as possible without losing a discount or falling due before the next run."""
    columns, discount = model.columns, model.options.discount_minor
    orders = []
    for t, until in enumerate(_next_days(problem)):
        later = discount[:, t + 1] if t + 1 < model.runs else np.zeros(model.items, dtype=np.int64)
        wanted = np.flatnonzero((columns.due_day <= until) | (discount[:, t] > later))
        orders.append(wanted[np.argsort(columns.due_day[wanted], kind="stable")])
    return in_order(model, orders)


def suggest_vendor_payments(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """Dynamics BC's published order: overdue of prioritised vendors, other overdue, then discounts by vendor."""
    columns = model.columns
    vendor = np.argsort(np.argsort(np.array(columns.suppliers)))[columns.supplier]
    priority = np.array([problem.criticality_by_supplier.get(name, 0.0) for name in columns.suppliers])[
        columns.supplier
    ]
    orders = []
    for t, until in enumerate(_next_days(problem)):
        due = columns.due_day <= until
        discounted = ~due & (model.options.discount_minor[:, t] > 0)
        wanted = np.flatnonzero(due | discounted)
        group = np.where(discounted, 2, np.where(priority > 0, 0, 1))[wanted]
        # Of the prioritised ones the most important first; within a vendor the oldest.
        weight = np.where(group == 0, -priority[wanted], 0.0)
        orders.append(wanted[np.lexsort((columns.due_day[wanted], vendor[wanted], weight, group))])
    return in_order(model, orders)


def earliest_due(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """What falls due before the next run, the oldest first."""
    columns = model.columns
    orders = []
    for until in _next_days(problem):
        wanted = np.flatnonzero(columns.due_day <= until)
        orders.append(wanted[np.argsort(columns.due_day[wanted], kind="stable")])
    return in_order(model, orders)


def annual_return(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """A knapsack by APR: what earns most per year and unit of cash by being paid on this run and not the next."""
    options, columns = model.options, model.columns
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)
    orders = []
    days = [*problem.payment_run_days, problem.horizon_end_day]
    for t in range(model.runs):
        later = options.cost[:, t + 1] if t + 1 < model.runs else options.never
        later = np.where(np.isfinite(later), later, options.never)
        with np.errstate(invalid="ignore"):
            saving = np.where(np.isfinite(options.cost[:, t]), later - options.cost[:, t], -np.inf)
        apr = saving / value * DAYS_PER_YEAR / max(days[t + 1] - days[t], 1)
        wanted = np.flatnonzero(apr > 0)
        orders.append(wanted[np.argsort(-apr[wanted], kind="stable")])
    return in_order(model, orders)


BASELINES: dict[str, Rule] = {
    "f110": last_chance,
    "dynamics_bc": suggest_vendor_payments,
    "earliest_due": earliest_due,
    "apr_knapsack": annual_return,
}
"""The rules that plans are compared with, by name."""
