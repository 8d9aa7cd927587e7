"""Price-directed decomposition: prices of cash at which every item decides alone, and the bound that they prove.

Dantzig-Wolfe over groups of items (Dantzig and Wolfe, Decomposition principle for linear programs, Operations Research
8, 1960) with cuts for overdraft and risk; any prices give a valid Lagrangian bound (Geoffrion, Lagrangean relaxation
for integer programming, Math. Programming Study 2, 1974), so the best one found is the certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solvers.invoices.greedy import greedy_plan
from solvers.invoices.master import Master
from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.pricing import Pricer, cap_fee
from solvers.stop import Stop

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RELATIVE_TOLERANCE = 1e-5
"""Gap between master and bound at which the prices are good enough."""
ROUNDING = 1e-9
"""Relative allowance of the bound for floating point."""
MAX_ROUNDS = 400
SMOOTHING = 0.5
"""Share of the best duals in those that are priced (Wentges, Int. Trans. Oper. Res. 4, 1997)."""
OWN_GROUP = 400
MAX_GROUPS = 100


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Prices, the bound they prove, and how each item stands at them.

    Parameters
    ----------
    price
        Shape (A, T): base units per minor unit that leaves account a on run t.
    cap_price
        Shape (G,): base units per minor unit of base value in each cap.
    bound
        Lower bound of the objective, base units; ``-inf`` when none was found in time.
    best, regret
        Shape (items,): cheapest reduced cost, and how much more the second cheapest option costs.
    fractional
        Shape (items,): whether the relaxation mixes several options of the item.
    mixes
        (group, weight, plan): the columns in use; of ``plan`` only the items of ``group`` count.
    fee
        Shape (items,): what the caps charge for paying each item.
    group_of
        Shape (items,): group of each item.
    """

    price: FloatArray
    cap_price: FloatArray
    bound: float
    best: FloatArray
    regret: FloatArray
    fractional: npt.NDArray[np.bool_]
    fee: FloatArray
    group_of: IntArray
    mixes: tuple[tuple[int, float, InvoicePlan], ...]

    def reduced_cost(self, model: Model, item: int, choice: tuple[int, int]) -> float:
        """Cost of a choice (account, run) at the prices, base units."""
        account, run = choice
        if run == NEVER:
            return float(model.options.never[item])
        fee = float(self.fee[item])
        cash = float(model.options.cash_minor[item, run]) * float(self.price[account, run])
        return float(model.options.cost[item, run]) + cash + fee

    def ranked_choices(self, model: Model, item: int, count: int) -> list[tuple[int, int]]:
        """The ``count`` cheapest choices of ``item`` at the prices, cheapest first."""
        options, liquidity = model.options, model.liquidity
        accounts = np.flatnonzero(liquidity.currency == model.columns.currency[item])
        fee = float(self.fee[item])
        value = options.cost[item][None, :] + options.cash_minor[item][None, :] * self.price[accounts] + fee
        order = np.argsort(value, axis=None, kind="stable")[:count]
        found = [
            (float(value.ravel()[k]), (int(accounts[k // model.runs]), int(k % model.runs))) for k in order.tolist()
        ]
        found.append((float(options.never[item]), (NEVER, NEVER)))
        return [choice for cost, choice in sorted(found) if math.isfinite(cost)][:count]

    def paid_outside(self, model: Model, outside: npt.NDArray[np.bool_]) -> FloatArray:
        """Cumulated payments (A, T) of the items ``outside`` in the relaxation, base units."""
        total = np.zeros((model.accounts, model.runs))
        inside = np.flatnonzero(outside)
        by_group: dict[int, IntArray] = {
            int(group): inside[self.group_of[inside] == group] for group in np.unique(self.group_of[inside])
        }
        for group, weight, plan in self.mixes:
            rows = by_group.get(group)
            if rows is None:
                continue
            rows = rows[plan.date_index[rows] != NEVER]
            cash = np.zeros_like(total)
            when, where = plan.date_index[rows], plan.account_index[rows]
            np.add.at(cash, (where, when), model.options.cash_minor[rows, when].astype(np.float64))
            total += weight * np.cumsum(cash, axis=1)
        return np.asarray(total * model.liquidity.to_base[:, None], dtype=np.float64)

    def cash_of(self, model: Model, item: int) -> FloatArray:
        """Cumulated payments (A, T) of one item in the relaxation, base units."""
        only = np.zeros(model.items, dtype=np.bool_)
        only[item] = True
        return self.paid_outside(model, only)


def relax(
    model: Model,
    stop: Stop,
    start: InvoicePlan | None = None,
    tolerance: float = RELATIVE_TOLERANCE,
) -> Relaxation:
    """Prices of ``model``, begun with the columns of ``start`` (the greedy plan), until good enough or stopped."""
    search = _Search(model, greedy_plan(model) if start is None else start)
    for _ in range(MAX_ROUNDS):
        if not search.round(tolerance) or stop():
            break
    return search.result()


class _Search:
    """State of one decomposition."""

    def __init__(self, model: Model, start: InvoicePlan) -> None:
        self.model = model
        self.groups = group_count(model.items)
        order = np.random.default_rng(0).permutation(model.items)
        self.group_of = np.empty(model.items, dtype=np.int64)
        self.group_of[order] = np.arange(model.items) % self.groups
        self.master = Master(model, self.groups, elastic_price(model))
        self.pricer = Pricer(model)
        self.plans: list[InvoicePlan] = []
        self.plan_of_column: list[int] = []
        self.bound = -math.inf
        self.best_duals: FloatArray | None = None
        shape = (model.accounts, model.runs)
        self.price, self.cap_price = np.zeros(shape), np.zeros(len(model.caps.limit_minor))
        paid = model.cumulated(start)
        self.master.cut(paid.astype(np.float64))
        self._add(start, None)
        waiting = start.date_index.copy(), start.account_index.copy()
        waiting[0][np.isfinite(model.options.never)] = NEVER
        waiting[1][np.isfinite(model.options.never)] = NEVER
        self._add(InvoicePlan(*waiting), None)

    def _add(self, plan: InvoicePlan, wanted: npt.NDArray[np.bool_] | None) -> None:
        """Columns of ``plan`` for the groups ``wanted``."""
        model, options, groups = self.model, self.model.options, self.groups
        paid = plan.date_index != NEVER
        rows = np.flatnonzero(paid)
        when, where = plan.date_index[rows].astype(np.int64), plan.account_index[rows].astype(np.int64)
        item_cost = np.where(paid, 0.0, options.never)
        item_cost[rows] = options.cost[rows, when]
        cost: FloatArray = np.bincount(self.group_of, weights=item_cost, minlength=groups).astype(np.float64)
        slot = self.group_of[rows] * (model.accounts * model.runs) + where * model.runs + when
        size = groups * model.accounts * model.runs
        flows = np.bincount(slot, weights=options.cash_minor[rows, when].astype(np.float64), minlength=size)
        cash = np.asarray(flows, dtype=np.float64).reshape(groups, model.accounts, model.runs)
        value = np.zeros((groups, len(model.caps.limit_minor)))
        for member in model.caps.member.T:
            inside = rows[member[rows] >= 0]
            np.add.at(value, (self.group_of[inside], member[inside]), model.columns.base_minor[inside])
        chosen = np.arange(groups) if wanted is None else np.flatnonzero(wanted)
        chosen = chosen[np.isfinite(cost[chosen])]
        if not len(chosen):
            return
        self.master.add_columns(chosen, cost[chosen], cash[chosen], value[chosen])
        self.plan_of_column.extend([len(self.plans)] * len(chosen))
        self.plans.append(plan)

    def round(self, tolerance: float) -> bool:
        """One master, one pricing; whether there is more to do."""
        master = self.master
        if not master.solve():
            return False
        cuts = master.cut(master.paid, master.draft, master.peak)
        duals = master.duals
        scale = max(abs(master.value), 1e-6)
        for share in (SMOOTHING, 0.0) if self.best_duals is not None else (0.0,):
            mixed = duals
            if share and self.best_duals is not None:
                mixed = (1.0 - share) * duals
                mixed[: len(self.best_duals)] += share * self.best_duals
            price, cap_price = master.prices(mixed)
            total = self.pricer(price, cap_price)
            lower = total + master.rest_bound(mixed, price, cap_price)
            if lower > self.bound:
                self.bound, self.best_duals = lower, mixed.copy()
                self.price, self.cap_price = price, cap_price
            plan = InvoicePlan(self.pricer.choice.astype(np.int16), self.pricer.accounts_chosen().astype(np.int16))
            wanted = self._improving(plan, duals)
            if wanted.any():
                self._add(plan, wanted)
                break
        else:
            return cuts > 0
        return cuts > 0 or master.value - self.bound > tolerance * scale

    def _improving(self, plan: InvoicePlan, duals: FloatArray) -> npt.NDArray[np.bool_]:
        """Groups whose column of ``plan`` has a negative reduced cost at the master's own duals."""
        price, cap_price = self.master.prices(duals)
        model, options = self.model, self.model.options
        paid = plan.date_index != NEVER
        rows = np.flatnonzero(paid)
        when, where = plan.date_index[rows], plan.account_index[rows]
        value = np.where(paid, 0.0, options.never)
        value[rows] = options.cost[rows, when] + options.cash_minor[rows, when] * price[where, when]
        value[rows] += cap_fee(model, cap_price)[rows]
        reduced = np.bincount(self.group_of, weights=value, minlength=self.groups) - duals[: self.groups]
        return np.asarray(reduced < -1e-9 * max(abs(self.master.value), 1.0), dtype=np.bool_)

    def result(self) -> Relaxation:
        """What has been found."""
        model = self.model
        self.pricer(self.price, self.cap_price)
        mixes = []
        members = np.split(np.argsort(self.group_of, kind="stable"), np.cumsum(np.bincount(self.group_of))[:-1])
        fractional = np.zeros(model.items, dtype=np.bool_)
        first: dict[int, InvoicePlan] = {}
        for column, weight in enumerate(self.master.weights.tolist()):
            if weight <= 1e-7:
                continue
            group, plan = self.master.column_group[column], self.plans[self.plan_of_column[column]]
            mixes.append((group, weight, plan))
            other = first.setdefault(group, plan)
            if other is not plan:
                rows = members[group]
                differs = plan.date_index[rows] != other.date_index[rows]
                fractional[rows] |= differs | (plan.account_index[rows] != other.account_index[rows])
        bound = self.bound - ROUNDING * max(abs(self.bound), 1.0) if math.isfinite(self.bound) else -math.inf
        return Relaxation(
            price=self.price,
            cap_price=self.cap_price,
            bound=bound,
            best=self.pricer.best.copy(),
            regret=self.pricer.second - self.pricer.best,
            fractional=fractional,
            fee=self.pricer.fee.copy(),
            group_of=self.group_of,
            mixes=tuple(mixes),
        )


def group_count(items: int) -> int:
    """One group per item while there are few, then about the square root's order."""
    return items if items <= OWN_GROUP else min(MAX_GROUPS, max(OWN_GROUP // 4, items // 50))


def elastic_price(model: Model) -> float:
    """Base units per base unit of broken limit, well above what any payment can save."""
    options, columns = model.options, model.columns
    finite = np.where(np.isfinite(options.cost), options.cost, 0.0).max(axis=1)
    worst = np.maximum(finite, np.where(np.isfinite(options.never), options.never, 0.0))
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)
    return 10.0 * float((worst / value).max()) + 10.0
