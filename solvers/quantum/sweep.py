"""Many angles on one model: a batch of runs that share the costs, side by side on as many threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from solvers.errors import FieldViolation, InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.lanes import LANE_QUBITS
from solvers.quantum.statevector import DEFAULT_LIMIT_BYTES, Angles, Statevector


def sweep_bytes(variables: int, threads: int, with_order: bool = True) -> int:
    """Memory of a sweep: costs (and their order, for CVaR) once, 8 bytes a state for the amplitudes of each thread."""
    return (1 << max(variables, LANE_QUBITS)) * ((8 if with_order else 4) + 8 * threads)


def sweep(
    cost: CostModel,
    angles: Sequence[Angles],
    alpha: float = 1.0,
    start_probabilities: NDArray[np.float64] | None = None,
    threads: int = 1,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
) -> NDArray[np.float64]:
    """CVaR at ``alpha`` (1: the expectation) of every one of ``angles``, in their order. The same on any ``threads``.

    One run a thread, rather than threads sharing each run, pays at every size: runs never wait for each other.

    Parameters
    ----------
    cost
        The model; at least one variable.
    angles
        Any number, layers may differ.
    alpha
        Share of the cheapest probability, (0, 1].
    start_probabilities
        As of `solvers.quantum.statevector.Statevector`.
    threads
        Runs at a time (>= 1).
    limit_bytes
        Memory that may be taken; estimated before anything is allocated.

    Raises
    ------
    InvalidProblem
        When it does not fit.
    """
    threads = max(1, min(threads, len(angles)))
    needed = sweep_bytes(cost.size, threads, alpha < 1)
    if needed > limit_bytes:
        problem = f"has {cost.size} variables, whose sweep on {threads} threads takes {needed / 2**30:.2f} GiB"
        raise InvalidProblem(
            [FieldViolation("bqm", problem, f"at most {limit_bytes / 2**30:.2f} GiB; or fewer threads")]
        )
    first = Statevector(cost, start_probabilities, limit_bytes=limit_bytes)
    if alpha < 1:
        first.sort()
    states = [first, *(first.sibling() for _ in range(threads - 1))]
    values = np.empty(len(angles))

    def work(place: int) -> None:
        for k in range(place, len(angles), threads):
            states[place].run(angles[k])
            values[k] = states[place].cvar(alpha)

    if threads == 1:
        work(0)
        return values
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, place) for place in range(threads)]:
            done.result()
    return values
