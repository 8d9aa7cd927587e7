"""Presolve, then annealing and tabu search that share what they find, each part of the model apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.annealing import LARGE_FIRST_SWEEPS, AnnealingRun, Lengths, anneal, lanes_for
from solvers.binary.bounds import ROUNDING, lower_bound, terms_bound
from solvers.binary.exact import MOST_VARIABLES, all_energies, spins_of_codes
from solvers.binary.ising import Ising
from solvers.binary.members import tabu_share
from solvers.binary.memetic import BLOCK_WORK, Memetic
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan
from solvers.binary.pool import ReadPool
from solvers.binary.presolve import LEAST_LOOKED_AT, Reduced, pays, reduce
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate, Context

MOST_TURN_SHARE = 0.9
FILL_SWEEPS = 20
"""Sweeps of the reads that fill up a plan once the optimum is proved."""

OPENING_SWEEPS = LARGE_FIRST_SWEEPS
ELITES = 4
STREAM = 2
"""Of chance: the annealing strategy beside this one draws from another, so that they do not do the same."""


class Search:
    """One component: epochs of annealing, then walks of tabu search from their winners, which win in turn.

    The share of tabu search is that of `solvers.binary.members`, in blocks of a few milliseconds.

    Parameters
    ----------
    model
        At least one spin.
    rng
        All chance comes from it.
    pacer
        Of the run.
    lengths
        How long epochs are.
    share
        Of tabu search, instead of the table's.
    """

    def __init__(
        self, model: Ising, rng: np.random.Generator, pacer: Pacer, lengths: Lengths, share: float | None = None
    ) -> None:
        self.model, self.lengths = model, lengths
        self._pacer = pacer
        self._annealing = AnnealingRun(model, rng, pacer.more)
        self._share = min(MOST_TURN_SHARE, tabu_share(model) if share is None else share)
        self._tabu = Memetic(model, rng, pacer.more) if self._share > 0 else None
        self.best = np.ones(model.size, dtype=np.int8)
        self.ended = False

    def turn(self) -> Iterator[tuple[NDArray[np.int8], bool]]:
        """Assignments, int8, shape ``(k, n)``, as they come, and whether they are reads; one epoch and its walks."""
        sweeps = self.lengths.next()
        if sweeps == 0:
            self.ended = True
            return
        begun = self._pacer.blocks
        run = self._annealing
        for rows, is_read in run.epoch(sweeps):
            yield self._noted(rows), is_read
        self.lengths.ran(run.sweeps_done)
        if run.stopped:
            self.ended = True
            return
        yield self._noted(run.unite(run.best[None, :])), True
        if self._tabu is None:
            return
        tabu = self._tabu
        tabu.offer(run.winners[:ELITES])
        # Blocks are counted by work: on small models a whole walk is a fraction of one.
        blocks = self._share / (1.0 - self._share) * (self._pacer.blocks - begun)
        end = tabu.work + blocks * BLOCK_WORK
        while tabu.work < end and not tabu.stopped:
            yield self._noted(tabu.step()[None, :]), True
        if tabu.stopped:
            self.ended = True
        else:
            yield self._noted(run.unite(tabu.rows[tabu.best][None, :])), True

    def _noted(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """``rows``, after the lowest of them is kept if it is the lowest so far."""
        both = np.concatenate([self.best[None, :], rows])
        self.best = both[int(np.argmin(self.model.energies(both)))].copy()
        return rows


class Portfolio:
    """The model presolved; components of at most 20 spins by enumeration, the others by `Search`, turn by turn.

    Where presolve and enumeration leave nothing to search, the optimum is proved, and the plan is filled up by reads of
    a short anneal.

    Parameters
    ----------
    share
        Of tabu search (0 to 1), instead of what `solvers.binary.members` says.
    """

    name = "portfolio"
    version = "1"

    def __init__(self, *, share: float | None = None) -> None:
        self._share = share

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, BinaryProblem) and problem.temperature is None and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement, then one with all reads."""
        pool, pacer, rng = ReadPool(problem), Pacer(context), generator(context, STREAM)
        worthwhile = pays(problem.ising)
        if worthwhile and problem.num_variables > LEAST_LOOKED_AT:
            # Presolve can take longer than a short anneal of the whole, which is told first.
            reads = anneal(problem.ising, lanes_for(problem.num_variables), OPENING_SWEEPS, rng, pacer.more)
            if pool.add(reads):
                yield pool.candidate(self.name, context.seed)
        reduced = reduce(problem.ising, pacer.more, worthwhile)
        parts = _exact(reduced, pacer)
        if parts is None:  # stopped before the small components were through
            if pool.best_energy == np.inf:
                pool.add((2 * rng.integers(0, 2, (1, problem.num_variables)) - 1).astype(np.int8))
            yield pool.candidate(self.name, context.seed, trace={**pacer.trace(), "sweeps": []})
            return
        large = [k for k, part in enumerate(parts) if part is None]
        if not large:
            yield from self._proved(problem, context, pool, pacer, reduced.lift([p for p in parts if p is not None]))
            return
        bound = _bound(problem, reduced, parts)
        searches = _searches(reduced, large, context, pacer, rng, self._share)
        while not all(search.ended for search in searches.values()):
            for k, search in searches.items():
                if search.ended:
                    continue
                for rows, is_read in search.turn():
                    known = [searches[j].best if part is None else part for j, part in enumerate(parts)]
                    given = [rows if j == k else part[None, :] for j, part in enumerate(known)]
                    lifted = reduced.lift_rows(given, rows.shape[0])
                    if pool.add(lifted, counted=is_read):
                        yield pool.candidate(self.name, context.seed, lower_bound=min(bound, pool.best_energy))
        trace = {**pacer.trace(), "sweeps": [search.lengths.used for search in searches.values()]}
        if pool.best_energy < np.inf:
            bound = min(bound, pool.best_energy)
            yield pool.candidate(self.name, context.seed, lower_bound=bound, trace=trace)

    def _proved(
        self,
        problem: BinaryProblem,
        context: Context[SamplePlan],
        pool: ReadPool,
        pacer: Pacer,
        optimum: NDArray[np.int8],
    ) -> Iterator[Candidate[SamplePlan]]:
        pool.add(optimum)
        model = problem.ising
        slack = 0.0 if model.is_integral else ROUNDING * (abs(model.offset) + float(model.reach.sum()))
        bound = pool.best_energy - slack
        yield pool.candidate(self.name, context.seed, lower_bound=bound)
        if problem.num_samples > 1:
            reads = anneal(model, problem.num_samples - 1, FILL_SWEEPS, generator(context, STREAM + 2), pacer.more)
            if reads.shape[0]:
                pool.add(reads)
        yield pool.candidate(self.name, context.seed, lower_bound=bound, trace={**pacer.trace(), "sweeps": []})


