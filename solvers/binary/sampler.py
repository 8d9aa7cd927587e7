"""The annealer as a dimod sampler, so that users of Ocean plug it in where they had another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import dimod
import numpy as np

from solvers.binary.annealing import anneal
from solvers.binary.interop import from_dimod

MOST_READS = 1_000_000
MOST_CORES = 256


class IsinglassSampler(dimod.Sampler):
    """Simulated annealing by replicas in SIMD lanes; each read is brought to rest by a one-flip descent.

    >>> import dimod
    >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0}, {("a", "b"): 1.0}, 0.0, "SPIN")
    >>> IsinglassSampler().sample(bqm, num_reads=4, seed=1).first.energy
    -2.0
    """

    properties: ClassVar[Mapping[str, Any]] = {}
    parameters: ClassVar[Mapping[str, Any]] = {
        name: [] for name in ("num_reads", "num_sweeps", "beta_range", "seed", "num_cores")
    }

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        *,
        num_reads: int = 1,
        num_sweeps: int = 1000,
        beta_range: tuple[float, float] | None = None,
        seed: int | None = None,
        num_cores: int = 1,
    ) -> dimod.SampleSet:
        """``num_reads`` independent reads.

        Parameters
        ----------
        bqm
            Any vartype and labels.
        num_reads
            1 - 1,000,000.
        num_sweeps
            Sweeps of a read (>= 1).
        beta_range
            Hot and cold inverse temperature, 0 < hot <= cold; read off the weights when absent.
        seed
            The same seed gives the same samples (>= 0), whatever ``num_cores``; drawn afresh when absent.
        num_cores
            Threads that share the reads (1 - 256).

        Raises
        ------
        ValueError
            When a parameter is out of its range.
        InvalidProblem
            When a coefficient is not finite.

        """
        if not 1 <= num_reads <= MOST_READS:
            raise ValueError(f"num_reads is {num_reads}; allowed: 1 to {MOST_READS}")
        if num_sweeps < 1:
            raise ValueError(f"num_sweeps is {num_sweeps}; allowed: >= 1")
        if beta_range is not None and not 0 < beta_range[0] <= beta_range[1] < np.inf:
            raise ValueError(f"beta_range is {beta_range}; allowed: 0 < hot <= cold, finite")
        if not 1 <= num_cores <= MOST_CORES:
            raise ValueError(f"num_cores is {num_cores}; allowed: 1 to {MOST_CORES}")
        if seed is not None and seed < 0:
            raise ValueError(f"seed is {seed}; allowed: >= 0")
        labels = list(bqm.variables)
        # Labels of different types may have one text; the engine needs none.
        plain, _ = bqm.relabel_variables_as_integers(inplace=False)
        problem = from_dimod(plain)
        if problem.num_variables == 0:
            spins = np.empty((num_reads, 0), dtype=np.int8)
        else:
            rng = np.random.default_rng(seed)
            spins = anneal(problem.ising, num_reads, num_sweeps, rng, lambda: True, beta_range, num_cores)
        values = spins if bqm.vartype is dimod.SPIN else (spins > 0).astype(np.int8)
        return dimod.SampleSet.from_samples_bqm((values, labels), bqm)
