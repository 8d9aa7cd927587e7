"""Tabu search over a small population that is relinked: for dense models, where clusters do not come apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.descent import tolerance_of
from solvers.binary.ising import Ising
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan, spins_of_plan
from solvers.binary.pool import ReadPool
from solvers.binary.problem import BinaryProblem
from solvers.binary.tabu import relink, tabu_form, walk
from solvers.strategy import Candidate, Context

STREAM = 3
"""Of chance; other strategies draw from others."""

POPULATION = 12
DEPTH = 10
"""A walk ends once ``DEPTH n`` flips (at least `LEAST_DEPTH`) brought nothing below its own lowest."""

LEAST_DEPTH = 2_000
MOST_DEPTH = 50_000
TENURE = 10
BLOCK_WORK = 4_000_000
"""Entries looked at between two questions whether to go on: a few milliseconds."""


class Memetic:
    """A population of assignments at the end of tabu walks, and what is bred from it.

    A child begins in the middle of a path between two members, is walked to its own lowest, and takes the place of the
    worst member if it is better and not yet there. Where walking the path finds nothing new in a whole generation, all
    but the best are drawn afresh (Wang, Lü, Glover and Hao 2012).

    Parameters
    ----------
    model
        At least one spin.
    rng
        All chance comes from it.
    more
        Asked before each block of a few milliseconds.
    """

    def __init__(self, model: Ising, rng: np.random.Generator, more: Callable[[], bool]) -> None:
        self.model, self._rng, self._more = model, rng, more
        self._form = tabu_form(model)
        self._tolerance = tolerance_of(model)
        self._symmetric = not model.field.any()
        self._depth = min(MOST_DEPTH, max(LEAST_DEPTH, DEPTH * model.size))
        self._block = max(1, BLOCK_WORK // max(1, self._form.step_work))
        self._state = np.array([rng.integers(1, 2**32)], dtype=np.uint32)
        self.rows: list[NDArray[np.int8]] = []
        self.energies: list[float] = []
        self._idle = 0
        self.work = 0
        self.stopped = False

    @property
    def best(self) -> int:
        """Place of the lowest member."""
        return int(np.argmin(self.energies))

    def offer(self, rows: NDArray[np.int8]) -> None:
        """Assignments from elsewhere, shape ``(k, n)``; each takes the place of a worse member."""
        for row, energy in zip(rows, self.model.energies(rows).tolist(), strict=True):
            self._take(row, energy)

    def improve(self, start: NDArray[np.int8]) -> NDArray[np.int8]:
        """The lowest that a walk from ``start`` meets; it may become a member, as may ``start``."""
        row = self._walk(start)
        self.offer(np.array([start, row]))
        return row

    def step(self) -> NDArray[np.int8]:
        """One walk: from a random start while the population grows, from the middle of a path afterwards."""
        n = self.model.size
        if len(self.rows) < POPULATION:
            start = (2 * self._rng.integers(0, 2, n, dtype=np.int8) - 1).astype(np.int8)
        else:
            start = self._child()
        row = self._walk(start)
        energy = float(self.model.energies(row[None, :])[0])
        if self._take(row, energy):
            self._idle = 0
        else:
            self._idle += 1
            if self._idle >= 2 * POPULATION:
                self._renew()
        return row

    def _child(self) -> NDArray[np.int8]:
        first, second = self._rng.choice(len(self.rows), 2, replace=False)
        spins, gain = self._form.start(self.rows[first])
        guide = self.rows[second].astype(self._form.dtype)
        if self._symmetric and float(spins @ guide) < 0:
            guide = -guide
        best = np.empty_like(spins)
        model = self.model
        length = relink(
            spins, gain, guide, best, self._form.matrix, model.indptr, model.indices, model.weights
        )  # fmt: skip
        # Only what is left of the path is looked through for the next flip, half of it in the mean.
        self.work += length * (length // 2 + self._form.step_work - 2 * model.size)
        row = best.astype(np.int8)
        if length < 3:
            moved = self._rng.choice(model.size, max(1, model.size // 4), replace=False)
            row[moved] = -row[moved]
        return row

    def _walk(self, start: NDArray[np.int8]) -> NDArray[np.int8]:
        """The lowest that a tabu walk from ``start`` meets."""
        model, form = self.model, self._form
        spins, gain = form.start(start)
        best = spins.copy()
        energies = np.zeros(2)
        until = np.zeros(model.size, dtype=np.int64)
        least, spread = max(1, min(model.size // 4, model.size // 100 + TENURE)), TENURE
        tick, quiet = 0, 0
        while quiet < self._depth:
            if not self._more():
                self.stopped = True
                break
            steps = min(self._block, self._depth - quiet)
            tick, last = walk(
                steps, spins, gain, until, best, energies, form.matrix, model.indptr, model.indices, model.weights,
                least, spread, self._tolerance, tick, self._state,
            )  # fmt: skip
            self.work += steps * form.step_work
            quiet = steps - last if last else quiet + steps
        return best.astype(np.int8)

    def _take(self, row: NDArray[np.int8], energy: float) -> bool:
        """Whether ``row`` became a member."""
        for member, its in zip(self.rows, self.energies, strict=True):
            same = abs(its - energy) <= self._tolerance
            if same and (np.array_equal(member, row) or (self._symmetric and np.array_equal(-member, row))):
                return False
        if len(self.rows) < POPULATION:
            self.rows.append(row.copy())
            self.energies.append(energy)
            return True
        worst = int(np.argmax(self.energies))
        if energy >= self.energies[worst] - self._tolerance:
            return False
        self.rows[worst], self.energies[worst] = row.copy(), energy
        return True

    def _renew(self) -> None:
        best = self.best
        self.rows, self.energies, self._idle = [self.rows[best]], [self.energies[best]], 0


class MemeticTabu:
    """`Memetic` as a strategy."""

    name = "memetic-tabu"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.temperature is None and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        pool, pacer = ReadPool(problem), Pacer(context)
        search = Memetic(problem.ising, generator(context, STREAM), pacer.more)
        if context.incumbent is not None:
            search.offer(spins_of_plan(problem, context.incumbent)[:1])
        while not search.stopped:
            if pool.add(search.step()):
                yield pool.candidate(self.name, context.seed)
        yield pool.candidate(self.name, context.seed, trace=pacer.trace())
