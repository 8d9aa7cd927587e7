"""Insurance: pay what must be paid as late as allowed, then what saves most per unit of cash, while cash lasts."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import cash_prices, fits, has_room, liquidity_arguments, pay, risk, take_room
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.strategy import Candidate, Context

CHUNKS = 48
"""How often the price of cash is brought up to date on the way."""


@numba.njit(cache=True, nogil=True)
def _place_musts(order, cost, cash, currency, account_currency, cap, paid, room, member, value, date, where):  # type: ignore[no-untyped-def]
    """Put every item of ``order`` on its last allowed run, on the account with most room left there."""
    accounts, runs = paid.shape
    for item in order:
        t = runs - 1
        while t >= 0 and not np.isfinite(cost[item, t]):
            t -= 1
        best, most = -1, 0
        for a in range(accounts):
            if account_currency[a] != currency[item]:
                continue
            left = cap[a, t] - paid[a, t]
            for later in range(t + 1, runs):
                left = min(left, cap[a, later] - paid[a, later])
            if best < 0 or left > most:
                best, most = a, left
        date[item], where[item] = t, best
        pay(paid, best, t, cash[item, t])
        take_room(room, member, item, value[item])


@numba.njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    order, cost, never, cash, currency, account_currency, cap, paid, room, member, value, date, where,
    cvar_limit, chunk, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """Pay the items of ``order``, each where it is cheapest at the present prices, while everything holds."""
    accounts, runs = paid.shape
    price = cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    for position in range(len(order)):
        if position and position % chunk == 0:
            price = cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
        item = order[position]
        old_t, old_a = date[item], where[item]
        if old_t >= 0:
            pay(paid, old_a, old_t, -cash[item, old_t])
            limit = cost[item, old_t] + price[old_a, old_t] * cash[item, old_t]
        elif has_room(room, member, item, value[item]):
            limit = never[item]
        else:
            continue
        best_t, best_a, best = old_t, old_a, limit
        for a in range(accounts):
            if account_currency[a] != currency[item]:
                continue
            for t in range(runs):
                total = cost[item, t] + price[a, t] * cash[item, t]
                if total >= best or not fits(paid, cap, a, t, cash[item, t]):
                    continue
                if np.isfinite(cvar_limit):
                    pay(paid, a, t, cash[item, t])
                    shortfall = risk(paid, available, floor, to_base, probability, alpha)
                    pay(paid, a, t, -cash[item, t])
                    if shortfall > cvar_limit:
                        continue
                best_t, best_a, best = t, a, total
        if best_t >= 0:
            pay(paid, best_a, best_t, cash[item, best_t])
            if old_t < 0:
                take_room(room, member, item, value[item])
        date[item], where[item] = best_t, best_a


def greedy_plan(model: Model) -> InvoicePlan:
    """A plan by saving per unit of cash; feasible whenever deferring is enough to make it so."""
    options, liquidity, caps, columns = model.options, model.liquidity, model.caps, model.columns
    date = np.full(model.items, NEVER, dtype=np.int64)
    where = np.full(model.items, NEVER, dtype=np.int64)
    paid = np.zeros((model.accounts, model.runs), dtype=np.int64)
    room = caps.limit_minor.copy()
    must = np.isinf(options.never)
    can = np.isfinite(options.cost).any(axis=1)
    shared = (columns.currency, liquidity.currency, liquidity.cap_minor, paid, room, caps.member, columns.base_minor)
    last = model.runs - 1 - np.argmax(np.isfinite(options.cost)[:, ::-1], axis=1)
    musts = np.flatnonzero(must & can)
    # Large ones first, the most urgent first: with one account the order does not matter.
    musts = musts[np.lexsort((-columns.amount_minor[musts], last[musts]))]
    _place_musts(musts, options.cost, options.cash_minor, *shared, date, where)

    wait = options.never.copy()
    wait[musts] = options.cost[musts, date[musts]]
    order = saving_order(model, wait)
    _fill(
        order, options.cost, wait, options.cash_minor, *shared, date, where,
        liquidity.cvar_limit, max(1, len(order) // CHUNKS), *liquidity_arguments(liquidity),
    )  # fmt: skip
    return InvoicePlan(date.astype(np.int16), where.astype(np.int16))


def saving_order(model: Model, wait: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Items that save something when paid, the greatest saving per unit of cash first."""
    options, columns = model.options, model.columns
    saving = wait - options.cost.min(axis=1)
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)
    worth = np.flatnonzero(saving > 0)
    return worth[np.argsort(-(saving / value)[worth], kind="stable")]


class GreedyStrategy:
    """Saving per unit of cash, one candidate."""

    name = "invoices-greedy"
    version = "1"

    def accepts(self, problem: InvoiceProblem) -> bool:
        """Every invoice problem."""
        return isinstance(problem, InvoiceProblem)

    def candidates(self, problem: InvoiceProblem, context: Context[InvoicePlan]) -> Iterator[Candidate[InvoicePlan]]:
        """One candidate. It breaks a constraint only when deferring all that may be deferred breaks it too."""
        model = model_of(problem)
        plan = greedy_plan(model)
        yield Candidate(plan, model.objective(plan), self.name, context.seed)
