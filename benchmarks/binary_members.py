"""Measures which search pays on which models: ``python -m benchmarks.binary_members [--write]``.

With ``--write`` it renews `solvers.binary.members_table`.

Models are drawn by seed: Max-Cut-like without fields, QUBO-like with fields, and independent sets hidden in a random
graph where degrees do not give them away, by size, mean degree and range of weights. On each, the portfolio runs with
every share of tabu search for the same processor time; the share whose mean distance to the best of all is least wins,
but against annealing alone only if it lost on no seed and gained more than `LEAST_GAIN` in the mean, or got to the same
energies in `LEAST_SPEED` of the time: what luck may do is left alone. Benchmark instances are not among the models.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from solvers.binary import members_table, portfolio
from solvers.binary.members import decades_of
from solvers.binary.problem import BinaryProblem, quadratic_problem
from solvers.binary.warm import warm
from solvers.stop import Deadline
from solvers.strategy import Context

SHARES = (0.0, 0.3, 0.7, 0.9)
SECONDS = 0.6
SEEDS = (1, 2, 3, 4, 5)
LEAST_GAIN = 5e-5
LEAST_SPEED = 0.5
SPINS, FIELDS, HIDDEN = "spins", "fields", "hidden"
SORTS = (
    (SPINS, 100, 99, 1),
    (FIELDS, 100, 99, 100),
    (HIDDEN, 200, 100, 1),
    (HIDDEN, 300, 150, 1),
    (HIDDEN, 200, 20, 1),
    (FIELDS, 200, 20, 100),
    (FIELDS, 300, 299, 100),
    (SPINS, 1000, 6, 1),
    (SPINS, 1000, 40, 1),
    (FIELDS, 1000, 100, 100),
    (FIELDS, 1000, 999, 100),
    (SPINS, 2500, 20, 1),
    (SPINS, 2500, 250, 1),
    (FIELDS, 2500, 250, 100),
    (FIELDS, 1500, 1499, 100),
    (FIELDS, 4000, 200, 100),
    (SPINS, 6000, 5, 1),
)
"""Sort, size, mean degree, largest weight (smallest 1)."""


def draw(sort: str, size: int, degree: int, largest: int, seed: int) -> BinaryProblem:
    """A random model: +-1 couplings over spins without fields, 0/1 with fields, or a hidden independent set."""
    rng = np.random.default_rng(seed)
    if sort == HIDDEN:
        return hidden_set(size, degree / (size - 1), rng)
    wanted = size * degree // 2
    if degree >= size - 1:
        i, j = np.triu_indices(size, 1)
    else:
        pairs = np.sort(rng.integers(0, size, (wanted + wanted // 4 + 10, 2)), axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        i, j = rng.permutation(pairs)[:wanted].T
    weights = rng.integers(1, largest + 1, i.shape[0]) * rng.choice([-1, 1], i.shape[0])
    if sort == SPINS:
        return quadratic_problem("SPIN", np.zeros(size), i, j, weights)
    return quadratic_problem("BINARY", rng.integers(-largest, largest + 1, size), i, j, 2 * weights)


def hidden_set(size: int, density: float, rng: np.random.Generator) -> BinaryProblem:
    """-1 a node and +1 an edge of a random graph, with an independent set one larger than such graphs have by chance.

    Nodes of the set have more edges to all others, so that all degrees are alike (Brockington and Culberson 1996).
    """
    scale = 2.0 / -math.log(1.0 - density)
    half = 0.5 * scale * math.log(size)
    natural = 2.0 * half - scale * math.log(half) + scale * (1.0 - math.log(2.0)) + 1.0
    inside = np.zeros(size, dtype=bool)
    count = int(natural) + 1
    inside[rng.permutation(size)[:count]] = True
    i, j = np.triu_indices(size, 1)
    chance = np.where(inside[i] != inside[j], density * (size - 1) / (size - count), density)
    chance[inside[i] & inside[j]] = 0.0
    kept = rng.random(i.shape[0]) < chance
    return quadratic_problem("BINARY", -np.ones(size), i[kept], j[kept], np.ones(int(kept.sum())))


def lowest(problem: BinaryProblem, share: float, seed: int) -> tuple[float, float]:
    """Least energy of the portfolio with that share of tabu search, and the seconds until it was there."""
    begun = time.process_time()
    stop = Deadline(begun + SECONDS, time.process_time)
    strategy = portfolio.Portfolio(share=share)
    best, at_s = math.inf, SECONDS
    for candidate in strategy.candidates(problem, Context(seed=seed, stop=stop)):
        if candidate.claimed_objective < best:
            best, at_s = candidate.claimed_objective, time.process_time() - begun
    return best, at_s


def winner(distances: dict[float, list[float]], seconds: dict[float, list[float]]) -> float:
    """The share to take, from distances and times on each seed; of equal ones that whose slowest seed was quickest."""
    alone, alone_s = distances[0.0], float(np.mean(seconds[0.0]))

    def is_better(share: float) -> bool:
        found = distances[share]
        if any(a > b for a, b in zip(found, alone, strict=True)):
            return False
        is_faster = float(np.mean(seconds[share])) <= LEAST_SPEED * alone_s
        return bool(np.mean(found) < np.mean(alone) - LEAST_GAIN) or (found == alone and is_faster)

    def order(share: float) -> tuple[float, float]:
        return float(np.mean(distances[share])), max(seconds[share])

    return min((share for share in distances if share > 0 and is_better(share)), key=order, default=0.0)


def measure() -> Iterator[dict[str, Any]]:
    """A row for each sort of model: its decades, the mean distance by share, and the share that wins."""
    for sort, size, degree, largest in SORTS:
        distances: dict[float, list[float]] = {share: [] for share in SHARES}
        seconds: dict[float, list[float]] = {share: [] for share in SHARES}
        decades = (0.0, 0.0, 0.0)
        for seed in SEEDS:
            problem = draw(sort, size, degree, largest, seed)
            decades = decades_of(problem.ising)
            found = {share: lowest(problem, share, seed) for share in SHARES}
            best = min(energy for energy, _ in found.values())
            for share, (energy, at_s) in found.items():
                distances[share].append((energy - best) / abs(best))
                seconds[share].append(at_s)
        means = {share: float(np.mean(values)) for share, values in distances.items()}
        times = {share: float(np.mean(values)) for share, values in seconds.items()}
        yield {
            "sort": (sort, size, degree, largest),
            "decades": decades,
            "distance": means,
            "seconds": times,
            "tabu_share": winner(distances, seconds),
        }


def main() -> None:
    """Print the rows; with ``--write`` renew the table."""
    warm()
    rows = []
    for row in measure():
        shown = ", ".join(
            f"{share:g}: {100 * row['distance'][share]:.4f} % at {row['seconds'][share]:.2f} s" for share in SHARES
        )
        sys.stdout.write(f"{row['sort']}: {shown} -> {row['tabu_share']:g}\n")
        sys.stdout.flush()
        rows.append((*(round(value, 2) for value in row["decades"]), row["tabu_share"]))
    if "--write" in sys.argv:
        path = Path(members_table.__file__)
        head = path.read_text().partition("ROWS:")[0]
        body = "".join(f"    {row},\n" for row in rows)
        path.write_text(f"{head}ROWS: tuple[tuple[float, float, float, float], ...] = (\n{body})\n")


if __name__ == "__main__":
    main()
