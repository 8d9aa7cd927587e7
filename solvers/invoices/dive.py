"""Diving: large items are settled first, and the prices are found again for what is left to fill the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.relaxation import Relaxation, relax
from solvers.stop import Stop

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
"""Shares of the items, largest first, that are settled after each relaxation."""
TOLERANCE = 1e-4


def heaviest(model: Model, relaxed: Relaxation) -> InvoicePlan:
    """Each group as its heaviest column has it."""
    dates = np.full(model.items, NEVER, dtype=np.int16)
    accounts = np.full(model.items, NEVER, dtype=np.int16)
    best: dict[int, tuple[float, InvoicePlan]] = {}
    for group, weight, plan in relaxed.mixes:
        if group not in best or weight > best[group][0]:
            best[group] = (weight, plan)
    chosen: dict[int, tuple[InvoicePlan, list[int]]] = {}
    for group, (_, plan) in best.items():
        chosen.setdefault(id(plan), (plan, []))[1].append(group)
    for plan, groups in chosen.values():
        rows = np.isin(relaxed.group_of, groups)
        dates[rows], accounts[rows] = plan.date_index[rows], plan.account_index[rows]
    return InvoicePlan(dates, accounts)


def settle(model: Model, items: npt.NDArray[np.int64], plan: InvoicePlan) -> Model:
    """``model`` in which ``items`` have no option but what ``plan`` does with them."""
    options = model.options
    cost, never = options.cost.copy(), options.never.copy()
    paid = items[plan.date_index[items] != NEVER]
    cost[items] = np.inf
    cost[paid, plan.date_index[paid]] = options.cost[paid, plan.date_index[paid]]
    never[paid] = np.inf
    return replace(model, options=replace(options, cost=cost, never=never))


def merged(first: InvoicePlan, items: npt.NDArray[np.int64], rest: InvoicePlan) -> InvoicePlan:
    """``items`` as ``first`` has them, the others as ``rest`` has them."""
    dates, accounts = rest.date_index.copy(), rest.account_index.copy()
    dates[items], accounts[items] = first.date_index[items], first.account_index[items]
    return InvoicePlan(dates, accounts)


def dive(
    model: Model,
    relaxed: Relaxation,
    incumbent: InvoicePlan,
    stop: Stop,
    chance: np.random.Generator | None = None,
) -> InvoicePlan | None:
    """A plan near the relaxation, feasible more often than not; ``None`` when stopped on the way.

    ``chance`` shuffles the order of sizes a little, for another plan than the last dive's.
    """
    size = model.columns.amount_minor * model.columns.to_base
    if chance is not None:
        size = size * chance.lognormal(0.0, 0.5, len(size))
    order = np.argsort(-size, kind="stable")
    plan = heaviest(model, relaxed)
    for share in SHARES:
        if stop():
            return None
        settled = order[: int(share * model.items)]
        smaller = settle(model, settled, plan)
        again = relax(smaller, stop, merged(plan, settled, incumbent), TOLERANCE)
        if not again.mixes:
            return None
        plan = merged(plan, settled, heaviest(smaller, again))
    return plan
