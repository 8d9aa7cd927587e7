"""Samples of a binary problem: distinct assignments, least energy first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from solvers.binary.problem import BinaryProblem


@dataclass(frozen=True)
class Boltzmann:
    """What samples say of the Boltzmann distribution at the problem's temperature.

    ``mean_energy_error`` is a standard error, ``effective_samples`` the number of independent samples worth as much,
    ``mean_values`` one mean per variable.
    """

    mean_energy: float
    mean_energy_error: float
    effective_samples: float
    mean_values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """Distinct assignments, least energy first.

    Parameters
    ----------
    values
        int32, shape ``(k, n)``, k >= 1, read-only: one assignment a row in the problem's own vartype.
    occurrences
        int64, shape ``(k,)``, >= 1: reads that ended in it.
    boltzmann
        When the problem asks for a temperature.
    """

    values: NDArray[np.int32]
    occurrences: NDArray[np.int64]
    boltzmann: Boltzmann | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _frozen(np.atleast_2d(self.values), np.int32))
        object.__setattr__(self, "occurrences", _frozen(np.atleast_1d(self.occurrences), np.int64))

    @property
    def best(self) -> NDArray[np.int32]:
        """The assignment of least energy, shape ``(n,)``."""
        best: NDArray[np.int32] = self.values[0]
        return best

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SamplePlan):
            return NotImplemented
        return (
            np.array_equal(self.values, other.values)
            and np.array_equal(self.occurrences, other.occurrences)
            and self.boltzmann == other.boltzmann
        )

    def __hash__(self) -> int:
        return hash((self.values.shape, self.values[:1].tobytes(), self.occurrences.tobytes()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, key, value)


def plan_of_spins(
    problem: BinaryProblem,
    spins: NDArray[np.int8],
    occurrences: NDArray[np.int64] | None = None,
    boltzmann: Boltzmann | None = None,
) -> tuple[SamplePlan, float]:
    """A plan of the distinct rows of ``spins`` (shape ``(k, n)``, -1/+1) and the energy of its best.

    The ``problem.num_samples`` lowest are kept; ties are in lexicographic order, so that equal samples make equal
    plans.
    """
    counts: dict[bytes, int] = {}
    given = np.ones(spins.shape[0], dtype=np.int64) if occurrences is None else occurrences
    for row, count in zip(spins, given.tolist(), strict=True):
        key = row.tobytes()
        counts[key] = counts.get(key, 0) + count
    keys = sorted(counts)
    rows = np.frombuffer(b"".join(keys), dtype=np.int8).reshape(len(keys), spins.shape[1])
    energies = problem.ising.energies(rows)
    order = np.argsort(energies, kind="stable")[: problem.num_samples]
    values = rows[order].astype(np.int32)
    if problem.vartype.low == 0:
        values = (values + 1) // 2
    plan = SamplePlan(values, np.array([counts[keys[k]] for k in order], dtype=np.int64), boltzmann)
    return plan, float(energies[order[0]])


def spins_of_plan(problem: BinaryProblem, plan: SamplePlan) -> NDArray[np.int8]:
    """The rows of ``plan`` as spins, int8, shape ``(k, n)``."""
    values = plan.values.astype(np.int8)
    return (2 * values - 1).astype(np.int8) if problem.vartype.low == 0 else values


def _frozen(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """A read-only C-contiguous copy."""
    result: NDArray[Any] = np.array(array, dtype=dtype, order="C", copy=True)
    result.flags.writeable = False
    return result
