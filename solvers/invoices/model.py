"""The whole model of a problem, built once and shared by every solver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from solvers.invoices.columns import Columns
from solvers.invoices.liquidity import Liquidity, build_liquidity
from solvers.invoices.options import Options, build_options
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.records import DEGRADED

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem


@dataclass(frozen=True, eq=False)
class Caps:
    """Knapsack rows over paid items: at most two per item, its supplier's and the one on unverified value.

    Parameters
    ----------
    limit_minor
        Shape (G,), minor units of the base currency.
    member
        Shape (items, 2): rows that the item's base value counts in, -1 for none.
    names
        ``"supplier_cap:<id>"`` or ``"max_unverified_exposure"``.
    """

    limit_minor: npt.NDArray[np.int64]
    member: npt.NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """Options, liquidity and caps of one problem."""

    columns: Columns
    options: Options
    liquidity: Liquidity
    caps: Caps

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.columns)

    @property
    def runs(self) -> int:
        """Number of payment runs."""
        return int(self.options.cost.shape[1])

    @property
    def accounts(self) -> int:
        """Number of bank accounts."""
        return len(self.liquidity.currency)

    def cumulated(self, plan: InvoicePlan) -> npt.NDArray[np.int64]:
        """What has left each account up to each run, minor units, shape (A, T)."""
        paid = np.zeros((self.accounts, self.runs), dtype=np.int64)
        items = np.flatnonzero(plan.date_index != NEVER)
        when, where = plan.date_index[items], plan.account_index[items]
        np.add.at(paid, (where, when), self.options.cash_minor[items, when])
        return np.cumsum(paid, axis=1)

    def linear_cost(self, plan: InvoicePlan) -> float:
        """Sum of the options' costs, base units."""
        paid = plan.date_index != NEVER
        chosen = self.options.cost[np.flatnonzero(paid), plan.date_index[paid]]
        return float(chosen.sum() + self.options.never[~paid].sum())

    def cap_use(self, plan: InvoicePlan) -> npt.NDArray[np.int64]:
        """Base value that counts in each row of ``caps``, shape (G,)."""
        paid = plan.date_index != NEVER
        use = np.zeros(len(self.caps.limit_minor), dtype=np.int64)
        for column in self.caps.member.T:
            rows = paid & (column >= 0)
            np.add.at(use, column[rows], self.columns.base_minor[rows])
        return use

    def objective(self, plan: InvoicePlan) -> float:
        """The objective of ``plan``, base units; ``inf`` where it uses what is not allowed."""
        return self.linear_cost(plan) + self.liquidity.cost(self.cumulated(plan))

    def is_feasible(self, plan: InvoicePlan) -> bool:
        """Whether ``plan`` keeps every constraint."""
        paid = plan.date_index != NEVER
        accounts = plan.account_index[paid]
        if (self.liquidity.currency[accounts] != self.columns.currency[paid]).any():
            return False
        if not np.isfinite(self.linear_cost(plan)):
            return False
        if (self.cap_use(plan) > self.caps.limit_minor).any():
            return False
        return self.liquidity.is_feasible(self.cumulated(plan))


def build_caps(problem: InvoiceProblem) -> Caps:
    """The knapsack rows of ``problem``."""
    columns, policy = problem.columns, problem.policy
    limits: list[int] = []
    names: list[str] = []
    member = np.full((len(columns), 2), -1, dtype=np.int32)
    position = {supplier: index for index, supplier in enumerate(columns.suppliers)}
    for cap in policy.supplier_caps:
        if cap.supplier_id in position:
            member[columns.supplier == position[cap.supplier_id], 0] = len(limits)
            limits.append(cap.amount_minor)
            names.append(f"supplier_cap:{cap.supplier_id}")
    exposure = policy.max_unverified_minor
    if exposure is None and problem.mode == DEGRADED:
        exposure = 0
    if exposure is not None:
        member[columns.unverified, 1] = len(limits)
        limits.append(exposure)
        names.append("max_unverified_exposure")
    return Caps(np.array(limits, dtype=np.int64), member, tuple(names))


_MODELS: WeakKeyDictionary[Columns, Model] = WeakKeyDictionary()


def model_of(problem: InvoiceProblem) -> Model:
    """The model of ``problem``; built on first use and kept as long as the problem."""
    columns = problem.columns
    model = _MODELS.get(columns)
    if model is None:
        model = Model(columns, build_options(problem), build_liquidity(problem), build_caps(problem))
        _MODELS[columns] = model
    return model
