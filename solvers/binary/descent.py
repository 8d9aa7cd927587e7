"""The quick heuristic: one-flip descents from several starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from solvers.binary.bounds import lower_bound
from solvers.binary.ising import Ising
from solvers.binary.pacing import generator
from solvers.binary.plan import SamplePlan, spins_of_plan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate, Context

WORK = 2_000_000
"""Operations (fields looked at, neighbours updated) that all starts together may take: about 10 ms."""

SLICE = 1_000_000
MOST_STARTS = 64


@numba.njit(cache=True, nogil=True)
def local_fields(field, indptr, indices, weights, spins, out):  # type: ignore[no-untyped-def]
    """``out[i] = field[i] + sum_j J_ij spins[j]``."""
    for i in range(field.shape[0]):
        total = field[i]
        for k in range(indptr[i], indptr[i + 1]):
            total += weights[k] * spins[indices[k]]
        out[i] = total


@numba.njit(cache=True, nogil=True)
def descend(indptr, indices, weights, spins, local, tolerance, start, quiet, budget):  # type: ignore[no-untyped-def]
    """Flip, in turn from ``start`` on, every spin whose flip lowers the energy by more than ``tolerance``.

    Returns where it stopped, how many spins in a row were left alone, and the operations done. At rest once ``quiet``
    reaches ``n``; before that it stops after ``budget`` operations.
    """
    n = spins.shape[0]
    i, done = start, 0
    while quiet < n and done < budget:
        gain = 2.0 * spins[i] * local[i]
        done += 1
        if gain > tolerance:
            spins[i] = -spins[i]
            step = 2.0 * spins[i]
            for k in range(indptr[i], indptr[i + 1]):
                local[indices[k]] += weights[k] * step
            done += indptr[i + 1] - indptr[i]
            quiet = 0
        else:
            quiet += 1
        i += 1
        if i == n:
            i = 0
    return i, quiet, done


def tolerance_of(model: Ising) -> float:
    """Energy differences below this are rounding."""
    return 0.0 if model.is_integral else 1e-12 * float(model.reach.max(initial=0.0))


def descend_fully(model: Ising, spins: NDArray[np.int8]) -> int:
    """Bring ``spins`` (int8, changed in place) to rest; operations done. For models of kernel size."""
    local = np.empty(model.size)
    local_fields(model.field, model.indptr, model.indices, model.weights, spins, local)
    without_end = np.iinfo(np.int64).max
    _, _, done = descend(
        model.indptr, model.indices, model.weights, spins, local, tolerance_of(model), 0, 0, without_end
    )
    return int(done)


class Descent:
    """One-flip descents: from the incumbent if there is one, from the signs of the fields, then from random starts.

    The first start is always brought to rest unless the stop comes first, and even then its state is an answer.
    """

    name = "descent"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.temperature is None

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """One candidate: the best starts, by energy."""
        model, rng = problem.ising, generator(context)
        pool = ReadPool(problem)
        local = np.empty(model.size)
        tolerance = tolerance_of(model)
        work = 0
        for attempt in range(MOST_STARTS):
            spins = _start(problem, context, rng, attempt)
            work += 2 * model.size + model.weights.shape[0]
            local_fields(model.field, model.indptr, model.indices, model.weights, spins, local)
            at, quiet, stopped = 0, 0, False
            while quiet < model.size and not stopped:
                at, quiet, done = descend(
                    model.indptr, model.indices, model.weights, spins, local, tolerance, at, quiet, SLICE
                )
                work += done
                stopped = context.stop()
            pool.add(spins)
            if stopped or work >= WORK or model.size == 0:
                break
        yield pool.candidate(self.name, context.seed, lower_bound=lower_bound(problem))


def _start(
    problem: BinaryProblem, context: Context[SamplePlan], rng: np.random.Generator, attempt: int
) -> NDArray[np.int8]:
    n = problem.num_variables
    if attempt == 0 and context.incumbent is not None:
        given: NDArray[np.int8] = spins_of_plan(problem, context.incumbent)[0]
        return given
    if attempt <= 1:
        signs = np.where(problem.ising.field > 0, -1, 1).astype(np.int8)
        free = problem.ising.field == 0
        signs[free] = 2 * rng.integers(0, 2, int(free.sum()), dtype=np.int8) - 1
        return signs
    return (2 * rng.integers(0, 2, n, dtype=np.int8) - 1).astype(np.int8)
