"""The undecided core of a plan as a small binary model, and the way back to a full plan.

At the prices of cash that the relaxation finds, nearly every item has one option that is clearly best; the few that
are torn between two or more are the core. Its energy is an augmented Lagrangian of the true objective: reduced costs,
and a quadratic penalty that draws the cash of the core to what the relaxation gives it (Hestenes, Multiplier and
gradient methods, J. Optim. Theory Appl. 4, 1969).
"""

from __future__ import annotations

from dataclasses import dataclass

import dimod
import numpy as np
import numpy.typing as npt

from solvers.invoices.local_search import improve
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.relaxation import Relaxation, relax
from solvers.kernel import Kernel, Sample, Variable
from solvers.strategy import Context

OPTIONS_PER_ITEM = 3
Choice = tuple[int, int]
"""(account, run) of an item; (-1, -1) for not paid."""


def variable(item: int, choice: Choice) -> str:
    """Name of the variable that gives ``item`` its ``choice``."""
    return f"{item}:never" if choice[1] == NEVER else f"{item}:{choice[0]}:{choice[1]}"


@dataclass(frozen=True)
class CoreLift:
    """From a sample over the core to a full plan: decoded, repaired, descended, and the incumbent if that is better.

    Parameters
    ----------
    problem
        The whole problem.
    incumbent
        The plan that decides everything outside the core.
    choices
        Per core item its options, best at the relaxation's prices first.
    """

    problem: InvoiceProblem
    incumbent: InvoicePlan
    choices: tuple[tuple[int, tuple[Choice, ...]], ...]

    def __call__(self, sample: Sample) -> InvoicePlan:
        model = model_of(self.problem)
        dates, accounts = self.incumbent.date_index.copy(), self.incumbent.account_index.copy()
        for item, options in self.choices:
            # Of none or several the one that the prices favour.
            on = [choice for choice in options if sample.get(variable(item, choice), 0)]
            accounts[item], dates[item] = (on or options)[0]
        items = np.array([item for item, _ in self.choices], dtype=np.int64)
        found = improve(model, InvoicePlan(dates, accounts), items)
        if found is None:
            return self.incumbent
        better = model.objective(found) < model.objective(self.incumbent) or not model.is_feasible(self.incumbent)
        return found if better else self.incumbent


def build_core(
    problem: InvoiceProblem,
    incumbent: InvoicePlan,
    pool: tuple[InvoicePlan, ...],
    context: Context[InvoicePlan],
    max_variables: int,
) -> Kernel[InvoicePlan] | None:
    """The kernel of ``problem`` around ``incumbent``; ``None`` when fewer than two options are undecided."""
    model = model_of(problem)
    relaxed = relax(model, context.stop)
    choices = core_choices(model, relaxed, (incumbent, *pool), max_variables)
    if not choices:
        return None
    lift = CoreLift(problem, incumbent, choices)
    bqm = core_energy(model, relaxed, incumbent, choices)
    warm: dict[Variable, int] = {
        variable(item, choice): int(choice == choice_of(incumbent, item))
        for item, options in choices
        for choice in options
    }
    groups = tuple(tuple(variable(item, choice) for choice in options) for item, options in choices)
    label = f"undecided core of {len(choices)} items and {len(warm)} options"
    return Kernel(bqm=bqm, lift=lift, one_hot_groups=groups, warm_start=warm, label=label)


def choice_of(plan: InvoicePlan, item: int) -> Choice:
    """What ``plan`` does with ``item``."""
    return int(plan.account_index[item]), int(plan.date_index[item])


def core_choices(
    model: Model, relaxed: Relaxation, plans: tuple[InvoicePlan, ...], max_variables: int
) -> tuple[tuple[int, tuple[Choice, ...]], ...]:
    """The most undecided items with their options: those where plans differ, then those with the least regret."""
    regret = relaxed.regret.copy()
    incumbent = plans[0]
    differs = np.zeros(model.items, dtype=np.bool_)
    for plan in plans[1:]:
        differs |= (plan.date_index != incumbent.date_index) | (plan.account_index != incumbent.account_index)
    rank = np.lexsort((regret, ~(differs | relaxed.fractional)))
    found: list[tuple[int, tuple[Choice, ...]]] = []
    left = max_variables
    for item in rank.tolist():
        if left < 2 or not np.isfinite(regret[item]):
            break
        ordered = relaxed.ranked_choices(model, item, OPTIONS_PER_ITEM + 2)
        wanted = [choice_of(incumbent, item), *ordered[:2]]
        wanted += [choice_of(plan, item) for plan in plans[1:]]
        wanted += ordered[2:]
        options = list(dict.fromkeys(wanted))[: min(OPTIONS_PER_ITEM, left)]
        if len(options) < 2:
            continue
        options.sort(key=lambda choice: ordered.index(choice) if choice in ordered else len(ordered))
        found.append((item, tuple(options)))
        left -= len(options)
    return tuple(sorted(found))


def core_energy(
    model: Model, relaxed: Relaxation, incumbent: InvoicePlan, choices: tuple[tuple[int, tuple[Choice, ...]], ...]
) -> dimod.BinaryQuadraticModel:
    """Reduced costs, the pull towards the relaxation's use of cash, and one-hot penalties."""
    names: list[str] = []
    linear: list[float] = []
    flow: list[npt.NDArray[np.float64]] = []
    target = np.zeros((model.accounts, model.runs))
    for item, options in choices:
        for choice in options:
            cash = np.zeros((model.accounts, model.runs))
            if choice[1] != NEVER:
                amount = float(model.options.cash_minor[item, choice[1]])
                cash[choice[0], choice[1] :] = amount * model.liquidity.to_base[choice[0]]
            names.append(variable(item, choice))
            linear.append(relaxed.reduced_cost(model, item, choice))
            flow.append(cash)
        target += relaxed.cash_of(model, item)
    matrix = np.array([cash.ravel() for cash in flow])
    # What the items outside the core take away from the relaxation's use of cash, or leave to the core.
    outside = np.ones(model.items, dtype=np.bool_)
    outside[[item for item, _ in choices]] = False
    rest = InvoicePlan(
        np.where(outside, incumbent.date_index, NEVER), np.where(outside, incumbent.account_index, NEVER)
    )
    drift = relaxed.paid_outside(model, outside) - model.cumulated(rest) * model.liquidity.to_base[:, None]
    goal = (target + drift).ravel()
    price = float(np.abs(relaxed.price / model.liquidity.to_base[:, None]).mean())
    size = float(np.mean([cash.max() for cash in flow])) or 1.0
    stiffness = max(price, 1e-4) / size / model.runs
    quadratic = stiffness * matrix @ matrix.T
    diagonal = np.array(linear) - 2.0 * stiffness * matrix @ goal + np.diag(quadratic)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    bqm.offset = float(stiffness * goal @ goal)
    for k, name in enumerate(names):
        bqm.add_variable(name, float(diagonal[k]))
    rows, columns = np.nonzero(np.triu(quadratic, 1))
    for k, m in zip(rows.tolist(), columns.tolist(), strict=True):
        bqm.add_quadratic(names[k], names[m], float(2.0 * quadratic[k, m]))
    spread = float(np.abs(diagonal).max() + 2.0 * np.abs(np.triu(quadratic, 1)).sum(axis=1).max())
    for item, options in choices:
        group = [variable(item, choice) for choice in options]
        bqm.add_linear_equality_constraint([(name, 1.0) for name in group], spread, -1.0)
    return bqm
