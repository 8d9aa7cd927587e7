"""Cuts a binary model down to its hard core: the variables that good samples do not agree on."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import dimod
import numpy as np
from numpy.typing import NDArray

from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.descent import descend_fully
from solvers.binary.ising import Ising
from solvers.binary.plan import SamplePlan, plan_of_spins, spins_of_plan
from solvers.binary.problem import BinaryProblem
from solvers.kernel import Kernel, Sample
from solvers.strategy import Context


@dataclass(frozen=True, eq=False)
class CoreLift:
    """A sample of the core set into the incumbent, then a one-flip descent over the whole model.

    Parameters
    ----------
    problem
        The whole problem.
    base
        The incumbent as spins, int8, shape ``(n,)``.
    core
        Variables of the core, int64, shape ``(c,)``; kernel variable ``k`` is ``core[k]``.
    """

    problem: BinaryProblem
    base: NDArray[np.int8]
    core: NDArray[np.int64]

    def __call__(self, sample: Sample) -> SamplePlan:
        """The full plan; a kernel variable that ``sample`` lacks keeps the incumbent's value."""
        spins = self.base.copy()
        for k, variable in enumerate(self.core):
            if k in sample:
                spins[variable] = 1 if sample[k] > 0 else -1
        descend_fully(self.problem.ising, spins)
        return plan_of_spins(self.problem, spins[None, :])[0]


RULES = ("doubt", "reduced-cost", "impact")


def choose_core(
    problem: BinaryProblem,
    base: NDArray[np.int8],
    others: NDArray[np.int8],
    max_variables: int,
    rule: str = "doubt",
) -> NDArray[np.int64]:
    """At most ``max_variables`` variables, ascending.

    A connected set grows from the variable of the highest score, always by the highest neighbour of the set (any
    variable when there is no neighbour left).

    - ``doubt``: first the share of the ``others`` that disagree with the incumbent, up to a global flip where the model
      has no fields, then the reduced cost.
    - ``reduced-cost``: how little the energy rises by flipping the variable alone.
    - ``impact``: how much it changes, either way: the variables that the others lean on.

    Raises
    ------
    ValueError
        When there is no such rule.
    """
    model = problem.ising
    n = model.size
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; allowed: {', '.join(RULES)}")
    if n <= max_variables:
        return np.arange(n, dtype=np.int64)
    local = model.field.copy()
    owner = np.repeat(np.arange(n), np.diff(model.indptr))
    np.add.at(local, owner, model.weights * base[model.indices])
    rise = -2.0 * base * local / max(float(np.abs(2.0 * local).max()), 1e-300)
    score = np.abs(rise) if rule == "impact" else -0.5 * rise
    if rule == "doubt" and others.shape[0]:
        aligned = others * np.sign(others @ base.astype(np.int64) + 0.5)[:, None] if not model.field.any() else others
        score = score + (aligned != base).mean(axis=0)
    return _grow(model, score, max_variables)


def _grow(model: Ising, score: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The connected set of ``count`` spins that `choose_core` describes; ties go to the smaller number."""
    order = np.argsort(-score, kind="stable").tolist()
    rank = np.empty(model.size, dtype=np.int64)
    rank[order] = np.arange(model.size)
    chosen = np.zeros(model.size, dtype=bool)
    reached = np.zeros(model.size, dtype=bool)
    edge: list[int] = []
    at = 0
    for _ in range(count):
        if edge:
            best = order[heappop(edge)]
        else:
            while chosen[order[at]]:
                at += 1
            best = order[at]
        chosen[best] = reached[best] = True
        for j in model.indices[model.indptr[best] : model.indptr[best + 1]].tolist():
            if not reached[j]:
                reached[j] = True
                heappush(edge, int(rank[j]))
    return np.flatnonzero(chosen)


def core_model(problem: BinaryProblem, base: NDArray[np.int8], core: NDArray[np.int64]) -> dimod.BinaryQuadraticModel:
    """The energy as a function of the core alone, every other variable held at ``base``; 0/1, labelled 0 .. c - 1."""
    model = problem.ising
    position = np.full(model.size, -1)
    position[core] = np.arange(core.shape[0])
    owner = np.repeat(np.arange(model.size), np.diff(model.indptr))
    inside = position[owner] >= 0
    owner, neighbour, weight = owner[inside], model.indices[inside], model.weights[inside]
    outer = position[neighbour] < 0
    field = model.field[core].copy()
    np.add.at(field, position[owner[outer]], weight[outer] * base[neighbour[outer]])
    pair = ~outer & (owner < neighbour)
    held = base.copy()
    held[core] = 0
    offset = float(model.energies(held[None, :])[0])
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        field, (position[owner[pair]], position[neighbour[pair]], weight[pair]), offset, dimod.SPIN
    )
    return bqm.change_vartype(dimod.BINARY, inplace=False)


def hard_core(
    problem: BinaryProblem | ConstrainedProblem,
    incumbent: SamplePlan,
    pool: tuple[SamplePlan, ...],
    context: Context[SamplePlan],
    max_variables: int,
) -> Kernel[SamplePlan] | None:
    """The kernel of `solvers.kind.KernelBuilder`: an exact piece of the model around the incumbent.

    Its energy is that of the whole model, so an optimum of the kernel lifts to a plan no worse than the incumbent. A
    constrained model has no kernel: it would need penalties, and then its energies were not those of the plans.
    """
    del context  # no chance and little work
    if isinstance(problem, ConstrainedProblem) or problem.temperature is not None:
        return None
    if min(problem.num_variables, max_variables) < 2 or problem.num_terms == 0:
        return None
    base = spins_of_plan(problem, incumbent)[0].copy()
    samples = [spins_of_plan(problem, plan) for plan in (incumbent, *pool)]
    core = choose_core(problem, base, np.concatenate(samples)[1:], max_variables)
    share = f"{core.shape[0]} of {problem.num_variables} variables"
    return Kernel(
        bqm=core_model(problem, base, core),
        lift=CoreLift(problem, base, core),
        warm_start={k: int(base[variable] > 0) for k, variable in enumerate(core)},
        label=f"hard core: {share}, those that samples disagree on or that flip cheaply",
    )
