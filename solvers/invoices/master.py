"""The small linear program that finds the prices of cash: mixes of columns, cumulated payments, overdraft and risk."""

from __future__ import annotations

import math

import highspy
import numpy as np
import numpy.typing as npt

from solvers.highs_run import configured
from solvers.invoices.mip import overdraft_tangents
from solvers.invoices.model import Model

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Master:
    """Columns per group of items, one of which (or a mix) each group takes; prices are the duals of their cash.

    The rows of overdraft and risk are gathered lazily: only tangents and peaks that some solution has violated. Every
    column but the groups' own has finite bounds, so that any duals give a valid bound.
    """

    def __init__(self, model: Model, groups: int, elastic_price: float) -> None:
        self.model, self.groups = model, groups
        liquidity = model.liquidity
        self.accounts, self.runs, self.scenarios = liquidity.available_minor.shape
        self.slots = self.accounts * self.runs
        largest = model.options.cash_minor.max(initial=1)
        self.scale = np.full(self.accounts, 2.0 ** math.ceil(math.log2(max(int(largest), 2))))
        self.value_scale = max(float(model.columns.base_minor.max()), 1.0)
        reach = self._reach()
        cap = np.minimum.accumulate(liquidity.cap_minor[:, ::-1], axis=1)[:, ::-1]
        self.limit = np.minimum(cap, reach)
        self.highs = configured(0, {"presolve": "off", "simplex_scale_strategy": 1})
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._cost: list[FloatArray] = []
        self.elastic_price = elastic_price
        self._build(elastic_price, reach)
        self.column_group: list[int] = []
        self.column_cost: list[float] = []
        self._seen: set[tuple[int, int, int]] = set()
        self._seen_tangents: set[tuple[int, int, int]] = set()
        self.tangents = [
            [overdraft_tangents(model, a, t, int(reach[a, t])) for t in range(self.runs)] for a in range(self.accounts)
        ]

    def _reach(self) -> IntArray:
        """Most that could have left each account up to each run."""
        options, liquidity = self.model.options, self.model.liquidity
        usable = np.where(np.isfinite(options.cost), options.cash_minor, 0)
        by_currency = np.zeros((len(self.model.columns.currencies), self.runs), dtype=np.int64)
        np.add.at(by_currency, self.model.columns.currency, np.maximum.accumulate(usable, axis=1))
        return np.asarray(by_currency[liquidity.currency], dtype=np.int64)

    def _build(self, elastic_price: float, reach: IntArray) -> None:
        """Fixed columns: paid[a, t], overshoot[a, t], overdraft[a, t], risk; fixed rows: groups, cash, caps, risk."""
        model, liquidity, slots = self.model, self.model.liquidity, self.slots
        caps = len(model.caps.limit_minor)
        worst = np.maximum(reach[:, :, None] - liquidity.available_minor, 0) @ liquidity.probability
        overdraft = worst * liquidity.overdraft_weight + 1.0
        per_scale = (self.scale * liquidity.to_base)[:, None]
        self.at_paid, self.at_over, self.at_draft, self.at_threshold = 0, slots, 2 * slots, 3 * slots
        self.at_excess = self.at_threshold + 1
        self.at_peak = self.at_excess + self.scenarios
        self.at_slack = self.at_peak + self.accounts * self.scenarios
        free = reach[:, :, None] - liquidity.available_minor + liquidity.floor_minor[:, None, None]
        peak = np.maximum(free.max(axis=1), 0) * liquidity.to_base[:, None]
        highest = float(peak.sum(axis=0).max(initial=0.0)) + 1.0
        share = liquidity.probability / (1.0 - liquidity.cvar_alpha)
        if not liquidity.has_risk:
            peak, highest, share = np.zeros_like(peak), 0.0, np.zeros_like(share)
        weight = np.concatenate([[1.0], share, np.zeros(self.accounts * self.scenarios)])
        self.risk_weight = weight
        over_cost = np.broadcast_to(elastic_price * per_scale, (self.accounts, self.runs)).ravel()
        cost = np.concatenate([np.zeros(slots), over_cost, np.ones(slots), liquidity.cvar_weight * weight])
        high = np.concatenate(
            [
                (self.limit / self.scale[:, None]).ravel(),
                (reach / self.scale[:, None]).ravel() + 1.0,
                overdraft.ravel(),
                [highest],
                np.full(self.scenarios, highest),
                peak.ravel(),
            ]
        )
        low = np.concatenate([-1.0 - np.abs(high[:slots]), np.zeros(len(high) - slots)])
        # Slack of the caps and of the CVaR limit, at the elastic price: a master always has a solution.
        value_total = np.zeros(caps)
        for member in model.caps.member.T:
            rows = member >= 0
            np.add.at(value_total, member[rows], model.columns.base_minor[rows])
        base_unit = 10.0 ** -round(math.log10(self._base_minor_per_unit()))
        cost = np.concatenate([cost, np.full(caps, elastic_price * self.value_scale * base_unit), [elastic_price]])
        low = np.concatenate([low, np.zeros(caps + 1)])
        high = np.concatenate([high, value_total / self.value_scale + 1.0, [highest * self.risk_top(share)]])
        self.fixed_cost, self.fixed_low, self.fixed_high = cost, low, high
        self.fixed_columns = len(cost)
        empty = np.zeros(0, dtype=np.int32)
        self.highs.addCols(len(cost), cost, low, high, 0, empty, empty, np.zeros(0))
        self.row_low = [np.ones(self.groups), np.zeros(slots)]
        self.row_high = [np.ones(self.groups), np.zeros(slots)]
        self.fixed_entries: list[tuple[int, npt.NDArray[np.int32], FloatArray]] = []
        for _ in range(self.groups):
            self.highs.addRow(1.0, 1.0, 0, empty, np.zeros(0))
        for slot in range(slots):
            index, value = [self.at_paid + slot, self.at_over + slot], [1.0, 1.0]
            if slot % self.runs:
                index += [self.at_paid + slot - 1, self.at_over + slot - 1]
                value += [-1.0, -1.0]
            self._row(0.0, 0.0, index, value, self.groups + slot)
        self.at_caps = self.groups + slots
        limits = model.caps.limit_minor / self.value_scale
        for g in range(caps):
            self._row(-math.inf, float(limits[g]), [self.at_slack + g], [-1.0], self.at_caps + g)
        self.rows = self.at_caps + caps
        self.cut_low: list[float] = [-math.inf] * caps
        self.cut_high: list[float] = limits.tolist()
        if liquidity.has_risk:
            for s in range(self.scenarios):
                index = [self.at_excess + s, self.at_threshold]
                index += [self.at_peak + a * self.scenarios + s for a in range(self.accounts)]
                self._cut(0.0, math.inf, index, [1.0, 1.0] + [-1.0] * self.accounts)
            if math.isfinite(liquidity.cvar_limit):
                index = [self.at_threshold + k for k in np.flatnonzero(weight).tolist()]
                values = [float(v) for v in weight[weight != 0]]
                self._cut(-math.inf, liquidity.cvar_limit, [*index, self.fixed_columns - 1], [*values, -1.0])

    @staticmethod
    def risk_top(share: FloatArray) -> float:
        """Most that threshold and excesses can add up to, per unit of the highest shortfall."""
        return 2.0 + float(share.sum())

    def _base_minor_per_unit(self) -> float:
        columns = self.model.columns
        value = columns.amount_minor * columns.to_base
        return float(np.median(columns.base_minor / np.maximum(value, 1e-300)))

    def _row(self, low: float, high: float, index: list[int], value: list[float], at: int) -> None:
        indices, values = np.array(index, dtype=np.int32), np.array(value)
        self.highs.addRow(low, high, len(index), indices, values)
        self.fixed_entries.append((at, indices, values))

    def _cut(self, low: float, high: float, index: list[int], value: list[float]) -> None:
        self._row(low, high, index, value, self.rows)
        self.cut_low.append(low)
        self.cut_high.append(high)
        self.rows += 1

    def add_columns(self, group: IntArray, cost: FloatArray, cash: FloatArray, value: FloatArray) -> None:
        """One column per entry.

        Parameters
        ----------
        group, cost
            Shape (c,): whose it is and what it costs (base units).
        cash
            Shape (c, A, T): minor units that leave on each run (not cumulated).
        value
            Shape (c, G): minor units of base value that count in each cap.
        """
        count = len(group)
        flow = -(cash / self.scale[None, :, None]).reshape(count, self.slots)
        use = value / self.value_scale
        dense = np.concatenate([flow, use], axis=1)
        starts, indices, values = [], [], []
        at = 0
        for k in range(count):
            starts.append(at)
            nonzero = np.flatnonzero(dense[k])
            indices.append(np.concatenate([[group[k]], self.groups + nonzero]).astype(np.int32))
            values.append(np.concatenate([[1.0], dense[k, nonzero]]))
            at += len(nonzero) + 1
        self.highs.addCols(
            count, cost, np.zeros(count), np.full(count, 1e30), at,
            np.array(starts, dtype=np.int32), np.concatenate(indices), np.concatenate(values),
        )  # fmt: skip
        self.column_group.extend(group.tolist())
        self.column_cost.extend(cost.tolist())

    def solve(self) -> bool:
        """Solve to optimality; whether it worked. Then `value`, `weights`, `paid`, `price`, `cap_price` hold it."""
        self.highs.run()
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return False
        solution = self.highs.getSolution()
        columns = np.array(solution.col_value)
        self.duals = np.array(solution.row_dual)
        self.value = float(self.highs.getInfo().objective_function_value)
        self.weights = columns[self.fixed_columns :]
        shape = (self.accounts, self.runs)
        over = columns[self.at_over : self.at_over + self.slots].reshape(shape)
        self.paid = (columns[: self.slots].reshape(shape) + over) * self.scale[:, None]
        self.draft = columns[self.at_draft : self.at_draft + self.slots].reshape(shape)
        self.peak = columns[self.at_peak : self.at_slack].reshape(self.accounts, self.scenarios)
        self.slack = float(over.sum() + columns[self.at_slack : self.fixed_columns].sum())
        return True

    def prices(self, duals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(price of cash (A, T), price of the caps (G,)) in base units per minor unit, from row duals."""
        cash = duals[self.groups : self.at_caps].reshape(self.accounts, self.runs) / self.scale[:, None]
        caps = -duals[self.at_caps : self.at_caps + len(self.model.caps.limit_minor)] / self.value_scale
        return np.maximum(cash, 0.0), np.maximum(caps, 0.0)

    def rest_bound(self, duals: FloatArray, price: FloatArray, cap_price: FloatArray) -> float:
        """What the fixed part adds to the Lagrangian bound at these duals, valid whatever their errors.

        Every fixed column takes the better end of its bounds by its reduced cost, every row the side of its dual.
        """
        y = np.zeros(self.rows)
        y[: len(duals)] = duals[: self.rows]
        y[: self.groups] = 0.0
        y[self.groups : self.at_caps] = (price * self.scale[:, None]).ravel()
        y[self.at_caps : self.at_caps + len(cap_price)] = -cap_price * self.value_scale
        low, high = np.array(self.cut_low), np.array(self.cut_high)
        cut = y[self.at_caps :]
        cut[(cut > 0) & ~np.isfinite(low)] = 0.0
        cut[(cut < 0) & ~np.isfinite(high)] = 0.0
        total = float(np.where(cut > 0, cut * np.where(cut > 0, low, 0.0), 0.0).sum())
        total += float((cut[cut < 0] * high[cut < 0]).sum())
        reduced = self.fixed_cost.copy()
        for at, index, value in self.fixed_entries:
            if y[at] != 0.0:
                reduced[index] -= y[at] * value
        # Overshoot and slack are the master's own: in the problem they are 0.
        reduced[self.at_over : self.at_over + self.slots] = 0.0
        reduced[self.at_slack :] = 0.0
        bound = self.fixed_low.copy()
        bound[: self.slots] = 0.0
        upper = np.maximum(self.fixed_high, bound)
        return total + float(np.minimum(reduced * bound, reduced * upper).sum())

    def cut(self, paid: FloatArray, draft: FloatArray | None = None, peak: FloatArray | None = None) -> int:
        """Add the tangents and peaks that hold at ``paid`` and are not there yet; how many were added."""
        liquidity, added = self.model.liquidity, 0
        if liquidity.has_overdraft_cost:
            for a in range(self.accounts):
                for t in range(self.runs):
                    weight = liquidity.overdraft_weight[a, t]
                    slope, intercept = self.tangents[a][t]
                    if weight <= 0 or not len(slope):
                        continue
                    heights = slope * paid[a, t] + intercept
                    k = int(heights.argmax())
                    if heights[k] <= 0 or (a, t, k) in self._seen_tangents:
                        continue
                    if draft is not None and heights[k] * weight <= draft[a, t] + 1e-6:
                        continue
                    self._seen_tangents.add((a, t, k))
                    slot = a * self.runs + t
                    entry = [1.0, -float(weight * slope[k] * self.scale[a])]
                    index = [self.at_draft + slot, self.at_paid + slot]
                    # Overshoot is cash that has left, too.
                    self._cut(float(weight * intercept[k]), math.inf, [*index, self.at_over + slot], [*entry, entry[1]])
                    added += 1
        if liquidity.has_risk:
            below = paid[:, :, None] - liquidity.available_minor + liquidity.floor_minor[:, None, None]
            at = below.argmax(axis=1)
            for a in range(self.accounts):
                unit = float(liquidity.to_base[a])
                for s in range(self.scenarios):
                    t = int(at[a, s])
                    depth = float(below[a, t, s]) * unit
                    if depth <= 0 or (a, t, s) in self._seen:
                        continue
                    if peak is not None and depth <= peak[a, s] + 1e-6:
                        continue
                    self._seen.add((a, t, s))
                    free = float(liquidity.available_minor[a, t, s] - liquidity.floor_minor[a]) * unit
                    slot, step = a * self.runs + t, -unit * float(self.scale[a])
                    index = [self.at_peak + a * self.scenarios + s, self.at_paid + slot, self.at_over + slot]
                    self._cut(-free, math.inf, index, [1.0, step, step])
                    added += 1
        return added
