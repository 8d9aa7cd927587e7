"""The optimum of a small invoice problem by going through every plan."""

from __future__ import annotations

import math

import numba
import numpy as np

from solvers.invoices.cash_kernels import cash_cost, has_room, liquidity_arguments, pay, risk, take_room
from solvers.invoices.mip import all_options
from solvers.invoices.model import model_of
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem


@numba.njit(cache=True, nogil=True)
def _search(  # type: ignore[no-untyped-def]
    item, linear, state, best, allowed, cost, never, cash, cap, paid, room, member, value, rest,
    cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """Every choice of ``item`` and those after it; ``best[0]`` is the least objective, its plan in ``best[1:]``."""
    if linear + rest[item] >= best[0]:
        return
    if item == len(never):
        for a in range(paid.shape[0]):
            for t in range(paid.shape[1]):
                if paid[a, t] > cap[a, t]:
                    return
        if np.isfinite(cvar_limit) and risk(paid, available, floor, to_base, probability, alpha) > cvar_limit:
            return
        total = linear + cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
        if total < best[0]:
            best[0] = total
            best[1:] = state
        return
    runs = cost.shape[1]
    if np.isfinite(never[item]):
        state[item] = -1
        _search(
            item + 1, linear + never[item], state, best, allowed, cost, never, cash, cap, paid, room, member, value,
            rest, cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
        )  # fmt: skip
    if not has_room(room, member, item, value[item]):
        return
    take_room(room, member, item, value[item])
    for a in range(paid.shape[0]):
        for t in range(runs):
            if not allowed[item, a, t]:
                continue
            pay(paid, a, t, cash[item, t])
            state[item] = a * runs + t
            _search(
                item + 1, linear + cost[item, t], state, best, allowed, cost, never, cash, cap, paid, room, member,
                value, rest, cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
            )  # fmt: skip
            pay(paid, a, t, -cash[item, t])
    take_room(room, member, item, -value[item])


def brute_force(problem: InvoiceProblem) -> tuple[InvoicePlan | None, float]:
    """(an optimal plan, its objective); (None, inf) when no plan is feasible. For about 12 items and 3 runs."""
    model = model_of(problem)
    options = model.options
    cheapest = np.minimum(options.cost.min(axis=1), options.never)
    if np.isinf(cheapest).any() or (model.caps.limit_minor < 0).any():
        return None, math.inf
    rest = np.append(np.cumsum(cheapest[::-1])[::-1], 0.0)
    best = np.full(model.items + 1, -1.0)
    best[0] = np.inf
    shape = (model.accounts, model.runs)
    # The CVaR limit is the one constraint with a tolerance.
    limit = model.liquidity.cvar_limit * (1 + 1e-12)
    _search(
        0, 0.0, np.full(model.items, -1.0), best, all_options(model), options.cost, options.never, options.cash_minor,
        model.liquidity.cap_minor, np.zeros(shape, dtype=np.int64), model.caps.limit_minor.copy(), model.caps.member,
        model.columns.base_minor, rest, limit, *liquidity_arguments(model.liquidity),
    )  # fmt: skip
    if math.isinf(best[0]):
        return None, math.inf
    slots = best[1:].astype(np.int64)
    paid = slots >= 0
    return InvoicePlan(np.where(paid, slots % model.runs, -1), np.where(paid, slots // model.runs, -1)), float(best[0])
