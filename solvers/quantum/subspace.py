"""Exact QAOA with XY mixers, in the only states that they reach: one choice per one-hot group.

The XY mixer over all pairs of a group, ``sum_{i<j} (X_i X_j + Y_i Y_j) / 2``, keeps the number of ones; on the states
with a single one it is a complete graph over the group's d members, so its exponential is the identity plus a
multiple of the projector on the uniform state (Wang, Rubin, Dominy and Rieffel, arXiv 1904.09314; Hadfield et al.,
1709.03489). A group is thus one d-valued digit: 20 variables in five groups of four have 1,024 states instead of a
million, and every sample satisfies its groups. Warm, the projector is on the group's start state, so that the start
is again the mixer's ground state, as Egger et al. (arXiv 2009.10095) have it for single qubits. Variables outside all
groups are groups of their own with two values and the X mixer, which is the same formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numba as nb
import numpy as np
from numpy.typing import NDArray

from solvers.errors import FieldViolation, InvalidProblem
from solvers.kernel import Variable
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import DEFAULT_LIMIT_BYTES, Angles

_BYTES_A_STATE = 8 + 8 + 8 + 4  # complex64 amplitude, cost, order, scratch


class OneHotStatevector:
    """The state of one QAOA run over choices; the same interface as `solvers.quantum.statevector.Statevector`.

    Parameters
    ----------
    cost
        The model; at least one variable.
    groups
        Disjoint groups of its variables; each sample sets exactly one variable of a group.
    warm_start
        Value of each variable in the incumbent or a relaxation. A group whose start has exactly one 1 starts there with
        probability ``1 - regularisation``, the rest spread evenly over the others; one of fractions starts at their
        shares, mixed with the uniform state by ``regularisation``; other groups start uniformly.
    regularisation
        Distance from certainty, (0, 0.5].
    limit_bytes
        Memory that may be taken.

    Raises
    ------
    InvalidProblem
        When groups overlap or name unknown variables, or the states do not fit in ``limit_bytes``.
    """

    def __init__(
        self,
        cost: CostModel,
        groups: Sequence[Sequence[Variable]],
        warm_start: Mapping[Variable, float] | None = None,
        regularisation: float = 0.25,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        self.cost = cost
        digits = _digits(cost, groups)
        states = 1
        for digit in digits:
            states *= len(digit)
        if states * _BYTES_A_STATE > limit_bytes:
            problem = f"span {states:.3g} choices, which take {states * _BYTES_A_STATE / 2**30:.2f} GiB"
            allowed = f"at most {limit_bytes / 2**30:.2f} GiB"
            raise InvalidProblem([FieldViolation("one_hot_groups", problem, allowed)])
        self._digits = digits
        self._sizes = np.array([len(digit) for digit in digits], dtype=np.int64)
        self._starts = [_start(digit, cost, warm_start or {}, regularisation) for digit in digits]
        self._costs, self._centre = _choice_costs(cost, digits)
        self._amplitudes = np.zeros(states, dtype=np.complex64)
        self._order: NDArray[np.int64] | None = None
        self.run(Angles((), ()))

    @property
    def starts(self) -> tuple[NDArray[np.float64], ...]:
        """Start amplitudes of each digit's values: the groups in their order, then the variables outside all groups."""
        return tuple(self._starts)

    def run(self, angles: Angles) -> None:
        """Prepare the start state and apply ``angles``' layers to it."""
        state = np.ones(1, dtype=np.complex64)
        for start in self._starts:  # digit 0 varies fastest
            state = np.multiply.outer(start.astype(np.complex64), state).reshape(-1)
        flat = np.concatenate(self._starts)
        bounds = np.concatenate([[0], np.cumsum(self._sizes)])
        for gamma, beta in zip(angles.gammas, angles.betas, strict=True):
            turns = np.empty(len(self._sizes), dtype=np.complex128)
            for k, size in enumerate(self._sizes):
                # exp(i beta M): M has eigenvalue d - 1 on the start state and -1 elsewhere; a single qubit has +-1
                span = 2.0 if size == 2 else float(size)
                turns[k] = np.exp(1j * beta * span) - 1
            _layer(state, self._costs, gamma, self._sizes, flat, bounds, turns)
        self._amplitudes = state

    def _masses(self) -> NDArray[np.float64]:
        p = np.abs(self._amplitudes.astype(np.complex128)) ** 2
        out: NDArray[np.float64] = p / p.sum()
        return out

    def spread(self) -> float:
        """Standard deviation of the cost over all choices; what angles are scaled by."""
        return float(self._costs.std())

    def expectation(self) -> float:
        """Mean cost of the state."""
        return self._centre + float(self._masses() @ self._costs)

    def cvar(self, alpha: float) -> float:
        """Mean cost of the cheapest ``alpha`` (0 < alpha <= 1) of the probability."""
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha is {alpha}; allowed: (0, 1]")
        if self._order is None:
            self._order = np.argsort(self._costs)
        masses = self._masses()[self._order]
        before = np.cumsum(masses) - masses
        taken = np.clip(alpha - before, 0.0, masses)
        return self._centre + float(taken @ self._costs[self._order] / taken.sum())

    def sample(self, shots: int, seed: int) -> NDArray[np.int8]:
        """``shots`` bit strings, shape (shots, n), ordered by choice. Same state and seed, same samples."""
        ends = np.cumsum(self._masses())
        uniforms = np.sort(np.random.default_rng(seed).random(shots)) * ends[-1]
        choices = np.minimum(np.searchsorted(ends, uniforms, side="right"), len(ends) - 1)
        bits = np.zeros((shots, self.cost.size), dtype=np.int8)
        for digit, size in zip(self._digits, self._sizes, strict=True):
            rows, value = np.arange(shots), choices % size
            columns = np.array([-1 if column is None else column for column in digit])[value]
            bits[rows[columns >= 0], columns[columns >= 0]] = 1
            choices = choices // size
        return bits

    def close(self) -> None:
        """Nothing to let go of; `Statevector` has threads."""


