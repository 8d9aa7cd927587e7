"""A quadratic model over binary or spin variables: frozen, validated, minimised."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solvers.binary.ising import Ising, to_ising
from solvers.binary.validate import OptionFaults, check_options, check_quadratic, refuse_too_large
from solvers.errors import InvalidProblem
from solvers.problem import Features, Verdict

if TYPE_CHECKING:
    from solvers.binary.plan import SamplePlan

DEFAULT_NUM_SAMPLES = 10


class Vartype(Enum):
    """What values a variable takes."""

    BINARY = "BINARY"
    SPIN = "SPIN"

    @property
    def low(self) -> int:
        """The smaller of the two values."""
        return 0 if self is Vartype.BINARY else -1


@dataclass(frozen=True, eq=False)
class BinaryProblem:
    """``sum_i linear[i] x_i + sum_k values[k] x_rows[k] x_columns[k] + offset``, minimised.

    Made by `quadratic_problem`, which validates and brings terms into their one order; arrays are read-only.

    Parameters
    ----------
    vartype
        0/1 or -1/+1.
    linear
        float64, shape ``(n,)``.
    rows, columns
        int64, shape ``(m,)``; ``rows < columns``, in lexicographic order, each pair once.
    values
        float64, shape ``(m,)``, none zero.
    offset
        Constant.
    variables
        ``n`` names, or empty: variables are called 0 .. n - 1.
    num_samples
        Most distinct samples in a plan (1 - 10,000).
    temperature
        ``None``: least energies are wanted; > 0: Boltzmann samples at this temperature, in units of energy.
    """

    kind: ClassVar[str] = "binary"

    vartype: Vartype
    linear: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    offset: float = 0.0
    variables: tuple[str, ...] = ()
    num_samples: int = DEFAULT_NUM_SAMPLES
    temperature: float | None = None

    @property
    def num_variables(self) -> int:
        """``n``."""
        return int(self.linear.shape[0])

    @property
    def num_terms(self) -> int:
        """``m``, quadratic terms that are not zero."""
        return int(self.values.shape[0])

    @cached_property
    def ising(self) -> Ising:
        """The same energies over spins, as symmetric CSR: what solvers work on."""
        return to_ising(self.vartype is Vartype.BINARY, self.linear, self.rows, self.columns, self.values, self.offset)

    def name_of(self, index: int) -> str:
        """The variable's name, or its index as text."""
        return self.variables[index] if self.variables else str(index)

    def verify(self, plan: SamplePlan) -> Verdict:
        """Recompute every energy from the terms; see `solvers.binary.verify`."""
        from solvers.binary.verify import verify

        return verify(self, plan)

    def features(self) -> Features:
        """See `solvers.binary.features`."""
        from solvers.binary.features import features

        return features(self)

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be computed again."""
        return {key: value for key, value in self.__dict__.items() if key != "ising"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinaryProblem):
            return NotImplemented
        return self._scalars() == other._scalars() and all(
            np.array_equal(mine, its) for mine, its in zip(self._arrays(), other._arrays(), strict=True)
        )

    def __hash__(self) -> int:
        return hash((self._scalars(), self.linear.shape, self.values.shape))

    def _scalars(self) -> tuple[object, ...]:
        return (self.vartype, self.offset, self.variables, self.num_samples, self.temperature)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (self.linear, self.rows, self.columns, self.values)


def quadratic_problem(
    vartype: Vartype | str,
    linear: ArrayLike = (),
    rows: ArrayLike = (),
    columns: ArrayLike = (),
    values: ArrayLike = (),
    *,
    offset: float = 0.0,
    variables: Sequence[str] = (),
    num_variables: int | None = None,
    num_samples: int = DEFAULT_NUM_SAMPLES,
    temperature: float | None = None,
) -> BinaryProblem:
    """A validated problem from its terms, in any order.

    Parameters are those of `BinaryProblem`; ``linear`` may be empty for all zero. ``num_variables`` counts variables
    when neither names nor ``linear`` do.

    Raises
    ------
    InvalidProblem
        Naming every field at fault in the words of the contract (``quadratic.values[3]``).
    """
    named = vartype.value if isinstance(vartype, Vartype) else str(vartype)
    lengths = [len(part) if isinstance(part, Sized) else 1 for part in (linear, rows, columns, values)]
    refuse_too_large("quadratic", max(len(variables), lengths[0], num_variables or 0), max(lengths[1:]), num_samples)
    h = np.array(linear, dtype=np.float64).ravel()
    i = np.array(rows, dtype=np.int64).ravel()
    j = np.array(columns, dtype=np.int64).ravel()
    w = np.array(values, dtype=np.float64).ravel()
    if num_variables is None:
        num_variables = 0 if variables else h.shape[0]
    options: OptionFaults = check_options("options", num_samples, temperature)
    n, faults = check_quadratic("quadratic", named, num_variables, variables, h, i, j, w, offset, num_samples)
    if faults or options:
        raise InvalidProblem([*faults, *options])
    if h.shape[0] != n:
        h = np.zeros(n)
    low, high = np.minimum(i, j), np.maximum(i, j)
    keep = w != 0.0
    low, high, w = low[keep], high[keep], w[keep]
    order = np.lexsort((high, low))
    arrays = (h + 0.0, low[order], high[order], w[order])
    for array in arrays:
        array.flags.writeable = False
    return BinaryProblem(Vartype(named), *arrays, float(offset) + 0.0, tuple(variables), int(num_samples), temperature)
