"""What each item costs on each payment run: the linear part of the model, as solvers use it.

Costs are in base units and count what a payment date gives away against the best that it could be, so every term is
>= 0 (``docs/invoices.md`` has the formula). Cash is exact, in minor units of the item's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solvers.invoices.columns import FAR_DAY, NO_DAY, REGIME_CODES, Columns
from solvers.invoices.rates import CONTRACT, EU_2011_7, US_PROMPT_PAYMENT

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

FloatMatrix = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]
DAYS_PER_YEAR = 365


@dataclass(frozen=True, eq=False)
class Options:
    """Costs and cash of every choice.

    Parameters
    ----------
    cost
        Shape (items, runs), base units; ``inf`` where the item may not be paid then.
    never
        Shape (items,), base units; ``inf`` for what must be paid.
    cash_minor
        Shape (items, runs): amount net of discount.
    discount_minor
        Shape (items, runs).
    """

    cost: FloatMatrix
    never: npt.NDArray[np.float64]
    cash_minor: IntMatrix
    discount_minor: IntMatrix


def share_floor(amount: IntMatrix, numerator: IntMatrix, denominator: int) -> IntMatrix:
    """floor(amount * numerator / denominator) without overflow, for amount <= 1e13 and numerator <= 4e9 or so."""
    whole, rest = np.divmod(amount, denominator)
    return whole * numerator + (rest * numerator) // denominator


def discounts(problem: InvoiceProblem, columns: Columns) -> IntMatrix:
    """Best discount open on each run, shape (items, runs), in minor units of the item's currency."""
    runs = np.asarray(problem.payment_run_days, dtype=np.int64)
    best = np.zeros((len(columns), len(runs)), dtype=np.int64)
    # Terms by rank, so that each pass is one vectorised operation over the items that have so many terms.
    by_rank: list[list[tuple[int, int, int, int, int]]] = []
    has_terms = {index: invoice for index, invoice in enumerate(problem.invoices) if invoice.terms}
    if not has_terms:
        return best
    for item, index in enumerate(columns.invoice.tolist()):
        invoice = has_terms.get(index)
        if invoice is None:
            continue
        for rank, term in enumerate(invoice.terms):
            if rank == len(by_rank):
                by_rank.append([])
            fixed = term.discount_ppm is not None
            ppm = term.discount_ppm if term.discount_ppm is not None else term.apr_ppm or 0
            by_rank[rank].append((item, ppm, int(fixed), term.until_day, invoice.due_day))
    for entries in by_rank:
        items, ppm, fixed, until, due = np.array(entries, dtype=np.int64).T
        amount = columns.amount_minor[items][:, None]
        days = np.maximum(due[:, None] - runs[None, :], 0)
        numerator = np.where(fixed[:, None] == 1, ppm[:, None], ppm[:, None] * days)
        flat = share_floor(amount, numerator, 1_000_000)
        growing = share_floor(amount, numerator, 1_000_000 * DAYS_PER_YEAR)
        value = np.minimum(np.where(fixed[:, None] == 1, flat, growing), amount)
        value[runs[None, :] > until[:, None]] = 0
        best[items] = np.maximum(best[items], value)
    return best


def late_interest_factor(problem: InvoiceProblem, columns: Columns, days: npt.NDArray[np.int64]) -> FloatMatrix:
    """Late interest per unit of amount when paid on ``days`` (shape (d,)), shape (items, d)."""
    due = columns.due_day.astype(np.int64)
    late = np.maximum(days[None, :] - due[:, None], 0)
    factor = np.zeros(late.shape)
    rows = columns.regime == REGIME_CODES[CONTRACT]
    if rows.any():
        factor[rows] = columns.contract_rate[rows][:, None] * late[rows] / DAYS_PER_YEAR
    table = problem.late_rate_table
    if table is None:
        return factor
    rows = columns.regime == REGIME_CODES[EU_2011_7]
    if rows.any():
        # Interest of a day is that day's rate; sums over days are differences of one running sum.
        first, last = int(due[rows].min()), max(int(days.max()), int(due[rows].max()))
        rates = np.zeros(last - first + 1)
        for rate in table.rates:
            if rate.regime == EU_2011_7:
                rates[max(rate.from_day - first, 0) :] = rate.annual_rate
        rates[0] = 0.0
        total = np.cumsum(rates)
        start = total[due[rows] - first]
        until = np.maximum(days[None, :], due[rows][:, None]) - first
        factor[rows] = (total[until] - start[:, None]) / DAYS_PER_YEAR
    rows = columns.regime == REGIME_CODES[US_PROMPT_PAYMENT]
    if rows.any():
        annual = np.zeros(int(rows.sum()))
        for rate in table.rates:
            if rate.regime == US_PROMPT_PAYMENT:
                annual[due[rows] + 1 >= rate.from_day] = rate.annual_rate
        months, rest = np.divmod(np.minimum(late[rows], DAYS_PER_YEAR), 30)
        grown = (1.0 + annual[:, None] / 12.0) ** months
        factor[rows] = grown * (1.0 + annual[:, None] * rest / 360.0) - 1.0
    return factor


def late_costs(problem: InvoiceProblem, columns: Columns, days: npt.NDArray[np.int64]) -> FloatMatrix:
    """Interest, fixed compensation and criticality when paid on ``days``, base units, shape (items, d)."""
    late = np.maximum(days[None, :] - columns.due_day[:, None].astype(np.int64), 0)
    value = (columns.amount_minor * columns.to_base)[:, None]
    cost = value * late_interest_factor(problem, columns, days)
    cost += value * columns.criticality_rate[:, None] * late / DAYS_PER_YEAR
    cost += np.where(late > 0, columns.compensation[:, None], 0.0)
    return np.asarray(cost, dtype=np.float64)


def allowed_runs(problem: InvoiceProblem, columns: Columns) -> npt.NDArray[np.bool_]:
    """Whether each item may be paid on each run, shape (items, runs)."""
    runs = np.asarray(problem.payment_run_days, dtype=np.int64)[None, :]
    allowed = (runs >= columns.earliest_day[:, None]) | (columns.earliest_day[:, None] == NO_DAY)
    allowed &= runs <= columns.must_pay_by_day[:, None]
    allowed &= ~columns.blocked[:, None]
    return np.asarray(allowed, dtype=np.bool_)


def build_options(problem: InvoiceProblem) -> Options:
    """The linear part of the model of ``problem``."""
    columns = problem.columns
    runs = np.asarray(problem.payment_run_days, dtype=np.int64)
    end = problem.horizon_end_day
    allowed = allowed_runs(problem, columns)
    discount = discounts(problem, columns)
    cash = columns.amount_minor[:, None] - discount
    best = np.where(allowed, discount, 0).max(axis=1)
    late = late_costs(problem, columns, np.append(runs, end))
    scale = columns.to_base[:, None]
    cost = (best[:, None] - discount) * scale + late[:, :-1]
    cost += cash * scale * (problem.opportunity_rate / DAYS_PER_YEAR * (end - runs))[None, :]
    cost += columns.expected_loss[:, None]
    cost[~allowed] = np.inf
    never = best * columns.to_base + late[:, -1]
    never[columns.must_pay_by_day != FAR_DAY] = np.inf
    return Options(cost, never, cash, discount)
