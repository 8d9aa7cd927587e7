"""Annealing of many replicas at once, one replica to a SIMD lane.

Spins and local fields are stored ``[variable][replica]`` in float32, so that a decision and a field update are the
same few vector instructions for all replicas. A row of neighbours is touched only when some replica flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numba
import numpy as np
from numba import float32, int32, uint32
from numpy.typing import NDArray

from solvers.binary.ising import Ising

BLOCK_CYCLES = 12_000_000
"""Work between two questions whether to go on: a few milliseconds, a few times that where memory is slow."""

CYCLES_PER_SPIN = 25.0 / 16.0
CYCLES_PER_NEIGHBOUR = 1.5 / 16.0

METROPOLIS, HEAT_BATH = 0, 1


@numba.njit(cache=True, nogil=True, fastmath=True, boundscheck=False)
def sweep(indptr, indices, weights, spins, local, state, factors, betas, first, last, rule):  # type: ignore[no-untyped-def]
    """Sweep variables ``first`` to ``last`` - 1 once per entry of ``betas``, all replicas side by side.

    Replica ``r`` is at inverse temperature ``factors[r] * betas[t]``.

    ``spins`` and ``local`` (float32, ``(n, replicas)``) and ``state`` (uint32, ``(replicas,)``, none zero) change in
    place. ``exp(-z)`` is ``(1 - t + t**2 / 2 - t**3 / 6) ** 32`` with ``t = z / 32``, within 0.1 % up to z = 5; 1 from
    z = 0 down, 5e-16 from z = 32 up. Returns the flips.
    """
    replicas = spins.shape[1]
    step = np.zeros(replicas, np.float32)
    flips = 0
    for at in range(betas.shape[0]):
        scale = float32(betas[at] * 2.0 / 32.0)
        for i in range(first, last):
            flipped = int32(0)
            for r in range(replicas):
                # Marsaglia's xorshift32; each step is cast back, as numba widens uint32 arithmetic to 64 bits.
                x = state[r]
                x = uint32(x ^ uint32(x << uint32(13)))
                x = uint32(x ^ uint32(x >> uint32(17)))
                x = uint32(x ^ uint32(x << uint32(5)))
                state[r] = x
                chance = (float32(int32(x >> uint32(1))) + float32(0.5)) * float32(2.0**-31)
                spin = spins[i, r]
                rise = -scale * factors[r] * spin * local[i, r]
                size = max(rise, float32(0.0)) if rule == METROPOLIS else abs(rise)
                t = min(size, float32(1.0))
                p = float32(1.0) - t * (float32(1.0) - t * (float32(0.5) - t * float32(1.0 / 6.0)))
                p = p * p
                p = p * p
                p = p * p
                p = p * p
                p = p * p
                if rule == HEAT_BATH:
                    chance = chance * (float32(1.0) + p)
                    p = p if rise > float32(0.0) else float32(1.0)
                flip = chance < p
                step[r] = float32(-2.0) * spin if flip else float32(0.0)
                flipped += int32(flip)
            if flipped:
                flips += flipped
                for r in range(replicas):
                    spins[i, r] += step[r]
                for k in range(indptr[i], indptr[i + 1]):
                    j = indices[k]
                    weight = weights[k]
                    for r in range(replicas):
                        local[j, r] += weight * step[r]
    return flips


@numba.njit(cache=True, nogil=True, boundscheck=False)
def set_fields(field, indptr, indices, weights, spins, local, first, last):  # type: ignore[no-untyped-def]
    """``local[i] = field[i] + sum_j J_ij spins[j]`` for rows ``first`` to ``last`` - 1."""
    for i in range(first, last):
        for r in range(spins.shape[1]):
            local[i, r] = field[i]
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            weight = weights[k]
            for r in range(spins.shape[1]):
                local[i, r] += weight * spins[j, r]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def lane_energies(field, spins, local, out):  # type: ignore[no-untyped-def]
    """``out[r] = sum_i spins[i, r] (field[i] + local[i, r]) / 2``, the energy without the offset, in float64."""
    out[:] = 0.0
    for i in range(spins.shape[0]):
        for r in range(spins.shape[1]):
            out[r] += spins[i, r] * (field[i] + local[i, r]) * 0.5


def float32_scale(model: Ising) -> float:
    """What weights are multiplied by for float32: a power of two keeps integers exact, and the fields in range."""
    largest = float(model.reach.max(initial=0.0))
    exponent = math.frexp(largest)[1] if largest > 0 else 0
    return 1.0 if -16 <= exponent <= 24 else math.ldexp(1.0, -exponent)


def random_spins(size: int, lanes: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Random starts, shape ``(size, lanes)``."""
    return np.asarray(2 * rng.integers(0, 2, (size, lanes), dtype=np.int8) - 1)


