"""D-Wave's annealing and tabu samplers as strategies, in slices short enough to be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from solvers.binary.interop import ising_to_dimod
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate, Context

SWEEPS = 1000
SLICE_WORK = 300_000
"""Spin updates in one call of the annealer: about 10 ms."""

TABU_UPDATES = 20_000
MOST_TERMS = 200_000
MOST_TABU_VARIABLES = 500
"""Beyond these a single call of the library takes longer than a strategy may go without asking to stop."""


class OceanAnnealing:
    """``dwave.samplers.SimulatedAnnealingSampler``: reads of 1,000 sweeps, beta geometric from hot to cold.

    The range of beta is that of the terms: at the hot end the strongest variable flips against its field half the
    time, at the cold end the weakest term is overruled once in 100 tries.
    """

    name = "ocean-annealing"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return _least_energies(problem) and problem.num_variables > 0 and 0 < problem.num_terms <= MOST_TERMS

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        from dwave.samplers import SimulatedAnnealingSampler

        bqm, sampler = ising_to_dimod(problem), SimulatedAnnealingSampler()
        pool, pacer, rng = ReadPool(problem), Pacer(context), generator(context)
        sizes = np.abs(problem.ising.weights)
        hot = np.log(2.0) / (2.0 * problem.ising.reach.max())
        cold = np.log(100.0) / (2.0 * sizes.min())
        betas = np.geomspace(hot, max(cold, hot), SWEEPS)
        step = max(1, SLICE_WORK // problem.num_variables)
        while True:
            state, at = None, 0
            while at < SWEEPS and pacer.more():
                part = betas[at : at + step]
                state = sampler.sample(
                    bqm,
                    num_reads=1,
                    beta_schedule=part,
                    beta_schedule_type="custom",
                    num_sweeps_per_beta=1,
                    initial_states=state,
                    seed=int(rng.integers(2**31)),
                )
                at += part.shape[0]
            if state is not None and pool.add(state.record.sample[:, np.argsort(state.variables)]):
                yield pool.candidate(self.name, context.seed)
            if at < SWEEPS:
                break
        if pool.best_energy < np.inf:
            yield pool.candidate(self.name, context.seed, trace=pacer.trace())


class OceanTabu:
    """``dwave.samplers.TabuSampler``: simple tabu searches of bounded length from random starts and from the best."""

    name = "ocean-tabu"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return (
            _least_energies(problem)
            and 0 < problem.num_variables <= MOST_TABU_VARIABLES
            and 0 < problem.num_terms <= MOST_TERMS
        )

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        from dwave.samplers import TabuSampler

        bqm, sampler = ising_to_dimod(problem), TabuSampler()
        pool, pacer, rng = ReadPool(problem), Pacer(context), generator(context)
        n = problem.num_variables
        while pacer.more():
            start = 2 * rng.integers(0, 2, n) - 1
            found = sampler.sample(
                bqm,
                initial_states=(start[None, :], list(range(n))),
                num_restarts=0,
                timeout=None,
                coefficient_z_first=1,
                lower_bound_z=TABU_UPDATES,
                seed=int(rng.integers(2**31)),
            )
            if pool.add(found.record.sample[:, np.argsort(found.variables)]):
                yield pool.candidate(self.name, context.seed)
        if pool.best_energy < np.inf:
            yield pool.candidate(self.name, context.seed, trace=pacer.trace())


def _least_energies(problem: Any) -> bool:
    return isinstance(problem, BinaryProblem) and problem.temperature is None
