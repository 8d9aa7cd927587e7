"""A quadratic model over spins as a symmetric sparse matrix: what every engine here works on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Spins = NDArray[np.int8]
"""-1 or +1 per variable."""


@dataclass(frozen=True, eq=False)
class Ising:
    """``sum_i field[i] s_i + sum_{i<j} J_ij s_i s_j + offset`` with J symmetric in CSR form.

    Parameters
    ----------
    field
        float64, shape ``(n,)``.
    indptr
        int64, shape ``(n + 1,)``.
    indices
        int32, shape ``(2 m,)``: neighbours, ascending in each row; each pair in both rows.
    weights
        float64, shape ``(2 m,)``.
    offset
        Constant.
    """

    field: NDArray[np.float64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float64]
    offset: float

    @property
    def size(self) -> int:
        """Number of spins."""
        return int(self.field.shape[0])

    @cached_property
    def reach(self) -> NDArray[np.float64]:
        """``|field| + sum |J|`` per variable: half the most that one flip can change the energy."""
        total = np.abs(self.field).astype(np.float64)
        counts = np.diff(self.indptr)
        np.add.at(total, np.repeat(np.arange(self.size), counts), np.abs(self.weights))
        return total

    @cached_property
    def is_integral(self) -> bool:
        """Whether every energy is a multiple of 1/4 that float64 holds exactly."""
        terms = np.concatenate([self.field, self.weights, [self.offset]]) * 4.0
        return bool(np.all(terms == np.rint(terms)) and np.abs(terms).sum() < 2.0**52)

    def energies(self, spins: NDArray[np.int8]) -> NDArray[np.float64]:
        """Energy of each row of ``spins``, shape ``(k, n)``."""
        from scipy.sparse import csr_array

        matrix = csr_array((self.weights, self.indices, self.indptr), shape=(self.size, self.size))
        result = np.empty(spins.shape[0])
        step = max(1, 4_000_000 // max(1, self.size))
        for start in range(0, spins.shape[0], step):
            block = spins[start : start + step].astype(np.float64)
            local = np.asarray((matrix @ block.T).T)
            result[start : start + step] = block @ self.field + 0.5 * (block * local).sum(axis=1) + self.offset
        return result


def to_ising(
    is_binary: bool,
    linear: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    values: NDArray[np.float64],
    offset: float,
) -> Ising:
    """The same energies over spins, by ``x = (1 + s) / 2`` when the variables are 0/1."""
    from scipy.sparse import coo_array

    n = linear.shape[0]
    coupling = values / 4.0 if is_binary else values
    field = linear / 2.0 if is_binary else linear.copy()
    if is_binary:
        np.add.at(field, rows, coupling)
        np.add.at(field, columns, coupling)
        offset = offset + float(linear.sum()) / 2.0 + float(coupling.sum())
    both = (np.concatenate([rows, columns]), np.concatenate([columns, rows]))
    matrix = coo_array((np.concatenate([coupling, coupling]), both), shape=(n, n)).tocsr()
    matrix.sort_indices()
    return Ising(
        field,
        np.asarray(matrix.indptr, dtype=np.int64),
        np.asarray(matrix.indices, dtype=np.int32),
        np.asarray(matrix.data, dtype=np.float64),
        offset,
    )
