"""The model as a mixed-integer program for HiGHS, whole or cut down to some items and options."""

from __future__ import annotations

from dataclasses import dataclass, field

import highspy
import numpy as np
import numpy.typing as npt

from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER, InvoicePlan

FloatArray = npt.NDArray[np.float64]


@dataclass(eq=False)
class RowBuilder:
    """Rows of a sparse matrix in row order, gathered block by block."""

    lower: list[FloatArray] = field(default_factory=list)
    upper: list[FloatArray] = field(default_factory=list)
    length: list[npt.NDArray[np.int32]] = field(default_factory=list)
    index: list[npt.NDArray[np.int32]] = field(default_factory=list)
    value: list[FloatArray] = field(default_factory=list)

    def add(
        self,
        row: npt.NDArray[np.integer],
        column: npt.NDArray[np.integer],
        value: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
    ) -> None:
        """A block of ``len(lower)`` rows; entry k stands in row ``row[k]`` of the block."""
        order = np.argsort(row, kind="stable")
        self.length.append(np.bincount(row, minlength=len(lower)).astype(np.int32))
        self.index.append(column[order].astype(np.int32))
        self.value.append(np.asarray(value, dtype=np.float64)[order])
        self.lower.append(lower)
        self.upper.append(upper)


@dataclass(frozen=True, eq=False)
class InvoiceMip:
    """A program in HiGHS's form, and the way from its solutions to plans.

    Parameters
    ----------
    lp
        The program; its offset makes the objective that of the whole plan.
    item, account, run
        Shape (options,): the choice that each of the first columns stands for.
    base_plan
        Choices of the items that the program leaves alone.
    free
        Indices of the items that it decides.
    cash_scale
        Minor units per unit of the cash columns, per account.
    """

    lp: highspy.HighsLp
    item: npt.NDArray[np.int64]
    account: npt.NDArray[np.int64]
    run: npt.NDArray[np.int64]
    base_plan: InvoicePlan
    free: npt.NDArray[np.int64]
    first_cash: int
    cash_scale: FloatArray

    def plan(self, solution: FloatArray) -> InvoicePlan:
        """The plan of a solution vector: per item its largest option above one half, if any."""
        dates, accounts = self.base_plan.date_index.copy(), self.base_plan.account_index.copy()
        dates[self.free], accounts[self.free] = NEVER, NEVER
        chosen = np.flatnonzero(solution[: len(self.item)] > 0.5)
        dates[self.item[chosen]] = self.run[chosen]
        accounts[self.item[chosen]] = self.account[chosen]
        return InvoicePlan(dates, accounts)

    def option_values(self, plan: InvoicePlan) -> FloatArray:
        """Values of the option columns in ``plan``, shape (options,)."""
        picked = (plan.date_index[self.item] == self.run) & (plan.account_index[self.item] == self.account)
        return np.asarray(picked, dtype=np.float64)


def all_options(model: Model) -> npt.NDArray[np.bool_]:
    """Every option that may be used, shape (items, A, T)."""
    fits = model.liquidity.currency[None, :] == model.columns.currency[:, None]
    return np.asarray(fits[:, :, None] & np.isfinite(model.options.cost)[:, None, :], dtype=np.bool_)


def nowhere(items: int) -> InvoicePlan:
    """The plan that pays nothing."""
    return InvoicePlan(np.full(items, NEVER, np.int16), np.full(items, NEVER, np.int16))


