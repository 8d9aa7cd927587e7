"""Boltzmann weights over the undecided core, by annealed importance sampling.

A state gives every item of the core one of its options, so one-hot constraints hold by construction; its energy is the
exact change of the objective, and a state that breaks a constraint is never entered. Replicas wander from the plan at
infinite temperature and are then cooled by Metropolis moves of one item; each carries the importance weight of the way
that it came, so that weighted shares are those of the Boltzmann distribution over what such moves reach, whatever the
schedule (Neal, Annealed importance sampling, Statistics and Computing 11, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from solvers.invoices.cash_kernels import cash_cost, liquidity_arguments
from solvers.invoices.local_search import feasible_now, move
from solvers.invoices.model import Model
from solvers.invoices.plan import InvoicePlan

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

NO_OPTION = -2
"""Stands in an option's run where an item has fewer options than others."""

STEPS = 24
BURN_IN = 6
"""Sweeps at each further temperature, and before the first of them, when every allowed move is made."""


@dataclass(frozen=True)
class Core:
    """Items that are still undecided, with what they may do; the rest is as in ``plan``, which must be feasible.

    Parameters
    ----------
    items
        Shape (n,).
    run, account
        Shape (n, k): options, run -1 for not paid, `NO_OPTION` for none.
    """

    model: Model
    plan: InvoicePlan
    items: IntArray
    run: IntArray
    account: IntArray

    def plan_of(self, state: IntArray) -> InvoicePlan:
        """The full plan in which each item of the core takes its option of ``state``, shape (n,)."""
        dates, accounts = self.plan.date_index.copy(), self.plan.account_index.copy()
        rows = np.arange(len(self.items))
        dates[self.items], accounts[self.items] = self.run[rows, state], self.account[rows, state]
        return InvoicePlan(dates, accounts)


@dataclass(frozen=True)
class Samples:
    """Distinct states with their energies above ``core.plan`` (base units) and Boltzmann weights, heaviest first.

    ``states`` has shape (m, n), ``energy`` and ``weight`` shape (m,); weights sum to 1.
    """

    states: IntArray
    energy: FloatArray
    weight: FloatArray


@numba.njit(cache=True, nogil=True)
def _anneal(  # type: ignore[no-untyped-def]
    state, choice, accept, beta, items, option_t, option_a, cost, never, cash, cap, paid, room, member, value,
    cvar_limit, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """Cool one replica through ``beta`` (steps,), from ``state`` (n,) to its last; (log importance weight, energy).

    ``paid`` and ``room`` hold the plan without the core, and do again afterwards. ``choice`` and ``accept``, shape
    (steps, n), are the options proposed and the uniform numbers that decide.
    """
    linear = 0.0
    for m in range(len(items)):
        i, t = items[m], option_t[m, state[m]]
        move(i, t, option_a[m, state[m]], 1, cash, paid, room, member, value)
        linear += never[i] if t < 0 else cost[i, t]
    now = linear + cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
    log_weight, start = 0.0, now
    for step in range(len(beta)):
        if step:
            log_weight -= (beta[step] - beta[step - 1]) * (now - start)
        for m in range(len(items)):
            i, old, new = items[m], state[m], choice[step, m]
            old_t, new_t = option_t[m, old], option_t[m, new]
            if new == old or new_t == NO_OPTION:
                continue
            change = (never[i] if new_t < 0 else cost[i, new_t]) - (never[i] if old_t < 0 else cost[i, old_t])
            if not np.isfinite(change):
                continue
            move(i, old_t, option_a[m, old], -1, cash, paid, room, member, value)
            move(i, new_t, option_a[m, new], 1, cash, paid, room, member, value)
            allowed = feasible_now(paid, cap, room, cvar_limit, available, floor, to_base, probability, alpha)
            if allowed:
                cash_now = cash_cost(paid, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
                after = linear + change + cash_now
                allowed = after <= now or accept[step, m] < np.exp(-beta[step] * (after - now))
            if allowed:
                state[m], linear, now = new, linear + change, after
            else:
                move(i, new_t, option_a[m, new], -1, cash, paid, room, member, value)
                move(i, old_t, option_a[m, old], 1, cash, paid, room, member, value)
    for m in range(len(items)):
        move(items[m], option_t[m, state[m]], option_a[m, state[m]], -1, cash, paid, room, member, value)
    return log_weight, now - start


def sample(core: Core, temperature: float, replicas: int, seed: int, steps: int = STEPS) -> Samples:
    """States of ``core`` as they are met at ``temperature`` (base units, > 0); the same for the same ``seed``."""
    model, items = core.model, core.items
    options, liquidity, plan = model.options, model.liquidity, core.plan
    outside_dates, outside_accounts = plan.date_index.copy(), plan.account_index.copy()
    outside_dates[items], outside_accounts[items] = -1, -1
    outside = InvoicePlan(outside_dates, outside_accounts)
    paid, room = model.cumulated(outside), model.caps.limit_minor - model.cap_use(outside)
    here = (core.run == plan.date_index[items, None]) & (core.account == plan.account_index[items, None])
    home = here.argmax(axis=1).astype(np.int64)
    beta = np.concatenate([np.zeros(BURN_IN), (np.arange(1, steps + 1) / steps) ** 2]) / temperature
    chance = np.random.default_rng(seed)
    states = np.repeat(home[None, :], replicas, axis=0)
    log_weight, energy = np.zeros(replicas), np.zeros(replicas)
    fixed: tuple[Any, ...] = (
        beta, items, core.run, core.account, options.cost, options.never, options.cash_minor, liquidity.cap_minor,
        paid, room, model.caps.member, model.columns.base_minor, liquidity.cvar_limit, *liquidity_arguments(liquidity),
    )  # fmt: skip
    for replica in range(replicas):
        choice = chance.integers(0, core.run.shape[1], (len(beta), len(items)))
        accept = chance.random((len(beta), len(items)))
        log_weight[replica], energy[replica] = _anneal(states[replica], choice, accept, *fixed)
    share = np.exp(log_weight - log_weight.max())
    distinct, first, which = np.unique(states, axis=0, return_index=True, return_inverse=True)
    weight = np.bincount(which.ravel(), weights=share / share.sum(), minlength=len(distinct)).astype(np.float64)
    order = np.lexsort((energy[first], -weight))
    return Samples(distinct[order], energy[first][order], weight[order])
