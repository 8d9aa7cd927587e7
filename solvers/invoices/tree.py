"""Branch and bound over the undecided items, each node with prices of cash of its own; exact when it ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import liquidity_arguments
from solvers.invoices.model import Model
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.relaxation import Relaxation
from solvers.invoices.tree_kernel import DONE, FULL, search
from solvers.stop import Stop

BoolArray = npt.NDArray[np.bool_]
NODES = 48
"""Nodes between two questions to the stop."""
ROUNDS = 8
"""Planes tried at a node."""
MAX_NODES = 200_000
CHILDREN = 10
"""Room for children, per node."""
MAX_NUMBERS = 12_000_000
"""Room for all of it, in 64-bit words."""


class Tree:
    """The search below a feasible ``plan`` among the options ``kept`` (items, A, T) and ``may_wait`` (items,).

    Parameters
    ----------
    share
        Relative gap below which a node is dropped (0 < share).
    most_nodes
        How many nodes there is to be room for.

    ``plan()`` is the best plan so far and ``value`` its objective; no plan among the options is better than ``bound``,
    base units. ``full`` says that there is no room to go on.
    """

    def __init__(
        self,
        model: Model,
        relaxed: Relaxation,
        plan: InvoicePlan,
        kept: BoolArray,
        may_wait: BoolArray,
        share: float,
        most_nodes: int = MAX_NODES,
    ) -> None:
        self.base, self.done, self.full = plan, False, False
        liquidity, options, caps = model.liquidity, model.options, model.caps
        accounts, runs, _ = liquidity.available_minor.shape
        count = kept.sum(axis=(1, 2)) + may_wait
        self.items = np.flatnonzero(count > 1)
        row, account, run = (part.astype(np.int64) for part in np.nonzero(kept[self.items]))
        waits = np.flatnonzero(may_wait[self.items])
        never = np.full(len(waits), NEVER, dtype=np.int64)
        row = np.concatenate([waits, row])
        order = np.argsort(row, kind="stable")
        self.account = np.concatenate([never, account])[order]
        self.run = np.concatenate([never, run])[order]
        where = self.items[row[order]]
        paid = self.run != NEVER
        cost = np.where(paid, options.cost[where, self.run], options.never[where])
        cash = np.where(paid, options.cash_minor[where, self.run], 0)
        start = np.append(0, np.cumsum(count[self.items]))
        single = np.flatnonzero(count <= 1)
        dates, accounts_of = np.full(model.items, NEVER, np.int16), np.full(model.items, NEVER, np.int16)
        item, a, t = np.nonzero(kept[single])
        dates[single[item]], accounts_of[single[item]] = t, a
        self.rest = InvoicePlan(dates, accounts_of)
        used = model.cap_use(self.rest)
        settled_cost = float(options.cost[single[item], t].sum())
        settled_cost += float(options.never[single[dates[single] == NEVER]].sum())
        size = cash.copy()
        size = np.maximum.reduceat(cash, start[:-1]).astype(np.float64) if len(self.items) else np.zeros(0)
        size *= model.columns.to_base[self.items]
        groups = len(caps.limit_minor)
        room = min(most_nodes + 1, MAX_NUMBERS // (accounts * runs + groups + 3 * CHILDREN))
        width = room * CHILDREN + len(cost)
        slopes, fees, heights = np.empty((room, accounts, runs)), np.empty((room, groups)), np.empty(room)
        slopes[0] = relaxed.price - np.append(relaxed.price[:, 1:], np.zeros((accounts, 1)), axis=1)
        fees[0] = relaxed.cap_price
        heights[0] = relaxed.bound - float(relaxed.best.sum())
        self.best, self.near = np.full((2, len(self.items)), -1, dtype=np.int64)
        value = model.objective(plan)
        self.books = np.array([value, share, settled_cost, 0.0, 0.0, 0.0, 0.0, -1.0, relaxed.bound, np.inf])
        whole = np.int64
        self._arguments = (
            self.books, self.best, self.near, start, self.account, self.run, cost, cash, caps.member[self.items],
            model.columns.base_minor[self.items], size, model.cumulated(self.rest), used,
            np.full(len(self.items), -1, dtype=whole), np.full(room, -1, dtype=whole), slopes, fees, heights,
            np.empty(room), np.empty(width, whole), np.empty(width, whole), np.empty(width, whole), np.empty(width),
            np.zeros(width, np.bool_), np.empty(width, whole), np.zeros((len(self.items) + 1, 2)),
            2.0 * relaxed.price.max(axis=1), 2.0 * relaxed.cap_price, liquidity.cap_minor, caps.limit_minor,
            liquidity.cvar_limit, *liquidity_arguments(liquidity),
        )  # fmt: skip

    def run_nodes(self, nodes: int, stop: Stop) -> None:
        """Visit up to ``nodes`` nodes more, or until done, out of room or stopped."""
        last = self.books[3] + nodes
        while not self.done and not self.full and self.books[3] < last and not stop():
            state = search(min(NODES, max(1, int(last - self.books[3]))), ROUNDS, *self._arguments)
            self.done, self.full = state == DONE, state == FULL

    def take(self, plan: InvoicePlan, value: float) -> None:
        """Drop nodes by a better plan found elsewhere, of objective ``value``."""
        if value < self.books[0]:
            self.books[0], self.base = value, plan
            self.best[:] = -1

    def near_plan(self) -> InvoicePlan | None:
        """The best plan seen since the last call, to be improved elsewhere; ``None`` if there was none."""
        if np.isinf(self.books[9]):
            return None
        self.books[9] = np.inf
        return self._plan(self.near)

    @property
    def value(self) -> float:
        """Objective of the best plan, base units."""
        return float(self.books[0])

    @property
    def bound(self) -> float:
        """No plan among the options is better, base units; grows as the search goes on."""
        return float(min(self.books[8], self.books[0]))

    @property
    def nodes(self) -> int:
        """Nodes visited."""
        return int(self.books[3])

    def plan(self) -> InvoicePlan:
        """The best plan."""
        return self.base if not len(self.items) or self.best[0] < 0 else self._plan(self.best)

    def _plan(self, picked: npt.NDArray[np.int64]) -> InvoicePlan:
        dates, accounts = self.rest.date_index.copy(), self.rest.account_index.copy()
        dates[self.items], accounts[self.items] = self.run[picked], self.account[picked]
        return InvoicePlan(dates, accounts)
