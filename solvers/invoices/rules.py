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
    highest = risk(paid, available, floor, to_base, probability, alpha) if np.isfinite(cvar_limit) else 0.0
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
            # A payment adds at most its own amount to the CVaR, so that it is seldom worked out.
            shortfall = highest + cash[item, t] * to_base[a]
            if shortfall > cvar_limit:
                shortfall = risk(paid, available, floor, to_base, probability, alpha)
            if shortfall <= cvar_limit:
                new_t, new_a, highest = t, a, shortfall
                break
            pay(paid, a, t, -cash[item, t])
        if new_t != t and old_t >= 0:
            pay(paid, old_a, old_t, cash[item, old_t])
        if old_t < 0 <= new_t:
            take_room(room, member, item, value[item])
        date[item], where[item] = new_t, new_a


def in_order(model: Model, order: Callable[[int, npt.NDArray[np.bool_]], IntArray]) -> InvoicePlan:
    """The plan that on each run t pays the items of ``order(t, open)``, of those ``open`` (items,), in this order."""
    filling, liquidity, options = with_musts(model), model.liquidity, model.options
    available, floor, to_base, probability, _, alpha, _ = liquidity_arguments(liquidity)
    payable = np.isfinite(options.cost)
    for t in range(model.runs):
        is_open = payable[:, t] & ((filling.date < 0) | (filling.date > t))
        sequence = order(t, is_open)
        _pay_in_order(
            sequence, np.full(len(sequence), t), options.cost, options.cash_minor, *filling.shared, filling.date,
            filling.where, liquidity.cvar_limit, available, floor, to_base, probability, alpha,
        )  # fmt: skip
    return filling.plan()


def _next_days(problem: InvoiceProblem) -> list[int]:
    """The day until which each run can put off: the day before the next run, or the end of the horizon."""
    return [day - 1 for day in problem.payment_run_days[1:]] + [problem.horizon_end_day]


def last_chance(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """SAP's payment run (F110): as late as possible without losing a discount or falling due before the next run."""
    columns, discount, until = model.columns, model.options.discount_minor, _next_days(problem)

    def order(t: int, is_open: npt.NDArray[np.bool_]) -> IntArray:
        later = discount[:, t + 1] if t + 1 < model.runs else np.zeros(model.items, dtype=np.int64)
        wanted = np.flatnonzero(is_open & ((columns.due_day <= until[t]) | (discount[:, t] > later)))
        return wanted[np.argsort(columns.due_day[wanted], kind="stable")]

    return in_order(model, order)


def suggest_vendor_payments(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """Dynamics BC's published order: overdue of prioritised vendors, other overdue, then discounts by vendor."""
    columns, until = model.columns, _next_days(problem)
    vendor = np.argsort(np.argsort(np.array(columns.suppliers)))[columns.supplier]
    by_supplier = np.array([problem.criticality_by_supplier.get(name, 0.0) for name in columns.suppliers])
    priority = by_supplier[columns.supplier]
    # Of the prioritised ones the most important first; within a vendor the oldest.
    overdue = np.lexsort((columns.due_day, vendor, -priority, priority <= 0))
    discounted = np.lexsort((columns.due_day, vendor))

    def order(t: int, is_open: npt.NDArray[np.bool_]) -> IntArray:
        due = is_open & (columns.due_day <= until[t])
        early = is_open & ~due & (model.options.discount_minor[:, t] > 0)
        return np.concatenate([overdue[due[overdue]], discounted[early[discounted]]])

    return in_order(model, order)


def earliest_due(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """What falls due before the next run, the oldest first."""
    columns, until = model.columns, _next_days(problem)
    oldest = np.argsort(columns.due_day, kind="stable")

    def order(t: int, is_open: npt.NDArray[np.bool_]) -> IntArray:
        wanted = is_open & (columns.due_day <= until[t])
        return oldest[wanted[oldest]]

    return in_order(model, order)


def annual_return(problem: InvoiceProblem, model: Model) -> InvoicePlan:
    """A knapsack by APR: what earns most per year and unit of cash by being paid on this run and not the next."""
    options, columns = model.options, model.columns
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)
    days = [*problem.payment_run_days, problem.horizon_end_day]

    def order(t: int, is_open: npt.NDArray[np.bool_]) -> IntArray:
        later = options.cost[:, t + 1] if t + 1 < model.runs else options.never
        later = np.where(np.isfinite(later), later, options.never)
        saving = np.full(model.items, -np.inf)
        saving[is_open] = later[is_open] - options.cost[is_open, t]
        apr: FloatArray = saving / value * DAYS_PER_YEAR / max(days[t + 1] - days[t], 1)
        wanted = np.flatnonzero(apr > 0)
        return wanted[np.argsort(-apr[wanted], kind="stable")]

    return in_order(model, order)


BASELINES: dict[str, Rule] = {
    "f110": last_chance,
    "dynamics_bc": suggest_vendor_payments,
    "earliest_due": earliest_due,
    "apr_knapsack": annual_return,
}
"""The rules that plans are compared with, by name."""
