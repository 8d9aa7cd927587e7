"""Pay what must be paid as late as allowed, then what saves most per unit of cash, while cash lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import cash_prices, fits, has_room, liquidity_arguments, pay, risk, take_room
from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER, InvoicePlan

REFILL_ITEMS = 3_000
REFILL_SHARES = (1.0, 0.75, 0.5, 0.25)
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
    cvar_limit, chunk, anchor, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """Pay the items of ``order``, each where it is cheapest at the present prices, while everything holds.

    Prices are at least those of ``anchor`` (A, T): what cash is expected to be worth in the end.
    """
    accounts, runs = paid.shape
    price = cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    price = np.maximum(price, anchor)
    # Never less than the CVaR: a payment adds at most its own amount to it, so that it is seldom worked out.
    highest = risk(paid, available, floor, to_base, probability, alpha) if np.isfinite(cvar_limit) else 0.0
    for position in range(len(order)):
        if position and position % chunk == 0:
            price = cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
            price = np.maximum(price, anchor)
        item = order[position]
        old_t, old_a = date[item], where[item]
        if old_t >= 0:
            pay(paid, old_a, old_t, -cash[item, old_t])
            limit = cost[item, old_t] + price[old_a, old_t] * cash[item, old_t]
        elif has_room(room, member, item, value[item]):
            limit = never[item]
        else:
            continue
        best_t, best_a, best, best_highest = old_t, old_a, limit, highest
        for a in range(accounts):
            if account_currency[a] != currency[item]:
                continue
            for t in range(runs):
                total = cost[item, t] + price[a, t] * cash[item, t]
                if total >= best or not fits(paid, cap, a, t, cash[item, t]):
                    continue
                shortfall = highest + cash[item, t] * to_base[a]
                if shortfall > cvar_limit:
                    pay(paid, a, t, cash[item, t])
                    shortfall = risk(paid, available, floor, to_base, probability, alpha)
                    pay(paid, a, t, -cash[item, t])
                    if shortfall > cvar_limit:
                        continue
                best_t, best_a, best, best_highest = t, a, total, shortfall
        if best_t >= 0:
            pay(paid, best_a, best_t, cash[item, best_t])
            if old_t < 0:
                take_room(room, member, item, value[item])
            highest = best_highest
        date[item], where[item] = best_t, best_a


@dataclass
class Filling:
    """A plan in the making: arrays over items, and what they use of cash and caps."""

    model: Model
    date: npt.NDArray[np.int64]
    where: npt.NDArray[np.int64]
    paid: npt.NDArray[np.int64]
    room: npt.NDArray[np.int64]

    @property
    def shared(self) -> tuple[Any, ...]:
        """What the kernels want after the costs."""
        columns, liquidity = self.model.columns, self.model.liquidity
        caps = self.model.caps.member, columns.base_minor
        return columns.currency, liquidity.currency, liquidity.cap_minor, self.paid, self.room, *caps

    def plan(self) -> InvoicePlan:
        """The plan as it stands."""
        return InvoicePlan(self.date.astype(np.int16), self.where.astype(np.int16))


def with_musts(model: Model) -> Filling:
    """What must be paid on its last allowed run, nothing else."""
    options = model.options
    never = np.full(model.items, NEVER, dtype=np.int64)
    paid = np.zeros((model.accounts, model.runs), dtype=np.int64)
    filling = Filling(model, never, never.copy(), paid, model.caps.limit_minor.copy())
    can = np.isfinite(options.cost).any(axis=1)
    last = model.runs - 1 - np.argmax(np.isfinite(options.cost)[:, ::-1], axis=1)
    musts = np.flatnonzero(np.isinf(options.never) & can)
    # Large ones first, the most urgent first: with one account the order does not matter.
    musts = musts[np.lexsort((-model.columns.amount_minor[musts], last[musts]))]
    _place_musts(musts, options.cost, options.cash_minor, *filling.shared, filling.date, filling.where)
    return filling


def greedy_plan(model: Model) -> InvoicePlan:
    """A plan by saving per unit of cash; feasible whenever deferring is enough to make it so.

    Small problems are filled again with the prices that the first filling ends with, so that the first items do not
    take what the last ones will make dear.
    """
    best = _filled(model, np.zeros((model.accounts, model.runs)))
    if model.items > REFILL_ITEMS or not model.is_feasible(best):
        return best
    value = model.objective(best)
    final = cash_prices(model.cumulated(best), *liquidity_arguments(model.liquidity))
    for share in REFILL_SHARES:
        plan = _filled(model, share * final)
        again = model.objective(plan)
        if again < value and model.is_feasible(plan):
            best, value = plan, again
    return best


def _filled(model: Model, anchor: npt.NDArray[np.float64]) -> InvoicePlan:
    """One filling at prices of at least ``anchor``."""
    options, liquidity = model.options, model.liquidity
    filling = with_musts(model)
    wait = options.never.copy()
    musts = np.flatnonzero(filling.date != NEVER)
    wait[musts] = options.cost[musts, filling.date[musts]]
    order = saving_order(model, wait)
    _fill(
        order, options.cost, wait, options.cash_minor, *filling.shared, filling.date, filling.where,
        liquidity.cvar_limit, max(1, len(order) // CHUNKS), anchor, *liquidity_arguments(liquidity),
    )  # fmt: skip
    return filling.plan()


def saving_order(model: Model, wait: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Items that save something when paid, the greatest saving per unit of cash first."""
    options, columns = model.options, model.columns
    saving = wait - options.cost.min(axis=1)
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)
    worth = np.flatnonzero(saving > 0)
    return worth[np.argsort(-(saving / value)[worth], kind="stable")]