def build_mip(
    model: Model,
    allowed: npt.NDArray[np.bool_] | None = None,
    *,
    never_allowed: npt.NDArray[np.bool_] | None = None,
    free: npt.NDArray[np.int64] | None = None,
    base_plan: InvoicePlan | None = None,
    integer: bool = True,
    margin_minor: int = 0,
) -> InvoiceMip:
    """The program over the items ``free`` (all by default), the others as ``base_plan`` has them.

    ``allowed``, shape (items, A, T), says which options of the free items may be used; ``never_allowed``, shape
    (items,), which of them may stay unpaid (by default wherever the problem lets them). ``margin_minor`` is taken off
    every cap on cumulated payments, against the tolerances of floating point.
    """
    liquidity, options, caps = model.liquidity, model.options, model.caps
    accounts, runs, _ = liquidity.available_minor.shape
    free = np.arange(model.items) if free is None else np.asarray(free, dtype=np.int64)
    base_plan = nowhere(model.items) if base_plan is None else base_plan
    is_free = np.zeros(model.items, dtype=np.bool_)
    is_free[free] = True
    allowed = all_options(model) if allowed is None else allowed
    item, account, run = (a.astype(np.int64) for a in np.nonzero(allowed & is_free[:, None, None]))

    fixed_paid = ~is_free & (base_plan.date_index != NEVER)
    rest = np.flatnonzero(fixed_paid)
    base_cash = np.zeros((accounts, runs), dtype=np.int64)
    when, where = base_plan.date_index[rest], base_plan.account_index[rest]
    np.add.at(base_cash, (where, when), options.cash_minor[rest, when])
    base_cost = float(options.cost[rest, when].sum() + options.never[~is_free & ~fixed_paid].sum())

    can_wait = np.isfinite(options.never) if never_allowed is None else never_allowed & np.isfinite(options.never)
    never_cost = np.where(np.isfinite(options.never), options.never, 0.0)
    n_options = len(item)
    first_cash = n_options
    first_overdraft = first_cash + accounts * runs
    cost = [options.cost[item, run] - never_cost[item], np.zeros(accounts * runs)]
    low, high = [np.zeros(n_options)], [np.ones(n_options)]
    offset = base_cost + float(never_cost[free].sum())

    cash = options.cash_minor[item, run]
    scale = np.ones(accounts)
    for a in range(accounts):
        largest = int(cash[account == a].max(initial=1))
        scale[a] = 2.0 ** max(0, int(np.ceil(np.log2(largest))) - 4)
    cap = np.minimum.accumulate((liquidity.cap_minor - margin_minor)[:, ::-1], axis=1)[:, ::-1]
    reach = np.cumsum(base_cash, axis=1) + _reach(cash, item, account, run, (model.items, accounts, runs))
    limit = np.minimum(cap, reach)
    least = np.cumsum(base_cash, axis=1) + _least(cash, item, run, can_wait, free, accounts, runs)
    least = np.minimum(least, limit)
    high.append((limit / scale[:, None]).ravel())
    low.append((least / scale[:, None]).ravel())

    rows = RowBuilder()
    position = np.full(model.items, -1, dtype=np.int64)
    position[free] = np.arange(len(free))
    rows.add(
        position[item],
        np.arange(n_options),
        np.ones(n_options),
        np.where(can_wait[free], -np.inf, 1.0),
        np.ones(len(free)),
    )
    # paid[a, t] - paid[a, t - 1] - cash of the options on (a, t) = cash of the fixed items on (a, t)
    slots = np.arange(accounts * runs)
    later = slots[slots % runs > 0]
    rows.add(
        np.concatenate([slots, later, account * runs + run]),
        np.concatenate([first_cash + slots, first_cash + later - 1, np.arange(n_options)]),
        np.concatenate([np.ones(len(slots)), -np.ones(len(later)), -cash / scale[account]]),
        (base_cash / scale[:, None]).ravel(),
        (base_cash / scale[:, None]).ravel(),
    )
    if len(caps.limit_minor):
        _add_caps(rows, model, item, rest)
    columns = first_overdraft
    if liquidity.has_overdraft_cost:
        columns = _add_overdraft(rows, model, (least, limit), scale, (first_cash, columns), (cost, low, high))
    if liquidity.has_risk:
        _add_risk(rows, model, (least, limit), scale, (first_cash, columns), (cost, low, high))

    lp = highspy.HighsLp()
    lp.col_cost_ = np.concatenate(cost)
    lp.col_lower_, lp.col_upper_ = np.concatenate(low), np.concatenate(high)
    lp.row_lower_, lp.row_upper_ = np.concatenate(rows.lower), np.concatenate(rows.upper)
    lp.num_col_, lp.num_row_ = len(lp.col_cost_), len(lp.row_lower_)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.concatenate(rows.length))]).astype(np.int32)
    lp.a_matrix_.index_ = np.concatenate(rows.index)
    lp.a_matrix_.value_ = np.concatenate(rows.value)
    lp.offset_ = offset
    if integer:
        kinds = [highspy.HighsVarType.kInteger] * n_options
        lp.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * (lp.num_col_ - n_options)
    return InvoiceMip(lp, item, account, run, base_plan, free, first_cash, scale)