def random_states(lanes: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """States of xorshift32, none zero."""
    return rng.integers(1, 2**32, lanes, dtype=np.uint32)


class Replicas:
    """``lanes`` replicas of one model.

    Parameters
    ----------
    model
        At least one spin.
    lanes
        Replicas; a multiple of 16 fills the vectors.
    rng
        Seeds the lanes and draws random starts.
    """

    def __init__(self, model: Ising, lanes: int, rng: np.random.Generator) -> None:
        self.model, self.lanes, self._rng = model, lanes, rng
        self._scale = float32_scale(model)
        self._field = (model.field * self._scale).astype(np.float32)
        self._weights = (model.weights * self._scale).astype(np.float32)
        self.spins = np.empty((model.size, lanes), dtype=np.float32)
        self._local = np.empty_like(self.spins)
        self._state = np.empty(lanes, dtype=np.uint32)
        self.factors = np.ones(lanes, dtype=np.float32)
        cycles = lanes * (model.size * CYCLES_PER_SPIN + model.weights.shape[0] * CYCLES_PER_NEIGHBOUR)
        self._sweeps_per_block = int(BLOCK_CYCLES // max(cycles, 1.0))
        self._parts = max(1, math.ceil(cycles / BLOCK_CYCLES))
        self.start()

    def start(self, spins: NDArray[np.int8] | None = None) -> None:
        """Random starts, or the rows of ``spins`` (shape ``(k, n)``, k >= 1), repeated to fill the lanes."""
        if spins is None:
            self.spins[:] = random_spins(self.model.size, self.lanes, self._rng)
        else:
            self.spins[:] = np.resize(spins, (self.lanes, self.model.size)).T
        self._state[:] = random_states(self.lanes, self._rng)
        self._set_fields()

    def run(self, betas: NDArray[np.float64], more: Callable[[], bool], rule: int = METROPOLIS) -> int:
        """One sweep per inverse temperature in ``betas`` (per unit of energy), asking ``more`` before each block.

        Returns the sweeps that were done in full; fewer than asked when ``more`` said no.
        """
        scaled = betas / self._scale
        done = 0
        while done < scaled.shape[0]:
            part = scaled[done : done + max(1, self._sweeps_per_block)]
            edges = np.linspace(0, self.model.size, self._parts + 1).astype(np.int64)
            for first, last in pairwise(edges):
                if not more():
                    return done
                sweep(
                    self.model.indptr,
                    self.model.indices,
                    self._weights,
                    self.spins,
                    self._local,
                    self._state,
                    self.factors,
                    part,
                    first,
                    last,
                    rule,
                )
            done += part.shape[0]
        return done

    def read(self) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Spins, int8, shape ``(lanes, n)``, and energies (float32 fields: a guide unless weights are integers)."""
        return np.ascontiguousarray(self.spins.T.astype(np.int8)), self.energies()

    def energies(self) -> NDArray[np.float64]:
        """Energy of each lane, float64, shape ``(lanes,)``, from the float32 fields."""
        out = np.empty(self.lanes)
        lane_energies(self._field, self.spins, self._local, out)
        return out / self._scale + self.model.offset

    @property
    def local(self) -> NDArray[np.float32]:
        """Local fields, shape ``(n, lanes)``: whoever changes `spins` changes them too."""
        return self._local

    @property
    def weights(self) -> NDArray[np.float32]:
        """The model's, scaled as the local fields are."""
        return self._weights

    def refresh(self) -> None:
        """Compute the fields anew, which clears the rounding of many updates."""
        self._set_fields()

    def _set_fields(self) -> None:
        set_fields(
            self._field, self.model.indptr, self.model.indices, self._weights, self.spins, self._local, 0,
            self.model.size,
        )  # fmt: skip
