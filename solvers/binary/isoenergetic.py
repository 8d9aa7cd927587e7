"""Isoenergetic cluster moves between replicas at one temperature.

Two replicas at one temperature disagree on some variables. A cluster of those, connected by terms, is exchanged between
the two: the sum of their energies stays as it is, with fields too, so the move is taken always and keeps the product of
the two Boltzmann distributions (Houdayer 2001; within parallel tempering: Zhu, Ochoa and Katzgraber 2015). It carries a
pair of replicas across barriers that single flips climb, as long as the cluster is not all they disagree on: then they
only trade places. That is so on dense models and at hot rungs, where moves are not worth their time.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import float32
from numpy.typing import NDArray

from solvers.binary.lanes import Replicas

MOST_MEAN_DEGREE = 8.0
"""Beyond this many terms a variable no move is tried: disagreeing variables hang together even where they are few."""

TRADED = 0.9
"""Share of the disagreeing variables in the cluster, from which on a move counts as replicas trading places."""

LEAST_TRIES = 20
LEAST_USEFUL = 0.2
"""Share of useful moves that a rung must show in the tries of a burn-in to keep its moves."""


@numba.njit(cache=True, nogil=True, boundscheck=False)
def exchange(indptr, indices, weights, spins, local, a, b, chance, symmetric, seen, queue):  # type: ignore[no-untyped-def]
    """Exchange one cluster between lanes ``a`` and ``b``: that of a variable drawn from those on which they differ.

    ``spins`` and ``local`` (float32, ``(n, lanes)``) change in place; 0 <= ``chance`` < 1 draws the variable. Without
    fields (``symmetric``) the negative of a replica is as good, and the nearer of the two makes smaller clusters. A
    move leaves the set of variables that differ as it is, so the way back is chosen alike. ``seen`` (bool) is false
    everywhere, before and after; ``queue`` (int64) is scratch. Returns the size of the cluster and of what differs.
    """
    n = spins.shape[0]
    apart = 0
    for i in range(n):
        apart += spins[i, a] != spins[i, b]
    sign = float32(1.0)
    if symmetric and 2 * apart > n:
        sign, apart = float32(-1.0), n - apart
    if apart == 0:
        return 0, 0
    left = min(int(chance * apart), apart - 1)
    root = -1
    while left >= 0:
        root += 1
        left -= spins[root, a] != sign * spins[root, b]
    seen[root] = True
    queue[0] = root
    head, size = 0, 1
    while head < size:
        i = queue[head]
        head += 1
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if not seen[j] and spins[j, a] != sign * spins[j, b]:
                seen[j] = True
                queue[size] = j
                size += 1
    for t in range(size):
        i = queue[t]
        seen[i] = False
        spins[i, a] = -spins[i, a]
        spins[i, b] = -spins[i, b]
        first, second = float32(2.0) * spins[i, a], float32(2.0) * spins[i, b]
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            local[j, a] += weights[k] * first
            local[j, b] += weights[k] * second
    return size, apart


@numba.njit(cache=True, nogil=True, boundscheck=False)
def exchange_all(  # type: ignore[no-untyped-def]
    indptr, indices, weights, spins, local, lanes, chances, symmetric, seen, queue, rungs, tries, useful
):  # fmt: skip
    """`exchange` between lanes ``2p`` and ``2p + 1`` of each column of ``lanes``, shape ``(ladders, len(rungs))``.

    ``tries`` and ``useful`` (int64) count by rung.
    """
    for c in range(rungs.shape[0]):
        for p in range(lanes.shape[0] // 2):
            a, b = lanes[2 * p, c], lanes[2 * p + 1, c]
            size, apart = exchange(
                indptr, indices, weights, spins, local, a, b, chances[p, c], symmetric, seen, queue
            )  # fmt: skip
            tries[rungs[c]] += apart > 0
            useful[rungs[c]] += size < TRADED * apart


class ClusterMoves:
    """Moves between ladders of replicas, on the rungs where they are useful.

    Which rungs these are is learned from the moves of a burn-in and stands from then on: what is chosen while samples
    are drawn must not depend on the replicas.

    Parameters
    ----------
    replicas
        Of the ladders, one lane each.
    rungs
        Temperatures of a ladder.
    rng
        All chance comes from it.
    """

    def __init__(self, replicas: Replicas, rungs: int, rng: np.random.Generator) -> None:
        model = replicas.model
        self._replicas, self._rng = replicas, rng
        sparse = model.weights.shape[0] <= MOST_MEAN_DEGREE * model.size
        self.rungs = np.arange(rungs if sparse else 0)
        """Where moves are made."""
        self._symmetric = bool(not model.field.any())
        self._seen = np.zeros(model.size, dtype=np.bool_)
        self._queue = np.empty(model.size, dtype=np.int64)
        self.tries = np.zeros(rungs, dtype=np.int64)
        self.useful = np.zeros(rungs, dtype=np.int64)

    def make(self, lane_of: NDArray[np.int64]) -> None:
        """A move at each rung for each pair of ladders; ``lane_of[g, k]`` is the lane of ladder ``g`` at rung ``k``."""
        if self.rungs.shape[0] == 0:
            return
        replicas, model = self._replicas, self._replicas.model
        lanes = self._rng.permuted(lane_of[:, self.rungs], axis=0)
        chances = self._rng.random((lanes.shape[0] // 2, self.rungs.shape[0]))
        exchange_all(
            model.indptr, model.indices, replicas.weights, replicas.spins, replicas.local, lanes, chances,
            self._symmetric, self._seen, self._queue, self.rungs, self.tries, self.useful,
        )  # fmt: skip

    def settle(self) -> None:
        """End of a burn-in: rungs whose moves were mostly trades of places make none from now on."""
        known = self.tries >= LEAST_TRIES
        idle = known & (self.useful < LEAST_USEFUL * self.tries)
        self.rungs = self.rungs[~idle[self.rungs]]
