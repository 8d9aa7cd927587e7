"""Every assignment of a small model, one flip apart in Gray-code order: proved optimal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from solvers.binary.bounds import ROUNDING
from solvers.binary.ising import Ising
from solvers.binary.plan import SamplePlan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate, Context

MOST_VARIABLES = 20
SLICE = 1 << 16


@numba.njit(cache=True, nogil=True)
def _walk(indptr, indices, weights, spins, local, energy, first, last, out):  # type: ignore[no-untyped-def]
    """Energies of assignments ``first`` to ``last`` - 1 into ``out``; one flip before each but assignment 0."""
    for code in range(first, last):
        if code > 0:
            i, rest = 0, code
            while rest & 1 == 0:
                rest >>= 1
                i += 1
            energy -= 2.0 * spins[i] * local[i]
            spins[i] = -spins[i]
            step = 2.0 * spins[i]
            for k in range(indptr[i], indptr[i + 1]):
                local[indices[k]] += weights[k] * step
        out[code] = energy
    return energy


def all_energies(model: Ising, stop: Any = None) -> NDArray[np.float64] | None:
    """Energy of all ``2**n`` assignments in Gray-code order, shape ``(2**n,)``; ``None`` if ``stop`` came first.

    Raises
    ------
    ValueError
        Beyond `MOST_VARIABLES`.
    """
    if model.size > MOST_VARIABLES:
        raise ValueError(f"{model.size} variables; allowed: at most {MOST_VARIABLES}")
    total = 1 << model.size
    out = np.empty(total)
    spins = np.full(model.size, -1, dtype=np.int8)
    local = model.field.copy()
    np.subtract.at(local, np.repeat(np.arange(model.size), np.diff(model.indptr)), model.weights)
    energy = float(model.energies(spins[None, :])[0])
    for first in range(0, total, SLICE):
        if stop is not None and stop():
            return None
        last = min(total, first + SLICE)
        energy = _walk(model.indptr, model.indices, model.weights, spins, local, energy, first, last, out)
    return out


def spins_of_codes(size: int, codes: NDArray[np.int64]) -> NDArray[np.int8]:
    """Assignments at positions ``codes`` of the Gray-code order, int8, shape ``(k, size)``."""
    gray = codes ^ (codes >> 1)
    bits = (gray[:, None] >> np.arange(size)) & 1
    return (2 * bits - 1).astype(np.int8)


class Enumeration:
    """All assignments of at most 20 variables; the lowest distinct ones, each once, with the proof."""

    name = "enumeration"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return (
            isinstance(problem, BinaryProblem)
            and problem.temperature is None
            and problem.num_variables <= MOST_VARIABLES
        )

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """One candidate, or none when stopped before the end."""
        energies = all_energies(problem.ising, context.stop)
        if energies is None:
            return
        count = min(problem.num_samples, energies.shape[0])
        codes = np.argpartition(energies, count - 1)[:count]
        pool = ReadPool(problem)
        pool.add(spins_of_codes(problem.num_variables, codes))
        bound = pool.best_energy
        if not problem.ising.is_integral:
            bound -= ROUNDING * (abs(problem.ising.offset) + float(problem.ising.reach.sum()))
        yield pool.candidate(self.name, context.seed, lower_bound=bound)