def _reach(
    cash: npt.NDArray[np.int64],
    item: npt.NDArray[np.int64],
    account: npt.NDArray[np.int64],
    run: npt.NDArray[np.int64],
    shape: tuple[int, int, int],
) -> npt.NDArray[np.int64]:
    """Most that the options could have paid from each account up to each run, shape (A, T)."""
    largest = np.zeros(shape, dtype=np.int64)
    largest[item, account, run] = cash
    return np.asarray(np.maximum.accumulate(largest, axis=2).sum(axis=0), dtype=np.int64)


def _least(
    cash: npt.NDArray[np.int64],
    item: npt.NDArray[np.int64],
    run: npt.NDArray[np.int64],
    can_wait: npt.NDArray[np.bool_],
    free: npt.NDArray[np.int64],
    accounts: int,
    runs: int,
) -> npt.NDArray[np.int64]:
    """Least that the options must have paid up to each run, shape (A, T); with several accounts nothing is certain."""
    if accounts > 1:
        return np.zeros((accounts, runs), dtype=np.int64)
    forced = np.zeros(len(can_wait), dtype=np.bool_)
    forced[free] = ~can_wait[free]
    beyond = np.iinfo(np.int64).max
    mine = forced[item]
    # By run t an item has left at least its cheapest option if its last one is at most t, and perhaps nothing before.
    last = np.full(len(can_wait), -1, dtype=np.int64)
    np.maximum.at(last, item[mine], run[mine])
    smallest = np.full(len(can_wait), beyond, dtype=np.int64)
    np.minimum.at(smallest, item[mine], cash[mine])
    by_run = np.zeros((1, runs), dtype=np.int64)
    known = np.flatnonzero(last >= 0)
    np.add.at(by_run[0], last[known], smallest[known])
    return np.cumsum(by_run, axis=1)


def _add_caps(rows: RowBuilder, model: Model, item: npt.NDArray[np.int64], rest: npt.NDArray[np.int64]) -> None:
    """Knapsack rows over the options, what the fixed items use taken off."""
    caps, value = model.caps, model.columns.base_minor
    used = np.zeros(len(caps.limit_minor), dtype=np.int64)
    row, column, entry = [], [], []
    for member in caps.member.T:
        counted = rest[member[rest] >= 0]
        np.add.at(used, member[counted], value[counted])
        inside = np.flatnonzero(member[item] >= 0)
        row.append(member[item[inside]])
        column.append(inside)
        entry.append(value[item[inside]].astype(np.float64))
    left = (caps.limit_minor - used).astype(np.float64)
    scale = np.maximum(np.abs(left), 1.0)
    where = np.concatenate(row)
    bound = np.where(left >= 0, 1.0, -1.0) * (np.abs(left) / scale)
    rows.add(where, np.concatenate(column), np.concatenate(entry) / scale[where], np.full(len(left), -np.inf), bound)


Columns = tuple[list[FloatArray], list[FloatArray], list[FloatArray]]


def _add_overdraft(
    rows: RowBuilder,
    model: Model,
    between: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    scale: FloatArray,
    first: tuple[int, int],
    columns: Columns,
) -> int:
    """One column per account and run that carries its overdraft cost, held up by all its tangents."""
    liquidity, (least, limit) = model.liquidity, between
    accounts, runs, _ = liquidity.available_minor.shape
    first_cash, start = first
    row: list[npt.NDArray[np.int64]] = []
    column: list[npt.NDArray[np.int64]] = []
    entry: list[FloatArray] = []
    lower: list[FloatArray] = []
    count = 0
    for a in range(accounts):
        for t in range(runs):
            weight = liquidity.overdraft_weight[a, t]
            if weight <= 0:
                continue
            slope, intercept = overdraft_tangents(model, a, t, int(limit[a, t]), int(least[a, t]))
            if not len(slope):
                continue
            k = len(slope)
            base = sum(map(len, lower))
            row.append(np.tile(np.arange(base, base + k), 2))
            column.append(np.concatenate([np.full(k, start + count), np.full(k, first_cash + a * runs + t)]))
            entry.append(np.concatenate([np.ones(k), -weight * slope * scale[a]]))
            lower.append(weight * intercept)
            count += 1
    if count:
        bound = np.concatenate(lower)
        args = np.concatenate(row), np.concatenate(column), np.concatenate(entry)
        rows.add(*args, bound, np.full(len(bound), np.inf))
    cost, low, high = columns
    cost.append(np.ones(count))
    low.append(np.zeros(count))
    high.append(np.full(count, np.inf))
    return start + count