def draw_start(
    cost: CostModel,
    groups: Sequence[Sequence[Variable]],
    warm_start: Mapping[Variable, float],
    regularisation: float,
    shots: int,
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """Samples of the state that a run over ``groups`` starts from, shape (shots, n); at any number of choices.

    The start is a product of its digits, so that each is drawn for itself; arguments as of `OneHotStatevector`.
    """
    bits = np.zeros((shots, cost.size), dtype=np.int8)
    for digit in _digits(cost, groups):
        chances = _start(digit, cost, warm_start, regularisation) ** 2
        columns = np.array([-1 if column is None else column for column in digit])
        drawn = columns[rng.choice(len(digit), size=shots, p=chances / chances.sum())]
        rows = np.flatnonzero(drawn >= 0)
        bits[rows, drawn[rows]] = 1
    return bits


def _digits(cost: CostModel, groups: Sequence[Sequence[Variable]]) -> list[list[int | None]]:
    """Columns that each digit chooses from; ``None`` is the value 0 of a variable outside all groups."""
    column = {v: k for k, v in enumerate(cost.variables)}
    used: set[Variable] = set()
    digits: list[list[int | None]] = []
    faults = []
    for k, group in enumerate(groups):
        unknown = [v for v in group if v not in column]
        twice = [v for v in group if v in used]
        if unknown or twice or not group or len(set(group)) < len(group):
            problem = f"is {list(group)!r}"
            faults.append(FieldViolation(f"one_hot_groups[{k}]", problem, "some of the variables, each in one group"))
            continue
        used.update(group)
        digits.append([column[v] for v in group])
    if faults:
        raise InvalidProblem(faults)
    digits += [[None, k] for v, k in column.items() if v not in used]
    return digits


def _start(
    digit: list[int | None], cost: CostModel, warm: Mapping[Variable, float], regularisation: float
) -> NDArray[np.float64]:
    """Amplitudes of a digit's values in the start state, all > 0."""
    size = len(digit)
    if digit[0] is None:
        value = float(warm.get(cost.variables[digit[1] or 0], 0.5))
        one = min(max(value, regularisation), 1 - regularisation)
        pair: NDArray[np.float64] = np.sqrt(np.array([1 - one, one]))
        return pair
    values = np.array([float(warm.get(cost.variables[column], 0.0)) for column in digit if column is not None])
    if size == 1 or values.min() < 0 or values.sum() <= 0:
        return np.full(size, 1 / np.sqrt(size))
    if np.isin(values, (0.0, 1.0)).all():
        if values.sum() != 1:
            return np.full(size, 1 / np.sqrt(size))
        out = np.full(size, np.sqrt(regularisation / (size - 1)))
        out[int(values.argmax())] = np.sqrt(1 - regularisation)
        return out
    fractions: NDArray[np.float64] = np.sqrt((1 - regularisation) * values / values.sum() + regularisation / size)
    return fractions


def _choice_costs(cost: CostModel, digits: list[list[int | None]]) -> tuple[NDArray[np.float64], float]:
    """Cost of every choice less their mean, and the mean; digit by digit, as the diagonal is doubled bit by bit."""
    costs = np.array([cost.offset])
    pulls = np.repeat(cost.linear[:, None], 1, axis=1)  # pulls[k]: what setting variable k adds to each choice so far
    for digit in digits:
        parts, pull_parts = [], []
        for column in digit:
            if column is None:
                parts.append(costs)
                pull_parts.append(pulls)
            else:
                parts.append(costs + pulls[column])
                pull_parts.append(pulls + cost.quadratic[:, column, None])
        costs = np.concatenate(parts)
        pulls = np.concatenate(pull_parts, axis=1)
    centre = float(costs.mean())
    return costs - centre, centre


@nb.njit(cache=True, nogil=True)
def _layer(
    state: NDArray[np.complex64],
    costs: NDArray[np.float64],
    gamma: float,
    sizes: NDArray[np.int64],
    starts: NDArray[np.float64],
    bounds: NDArray[np.int64],
    turns: NDArray[np.complex128],
) -> None:  # pragma: no cover - compiled
    """Phase, then each digit's ``I + turn |start><start|``."""
    for k in range(state.size):
        angle = gamma * costs[k]
        state[k] *= np.complex64(complex(np.cos(angle), -np.sin(angle)))
    stride = 1
    for digit in range(sizes.size):
        size = sizes[digit]
        for high in range(0, state.size, stride * size):
            for low in range(high, high + stride):
                overlap = 0j
                for value in range(size):
                    overlap += starts[bounds[digit] + value] * state[low + value * stride]
                overlap *= turns[digit]
                for value in range(size):
                    state[low + value * stride] += np.complex64(starts[bounds[digit] + value] * overlap)
        stride *= size
