"""Other good plans: the best joint moves of the least decided items, and how likely each is to turn out best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import cash_cost, liquidity_arguments
from solvers.invoices.local_search import feasible_now, move
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.relaxation import Relaxation

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CORE_ITEMS = 10
OPTIONS = 4
DRAWS = 2_000


@dataclass(frozen=True)
class Alternative:
    """A feasible plan other than the one chosen.

    Parameters
    ----------
    objective, expected_cost, cvar
        Base units; ``expected_cost`` is the objective without the price of risk.
    probability_best
        Share of futures (inflow scenario, validity of each unverified payment) in which it costs least among all
        alternatives and the chosen plan.
    items
        Where it differs from the chosen plan.
    """

    plan: InvoicePlan
    objective: float
    expected_cost: float
    cvar: float
    probability_best: float
    items: tuple[int, ...]


@numba.njit(cache=True, nogil=True)
def _price(  # type: ignore[no-untyped-def]
    items, option_t, option_a, cost, never, cash, cap, paid, room, member, value, date, where,
    cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight, out,
):  # fmt: skip
    """Change of the objective for every single (m = i) and joint move into ``out`` (i, p, j, q); inf: infeasible."""
    before = cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    for m in range(len(items)):
        i = items[m]
        old_t, old_a = date[i], where[i]
        own = never[i] if old_t < 0 else cost[i, old_t]
        for p in range(option_t.shape[1]):
            t, a = option_t[m, p], option_a[m, p]
            if t < -1 or (t == old_t and a == old_a):
                continue
            linear = (never[i] if t < 0 else cost[i, t]) - own
            move(i, old_t, old_a, -1, cash, paid, room, member, value)
            move(i, t, a, 1, cash, paid, room, member, value)
            for n in range(m, len(items)):
                j = items[n]
                old_u, old_b = date[j], where[j]
                theirs = never[j] if old_u < 0 else cost[j, old_u]
                for q in range(option_t.shape[1] if n > m else 1):
                    u, b = option_t[n, q], option_a[n, q]
                    total = linear
                    if n > m:
                        if u < -1 or (u == old_u and b == old_b):
                            continue
                        total += (never[j] if u < 0 else cost[j, u]) - theirs
                        move(j, old_u, old_b, -1, cash, paid, room, member, value)
                        move(j, u, b, 1, cash, paid, room, member, value)
                    if feasible_now(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha):
                        after = cash_cost(
                            paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight
                        )
                        out[m, p, n, q] = total + after - before
                    if n > m:
                        move(j, u, b, -1, cash, paid, room, member, value)
                        move(j, old_u, old_b, 1, cash, paid, room, member, value)
            move(i, t, a, -1, cash, paid, room, member, value)
            move(i, old_t, old_a, 1, cash, paid, room, member, value)


def alternatives(
    problem: InvoiceProblem, plan: InvoicePlan, relaxed: Relaxation, count: int = 5, seed: int = 0
) -> list[Alternative]:
    """At most ``count`` other plans near ``plan``, which must be feasible, the best first.

    They differ from it in one or two of the items that the prices leave least decided.
    """
    model = model_of(problem)
    order = np.argsort(relaxed.regret, kind="stable")
    items = order[np.isfinite(relaxed.regret[order])][:CORE_ITEMS]
    if not len(items):
        return []
    run = np.full((len(items), OPTIONS), -2, dtype=np.int64)
    account = np.full((len(items), OPTIONS), NEVER, dtype=np.int64)
    for row, item in enumerate(items.tolist()):
        for column, choice in enumerate(relaxed.ranked_choices(model, item, OPTIONS)):
            account[row, column], run[row, column] = choice
    out = np.full((len(items), OPTIONS, len(items), OPTIONS), np.inf)
    options, liquidity = model.options, model.liquidity
    date, where = plan.date_index.astype(np.int64), plan.account_index.astype(np.int64)
    _price(
        items, run, account, options.cost, options.never, options.cash_minor, liquidity.cap_minor,
        model.cumulated(plan), model.caps.limit_minor - model.cap_use(plan), model.caps.member,
        model.columns.base_minor, date, where, liquidity.cvar_limit, *liquidity_arguments(liquidity), out,
    )  # fmt: skip
    found: list[tuple[InvoicePlan, tuple[int, ...]]] = []
    for flat in np.argsort(out, axis=None, kind="stable")[:count].tolist():
        m, p, n, q = (int(k) for k in np.unravel_index(flat, out.shape))
        if not np.isfinite(out[m, p, n, q]):
            break
        dates, accounts = plan.date_index.copy(), plan.account_index.copy()
        dates[items[m]], accounts[items[m]] = run[m, p], account[m, p]
        if n > m:
            dates[items[n]], accounts[items[n]] = run[n, q], account[n, q]
        found.append((InvoicePlan(dates, accounts), tuple(sorted({int(items[m]), int(items[n])}))))
    chance = best_chances(model, [plan, *(other for other, _ in found)], seed)[1:]
    judged = []
    for (other, differs), share in zip(found, chance, strict=True):
        cvar = liquidity.cvar(model.cumulated(other))
        objective = model.objective(other)
        expected = objective - liquidity.cvar_weight * cvar
        judged.append(Alternative(other, objective, expected, cvar, share, differs))
    return judged


def best_chances(model: Model, plans: list[InvoicePlan], seed: int) -> list[float]:
    """Share of sampled futures in which each plan costs least; of equals the first.

    A future is an inflow scenario and, for every unverified payment, whether it was invalid. The shortfall of a
    scenario counts at ``cvar_weight``.
    """
    columns, liquidity = model.columns, model.liquidity
    chance = np.random.default_rng(seed)
    scenario = chance.choice(len(liquidity.probability), DRAWS, p=liquidity.probability / liquidity.probability.sum())
    p_invalid = np.array([validity.p_invalid for validity in columns.validity])[columns.invoice]
    # Only where two plans differ does the luck of an invoice matter.
    dates = np.stack([plan.date_index for plan in plans])
    risky = np.flatnonzero((columns.expected_loss > 0) & (p_invalid > 0) & (dates != dates[0]).any(axis=0))
    invalid = chance.random((DRAWS, len(risky))) < p_invalid[risky]
    loss = columns.expected_loss[risky] / p_invalid[risky]
    costs = np.zeros((len(plans), DRAWS))
    for k, plan in enumerate(plans):
        paid = plan.date_index != NEVER
        cumulated = model.cumulated(plan)
        below = np.maximum(cumulated[:, :, None] - liquidity.available_minor, 0)
        by_scenario = (below * liquidity.overdraft_weight[:, :, None]).sum(axis=(0, 1))
        by_scenario = by_scenario + liquidity.cvar_weight * liquidity.shortfall(cumulated)
        certain = model.linear_cost(plan) - float(columns.expected_loss[risky][paid[risky]].sum())
        costs[k] = certain + by_scenario[scenario] + invalid @ (loss * paid[risky])
    best = costs.argmin(axis=0)
    return [float((best == k).mean()) for k in range(len(plans))]
