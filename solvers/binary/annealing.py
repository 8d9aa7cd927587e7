"""Annealing by replicas in SIMD lanes, as a strategy and for backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.descent import descend_fully
from solvers.binary.ising import Ising
from solvers.binary.lanes import Replicas
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.binary.schedule import beta_range, linear_schedule
from solvers.strategy import Candidate, Context

FIRST_SWEEPS = 100
MOST_SWEEPS = 1_000_000
QUENCH_SWEEPS = 4
QUENCH_FACTOR = 1e4
FITTED_SHARE = 0.9
"""Of the time left, what a last run may take by its measured speed."""

READ_WORK = 4_000_000
"""Products in the exact energies of the reads of one run; lanes beyond it are left uncounted, the worst first."""


def lanes_for(size: int) -> int:
    """Replicas that keep spins and fields near the core: 64 up to 4,000 variables, 16 beyond 16,000."""
    if size <= 4_000:
        return 64
    return 32 if size <= 16_000 else 16


def anneal(
    model: Ising,
    reads: int,
    sweeps: int,
    rng: np.random.Generator,
    more: Callable[[], bool],
    betas: tuple[float, float] | None = None,
) -> NDArray[np.int8]:
    """``reads`` independent reads of ``sweeps`` sweeps each, each brought to rest.

    Parameters
    ----------
    model
        At least one spin.
    reads, sweeps
        >= 1.
    rng
        All chance comes from it.
    more
        Asked before each block of a few milliseconds; once it says no, what was finished by then is returned.
    betas
        Hot and cold inverse temperature; read off the weights when absent.

    Returns
    -------
    Spins, int8, shape ``(k, n)``; ``k == reads`` unless stopped.

    """
    hot, cold = betas or beta_range(model)
    schedule = _with_quench(hot, cold, sweeps)
    found: list[NDArray[np.int8]] = []
    left = reads
    while left > 0:
        lanes = min(lanes_for(model.size), -(-left // 16) * 16)
        replicas = Replicas(model, lanes, rng)
        if replicas.run(schedule, more) < schedule.shape[0]:
            break
        spins = replicas.read()[0][:left]
        for row in spins:
            descend_fully(model, row)
        found.append(spins)
        left -= spins.shape[0]
    return np.concatenate(found) if found else np.empty((0, model.size), dtype=np.int8)


class Annealing:
    """Runs of replicas in lanes, each run twice as long as the last, the last one as long as the time left allows."""

    name = "annealing"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        model, pool, pacer = problem.ising, ReadPool(problem), Pacer(context)
        rng = generator(context)
        replicas = Replicas(model, lanes_for(model.size), rng)
        hot, cold = beta_range(model)
        lengths = Lengths(context)
        while True:
            length = lengths.next()
            if length == 0:
                break
            schedule = _with_quench(hot, cold, length)
            done = replicas.run(schedule, pacer.more)
            if done == 0:
                break
            lengths.ran(done)
            if pool.add(_lowest(model, replicas)):
                yield pool.candidate(self.name, context.seed)
            if done < schedule.shape[0]:
                break
            replicas.start()
        if pool.best_energy < np.inf:
            yield pool.candidate(self.name, context.seed, trace={**pacer.trace(), **lengths.trace()})


class Lengths:
    """How many sweeps the next run gets: doubling, and the last one fitted to the time left.

    Time is read off ``stop.remaining_s()`` alone; without a limit the length only doubles. Lengths are kept in the
    trace, so that a replay needs no time.
    """

    def __init__(self, context: Context[SamplePlan]) -> None:
        self._stop = context.stop
        given = context.control_trace
        self._given = None if given is None else [int(length) for length in given["sweeps"]]
        self._used: list[int] = []
        self._begun_s = self._stop.remaining_s()
        self._per_sweep_s = 0.0

    def next(self) -> int:
        """Sweeps of the run to come, or 0 when what is left of the time is worth none."""
        step = len(self._used)
        if self._given is not None:
            length = self._given[step] if step < len(self._given) else 0
        else:
            length = min(MOST_SWEEPS, FIRST_SWEEPS << min(step, 20))
            left_s = self._stop.remaining_s()
            if self._per_sweep_s > 0.0 and np.isfinite(left_s):
                fits = int(FITTED_SHARE * left_s / self._per_sweep_s)
                if fits < 3 * length:
                    length = fits if fits >= FIRST_SWEEPS else 0
        if length == 0:
            return 0
        self._used.append(length)
        self._begun_s = self._stop.remaining_s()
        return length

    def ran(self, sweeps: int) -> None:
        """A run of ``sweeps`` sweeps has ended."""
        now_s = self._stop.remaining_s()
        if np.isfinite(now_s) and sweeps > 0:
            self._per_sweep_s = max(0.0, self._begun_s - now_s) / sweeps

    def trace(self) -> Mapping[str, Any]:
        """Lengths used."""
        return {"sweeps": list(self._used)}


def _with_quench(hot: float, cold: float, sweeps: int) -> NDArray[np.float64]:
    return np.concatenate([linear_schedule(hot, cold, sweeps), np.full(QUENCH_SWEEPS, cold * QUENCH_FACTOR)])


def _lowest(model: Ising, replicas: Replicas) -> NDArray[np.int8]:
    """The lanes' spins, at rest; in a huge model only as many of the lowest as can be priced in time."""
    spins, energies = replicas.read()
    count = max(1, min(replicas.lanes, READ_WORK // max(1, model.weights.shape[0] + model.size)))
    chosen = spins[np.argsort(energies, kind="stable")[:count]]
    for row in chosen:
        descend_fully(model, row)
    return chosen
