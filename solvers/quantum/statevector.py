"""Exact QAOA on a full statevector: X mixer or its warm-started form, single precision, in place.

The cost operator is diagonal, so a layer is one element-wise phase and one butterfly per qubit. The mixer Hamiltonian
is ``-sum_k (sin(t_k) X_k + cos(t_k) Z_k)``, whose ground state is the product state ``cos(t_k/2)|0> + sin(t_k/2)|1>``
that a run starts from: ``t_k = pi/2`` is QAOA as it was proposed (Farhi et al., arXiv 1411.4028), other angles are the
warm start of Egger et al. (arXiv 2009.10095). With this sign, angles that ramp as in annealing are all positive.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from solvers.errors import FieldViolation, InvalidProblem
from solvers.quantum import passes, readout
from solvers.quantum.cost import CostModel
from solvers.quantum.lanes import LANE_QUBITS

DEFAULT_LIMIT_BYTES = 24 * 2**30
"""Memory a simulation may take unless told otherwise: 31 qubits fit, 32 do not."""


@dataclass(frozen=True)
class Angles:
    """One phase angle ``gammas[l]`` (radian per unit of cost) and one mixer angle ``betas[l]`` (radian) a layer."""

    gammas: tuple[float, ...]
    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.gammas) != len(self.betas):
            raise ValueError(f"{len(self.gammas)} gammas for {len(self.betas)} betas; allowed: as many of each")

    @property
    def layers(self) -> int:
        """Number of layers p."""
        return len(self.gammas)


def memory_bytes(variables: int, with_order: bool = False) -> int:
    """Memory of a simulation: 12 bytes a state (amplitude and cost), 16 with the order that `cvar` needs."""
    return (1 << max(variables, LANE_QUBITS)) * (16 if with_order else 12)


def require_memory(variables: int, limit_bytes: int = DEFAULT_LIMIT_BYTES, with_order: bool = False) -> None:
    """Refuse a simulation that does not fit.

    Raises
    ------
    InvalidProblem
        With the memory that it would take.
    """
    needed = memory_bytes(variables, with_order)
    if needed > limit_bytes:
        most = max(n for n in range(64) if memory_bytes(n, with_order) <= max(limit_bytes, memory_bytes(0, with_order)))
        problem = f"has {variables} variables, whose statevector takes {needed / 2**30:.2f} GiB"
        raise InvalidProblem(
            [FieldViolation("bqm", problem, f"at most {most} variables in {limit_bytes / 2**30:.2f} GiB")]
        )


class Statevector:
    """The state of one QAOA run over ``cost``, reused from run to run. Not thread-safe.

    Parameters
    ----------
    cost
        The model; at least one variable.
    start_probabilities
        P(variable k is 1) in the start state, shape (n,), in (0, 1); ``None`` is 1/2 everywhere.
    threads
        Threads that share each pass (>= 1); more than one pays from about 20 variables on.
    limit_bytes
        Memory that may be taken.

    Raises
    ------
    InvalidProblem
        When it does not fit in ``limit_bytes``; nothing has been allocated then.
    ValueError
        When there are no variables, or a start probability is out of range.
    """

    def __init__(
        self,
        cost: CostModel,
        start_probabilities: NDArray[np.float64] | None = None,
        threads: int = 1,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        if cost.size < 1 or threads < 1:
            raise ValueError(f"{cost.size} variables and {threads} threads; allowed: at least 1 of each")
        require_memory(cost.size, limit_bytes)
        self.cost = cost
        self.qubits = max(cost.size, LANE_QUBITS)  # idle qubits fill the smallest vector; `sample` drops them
        self.diagonal, self.centre = cost.diagonal(self.qubits)
        self._real = passes.aligned(1 << self.qubits)
        self._imaginary = passes.aligned(1 << self.qubits, offset_lines=32)
        self._order: NDArray[np.uint32] | None = None
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.start_from(start_probabilities)

    def sibling(self) -> Statevector:
        """Another state over the same costs, from the same start, on one thread; shares what is only read."""
        other = copy(self)
        other._real = passes.aligned(1 << self.qubits)
        other._imaginary = passes.aligned(1 << self.qubits, offset_lines=32)
        other._threads, other._pool = 1, None
        return other

    def start_from(self, probabilities: NDArray[np.float64] | None) -> None:
        """Start later runs from this product state; see ``start_probabilities``."""
        ones = np.full(self.qubits, 0.5)
        if probabilities is not None:
            if probabilities.shape != (self.cost.size,) or not ((probabilities > 0) & (probabilities < 1)).all():
                raise ValueError(f"start probabilities need shape ({self.cost.size},) and values in (0, 1)")
            ones[: self.cost.size] = probabilities
        self._ones = ones
        self._plain = bool((ones == 0.5).all())
        # t = 2 asin(sqrt(p)): sin t = 2 sqrt(p (1 - p)), cos t = 1 - 2 p
        self._sines, self._cosines = 2 * np.sqrt(ones * (1 - ones)), 1 - 2 * ones

    def run(self, angles: Angles) -> None:
        """Prepare the start state and apply ``angles``' layers to it."""
        re, im = self._real, self._imaginary
        zero, one = np.sqrt(1 - self._ones), np.sqrt(self._ones)
        blocks = 1 << max(0, self.qubits - passes.SUB_QUBITS)
        self._shared(blocks, lambda a, b: passes.product_state(re, im, zero, one, a, b))
        for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
            self._layer(gamma, beta)

    def _layer(self, gamma: float, beta: float) -> None:
        re, im, qubits, plain = self._real, self._imaginary, self.qubits, self._plain
        turns, c = np.float32(gamma / (2 * np.pi)), np.float32(np.cos(beta))
        xs = (np.sin(beta) * self._sines).astype(np.float32)
        zs = (np.sin(beta) * self._cosines).astype(np.float32)
        blocks = 1 << max(0, qubits - passes.BLOCK_QUBITS)

        def tiles() -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # one pair a thread
            return passes.aligned(passes.tile_size(qubits)), passes.aligned(passes.tile_size(qubits), offset_lines=32)

        self._shared(blocks, lambda a, b: passes.low_pass(re, im, self.diagonal, turns, qubits, plain, c, xs, zs, a, b))
        if qubits > passes.BLOCK_QUBITS:
            self._shared(
                passes.high_tiles(qubits),
                lambda a, b: passes.high_pass(re, im, qubits, plain, c, xs, zs, *tiles(), a, b),
            )

    def _shared(self, count: int, work: Callable[[int, int], object]) -> None:
        """``work`` on ranges that cover [0, count), one range a thread."""
        if self._pool is None or count < self._threads:
            work(0, count)
            return
        bounds = [count * k // self._threads for k in range(self._threads + 1)]
        futures = [self._pool.submit(work, a, b) for a, b in pairwise(bounds)]
        for future in futures:
            future.result()

    def probabilities(self) -> NDArray[np.float64]:
        """Probability of each of the 2**n basis states of the variables, summing to 1."""
        p = (self._real.astype(np.float64) ** 2 + self._imaginary.astype(np.float64) ** 2).reshape(
            -1, 1 << self.cost.size
        )
        folded: NDArray[np.float64] = p.sum(axis=0)
        folded /= folded.sum()
        return folded

    def spread(self) -> float:
        """Standard deviation of the cost over all bit strings; what angles are scaled by."""
        return self.cost.spread()

    def expectation(self) -> float:
        """Mean cost of the state."""
        chunks = max(1, self._real.size >> readout.CHUNK_QUBITS)
        norm, mean = readout.expectation(self._real, self._imaginary, self.diagonal, 0, chunks)
        return self.centre + float(mean) / float(norm)

    def cvar(self, alpha: float) -> float:
        """Mean cost of the cheapest ``alpha`` (0 < alpha <= 1) of the probability (Barkoutsos et al., 1907.04769).

        The first call sorts the diagonal, which takes 4 more bytes a state.
        """
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha is {alpha}; allowed: (0, 1]")
        if alpha == 1:
            return self.expectation()
        chunks = max(1, self._real.size >> readout.CHUNK_QUBITS)
        norm, _ = readout.expectation(self._real, self._imaginary, self.diagonal, 0, chunks)
        return self.centre + float(
            readout.tail_mean(self._real, self._imaginary, self.diagonal, self.sort(), alpha * float(norm))
        )

    def sort(self) -> NDArray[np.uint32]:
        """The states by their cost; made once, 4 bytes a state."""
        if self._order is None:
            self._order = np.argsort(self.diagonal).astype(np.uint32)
        return self._order

    def sample(self, shots: int, seed: int) -> NDArray[np.int8]:
        """``shots`` bit strings, shape (shots, n), ordered by basis state. Same state and seed, same samples."""
        uniforms = np.sort(np.random.default_rng(seed).random(shots))
        states = readout.draw(self._real, self._imaginary, uniforms)
        bits: NDArray[np.int8] = ((states[:, None] >> np.arange(self.cost.size)) & 1).astype(np.int8)
        return bits

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
