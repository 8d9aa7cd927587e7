"""Annealing by replicas in SIMD lanes, as a strategy and for backends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.descent import descend_fully, tolerance_of
from solvers.binary.ising import Ising
from solvers.binary.lanes import Replicas
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.binary.recombine import Recombiner
from solvers.binary.schedule import beta_range, linear_schedule
from solvers.stop import Stop
from solvers.strategy import Candidate, Context

FIRST_SWEEPS = 50
LARGE_FIRST_SWEEPS = 100
LARGE = 4_000
"""From this many variables on the first epoch is twice as long: 32 reads of a large model differ little by luck."""
FEWEST_SWEEPS = 20
MOST_SWEEPS = 1_000_000
REHEAT = 0.45
"""Where rounds after the first begin, between hot (0) and cold (1) in inverse temperature."""
PARTNERS = 8
IDLE_ROUNDS = 2
MOST_WINNERS = 32
QUENCH_SWEEPS = 4
QUENCH_FACTOR = 1e4
FITTED_SHARE = 0.3
"""Of the time left, what the first anneal of an epoch may take by the speed of the last one; its rounds follow."""

READ_WORK = 2_000_000
"""Products in the exact energies of the reads of one run; lanes beyond it are left uncounted, the worst first."""


def lanes_for(size: int) -> int:
    """Replicas that keep spins and fields near the core: 32, and 16 beyond 16,000 variables."""
    return 32 if size <= 16_000 else 16


def batches(reads: int, size: int) -> list[int]:
    """Reads of each batch that is annealed side by side, from chance of its own."""
    whole = lanes_for(size)
    return [whole] * (reads // whole) + ([reads % whole] if reads % whole else [])


def filled(reads: int) -> int:
    """Lanes that ``reads`` take: the next multiple of 16."""
    return -(-reads // 16) * 16


def anneal(
    model: Ising,
    reads: int,
    sweeps: int,
    rng: np.random.Generator,
    more: Callable[[], bool],
    betas: tuple[float, float] | None = None,
    cores: int = 1,
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
        Asked before each block of a few milliseconds; once it says no, what was finished by then is returned. With
        several cores it is asked from as many threads.
    betas
        Hot and cold inverse temperature; read off the weights when absent.
    cores
        Threads that share the reads (the kernels hold no lock); the reads are the same for any number.

    Returns
    -------
    Spins, int8, shape ``(k, n)``; ``k == reads`` unless stopped.

    """
    hot, cold = betas or beta_range(model)
    schedule = with_quench(hot, cold, sweeps)
    counts = batches(reads, model.size)
    chances = rng.spawn(len(counts))

    def batch(k: int) -> NDArray[np.int8]:
        replicas = Replicas(model, filled(counts[k]), chances[k])
        if replicas.run(schedule, more) < schedule.shape[0]:
            return np.empty((0, model.size), dtype=np.int8)
        spins = replicas.read()[0][: counts[k]]
        for row in spins:
            descend_fully(model, row)
        return spins

    model.reach  # noqa: B018  (computed once, not in every thread)
    if cores > 1 and len(counts) > 1:
        with ThreadPoolExecutor(cores) as pool:
            return np.concatenate(list(pool.map(batch, range(len(counts)))))
    return np.concatenate([batch(k) for k in range(len(counts))])


class Annealing:
    """Epochs of annealed populations whose members are recombined.

    An epoch anneals a population from random starts, recombines it (`solvers.binary.recombine`), and goes on annealing
    it from a moderate temperature and recombining, each member keeping what its parent had better, until two rounds in
    a row bring nothing. The next epoch begins afresh with twice the sweeps; winners of all epochs are recombined among
    each other.
    """

    name = "annealing"
    version = "2"

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.temperature is None and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        model, pool, pacer = problem.ising, ReadPool(problem), Pacer(context)
        trace = context.control_trace
        lengths = Lengths(context.stop, model.size, None if trace is None else trace["sweeps"])
        run = AnnealingRun(model, generator(context), pacer.more)
        while (sweeps := lengths.next()) > 0:
            for rows, is_read in run.epoch(sweeps):
                if pool.add(rows, counted=is_read):
                    yield pool.candidate(self.name, context.seed)
            lengths.ran(run.sweeps_done)
            if run.stopped:
                break
            if pool.add(run.unite(run.best[None, :])):
                yield pool.candidate(self.name, context.seed)
        if pool.best_energy < np.inf:
            yield pool.candidate(self.name, context.seed, trace={**pacer.trace(), "sweeps": lengths.used})


