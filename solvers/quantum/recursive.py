"""Recursive QAOA: the circuit decides one correlation at a time, and the model shrinks (Bravyi, Kliesch, Koenig and
Tang, Phys. Rev. Lett. 125, 260505, 2020; arXiv 1910.08980).

Each round runs QAOA on what is left, reads ``<Z_i Z_j>`` of every coupled pair and ``<Z_i>`` of every spin with a
field, and imposes the surest of them: spin j becomes plus or minus spin i, or a constant. When few variables are left
all their states are tried. The imposed relations then give every eliminated spin its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import dimod
import numpy as np
from numpy.typing import NDArray

from solvers.kernel import Variable
from solvers.quantum.cost import CostModel
from solvers.quantum.descent import descend
from solvers.quantum.qaoa import QaoaSettings, optimise, start_probabilities
from solvers.quantum.statevector import Angles, Statevector, require_memory
from solvers.stop import Never, Stop

MOST_CUTOFF = 20
"""Variables left whose states may all be tried."""


@dataclass(frozen=True)
class Relation:
    """An eliminated variable: ``sign`` times the spin of ``partner``, or ``sign`` alone when that is ``None``.

    ``strength`` is the absolute expectation that chose it, 0 - 1.
    """

    variable: Variable
    partner: Variable | None
    sign: int
    strength: float


@dataclass(frozen=True)
class RecursiveRun:
    """What the recursion came to.

    Parameters
    ----------
    sample
        Value (0 or 1) of every variable.
    energy
        Its cost, in double precision.
    relations
        In the order in which they were imposed.
    evaluations
        Runs of the simulator in all.
    angles
        Of the first round: those of the whole model.
    completed
        Whether the recursion reached the cutoff; a stop before leaves the rest to a greedy descent from its warm
        start.
    """

    sample: dict[Variable, int]
    energy: float
    relations: tuple[Relation, ...]
    evaluations: int
    angles: Angles
    completed: bool


def recursive_qaoa(
    bqm: dimod.BinaryQuadraticModel,
    settings: QaoaSettings | None = None,
    warm_start: Mapping[Variable, float] | None = None,
    cutoff: int = 8,
    stop: Stop | None = None,
) -> RecursiveRun:
    """Solve ``bqm`` by recursive QAOA. Deterministic unless stopped.

    The angles of each round start from those of the round before.

    Parameters
    ----------
    bqm
        The model; one-hot penalties are couplings like any others.
    settings
        Layers and search of every round; the first has all evaluations, later ones a third.
    warm_start
        As of `solvers.quantum.qaoa.run_qaoa`.
    cutoff
        Variables (1 - `MOST_CUTOFF`) at which all states are tried.
    stop
        Asked between rounds and evaluations; at least one evaluation is made.

    Raises
    ------
    InvalidProblem
        When the first round's state does not fit in memory.
    ValueError
        When ``cutoff`` is out of range.
    """
    if not 1 <= cutoff <= MOST_CUTOFF:
        raise ValueError(f"cutoff is {cutoff}; allowed: 1 - {MOST_CUTOFF}")
    settings, stop = settings or QaoaSettings(layers=1, alpha=1.0), stop or Never()
    whole = CostModel.of(bqm)
    ones = start_probabilities(whole, warm_start or {}, settings.regularisation)
    left = _Left.of(whole)
    relations: list[Relation] = []
    angles, first, used, completed = None, Angles((), ()), 0, True
    if whole.size > cutoff:
        require_memory(whole.size, settings.limit_bytes)
    while left.size > cutoff:
        if used and stop():
            completed = False
            break
        state = Statevector(left.cost(whole), ones[left.columns], settings.threads, settings.limit_bytes)
        try:
            found, _, evaluations = optimise(state, settings, stop, angles)
            state.run(found)
            expectations = correlations(state)
        finally:
            state.close()
        if angles is None:
            first = found
            settings = replace(settings, evaluations=max(1, settings.evaluations // 3))
        angles, used = found, used + evaluations
        relations.append(left.impose(expectations, whole.variables))
    spins = np.zeros(whole.size)
    spins[left.columns] = left.best() if completed else left.descended(1.0 - 2.0 * ones[left.columns])
    column = {v: k for k, v in enumerate(whole.variables)}
    for relation in reversed(relations):
        partner = 1.0 if relation.partner is None else spins[column[relation.partner]]
        spins[column[relation.variable]] = relation.sign * partner
    bits = (spins < 0).astype(np.int8)
    sample = dict(zip(whole.variables, bits.tolist(), strict=True))
    return RecursiveRun(sample, float(whole.energies(bits[None])[0]), tuple(relations), used, first, completed)


def correlations(state: Statevector) -> NDArray[np.float64]:
    """``<Z_i Z_j>``, shape (n, n), with ``<Z_i>`` on the diagonal, of ``state`` as it is.

    A Walsh-Hadamard transform of the probabilities holds the expectation of every product of spins.
    """
    values = state.probabilities()
    size = state.cost.size
    for k in range(size):
        pairs = values.reshape(-1, 2, 1 << k)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
    bit = 1 << np.arange(size)
    out: NDArray[np.float64] = values[bit[:, None] ^ bit[None, :]]
    out[np.arange(size), np.arange(size)] = values[bit]
    return out


class _Left:
    """The model over the spins that are left: fields, couplings, and which columns of the whole they are."""

    def __init__(self, fields: NDArray[np.float64], couplings: NDArray[np.float64]) -> None:
        self.fields, self.couplings = fields, couplings
        self.columns = np.arange(len(fields))

    @classmethod
    def of(cls, whole: CostModel) -> _Left:
        fields, couplings, _ = whole.spins()
        return cls(fields.copy(), couplings.copy())

    @property
    def size(self) -> int:
        return len(self.columns)

    def cost(self, whole: CostModel) -> CostModel:
        """The same model over bits, constants left out."""
        variables = tuple(whole.variables[k] for k in self.columns)
        linear, quadratic = self._bits()
        return CostModel(variables, linear, quadratic, 0.0)

    def impose(self, expectations: NDArray[np.float64], names: tuple[Variable, ...]) -> Relation:
        """Eliminate one spin by the surest expectation among those that the model knows a term for."""
        known = self.couplings != 0
        known[np.arange(self.size), np.arange(self.size)] = self.fields != 0
        sure = np.where(np.triu(known), np.abs(expectations), -1.0)
        if not known.any():  # nothing left that matters: any value does
            return self._fix(self.size - 1, 1, 0.0, names)
        i, j = np.unravel_index(int(np.argmax(sure)), sure.shape)
        sign = 1 if expectations[i, j] >= 0 else -1
        if i == j:
            return self._fix(int(i), sign, float(sure[i, i]), names)
        relation = Relation(names[self.columns[j]], names[self.columns[i]], sign, float(sure[i, j]))
        self.fields[i] += sign * self.fields[j]
        pulled = sign * self.couplings[j]
        pulled[i] = 0.0  # the pair's own coupling is a constant now
        self.couplings[i] += pulled
        self.couplings[:, i] += pulled
        self._drop(int(j))
        return relation

    def _fix(self, k: int, sign: int, strength: float, names: tuple[Variable, ...]) -> Relation:
        relation = Relation(names[self.columns[k]], None, sign, strength)
        self.fields += sign * self.couplings[k]
        self._drop(k)
        return relation

    def _drop(self, k: int) -> None:
        self.fields = np.delete(self.fields, k)
        self.couplings = np.delete(np.delete(self.couplings, k, axis=0), k, axis=1)
        self.columns = np.delete(self.columns, k)

    def best(self) -> NDArray[np.float64]:
        """Spins of least cost, by trying all states; at most `MOST_CUTOFF` are left."""
        if not self.size:
            return np.zeros(0)
        linear, quadratic = self._bits()
        diagonal, _ = CostModel(tuple(range(self.size)), linear, quadratic, 0.0).diagonal(self.size)
        state = int(np.argmin(diagonal))
        spins: NDArray[np.float64] = 1.0 - 2.0 * ((state >> np.arange(self.size)) & 1).astype(np.float64)
        return spins

    def descended(self, spins: NDArray[np.float64]) -> NDArray[np.float64]:
        """The spins that a greedy descent from ``spins`` ends with."""
        linear, quadratic = self._bits()
        model = CostModel(tuple(range(self.size)), linear, quadratic, 0.0)
        bits = descend(model, (spins < 0).astype(np.int8)[None])[0]
        found: NDArray[np.float64] = 1.0 - 2.0 * bits.astype(np.float64)
        return found

    def _bits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Linear and quadratic terms over bits x = (1 - s) / 2, constants left out."""
        return -2.0 * self.fields - 2.0 * self.couplings.sum(axis=1), 4.0 * self.couplings