def _exact(reduced: Reduced, pacer: Pacer) -> list[NDArray[np.int8] | None] | None:
    """An optimum of each small component, ``None`` for a large one; ``None`` for all when stopped."""
    parts: list[NDArray[np.int8] | None] = []
    for model in reduced.components:
        if model.size > MOST_VARIABLES:
            parts.append(None)
            continue
        energies = all_energies(model, lambda: not pacer.more())
        if energies is None:
            return None
        parts.append(spins_of_codes(model.size, np.array([int(energies.argmin())]))[0])
    return parts


def _bound(problem: BinaryProblem, reduced: Reduced, parts: Sequence[NDArray[np.int8] | None]) -> float:
    """The highest of the bounds at hand: of the terms as given, of roof duality, and of what presolve left."""
    model = problem.ising
    left = reduced.offset
    for part, optimum in zip(reduced.components, parts, strict=True):
        left += terms_bound(part) if optimum is None else float(part.energies(optimum[None, :])[0])
    slack = 0.0 if model.is_integral else ROUNDING * (abs(model.offset) + float(model.reach.sum()))
    return max(lower_bound(problem), reduced.bound, left - slack)


def _searches(
    reduced: Reduced,
    large: Sequence[int],
    context: Context[SamplePlan],
    pacer: Pacer,
    rng: np.random.Generator,
    tabu: float | None,
) -> dict[int, Search]:
    """A search for each large component, its share of the time by its size."""
    given = None if context.control_trace is None else context.control_trace["sweeps"]
    total = sum(reduced.components[k].size for k in large)
    searches = {}
    for place, k in enumerate(large):
        model = reduced.components[k]
        mine = None if given is None else (given[place] if place < len(given) else [])
        lengths = Lengths(context.stop, model.size, mine, model.size / total)
        searches[k] = Search(model, rng, pacer, lengths, tabu)
    return searches
