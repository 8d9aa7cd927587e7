"""What isoenergetic cluster moves give: ``python -m benchmarks.binary_clusters [SECONDS]``.

Ladders of `solvers.binary.tempering` with and without the moves on lattices of drawn +-1 couplings without fields, for
the same processor time. Every mean value is 0 there by symmetry, so draws are worth ``1 / mean(m_i^2)`` independent
ones as far as mean values go; beside it stands what their energies are worth.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from solvers.binary.problem import BinaryProblem, quadratic_problem
from solvers.binary.tempering import GROUPS, Ladder, effective_samples
from solvers.binary.warm import warm

SECONDS = 4.0
BURN_SHARE = 0.25
SEEDS = (1, 2)
WORKS = ((20, 2, 0.5), (20, 2, 0.3), (8, 3, 0.8))
"""Side and dimensions of the lattice, temperature."""


def lattice(side: int, dimensions: int, seed: int) -> BinaryProblem:
    """+-1 couplings between neighbours on a lattice that closes on itself."""
    rng = np.random.default_rng(seed)
    place = np.arange(side**dimensions).reshape((side,) * dimensions)
    rows = np.tile(place.ravel(), dimensions)
    columns = np.concatenate([np.roll(place, -1, axis).ravel() for axis in range(dimensions)])
    return quadratic_problem("SPIN", np.zeros(place.size), rows, columns, rng.choice([-1.0, 1.0], rows.shape[0]))


def worth(problem: BinaryProblem, seconds: float, seed: int, *, clusters: bool) -> dict[str, float]:
    """Rounds drawn, and how many independent samples they are worth by mean values and by energy."""
    begun = time.process_time()
    ladder = Ladder(problem, np.random.default_rng(seed), clusters=clusters)
    ladder.draw(0, 1, sys.maxsize, lambda: time.process_time() < begun + BURN_SHARE * seconds)
    draws = ladder.draw(sys.maxsize, 1, 0, lambda: time.process_time() < begun + seconds)
    flat = draws.reshape(-1, problem.num_variables)
    energies = problem.ising.energies(flat).reshape(-1, GROUPS)
    by_values = 1.0 / float(np.mean(flat.mean(axis=0) ** 2))
    return {"rounds": draws.shape[0], "by_values": by_values, "by_energy": effective_samples(energies)}


def measure(seconds: float) -> Iterator[dict[str, Any]]:
    """A row for each lattice and temperature: means over seeds, without and with the moves."""
    for side, dimensions, temperature in WORKS:
        problem = replace(lattice(side, dimensions, 1), temperature=temperature)
        for clusters in (False, True):
            found = [worth(problem, seconds, seed, clusters=clusters) for seed in SEEDS]
            means = {name: float(np.mean([row[name] for row in found])) for name in found[0]}
            yield {"lattice": f"{side}^{dimensions}", "temperature": temperature, "clusters": clusters, **means}


def main() -> None:
    """Print the rows."""
    warm()
    for row in measure(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS):
        moves = "with" if row["clusters"] else "without"
        sys.stdout.write(
            f"{row['lattice']} at T = {row['temperature']}, {moves:<7} moves: {row['rounds']:8,.0f} rounds worth"
            f" {row['by_values']:8,.0f} samples by mean values, {row['by_energy']:8,.0f} by energy\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
