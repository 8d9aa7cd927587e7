"""Samples of the Boltzmann distribution at a given temperature: exact for small models, parallel tempering beyond.

Plans of such problems are judged by how many independent samples they are worth (`effective_samples`), not by energy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.exact import MOST_VARIABLES, all_energies, spins_of_codes
from solvers.binary.isoenergetic import ClusterMoves
from solvers.binary.lanes import HEAT_BATH, Replicas
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import Boltzmann, SamplePlan, plan_of_spins
from solvers.binary.problem import BinaryProblem
from solvers.binary.schedule import beta_range
from solvers.strategy import Candidate, Context

GROUPS, RUNGS = 4, 8
"""Independent ladders, and temperatures in each; together the lanes."""

SWEEPS_PER_ROUND = 4
ENOUGH = 0.9
"""Share of the wanted samples that the effective ones must reach for a run to end by itself."""

QUICK_READS, QUICK_ROUNDS = 64, 30
MOST_THINNING = 1 << 14


class ExactTempering:
    """Independent draws from the whole distribution of at most 20 variables."""

    name = "exact-tempering"
    version = "1"

    def accepts(self, problem: Any) -> bool:
        return _asks(problem) and problem.num_variables <= MOST_VARIABLES

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """One candidate, worth all its samples; none when stopped before the end."""
        energies = all_energies(problem.ising, context.stop)
        if energies is None:
            return
        weights = np.exp(-(energies - energies.min()) / _temperature(problem))
        codes = generator(context).choice(energies.shape[0], problem.num_samples, p=weights / weights.sum())
        spins = spins_of_codes(problem.num_variables, codes)
        yield _candidate(problem, spins, float(problem.num_samples), self.name, context.seed, None)


class Tempering:
    """Heat-bath sweeps on ladders of temperatures whose neighbours swap (Swendsen and Wang 1986; Hukushima 1996).

    On sparse models ladders also exchange clusters at equal temperatures (`solvers.binary.isoenergetic`). A run draws
    all samples wanted from the coldest rungs, four ladders side by side, then begins anew with twice the rounds between
    draws, until the draws are worth nine tenths of as many independent ones.
    """

    name = "tempering"
    version = "2"

    def __init__(self, *, quick: bool = False, clusters: bool = True) -> None:
        self._quick, self._clusters = quick, clusters

    def accepts(self, problem: Any) -> bool:
        return _asks(problem) and problem.num_variables > 0

    def candidates(self, problem: BinaryProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate whenever the samples are worth more than before, then the last one with the trace."""
        pacer, rng = Pacer(context), generator(context)
        ladder = Ladder(problem, rng, clusters=self._clusters)
        wanted = min(problem.num_samples, QUICK_READS) if self._quick else problem.num_samples
        length = -(-wanted // GROUPS)
        thinning, told = 1, 0.0
        best: Candidate[SamplePlan] | None = None
        while True:
            burn = QUICK_ROUNDS if self._quick else max(100, length * thinning // 4)
            draws = ladder.draw(length, thinning, burn, pacer.more)
            if draws.shape[0] == 0 and self._quick:
                draws = ladder.coldest()[None, ...]
            if draws.shape[0] > 0:
                spins = draws.reshape(-1, problem.num_variables)[:wanted]
                worth = min(effective_samples(_series(problem, draws)), float(spins.shape[0]))
                if worth > told:
                    told = worth
                    best = _candidate(problem, spins, worth, self.name, context.seed, None)
                    yield best
            stopped = draws.shape[0] < length
            if stopped or self._quick or told >= ENOUGH * wanted or thinning >= MOST_THINNING:
                break
            thinning *= 2
        if best is not None:
            yield Candidate(best.plan, best.claimed_objective, self.name, context.seed, 0.0, None, pacer.trace())


class Ladder:
    """`GROUPS` ladders of `RUNGS` inverse temperatures, from hot to the problem's own, one lane each."""

    def __init__(self, problem: BinaryProblem, rng: np.random.Generator, *, clusters: bool = True) -> None:
        self._rng = rng
        self._replicas = Replicas(problem.ising, GROUPS * RUNGS, rng)
        self.beta = 1.0 / _temperature(problem)
        hot = min(beta_range(problem.ising)[0], self.beta)
        self._betas = np.geomspace(self.beta, hot, RUNGS)
        # lane_of[g, k] is the lane of ladder g that holds rung k; rung 0 is the coldest.
        self._lane_of = np.arange(GROUPS * RUNGS).reshape(GROUPS, RUNGS)
        self._odd = 0
        self.moves = ClusterMoves(self._replicas, RUNGS, rng) if clusters else None
        self._set_factors()

    def draw(self, length: int, thinning: int, burn: int, more: Callable[[], bool]) -> NDArray[np.int8]:
        """Assignments of the coldest rungs, shape ``(l, GROUPS, n)``, ``l == length`` unless stopped."""
        self._replicas.refresh()
        found: list[NDArray[np.int8]] = []
        for _ in range(burn):
            if not self._round(more):
                return np.empty((0, GROUPS, self._replicas.model.size), dtype=np.int8)
        if self.moves is not None:
            self.moves.settle()
        while len(found) < length:
            if not all(self._round(more) for _ in range(thinning)):
                break
            found.append(self.coldest())
        return np.array(found, dtype=np.int8).reshape(len(found), GROUPS, self._replicas.model.size)

    def coldest(self) -> NDArray[np.int8]:
        """Assignments now at the problem's own temperature, shape ``(GROUPS, n)``."""
        return np.ascontiguousarray(self._replicas.spins[:, self._lane_of[:, 0]].T.astype(np.int8))

    def _round(self, more: Callable[[], bool]) -> bool:
        """Some sweeps, exchanges of clusters, then swaps of every other pair of neighbouring rungs."""
        betas = np.full(SWEEPS_PER_ROUND, self.beta)
        if self._replicas.run(betas, more, HEAT_BATH) < SWEEPS_PER_ROUND:
            return False
        if self.moves is not None:
            self.moves.make(self._lane_of)
        energies = self._replicas.energies()
        for k in range(self._odd, RUNGS - 1, 2):
            cold, warm = self._lane_of[:, k].copy(), self._lane_of[:, k + 1].copy()
            gain = (self._betas[k] - self._betas[k + 1]) * (energies[cold] - energies[warm])
            swap = np.log(self._rng.random(GROUPS)) < gain
            self._lane_of[swap, k], self._lane_of[swap, k + 1] = warm[swap], cold[swap]
        self._odd = 1 - self._odd
        self._set_factors()
        return True

    def _set_factors(self) -> None:
        self._replicas.factors[self._lane_of] = (self._betas / self.beta).astype(np.float32)[None, :]


def effective_samples(series: NDArray[np.float64]) -> float:
    """Independent samples worth as much as ``series``, float64, shape ``(length, chains)``.

    Each chain is cut where the sum of two neighbouring autocorrelations is no longer positive (Geyer 1992). A chain
    that never changes, or is too short to tell, counts as one sample. Chains that exchange clusters are independent at
    equal times only, and what they pass to each other must not count as news: their mean, which no exchange changes,
    may not forget slower than they do.
    """
    chains = series.shape[1]
    alone = _effective(series)
    together = float(chains) * _effective(np.asarray(series.mean(axis=1, keepdims=True)))
    return float(min(alone, together))


def _effective(series: NDArray[np.float64]) -> float:
    """The sum over chains as if they were independent."""
    total = 0.0
    for chain in series.T:
        n = chain.shape[0]
        centred = chain - chain.mean()
        variance = float(centred @ centred) / n
        if n < 8 or variance <= 1e-24 * max(1.0, float(np.abs(chain).max()) ** 2):
            total += 1.0
            continue
        spectrum = np.fft.rfft(centred, 2 * n)
        correlation = np.fft.irfft(spectrum * np.conj(spectrum))[:n] / (n * variance)
        pairs = correlation[0 : n - n % 2 : 2] + correlation[1:n:2]
        ends = np.flatnonzero(pairs <= 0.0)
        time = 2.0 * float(pairs[: ends[0] if ends.shape[0] else None].sum()) - 1.0
        total += n / max(time, 1.0)
    return total


def _series(problem: BinaryProblem, draws: NDArray[np.int8]) -> NDArray[np.float64]:
    flat = draws.reshape(-1, problem.num_variables)
    return problem.ising.energies(flat).reshape(draws.shape[:2])


def _candidate(
    problem: BinaryProblem,
    spins: NDArray[np.int8],
    worth: float,
    name: str,
    seed: int,
    trace: Mapping[str, Any] | None,
) -> Candidate[SamplePlan]:
    energies = problem.ising.energies(spins)
    means = spins.mean(axis=0, dtype=np.float64)
    if problem.vartype.low == 0:
        means = (1.0 + means) / 2.0
    error = float(energies.std()) / float(np.sqrt(worth))
    estimate = Boltzmann(float(energies.mean()), error, worth, tuple(means.tolist()))
    plan = plan_of_spins(problem, spins, boltzmann=estimate)[0]
    return Candidate(plan, problem.num_samples - worth, name, seed, 0.0, None, trace)


def _asks(problem: Any) -> bool:
    return isinstance(problem, BinaryProblem) and problem.temperature is not None


def _temperature(problem: BinaryProblem) -> float:
    if problem.temperature is None:
        raise ValueError("the problem asks for least energies, not for a temperature")
    return problem.temperature
