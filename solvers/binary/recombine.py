"""The best of two assignments, cluster by cluster.

Where two assignments of a sparse model disagree, the disagreeing variables fall into connected clusters. No term
joins two clusters, so each cluster is decided on its own and the child is the best of ``2**clusters`` mixtures, in
time linear in the terms: partition crossover (Tinos, Whitley and Chicano, FOGA 2015), the optimising cousin of
Houdayer's cluster move (2001).
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from solvers.binary.descent import local_fields, tolerance_of
from solvers.binary.ising import Ising

WORK_PER_BLOCK = 1_500_000
"""Spins and neighbours looked at between two questions whether to go on: a few milliseconds."""


@numba.njit(cache=True, nogil=True, boundscheck=False)
def take_better(indptr, indices, weights, child, other, local, seen, queue, tolerance):  # type: ignore[no-untyped-def]
    """Give ``child`` each cluster of ``other`` that lowers its energy by more than ``tolerance``.

    ``child`` (int8) and its ``local`` fields (float64) change in place; ``seen`` (bool) and ``queue`` (int64) are
    scratch. Returns the number of clusters.
    """
    n = child.shape[0]
    for i in range(n):
        seen[i] = child[i] == other[i]
    clusters = 0
    for root in range(n):
        if seen[root]:
            continue
        clusters += 1
        seen[root] = True
        queue[0] = root
        head, size = 0, 1
        rise = 0.0
        while head < size:
            i = queue[head]
            head += 1
            rise -= 2.0 * child[i] * local[i]
            for k in range(indptr[i], indptr[i + 1]):
                j = indices[k]
                if child[j] != other[j]:
                    # A pair inside the cluster does not change; it was counted from both ends.
                    rise += 2.0 * weights[k] * child[i] * child[j]
                    if not seen[j]:
                        seen[j] = True
                        queue[size] = j
                        size += 1
        if rise < -tolerance:
            for t in range(size):
                i = queue[t]
                child[i] = -child[i]
                step = 2.0 * child[i]
                for k in range(indptr[i], indptr[i + 1]):
                    local[indices[k]] += step * weights[k]
    return clusters


class Recombiner:
    """Recombines the rows of populations of one model.

    ``worthwhile`` turns false once pairs of a whole population had hardly ever more than one cluster, as in dense
    models: then only a row and its parent are compared.
    """

    def __init__(self, model: Ising, rng: np.random.Generator) -> None:
        self.model, self._rng = model, rng
        self.worthwhile = True
        self._symmetric = not model.field.any()
        self._tolerance = tolerance_of(model)
        self._local = np.empty(model.size)
        self._seen = np.empty(model.size, dtype=np.bool_)
        self._queue = np.empty(model.size, dtype=np.int64)
        self._work = model.size + model.weights.shape[0]

    def improve(
        self,
        rows: NDArray[np.int8],
        parents: NDArray[np.int8] | None,
        partners: int,
        more: Callable[[], bool],
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Each row of ``rows`` (shape ``(k, n)``) with its row of ``parents``, then with others of ``rows``.

        Returns the rows and their energies. No row of the result is worse than its row or its parent. ``more`` is asked
        every few milliseconds; once it says no, the rows that are left stay as they are, at energy infinity.
        """
        result = rows.copy()
        energies = np.full(rows.shape[0], np.inf)
        model, done, pairs, clusters = self.model, 0, 0, 0
        for r in range(rows.shape[0]):
            child = result[r]
            local_fields(model.field, model.indptr, model.indices, model.weights, child, self._local)
            others = [] if parents is None else [parents[r]]
            if self.worthwhile:
                others += [rows[q] for q in self._rng.permutation(rows.shape[0])[:partners] if q != r]
            done += self._work
            for other in others:
                done += self._work
                if done > WORK_PER_BLOCK:
                    done = 0
                    if not more():
                        return result, energies
                pairs += 1
                clusters += self._take(child, other)
            energies[r] = 0.5 * float(child @ (model.field + self._local)) + model.offset
        if pairs >= 8 and clusters < 1.5 * pairs:
            self.worthwhile = False
        return result, energies

    def _take(self, child: NDArray[np.int8], other: NDArray[np.int8]) -> int:
        if self._symmetric and np.count_nonzero(child != other) > child.shape[0] / 2:
            # Without fields a global flip changes nothing, and the nearer of the two makes smaller clusters.
            other = np.negative(other)
        model = self.model
        return int(
            take_better(
                model.indptr,
                model.indices,
                model.weights,
                child,
                other,
                self._local,
                self._seen,
                self._queue,
                self._tolerance,
            )
        )
