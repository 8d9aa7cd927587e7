"""The kernel of the one-flip tabu search, and the greedy path between two assignments.

Tabu search as of Palubeckis (2004) and Lü, Glover and Hao (2010): the best flip that is not tabu, even when it raises
the energy, or one that leads below everything seen. A path walks from one assignment towards another by the best flip
of those that still tell them apart (Wang, Lü, Glover and Hao 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numba import uint32
from numpy.typing import NDArray

from solvers.binary.ising import Ising

DENSE_BYTES = 64 << 20
DENSE_SHARE = 0.15
"""From this density on a row of the full matrix is updated faster than a list of neighbours."""

NOTHING = -1e300
EXACT_FLOAT32 = float(2**22)
"""Multiples of a quarter up to this size are exact in float32."""


@numba.njit(cache=True, nogil=True)
def _draw(state):  # type: ignore[no-untyped-def]
    """Marsaglia's xorshift32; ``state`` is uint32, shape ``(1,)``, not zero."""
    x = state[0]
    x = uint32(x ^ uint32(x << uint32(13)))
    x = uint32(x ^ uint32(x >> uint32(17)))
    x = uint32(x ^ uint32(x << uint32(5)))
    state[0] = x
    return x


@numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)
def flip(i, spins, gain, matrix, indptr, indices, weights):  # type: ignore[no-untyped-def]
    """Flip spin ``i`` and renew the gains; ``matrix`` has no rows when the sparse form is in use."""
    gain[i] = -gain[i]
    spins[i] = -spins[i]
    step = 4.0 * spins[i]
    if matrix.shape[0] > 0:
        row = matrix[i]
        factor = row.dtype.type(step)
        for j in range(row.shape[0]):
            gain[j] += factor * row[j] * spins[j]
    else:
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            gain[j] += weights[k] * spins[j] * step


@numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)
def walk(  # type: ignore[no-untyped-def]
    steps, spins, gain, until, best, energies, matrix, indptr, indices, weights, least, spread, tolerance, tick, state
):  # fmt: skip
    """``steps`` flips. ``energies`` is the pair (now, lowest); ``best`` holds the spins of the lowest.

    ``gain[i]`` is by how much flipping ``i`` lowers the energy; ``until[i]`` the tick up to which it is tabu, set to
    ``least`` and up to ``spread`` more. Returns the new tick and the last step at which the lowest fell.
    """
    n = spins.shape[0]
    last = 0
    for step in range(steps):
        tick += 1
        free, any_gain = NOTHING, NOTHING
        for j in range(n):
            g = gain[j]
            any_gain = max(any_gain, g)
            free = max(free, g if until[j] < tick else NOTHING)
        aspires = any_gain > free and (free <= NOTHING or energies[0] - any_gain < energies[1] - tolerance)
        wanted = any_gain if aspires else free
        chosen = -1
        start = np.int64(_draw(state) % uint32(n))
        for j in range(start, n):
            if gain[j] >= wanted and (aspires or until[j] < tick):
                chosen = j
                break
        if chosen < 0:
            for j in range(start):
                if gain[j] >= wanted and (aspires or until[j] < tick):
                    chosen = j
                    break
        energies[0] -= gain[chosen]
        flip(chosen, spins, gain, matrix, indptr, indices, weights)
        until[chosen] = tick + least + np.int64(_draw(state) % uint32(spread))
        if energies[0] < energies[1] - tolerance:
            energies[1] = energies[0]
            best[:] = spins
            last = step + 1
    return tick, last


@numba.njit(cache=True, nogil=True, boundscheck=False)
def relink(spins, gain, guide, best, matrix, indptr, indices, weights):  # type: ignore[no-untyped-def]
    """Walk ``spins`` greedily to ``guide``; ``best`` becomes the lowest of the middle third of the path.

    Returns the length of the path; below 3 there is no middle and ``best`` is where the path began.
    """
    n = spins.shape[0]
    apart = np.empty(n, np.int64)
    count = 0
    for i in range(n):
        if spins[i] != guide[i]:
            apart[count] = i
            count += 1
    length = count
    best[:] = spins
    energy, lowest = 0.0, np.inf
    while count > 0:
        top, at = NOTHING, 0
        for t in range(count):
            if gain[apart[t]] > top:
                top, at = gain[apart[t]], t
        energy -= top
        flip(apart[at], spins, gain, matrix, indptr, indices, weights)
        count -= 1
        apart[at] = apart[count]
        walked = length - count
        if 3 * walked >= length and 3 * walked <= 2 * length and energy < lowest:
            lowest = energy
            best[:] = spins
    return length


@dataclass(frozen=True, eq=False)
class TabuForm:
    """A model as the kernels read it: as a full matrix where it is dense, as lists of neighbours otherwise.

    ``matrix`` (shape ``(n, n)``, or no rows) is float32 where every gain is exact in it, else float64.
    """

    model: Ising
    matrix: NDArray[np.float32] | NDArray[np.float64]

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Of spins and gains."""
        return self.matrix.dtype

    @property
    def step_work(self) -> int:
        """Entries looked at in one flip, about."""
        n = self.model.size
        return 2 * n + (n if self.matrix.shape[0] else 4 * self.model.weights.shape[0] // max(n, 1))

    def start(self, spins: NDArray[np.int8]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Spins and gains as the kernels keep them, from int8 spins of shape ``(n,)``."""
        model = self.model
        local = model.field.copy()
        owner = np.repeat(np.arange(model.size), np.diff(model.indptr))
        np.add.at(local, owner, model.weights * spins[model.indices])
        return spins.astype(self.dtype), (2.0 * spins * local).astype(self.dtype)


def tabu_form(model: Ising) -> TabuForm:
    """The form that walks ``model`` fastest."""
    n = model.size
    exact = model.is_integral and 4.0 * float(model.reach.max(initial=0.0)) < EXACT_FLOAT32
    dtype = np.dtype(np.float32 if exact else np.float64)
    dense = model.weights.shape[0] >= DENSE_SHARE * n * n and n * n * dtype.itemsize <= DENSE_BYTES
    matrix = np.zeros((n if dense else 0, n), dtype=dtype)
    if dense:
        matrix[np.repeat(np.arange(n), np.diff(model.indptr)), model.indices] = model.weights
    return TabuForm(model, matrix)