class AnnealingRun:
    """The state of one run: replicas, recombiner, what the last epoch found, and the winners of all epochs."""

    def __init__(self, model: Ising, rng: np.random.Generator, more: Callable[[], bool]) -> None:
        self.model, self.more = model, more
        self.replicas = Replicas(model, lanes_for(model.size), rng)
        self.recombiner = Recombiner(model, rng)
        self.hot, self.cold = beta_range(model)
        self.stopped = False
        self.sweeps_done = 0
        self.best = np.empty(model.size, dtype=np.int8)
        self.best_energy = math.inf
        self.seen = math.inf
        self.winners = np.empty((0, model.size), dtype=np.int8)

    def epoch(self, sweeps: int) -> Iterator[tuple[NDArray[np.int8], bool]]:
        """The lowest of each population, at rest, int8, shape ``(k, n)``, as they come, and whether they are reads.

        What is told ahead of recombining is no read: it comes again with its population.
        """
        self.sweeps_done, self.best_energy = 0, math.inf
        warm = self.hot + REHEAT * (self.cold - self.hot)
        population: NDArray[np.int8] | None = None
        idle = 0
        while idle < IDLE_ROUNDS and not self.stopped:
            first = population is None
            self.replicas.start(population)
            schedule = with_quench(self.hot if first else warm, self.cold, sweeps if first else max(1, sweeps // 2))
            done = self.replicas.run(schedule, self.more)
            self.stopped = done < schedule.shape[0]
            self.sweeps_done += done
            rows, energies = self.replicas.read()
            if float(energies.min()) < self.seen - tolerance_of(self.model):
                # Recombining takes longer than a short anneal: what is lower than anything before is told at once.
                yield self._at_rest(rows[[int(np.argmin(energies))]]), False
            if not self.stopped:
                rows, energies = self.recombiner.improve(rows, population, PARTNERS, self.more)
            population = rows
            before = self.best_energy
            lowest = self._lowest(rows, energies)
            idle = 0 if self.best_energy < before else idle + 1
            yield lowest, True

    def unite(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """The winners and ``rows`` recombined with each other: the lowest distinct `MOST_WINNERS` win from now on."""
        rows = np.concatenate([self.winners, rows])
        rows, energies = self.recombiner.improve(rows, None, rows.shape[0], self.more)
        chosen: dict[bytes, int] = {}
        for k in np.argsort(energies, kind="stable").tolist():
            chosen.setdefault(rows[k].tobytes(), k)
        self.winners = rows[list(chosen.values())[:MOST_WINNERS]]
        return self.winners

    def _lowest(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> NDArray[np.int8]:
        """The lowest rows at rest, as many as can be priced in time, the lowest of them noted as `best`."""
        count = max(1, min(rows.shape[0], READ_WORK // (self.model.weights.shape[0] + self.model.size)))
        rows = rows[np.argsort(energies, kind="stable")[:count]]
        exact = self.model.energies(self._at_rest(rows))
        lowest = int(np.argmin(exact))
        self.seen = min(self.seen, float(exact[lowest]))
        if exact[lowest] < self.best_energy - tolerance_of(self.model):
            self.best_energy, self.best = float(exact[lowest]), rows[lowest].copy()
        return rows

    def _at_rest(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """``rows``, changed in place, each brought to rest."""
        for row in rows:
            descend_fully(self.model, row)
        return rows


class Lengths:
    """How many sweeps the next epoch begins with: doubling, as long as there is time for it.

    Time is read off ``stop.remaining_s()`` alone; without a limit the length only doubles. Lengths are kept in the
    trace, so that a replay needs no time.

    Parameters
    ----------
    stop
        Of the run.
    size
        Spins of the model.
    given
        Lengths of an earlier run to repeat, or ``None``.
    share
        Of the time left, what is for this model (0 < share <= 1).
    """

    def __init__(self, stop: Stop, size: int, given: Sequence[int] | None, share: float = 1.0) -> None:
        self._stop, self._share = stop, share
        self._first = LARGE_FIRST_SWEEPS if size >= LARGE else FIRST_SWEEPS
        self._given = None if given is None else [int(length) for length in given]
        self.used: list[int] = []
        self._begun_s = self._stop.remaining_s()
        self._per_sweep_s = 0.0

    def next(self) -> int:
        """Sweeps to come, or 0 when what is left of the time is worth none."""
        step = len(self.used)
        if self._given is not None:
            length = self._given[step] if step < len(self._given) else 0
        else:
            length = min(MOST_SWEEPS, self._first << min(step, 20))
            left_s = self._stop.remaining_s()
            if self._per_sweep_s > 0.0 and np.isfinite(left_s):
                fits = self._share * left_s / self._per_sweep_s
                length = min(length, int(FITTED_SHARE * fits))
                length = length if length >= FEWEST_SWEEPS else 0
        if length == 0:
            return 0
        self.used.append(length)
        self._begun_s = self._stop.remaining_s()
        return length

    def ran(self, sweeps: int) -> None:
        """An epoch of ``sweeps`` sweeps in all has ended."""
        now_s = self._stop.remaining_s()
        if np.isfinite(now_s) and sweeps > 0:
            self._per_sweep_s = max(0.0, self._begun_s - now_s) / sweeps


def with_quench(hot: float, cold: float, sweeps: int) -> NDArray[np.float64]:
    """Inverse temperatures of one read: from hot to cold, then `QUENCH_SWEEPS` at next to no temperature."""
    return np.concatenate([linear_schedule(hot, cold, sweeps), np.full(QUENCH_SWEEPS, cold * QUENCH_FACTOR)])
