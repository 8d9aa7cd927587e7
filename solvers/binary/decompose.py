"""A device of few variables on a model of many: cores one after the other, tabu search over the whole in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dimod
import numpy as np

from solvers.binary.core import RULES, choose_core, core_model
from solvers.binary.memetic import Memetic
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan, spins_of_plan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate, Context

Device = Callable[[dimod.BinaryQuadraticModel, int], Mapping[Any, int]]
"""Answers a 0/1 model labelled 0 .. c - 1 and a seed with values by label; at most the variables it was asked for."""

IDLE_ROUNDS = 4 * len(RULES)
STREAM = 4
"""Of chance; other strategies draw from others."""


class Decomposed:
    """Rounds of a core on the device and a tabu walk of the whole from what comes back (Booth, Reinhardt and Roy 2017).

    Cores are chosen in turn by doubt among the samples, by reduced cost and by impact (`solvers.binary.core`), each
    around a perturbed base once a whole turn brought nothing. The core is an exact piece of the model, so a device that
    answers no worse than the base never loses. Ends by itself after `IDLE_ROUNDS` rounds without a gain, or when the
    device holds the whole model and has answered once.

    Parameters
    ----------
    device
        What solves a core.
    max_variables
        That the device takes (>= 2).
    """

    name = "decomposed"
    version = "1"

    def __init__(self, device: Device, max_variables: int) -> None:
        if max_variables < 2:
            raise ValueError(f"max_variables is {max_variables}; allowed: >= 2")
        self._device, self._most = device, max_variables

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.temperature is None and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        pool, pacer, rng = ReadPool(problem), Pacer(context), generator(context, STREAM)
        search = Memetic(problem.ising, rng, pacer.more)
        if context.incumbent is not None:
            search.offer(spins_of_plan(problem, context.incumbent)[:1])
        pool.add(search.step() if not search.rows else search.rows[0])
        yield pool.candidate(self.name, context.seed)
        idle, turn = 0, 0
        while idle < IDLE_ROUNDS and not search.stopped:
            base = search.rows[search.best].copy()
            if idle >= len(RULES):
                moved = rng.choice(problem.num_variables, max(1, problem.num_variables // 50), replace=False)
                base[moved] = -base[moved]
            core = choose_core(problem, base, np.array(search.rows), self._most, RULES[turn % len(RULES)])
            turn += 1
            answer = self._device(core_model(problem, base, core), int(rng.integers(2**31)))
            base[core] = [1 if answer[k] > 0 else -1 for k in range(core.shape[0])]
            rows = np.array([base, search.improve(base)])
            idle = 0 if pool.add(rows) else idle + 1
            if idle == 0:
                yield pool.candidate(self.name, context.seed)
            if core.shape[0] == problem.num_variables:
                break
        yield pool.candidate(self.name, context.seed, trace=pacer.trace())
