"""Compiled evaluation of cumulated payments: prices of cash, CVaR, overdraft. Mirrors `solvers.invoices.liquidity`.

Arrays as in `solvers.invoices.liquidity.Liquidity`; ``paid`` has shape (A, T), minor units, int64.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from solvers.invoices.liquidity import Liquidity


def liquidity_arguments(liquidity: Liquidity) -> tuple[Any, ...]:
    """What every kernel here wants after ``paid``."""
    return (
        liquidity.available_minor,
        liquidity.floor_minor,
        liquidity.to_base,
        liquidity.probability,
        liquidity.overdraft_weight,
        liquidity.cvar_alpha,
        liquidity.cvar_weight,
    )


@numba.njit(cache=True, nogil=True)
def shortfalls(paid, available, floor, to_base):  # type: ignore[no-untyped-def]
    """Shortfall of each scenario, base units."""
    accounts, runs, scenarios = available.shape
    short = np.zeros(scenarios)
    worst = np.zeros(scenarios, dtype=np.int64)
    for a in range(accounts):
        worst[:] = 0
        for t in range(runs):
            base = paid[a, t] + floor[a]
            for s in range(scenarios):
                worst[s] = max(worst[s], base - available[a, t, s])
        for s in range(scenarios):
            short[s] += worst[s] * to_base[a]
    return short


@numba.njit(cache=True, nogil=True)
def tail_mean(short, probability, alpha):  # type: ignore[no-untyped-def]
    """Mean of the worst 1 - alpha."""
    left, total = 1.0 - alpha, 0.0
    if len(short) > 1 and left * len(short) < 8.0:
        # A short tail is found without sorting: the highest that is below the last one found, over and over.
        last, behind = np.inf, -1
        for _ in range(16):
            peak, at = -np.inf, -1
            for s in range(len(short)):
                ahead = short[s] < last or (short[s] == last and s > behind)
                if ahead and short[s] > peak:
                    peak, at = short[s], s
            if at < 0:
                break
            share = min(left, probability[at])
            total += share * peak
            left -= share
            last, behind = peak, at
            if left <= 0:
                return total / (1.0 - alpha)
        left, total = 1.0 - alpha, 0.0
    for s in np.argsort(-short, kind="mergesort"):
        share = min(left, probability[s])
        total += share * short[s]
        left -= share
        if left <= 0:
            break
    return total / (1.0 - alpha)


@numba.njit(cache=True, nogil=True)
def risk(paid, available, floor, to_base, probability, alpha):  # type: ignore[no-untyped-def]
    """CVaR of the shortfall, base units."""
    return tail_mean(shortfalls(paid, available, floor, to_base), probability, alpha)


@numba.njit(cache=True, nogil=True)
def overdraft(paid, available, probability, overdraft_weight):  # type: ignore[no-untyped-def]
    """Expected overdraft cost, base units."""
    accounts, runs, scenarios = available.shape
    total = 0.0
    for a in range(accounts):
        for t in range(runs):
            if overdraft_weight[a, t] > 0:
                below = 0.0
                for s in range(scenarios):
                    if paid[a, t] > available[a, t, s]:
                        below += probability[s] * (paid[a, t] - available[a, t, s])
                total += below * overdraft_weight[a, t]
    return total


@numba.njit(cache=True, nogil=True)
def cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight):  # type: ignore[no-untyped-def]
    """Overdraft cost and price of risk, base units."""
    total = overdraft(paid, available, probability, overdraft_weight)
    if cvar_weight > 0:
        total += cvar_weight * risk(paid, available, floor, to_base, probability, alpha)
    return total


@numba.njit(cache=True, nogil=True)
def tangent(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight):  # type: ignore[no-untyped-def]
    """Base units that overdraft and risk grow by per minor unit more in ``paid[a, t]``, shape (A, T)."""
    accounts, runs, scenarios = available.shape
    price = np.zeros((accounts, runs))
    for a in range(accounts):
        for t in range(runs):
            if overdraft_weight[a, t] > 0:
                for s in range(scenarios):
                    if paid[a, t] > available[a, t, s]:
                        price[a, t] += probability[s] * overdraft_weight[a, t]
    if cvar_weight > 0:
        short = shortfalls(paid, available, floor, to_base)
        left = 1.0 - alpha
        for s in np.argsort(-short, kind="mergesort"):
            share = min(left, probability[s])
            left -= share
            for a in range(accounts):
                worst, peak = 0, -1
                for t in range(runs):
                    below = paid[a, t] - available[a, t, s] + floor[a]
                    if below > worst:
                        worst, peak = below, t
                if peak >= 0:
                    price[a, peak] += cvar_weight * share / (1.0 - alpha) * to_base[a]
            if left <= 0:
                break
    return price


@numba.njit(cache=True, nogil=True)
def cash_prices(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight):  # type: ignore[no-untyped-def]
    """Base units that one more minor unit paid on (a, t) adds to overdraft and risk, shape (A, T)."""
    price = tangent(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    for a in range(price.shape[0]):
        for t in range(price.shape[1] - 2, -1, -1):
            price[a, t] += price[a, t + 1]
    return price


@numba.njit(cache=True, nogil=True)
def fits(paid, cap, a, t, amount):  # type: ignore[no-untyped-def]
    """Whether ``amount`` more may leave account ``a`` on run ``t``."""
    for later in range(t, paid.shape[1]):  # noqa: SIM110 - numba compiles loops, not generators
        if paid[a, later] + amount > cap[a, later]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def pay(paid, a, t, amount):  # type: ignore[no-untyped-def]
    """Let ``amount`` leave account ``a`` on run ``t``."""
    for later in range(t, paid.shape[1]):
        paid[a, later] += amount


@numba.njit(cache=True, nogil=True)
def take_room(room, member, item, value):  # type: ignore[no-untyped-def]
    """Book ``value`` on the caps of ``item``."""
    for g in member[item]:
        if g >= 0:
            room[g] -= value


@numba.njit(cache=True, nogil=True)
def has_room(room, member, item, value):  # type: ignore[no-untyped-def]
    """Whether every cap of ``item`` has room for ``value``."""
    for g in member[item]:  # noqa: SIM110 - numba compiles loops, not generators
        if g >= 0 and room[g] < value:
            return False
    return True
