"""Cash, overdraft and shortfall as functions of what has been paid so far: the convex part of the model.

All of it depends on a plan only through the cumulated payments ``paid[a, t]``: what has left account ``a`` up to and
including run ``t``. The floor on the expected balance and the overdraft limit in every scenario are then one cap per
account and run; overdraft cost is a convex function of one entry; the shortfall of a scenario is a maximum of affine
functions, and its CVaR (Rockafellar and Uryasev, Optimization of conditional value-at-risk, J. Risk 2, 2000) is convex.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solvers.invoices.money import currency_digits

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Liquidity:
    """Arrays over accounts ``A``, runs ``T`` and scenarios ``S``.

    Parameters
    ----------
    probability
        Shape (S,), sums to 1.
    available_minor
        Shape (A, T, S): opening balance and inflows up to the run, in the account's minor units.
    cap_minor
        Shape (A, T): most that may have been paid by then; negative when even paying nothing is infeasible.
    floor_minor
        Shape (A,): the floor from which a shortfall counts.
    to_base
        Shape (A,): base units per minor unit.
    overdraft_weight
        Shape (A, T): base units per minor unit overdrawn from this run to the next.
    cvar_alpha, cvar_weight, cvar_limit
        The limit in base units, ``inf`` without one.
    currency
        Shape (A,): index into ``columns.currencies``, -1 for an account that no invoice can use.
    """

    probability: FloatArray
    available_minor: IntArray
    cap_minor: IntArray
    floor_minor: IntArray
    to_base: FloatArray
    overdraft_weight: FloatArray
    cvar_alpha: float
    cvar_weight: float
    cvar_limit: float
    currency: npt.NDArray[np.int16]

    @property
    def has_overdraft_cost(self) -> bool:
        """Whether being overdrawn can cost anything."""
        return bool((self.overdraft_weight > 0).any())

    @property
    def has_risk(self) -> bool:
        """Whether the CVaR of the shortfall is priced or limited."""
        return self.cvar_weight > 0 or math.isfinite(self.cvar_limit)

    def overdraft_cost(self, paid: npt.NDArray[np.number]) -> float:
        """Expected overdraft cost, base units, of cumulated payments ``paid`` (A, T) in minor units."""
        if not self.has_overdraft_cost:
            return 0.0
        below = np.maximum(paid[:, :, None] - self.available_minor, 0)
        return float((below @ self.probability * self.overdraft_weight).sum())

    def shortfall(self, paid: npt.NDArray[np.number]) -> FloatArray:
        """Shortfall of each scenario, base units, shape (S,)."""
        below = paid[:, :, None] - self.available_minor + self.floor_minor[:, None, None]
        return np.asarray(np.maximum(below.max(axis=1), 0).T @ self.to_base, dtype=np.float64)

    def cvar(self, paid: npt.NDArray[np.number]) -> float:
        """CVaR of the shortfall, base units."""
        return cvar(self.shortfall(paid), self.probability, self.cvar_alpha)

    def cost(self, paid: npt.NDArray[np.number]) -> float:
        """Overdraft cost and price of risk, base units."""
        total = self.overdraft_cost(paid)
        if self.cvar_weight > 0:
            total += self.cvar_weight * self.cvar(paid)
        return total

    def is_feasible(self, paid: npt.NDArray[np.number]) -> bool:
        """Whether floor, overdraft limit and CVaR limit hold."""
        if (paid > self.cap_minor).any():
            return False
        return not math.isfinite(self.cvar_limit) or self.cvar(paid) <= self.cvar_limit * (1 + 1e-12)


def tail_weights(values: FloatArray, probability: FloatArray, alpha: float) -> FloatArray:
    """Weights w with sum 1 and CVaR = w . values: the worst 1 - alpha of the probability, shape (S,)."""
    order = np.argsort(-values, kind="stable")
    tail = 1.0 - alpha
    before = np.concatenate(([0.0], np.cumsum(probability[order])[:-1]))
    weights = np.zeros(len(values))
    weights[order] = np.clip(tail - before, 0.0, probability[order])
    total = weights.sum()
    return np.asarray(weights / total if total > 0 else weights, dtype=np.float64)


def cvar(values: FloatArray, probability: FloatArray, alpha: float) -> float:
    """Mean of the worst 1 - alpha of ``values``."""
    return float(tail_weights(values, probability, alpha) @ values)


def build_liquidity(problem: InvoiceProblem) -> Liquidity:
    """The convex part of the model of ``problem``."""
    accounts, runs = problem.bank_accounts, np.asarray(problem.payment_run_days, dtype=np.int64)
    position = {account.account_id: index for index, account in enumerate(accounts)}
    scenarios = problem.inflow_scenarios
    probabilities = [scenario.probability for scenario in scenarios] or [1.0]
    available = np.zeros((len(accounts), len(runs), len(probabilities)), dtype=np.int64)
    available += np.array([account.opening_minor for account in accounts], dtype=np.int64)[:, None, None]
    for s, scenario in enumerate(scenarios):
        if not scenario.inflows:
            continue
        where = np.array([position[inflow.account_id] for inflow in scenario.inflows])
        run = np.searchsorted(runs, np.array([inflow.day for inflow in scenario.inflows]))
        amount = np.array([inflow.amount_minor for inflow in scenario.inflows], dtype=np.int64)
        by_run = np.zeros((len(accounts), len(runs) + 1), dtype=np.int64)
        np.add.at(by_run, (where, run), amount)
        available[:, :, s] += np.cumsum(by_run[:, :-1], axis=1)
    floor = np.array([account.floor_minor for account in accounts], dtype=np.int64)
    limit = np.array([account.overdraft_limit_minor for account in accounts], dtype=np.int64)
    cap = available.min(axis=2) + limit[:, None]
    exact = [Fraction(p) for p in probabilities]
    for a in range(len(accounts)):
        for t in range(len(runs)):
            # The expected balance may not fall below the floor: in whole minor units, exactly.
            mean = sum((p * v for p, v in zip(exact, available[a, t].tolist(), strict=True)), Fraction(0))
            cap[a, t] = min(int(cap[a, t]), math.floor(mean / sum(exact)) - int(floor[a]))
    to_base = np.array(
        [problem.rate_by_currency[a.currency] / float(10 ** currency_digits(a.currency)) for a in accounts]
    )
    length = np.diff(np.append(runs, problem.horizon_end_day)).astype(np.float64)
    rate = np.array([account.overdraft_rate for account in accounts])
    weight = rate[:, None] * to_base[:, None] * length[None, :] / 365.0
    codes = {code: index for index, code in enumerate(problem.columns.currencies)}
    policy = problem.policy
    base_scale = float(10 ** currency_digits(problem.base_currency))
    return Liquidity(
        probability=np.array(probabilities),
        available_minor=available,
        cap_minor=cap,
        floor_minor=floor,
        to_base=to_base,
        overdraft_weight=weight,
        cvar_alpha=policy.cvar_alpha,
        cvar_weight=policy.cvar_weight,
        cvar_limit=math.inf if policy.cvar_limit_minor is None else policy.cvar_limit_minor / base_scale,
        currency=np.array([codes.get(account.currency, -1) for account in accounts], dtype=np.int16),
    )