def overdraft_tangents(model: Model, a: int, t: int, limit: int, least: int = 0) -> tuple[FloatArray, FloatArray]:
    """Expected minor units overdrawn as the maximum of 0 and ``slope * paid + intercept``, least <= paid <= limit."""
    available = model.liquidity.available_minor[a, t]
    order = np.argsort(available, kind="stable")
    order = order[available[order] < limit]
    probability = model.liquidity.probability[order]
    slope = np.cumsum(probability)
    intercept = -np.cumsum(probability * available[order])
    # Of equal breakpoints only the last one counts.
    last = np.append(np.diff(available[order]) > 0, True)[: len(order)]
    # Below ``least`` only the tangent that holds there matters.
    if len(order):
        last[: max(int(np.searchsorted(available[order], least, side="right")) - 1, 0)] = False
    return slope[last], intercept[last]


def _add_risk(
    rows: RowBuilder,
    model: Model,
    between: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    scale: FloatArray,
    first: tuple[int, int],
    columns: Columns,
) -> None:
    """CVaR of the shortfall by Rockafellar and Uryasev: a threshold, an excess and a peak per scenario."""
    liquidity = model.liquidity
    accounts, runs, _ = liquidity.available_minor.shape
    first_cash, start = first
    least, limit = between
    free = liquidity.available_minor - liquidity.floor_minor[:, None, None]
    # What the peak of a scenario reaches in any case makes every run idle that cannot reach beyond it.
    sure = np.maximum((least[:, :, None] - free).max(axis=1), 0)
    can_fall = limit[:, :, None] - free > sure[:, None, :]
    pairs = np.argwhere(can_fall.any(axis=1) | (sure > 0))  # (account, scenario) that can fall short
    falling = np.unique(pairs[:, 1])
    peak_of = np.full((accounts, free.shape[2]), -1, dtype=np.int64)
    peak_of[pairs[:, 0], pairs[:, 1]] = start + 1 + len(falling) + np.arange(len(pairs))
    excess_of = np.full(free.shape[2], -1, dtype=np.int64)
    excess_of[falling] = start + 1 + np.arange(len(falling))
    a, t, s = np.nonzero(can_fall)
    if len(a):
        k = len(a)
        unit = liquidity.to_base[a]
        rows.add(
            np.tile(np.arange(k), 2),
            np.concatenate([peak_of[a, s], first_cash + a * runs + t]),
            np.concatenate([np.ones(k), -unit * scale[a]]),
            -unit * free[a, t, s],
            np.full(k, np.inf),
        )
    if len(falling):
        m = len(falling)
        rank = np.full(free.shape[2], -1, dtype=np.int64)
        rank[falling] = np.arange(m)
        rows.add(
            np.concatenate([np.arange(m), np.arange(m), rank[pairs[:, 1]]]),
            np.concatenate([excess_of[falling], np.full(m, start), peak_of[pairs[:, 0], pairs[:, 1]]]),
            np.concatenate([np.ones(m), np.ones(m), -np.ones(len(pairs))]),
            np.zeros(m),
            np.full(m, np.inf),
        )
    share = liquidity.probability[falling] / (1.0 - liquidity.cvar_alpha)
    weights = np.concatenate([[1.0], share, np.zeros(len(pairs))])
    if np.isfinite(liquidity.cvar_limit):
        used = np.flatnonzero(weights)
        bound = np.array([liquidity.cvar_limit])
        rows.add(np.zeros(len(used), dtype=np.int64), start + used, weights[used], np.array([-np.inf]), bound)
    cost, low, high = columns
    cost.append(liquidity.cvar_weight * weights)
    lowest = sure[pairs[:, 0], pairs[:, 1]] * liquidity.to_base[pairs[:, 0]]
    low.append(np.concatenate([np.zeros(1 + len(falling)), lowest]))
    high.append(np.full(len(weights), np.inf))
