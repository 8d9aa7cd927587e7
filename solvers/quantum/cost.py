"""A binary model as dense arrays, and its diagonal: the cost of every bit string."""

from __future__ import annotations

from dataclasses import dataclass

import dimod
import numba as nb
import numpy as np
from numpy.typing import NDArray

from solvers.kernel import Variable
from solvers.quantum.passes import aligned

_TABLE_QUBITS = 10  # bits of one block of the diagonal: 1,024 float64 stay in the first-level cache


@dataclass(frozen=True)
class CostModel:
    """``offset + sum_i linear[i] x_i + sum_{i<j} quadratic[i, j] x_i x_j`` over x in {0, 1}^n.

    Parameters
    ----------
    variables
        Names, in the order of the bits: variable k is bit k (the lowest is 0) of a basis state.
    linear
        Shape (n,), float64.
    quadratic
        Shape (n, n), float64, symmetric with a zero diagonal.
    offset
        Constant term.
    """

    variables: tuple[Variable, ...]
    linear: NDArray[np.float64]
    quadratic: NDArray[np.float64]
    offset: float

    @property
    def size(self) -> int:
        """Number of variables."""
        return len(self.variables)

    @classmethod
    def of(cls, bqm: dimod.BinaryQuadraticModel) -> CostModel:
        """The model of ``bqm``, in its own variable order.

        Raises
        ------
        ValueError
            When a bias is not finite.
        """
        binary = bqm.change_vartype(dimod.BINARY, inplace=False)
        variables = tuple(binary.variables)
        vectors = binary.to_numpy_vectors(variable_order=variables)
        size = len(variables)
        quadratic = np.zeros((size, size))
        np.add.at(quadratic, (vectors.quadratic.row_indices, vectors.quadratic.col_indices), vectors.quadratic.biases)
        model = cls(
            variables,
            np.asarray(vectors.linear_biases, dtype=np.float64),
            quadratic + quadratic.T,
            float(vectors.offset),
        )
        if not (np.isfinite(model.linear).all() and np.isfinite(quadratic).all() and np.isfinite(model.offset)):
            raise ValueError("a bias is not finite")
        return model

    def spins(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """``(h, J, mean)`` of ``mean + sum h_i s_i + sum_{i<j} J_ij s_i s_j`` with s = 1 - 2 x; J is symmetric."""
        couplings = self.quadratic / 4.0
        fields = -self.linear / 2.0 - couplings.sum(axis=1)
        mean = self.offset + float(self.linear.sum()) / 2.0 + float(couplings.sum()) / 2.0
        return fields, couplings, mean

    def spread(self) -> float:
        """Standard deviation of the cost over uniformly random bit strings; what angles are scaled by."""
        fields, couplings, _ = self.spins()
        return float(np.sqrt((fields**2).sum() + (couplings**2).sum() / 2.0))

    def local_spread(self) -> float:
        """Root mean square over the variables of what its field and couplings make of one spin's cost.

        1 for the Sherrington-Kirkpatrick model whatever its size: what angles that were found on it are scaled by.
        """
        if not self.size:
            return 0.0
        fields, couplings, _ = self.spins()
        return float(np.sqrt((fields**2).mean() + (couplings**2).sum() / self.size))

    def energies(self, bits: NDArray[np.int8]) -> NDArray[np.float64]:
        """Cost of each row of ``bits``, shape (m, n), in double precision."""
        x = bits.astype(np.float64)
        energies: NDArray[np.float64] = self.offset + x @ self.linear + ((x @ self.quadratic) * x).sum(axis=1) / 2.0
        return energies

    def diagonal(self, qubits: int) -> tuple[NDArray[np.float32], float]:
        """Cost of each of the 2**qubits basis states less ``centre``, and ``centre``.

        ``qubits`` may exceed the number of variables; the bits above them cost nothing. Centred on the mean cost, so
        that single precision keeps as many digits as it can.
        """
        linear = np.zeros(qubits)
        linear[: self.size] = self.linear
        quadratic = np.zeros((qubits, qubits))
        quadratic[: self.size, : self.size] = self.quadratic
        _, _, centre = self.spins()
        out = aligned(1 << qubits)
        low = min(qubits, _TABLE_QUBITS)
        _fill_diagonal(out, linear, quadratic, self.offset - centre, low, 0, 1 << (qubits - low))
        return out, centre


@nb.njit(cache=True, nogil=True)
def _fill_diagonal(
    out: NDArray[np.float32],
    linear: NDArray[np.float64],
    quadratic: NDArray[np.float64],
    offset: float,
    low: int,
    first: int,
    last: int,
) -> None:  # pragma: no cover - compiled
    """Write blocks [first, last) of 2**low costs.

    The low bits' own costs are doubled once, qubit by qubit. Each block adds the constant of its high bits and the
    linear field that they put on the low bits, doubled in the same way, so every value takes a few additions in double
    precision and memory is written once and never read.
    """
    qubits = linear.size
    size = 1 << low
    own = np.zeros(size)
    field = np.zeros(size)
    for k in range(low):
        half = 1 << k
        field[0] = linear[k]
        for j in range(k):
            _extend(field, 1 << j, quadratic[k, j])
        for x in range(half):
            own[half + x] = own[x] + field[x]
    for block in range(first, last):
        constant = offset
        for i in range(low, qubits):
            if block >> (i - low) & 1:
                constant += linear[i]
                for j in range(i + 1, qubits):
                    if block >> (j - low) & 1:
                        constant += quadratic[i, j]
        field[0] = constant
        for j in range(low):
            pull = 0.0
            for i in range(low, qubits):
                if block >> (i - low) & 1:
                    pull += quadratic[j, i]
            _extend(field, 1 << j, pull)
        here = out[block << low :][:size]  # slices: an index that cannot wrap vectorises
        for x in range(size):
            here[x] = np.float32(own[x] + field[x])


@nb.njit(cache=True, nogil=True)
def _extend(field: NDArray[np.float64], step: int, pull: float) -> None:  # pragma: no cover - compiled
    """One more bit: the second ``step`` values are the first ones plus ``pull``."""
    lower, upper = field[:step], field[step:][:step]
    for x in range(step):
        upper[x] = lower[x] + pull
