"""Reads of a run, counted by assignment, the lowest kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.plan import SamplePlan, plan_of_spins
from solvers.binary.problem import BinaryProblem
from solvers.strategy import Candidate


class ReadPool:
    """Counts distinct reads and keeps the lowest ``problem.num_samples`` of them.

    A read that was dropped and comes again is counted anew; it cannot be among the lowest then.
    """

    def __init__(self, problem: BinaryProblem) -> None:
        self.problem = problem
        self.best_energy = math.inf
        self._found: dict[bytes, tuple[float, int]] = {}
        self._keep = problem.num_samples

    def add(
        self, spins: NDArray[np.int8], energies: NDArray[np.float64] | None = None, *, counted: bool = True
    ) -> bool:
        """Count each row of ``spins`` (shape ``(k, n)``) as a read; whether the best energy fell.

        ``energies`` are trusted to be those of the rows when given. Rows that are not ``counted`` are kept alone.
        """
        spins = np.ascontiguousarray(np.atleast_2d(spins), dtype=np.int8)
        if energies is None:
            energies = self.problem.ising.energies(spins)
        before = self.best_energy
        for row, energy in zip(spins, energies.tolist(), strict=True):
            key = row.tobytes()
            self._found[key] = (energy, self._found.get(key, (energy, 0))[1] + int(counted))
            self.best_energy = min(self.best_energy, energy)
        if len(self._found) > 4 * self._keep + 64:
            lowest = sorted(self._found.items(), key=lambda item: (item[1][0], item[0]))
            self._found = dict(lowest[: self._keep])
        return self.best_energy < before

    def plan(self) -> SamplePlan:
        """The lowest distinct reads. There is at least one."""
        rows, counts = self._arrays()
        return plan_of_spins(self.problem, rows, counts)[0]

    def candidate(
        self,
        strategy: str,
        seed: int,
        *,
        lower_bound: float | None = None,
        trace: Mapping[str, Any] | None = None,
    ) -> Candidate[SamplePlan]:
        """The plan as a candidate."""
        return Candidate(self.plan(), self.best_energy, strategy, seed, lower_bound, None, trace)

    def _arrays(self) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        n = self.problem.num_variables
        lowest = sorted(self._found.items(), key=lambda item: (item[1][0], item[0]))[: self._keep]
        rows = np.array([np.frombuffer(key, dtype=np.int8, count=n) for key, _ in lowest], dtype=np.int8)
        return rows.reshape(len(lowest), n), np.array([max(1, count) for _, (_, count) in lowest], dtype=np.int64)
