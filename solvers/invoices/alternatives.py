"""Other good plans: joint moves and annealed samples of the least decided items, and how likely each is to be best."""

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
from solvers.invoices.sampling import BURN_IN, NO_OPTION, STEPS, Core, sample

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CORE_ITEMS = 10
OPTIONS = 4
DRAWS = 2_000
MOVES_JUDGED = 4
SAMPLES_JUDGED = 4
"""Plans of each source that the futures choose from; every answer of a gateway waits for them."""

SAMPLING_WORK = 1_000_000
"""Accounts x runs x scenarios x moves that the samples may take: some 2 ms."""

MOST_REPLICAS = 12


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
    weight
        Its Boltzmann weight among the samples of the core, 0 - 1; 0 when no sample ended in it.
    """

    plan: InvoicePlan
    objective: float
    expected_cost: float
    cvar: float
    probability_best: float
    items: tuple[int, ...]
    weight: float = 0.0


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

    They differ from it in the items that the prices leave least decided: the best moves of one or two of them, and
    plans sampled by their Boltzmann weight. Of all these, those most likely to turn out best are told.
    """
    model = model_of(problem)
    core = core_of(model, plan, relaxed)
    if core is None:
        return []
    found = _best_moves(core)
    heat = temperature(core, relaxed)
    size = model.liquidity.available_minor.size * len(core.items) * (STEPS + BURN_IN)
    drawn = sample(core, heat, int(min(MOST_REPLICAS, max(8, SAMPLING_WORK // size))), seed)
    weights = {core.plan_of(state): float(share) for state, share in zip(drawn.states, drawn.weight, strict=True)}
    by_energy = np.argsort(drawn.energy, kind="stable")[:SAMPLES_JUDGED]
    found += [core.plan_of(drawn.states[k]) for k in by_energy.tolist()]
    # In the order of cost, so that of equally likely plans the cheaper ones are told.
    pool = sorted((other for other in dict.fromkeys(found) if other != plan), key=model.objective)
    costs = future_costs(model, [plan, *pool], seed)
    chance = _shares(costs)
    chosen = sorted(sorted(range(len(pool)), key=lambda k: (-chance[k + 1], k))[:count])
    kept = _shares(costs[[0, *(k + 1 for k in chosen)]])[1:]
    return _judged(model, plan, [pool[k] for k in chosen], kept, weights)


def core_of(model: Model, plan: InvoicePlan, relaxed: Relaxation) -> Core | None:
    """The least decided items with their best options at the prices, what ``plan`` does among them; ``None``: none."""
    order = np.argsort(relaxed.regret, kind="stable")
    items = order[np.isfinite(relaxed.regret[order])][:CORE_ITEMS]
    if not len(items):
        return None
    run = np.full((len(items), OPTIONS), NO_OPTION, dtype=np.int64)
    account = np.full((len(items), OPTIONS), NEVER, dtype=np.int64)
    for row, item in enumerate(items.tolist()):
        own = (int(plan.account_index[item]), int(plan.date_index[item]))
        options = [own, *(choice for choice in relaxed.ranked_choices(model, item, OPTIONS) if choice != own)]
        for column, choice in enumerate(options[:OPTIONS]):
            account[row, column], run[row, column] = choice
    return Core(model, plan, items, run, account)


def temperature(core: Core, relaxed: Relaxation) -> float:
    """A quarter of what deciding an item of the core otherwise typically costs (base units).

    At the whole of it about half of the items would be decided otherwise in every sample, and no plan stand out.
    """
    regret = relaxed.regret[core.items]
    typical = float(np.median(regret[regret > 0])) if (regret > 0).any() else 0.0
    return max(typical / 4, 1e-7 * max(1.0, abs(core.model.objective(core.plan))))


def _best_moves(core: Core) -> list[InvoicePlan]:
    """The best feasible moves of one or two items of the core."""
    model, plan, items = core.model, core.plan, core.items
    options, liquidity = model.options, model.liquidity
    out = np.full((len(items), OPTIONS, len(items), OPTIONS), np.inf)
    date, where = plan.date_index.astype(np.int64), plan.account_index.astype(np.int64)
    _price(
        items, core.run, core.account, options.cost, options.never, options.cash_minor, liquidity.cap_minor,
        model.cumulated(plan), model.caps.limit_minor - model.cap_use(plan), model.caps.member,
        model.columns.base_minor, date, where, liquidity.cvar_limit, *liquidity_arguments(liquidity), out,
    )  # fmt: skip
    found: list[InvoicePlan] = []
    for flat in np.argsort(out, axis=None, kind="stable")[:MOVES_JUDGED].tolist():
        m, p, n, q = (int(k) for k in np.unravel_index(flat, out.shape))
        if not np.isfinite(out[m, p, n, q]):
            break
        state = np.zeros(len(items), dtype=np.int64)  # the first option of each is what the plan does
        state[m] = p
        if n > m:
            state[n] = q
        found.append(core.plan_of(state))
    return found


def _judged(
    model: Model, plan: InvoicePlan, others: list[InvoicePlan], chance: list[float], weights: dict[InvoicePlan, float]
) -> list[Alternative]:
    """What each of ``others`` costs and where it differs."""
    liquidity = model.liquidity
    judged = []
    for other, share in zip(others, chance, strict=True):
        cvar, objective = liquidity.cvar(model.cumulated(other)), model.objective(other)
        differs = (other.date_index != plan.date_index) | (other.account_index != plan.account_index)
        items = tuple(np.flatnonzero(differs).tolist())
        expected = objective - liquidity.cvar_weight * cvar
        judged.append(Alternative(other, objective, expected, cvar, share, items, weights.get(other, 0.0)))
    return judged


def best_chances(model: Model, plans: list[InvoicePlan], seed: int) -> list[float]:
    """Share of sampled futures in which each plan costs least; of equals the first."""
    return _shares(future_costs(model, plans, seed))


def _shares(costs: FloatArray) -> list[float]:
    best = costs.argmin(axis=0)
    return [float((best == k).mean()) for k in range(len(costs))]


def future_costs(model: Model, plans: list[InvoicePlan], seed: int) -> FloatArray:
    """What each plan costs in each sampled future but for what they have in common, shape (plans, `DRAWS`).

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
    return costs
