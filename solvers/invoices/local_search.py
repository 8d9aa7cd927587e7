"""Verified local search: repair, then better options for one item at a time, by the exact objective."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import (
    cash_cost,
    cash_prices,
    fits,
    has_room,
    liquidity_arguments,
    pay,
    risk,
    take_room,
)
from solvers.invoices.model import Model
from solvers.invoices.plan import InvoicePlan
from solvers.stop import Never, Stop

EPSILON = 1e-9
WORK_PER_CHUNK = 500_000
"""Accounts x runs x scenarios x items between two questions to the stop: some 10 ms."""


@numba.njit(cache=True, nogil=True)
def _excess(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha):  # type: ignore[no-untyped-def]
    """Sum of what caps and limits are exceeded by; 0 when all hold."""
    total = 0.0
    for a in range(paid.shape[0]):
        for t in range(paid.shape[1]):
            total += max(0, paid[a, t] - cap[a, t]) * to_base[a]
    for left in room:
        total += max(0, -left)
    if np.isfinite(cvar_limit):
        total += max(0.0, risk(paid, available, floor, to_base, probability, alpha) - cvar_limit)
    return total


@numba.njit(cache=True, nogil=True)
def _scan(  # type: ignore[no-untyped-def]
    items, excess, best, cost, never, cash, currency, account_currency, cap, paid, room, member, value, date, where,
    cvar_limit, available, floor, to_base, probability, _overdraft_weight, alpha, _cvar_weight,
):  # fmt: skip
    """Look for the move of one of ``items`` that takes most excess away per unit of cost.

    ``best`` holds (score, item, run, account) of the best one so far.
    """
    accounts, runs = paid.shape
    for item in items:
        old_t, old_a = date[item], where[item]
        if old_t < 0:
            continue
        now = cost[item, old_t]
        pay(paid, old_a, old_t, -cash[item, old_t])
        for a in range(-1, accounts):
            if a >= 0 and account_currency[a] != currency[item]:
                continue
            for t in range(runs if a >= 0 else 1):
                after = never[item] if a < 0 else cost[item, t]
                if not np.isfinite(after):
                    continue
                if a < 0:
                    take_room(room, member, item, -value[item])
                else:
                    pay(paid, a, t, cash[item, t])
                less = excess - _excess(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha)
                if a < 0:
                    take_room(room, member, item, value[item])
                else:
                    pay(paid, a, t, -cash[item, t])
                score = less / (max(after - now, 0.0) + 1e-3 * less + 1e-9)
                if less > 1e-7 and score > best[0]:
                    best[0], best[1], best[2], best[3] = score, item, (t if a >= 0 else -1), a
        pay(paid, old_a, old_t, cash[item, old_t])


@numba.njit(cache=True, nogil=True)
def _descend(  # type: ignore[no-untyped-def]
    items, cost, never, cash, currency, account_currency, cap, paid, room, member, value, date, where,
    cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """One pass over ``items``, each moved to its best feasible option; returns what it saved."""
    accounts, runs = paid.shape
    limited = np.isfinite(cvar_limit)
    saved = 0.0
    before = cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    for item in items:
        old_t, old_a = date[item], where[item]
        now = before + (never[item] if old_t < 0 else cost[item, old_t])
        if old_t >= 0:
            pay(paid, old_a, old_t, -cash[item, old_t])
        price = cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
        without = cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
        best, best_t, best_a, best_cash = now - 1e-9 * abs(now), old_t, old_a, before
        if old_t >= 0 and np.isfinite(never[item]) and without + never[item] < best:
            best, best_t, best_a, best_cash = without + never[item], -1, -1, without
        if old_t >= 0 or has_room(room, member, item, value[item]):
            for a in range(accounts):
                if account_currency[a] != currency[item]:
                    continue
                for t in range(runs):
                    # Overdraft and risk are convex, so their prices now are a lower bound of what this adds.
                    if without + cost[item, t] + price[a, t] * cash[item, t] >= best:
                        continue
                    if not fits(paid, cap, a, t, cash[item, t]):
                        continue
                    pay(paid, a, t, cash[item, t])
                    after = cash_cost(
                        paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight
                    )
                    allowed = not limited or risk(paid, available, floor, to_base, probability, alpha) <= cvar_limit
                    pay(paid, a, t, -cash[item, t])
                    if allowed and after + cost[item, t] < best:
                        best, best_t, best_a, best_cash = after + cost[item, t], t, a, after
        if best_t >= 0:
            pay(paid, best_a, best_t, cash[item, best_t])
            if old_t < 0:
                take_room(room, member, item, value[item])
        elif old_t >= 0:
            take_room(room, member, item, -value[item])
        if best_t != old_t or best_a != old_a:
            saved += now - best
            date[item], where[item] = best_t, best_a
        before = best_cash
    return saved


class _Search:
    """A plan being changed, with its books: cumulated payments and the room left under the caps."""

    def __init__(self, model: Model, plan: InvoicePlan) -> None:
        options, liquidity = model.options, model.liquidity
        self.model = model
        self.date, self.where = plan.date_index.astype(np.int64), plan.account_index.astype(np.int64)
        self.paid = model.cumulated(plan)
        self.room = model.caps.limit_minor - model.cap_use(plan)
        self.arguments = (
            options.cost, options.never, options.cash_minor, model.columns.currency, liquidity.currency,
            liquidity.cap_minor, self.paid, self.room, model.caps.member, model.columns.base_minor, self.date,
            self.where, liquidity.cvar_limit, *liquidity_arguments(liquidity),
        )  # fmt: skip
        self.chunk = max(4, min(256, WORK_PER_CHUNK // liquidity.available_minor.size))

    def repair(self, items: npt.NDArray[np.int64], stop: Stop) -> bool:
        """Move items until nothing is exceeded; whether that worked."""
        options, liquidity = self.model.options, self.model.liquidity
        available, floor, to_base, probability, _, alpha, _ = liquidity_arguments(liquidity)
        while True:
            excess = _excess(
                self.paid, liquidity.cap_minor, self.room, liquidity.cvar_limit, available, floor, to_base,
                probability, alpha,
            )  # fmt: skip
            if excess <= 0:
                return True
            best = np.array([0.0, -1.0, -1.0, -1.0])
            step = max(1, self.chunk // 4)
            for start in range(0, len(items), step):
                if stop():
                    return False
                _scan(items[start : start + step], excess, best, *self.arguments)
            item, run, account = (int(v) for v in best[1:])
            if item < 0:
                return False
            member, value = self.model.caps.member, self.model.columns.base_minor
            books = options.cash_minor, self.paid, self.room, member, value
            move(item, self.date[item], self.where[item], -1, *books)
            move(item, run, account, 1, *books)
            self.date[item], self.where[item] = run, account

    def descend(self, items: npt.NDArray[np.int64], stop: Stop) -> float:
        """One pass over ``items``, each moved to its best feasible option; what it saved, base units."""
        saved = 0.0
        for start in range(0, len(items), self.chunk):
            if stop():
                break
            saved += _descend(items[start : start + self.chunk], *self.arguments)
        return saved

    def plan(self) -> InvoicePlan:
        """The plan as it stands."""
        return InvoicePlan(self.date.astype(np.int16), self.where.astype(np.int16))


def improve(
    model: Model, plan: InvoicePlan, items: npt.NDArray[np.int64], passes: int = 20, stop: Stop | None = None
) -> InvoicePlan | None:
    """``plan`` made feasible and better by moving ``items`` alone.

    ``None`` when they cannot make it feasible, or not before ``stop``.
    """
    search, stop = _Search(model, plan), Never() if stop is None else stop
    if not search.repair(items, stop):
        return None
    for _ in range(passes):
        if search.descend(items, stop) <= EPSILON:
            break
    return search.plan()


@numba.njit(cache=True, nogil=True)
def move(item, t, a, sign, cash, paid, room, member, value):  # type: ignore[no-untyped-def]
    """Book (sign 1) or unbook (sign -1) a choice."""
    if t >= 0:
        pay(paid, a, t, sign * cash[item, t])
        take_room(room, member, item, sign * value[item])


@numba.njit(cache=True, nogil=True)
def feasible_now(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha):  # type: ignore[no-untyped-def]
    """Whether every cap and limit holds."""
    for a in range(paid.shape[0]):
        for t in range(paid.shape[1]):
            if paid[a, t] > cap[a, t]:
                return False
    for left in room:
        if left < 0:
            return False
    return not np.isfinite(cvar_limit) or risk(paid, available, floor, to_base, probability, alpha) <= cvar_limit


@numba.njit(cache=True, nogil=True)
def _swap_from(  # type: ignore[no-untyped-def]
    first, items, option_t, option_a, cost, never, cash, cap, paid, room, member, value, date, where,
    cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """The best joint move of ``items[first]`` and one later item, made if it saves; returns what it saved."""
    i = items[first]
    now = cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    best, best_p, best_other, best_q = -1e-7 - 1e-12 * abs(now), -1, -1, -1
    old_t, old_a = date[i], where[i]
    own = never[i] if old_t < 0 else cost[i, old_t]
    move(i, old_t, old_a, -1, cash, paid, room, member, value)
    for p in range(option_t.shape[1]):
        t, a = option_t[first, p], option_a[first, p]
        if t < -1 or (t == old_t and a == old_a):
            continue
        step = (never[i] if t < 0 else cost[i, t]) - own
        move(i, t, a, 1, cash, paid, room, member, value)
        for other in range(first + 1, len(items)):
            j = items[other]
            old_u, old_b = date[j], where[j]
            theirs = never[j] if old_u < 0 else cost[j, old_u]
            move(j, old_u, old_b, -1, cash, paid, room, member, value)
            for q in range(option_t.shape[1]):
                u, b = option_t[other, q], option_a[other, q]
                if u < -1 or (u == old_u and b == old_b):
                    continue
                linear = step + (never[j] if u < 0 else cost[j, u]) - theirs
                # Overdraft and risk cost at least nothing.
                if linear - now >= best:
                    continue
                move(j, u, b, 1, cash, paid, room, member, value)
                if feasible_now(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha):
                    after = cash_cost(
                        paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight
                    )
                    if linear + after - now < best:
                        best, best_p, best_other, best_q = linear + after - now, p, other, q
                move(j, u, b, -1, cash, paid, room, member, value)
            move(j, old_u, old_b, 1, cash, paid, room, member, value)
        move(i, t, a, -1, cash, paid, room, member, value)
    if best_p < 0:
        move(i, old_t, old_a, 1, cash, paid, room, member, value)
        return 0.0
    j = items[best_other]
    date[i], where[i] = option_t[first, best_p], option_a[first, best_p]
    move(i, date[i], where[i], 1, cash, paid, room, member, value)
    move(j, date[j], where[j], -1, cash, paid, room, member, value)
    date[j], where[j] = option_t[best_other, best_q], option_a[best_other, best_q]
    move(j, date[j], where[j], 1, cash, paid, room, member, value)
    return -best


def swap(
    model: Model,
    plan: InvoicePlan,
    items: npt.NDArray[np.int64],
    option_run: npt.NDArray[np.int64],
    option_account: npt.NDArray[np.int64],
    stop: Stop,
    passes: int = 4,
) -> InvoicePlan:
    """``plan``, which must be feasible, made better by moving two of ``items`` at a time.

    ``option_run`` and ``option_account``, shape (len(items), k), hold the options tried: run -1 for not paid, -2 for
    none.
    """
    options, liquidity = model.options, model.liquidity
    date, where = plan.date_index.astype(np.int64), plan.account_index.astype(np.int64)
    arguments = (
        items, option_run, option_account, options.cost, options.never, options.cash_minor, liquidity.cap_minor,
        model.cumulated(plan), model.caps.limit_minor - model.cap_use(plan), model.caps.member,
        model.columns.base_minor, date, where, liquidity.cvar_limit, *liquidity_arguments(liquidity),
    )  # fmt: skip
    for _ in range(passes):
        saved = 0.0
        for first in range(len(items) - 1):
            if stop():
                break
            saved += _swap_from(first, *arguments)
        if saved <= EPSILON:
            break
    return InvoicePlan(date.astype(np.int16), where.astype(np.int16))
