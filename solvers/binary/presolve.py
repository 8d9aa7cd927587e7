"""Makes a model smaller without losing its least energy: spins fixed, merged and eliminated, components told apart.

Every rule keeps at least one optimum, and every assignment of what is left gives, through `Reduced.lift`, an assignment
of the whole at exactly that energy (up to rounding where weights are no multiples of a quarter).

- A spin whose field outweighs all its couplings takes its side; a coupling that outweighs all else at one of its spins
  ties the two together (first-order persistency and dominance; Hammer and Hansen 1981, Glover, Lewis and Kochenberger
  2018).
- A spin with one or two neighbours, or three and no field, is minimised out: what is left of it is a field and
  couplings among its neighbours, since ``-|sum|`` of at most two spins, or an even function of three, is quadratic.
- Where weights are integers, the persistencies of roof duality (`solvers.binary.roof`) go first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np
from numpy.typing import NDArray

from solvers.binary.ising import Ising, to_ising
from solvers.binary.roof import roof

WORTHWHILE = 0.02
"""Share of the variables that a first look must find, so that the pass over the whole model pays."""

LEANING, LEANING_SHARE = 0.5, 0.1
"""Fields of half the size of all couplings at a tenth of the variables make roof duality worth a try."""

MOST_TERMS = 100_000
SIGNS = tuple(tuple(product((-1, 1), repeat=k)) for k in range(4))
TRIES_PER_BLOCK = 500

LEAST_LOOKED_AT = 64
"""Models of at most this many variables are always gone through."""


@dataclass(frozen=True)
class _Step:
    """How one spin follows from others: fixed (no neighbours), tied, or minimised out."""

    spin: int
    field: float
    couplings: tuple[tuple[int, float], ...]


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is left of a model, in connected components, and the way back.

    Parameters
    ----------
    size
        Spins of the whole model.
    components
        Models of the components, largest first; their offsets are 0.
    spins
        For each component the spins of the whole model that it stands for, int64.
    offset
        Energy that no spin left can change.
    steps
        In the order in which spins were taken out.
    bound
        No energy of the whole is below it; ``-inf`` when roof duality was not asked.
    """

    size: int
    components: tuple[Ising, ...]
    spins: tuple[NDArray[np.int64], ...]
    offset: float
    steps: tuple[_Step, ...]
    bound: float = -math.inf

    def lift(self, parts: list[NDArray[np.int8]]) -> NDArray[np.int8]:
        """An assignment of the whole, int8, shape ``(size,)``, from one of each component."""
        whole: NDArray[np.int8] = self.lift_rows([part[None, :] for part in parts], 1)[0]
        return whole

    def lift_rows(self, parts: list[NDArray[np.int8]], count: int) -> NDArray[np.int8]:
        """``count`` assignments of the whole, shape ``(count, size)``; each component gives as many, or one for all."""
        whole = np.zeros((self.size, count), dtype=np.int8)
        for where, part in zip(self.spins, parts, strict=True):
            whole[where] = part.T
        for step in reversed(self.steps):
            local = np.full(count, step.field)
            for j, weight in step.couplings:
                local += weight * whole[j]
            whole[step.spin] = np.where(local > 0, -1, 1)
        return np.ascontiguousarray(whole.T)

    def restrict(self, whole: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """The parts of assignments of the whole, shape ``(k, size)``, one array per component."""
        return [np.ascontiguousarray(whole[:, where]) for where in self.spins]


def reduce(model: Ising, more: Callable[[], bool] = lambda: True, rules: bool | None = None) -> Reduced:
    """``model`` after every rule, in components; ``more``, asked every few milliseconds, may end the rules early.

    ``rules`` says whether to apply any, when `pays` was asked before.
    """
    work = _Work(model)
    if (pays(model) if rules is None else rules) and more():
        work.roof()
        work.exhaust(more)
    return work.result()


def pays(model: Ising) -> bool:
    """Whether a first look at every spin finds enough to do."""
    n = model.size
    if n == 0 or model.weights.shape[0] > 2 * MOST_TERMS:
        return False
    if n <= LEAST_LOOKED_AT:
        return True
    degree = np.diff(model.indptr)
    own = np.abs(model.field)
    rest = model.reach - own
    strongest = np.zeros(n)
    np.maximum.at(strongest, np.repeat(np.arange(n), degree), np.abs(model.weights))
    found = (own >= rest) | (strongest >= model.reach - strongest) | (degree <= 2) | ((degree == 3) & (own == 0))
    leaning = own > LEANING * rest
    return bool(found.mean() >= WORTHWHILE or leaning.mean() >= LEANING_SHARE)


class _Work:
    """The model as dictionaries of neighbours, while rules take spins out."""

    def __init__(self, model: Ising) -> None:
        self.model = model
        self.field = model.field.tolist()
        self.offset = model.offset
        self.alive = np.ones(model.size, dtype=bool)
        self.steps: list[_Step] = []
        self.touched = False
        self.bound = -math.inf
        self._links: list[dict[int, float]] | None = None

    @property
    def links(self) -> list[dict[int, float]]:
        """Coupling by neighbour of each spin; made when a rule first needs it."""
        if self._links is None:
            indptr, indices, weights = self.model.indptr.tolist(), self.model.indices.tolist(), self.model.weights
            values = weights.tolist()
            self._links = [dict(zip(indices[a:b], values[a:b], strict=True)) for a, b in pairwise(indptr)]
        return self._links

    def roof(self) -> None:
        """Fix what roof duality decides."""
        found = roof(self.model)
        if found is not None:
            self.bound = found.bound
            for spin, value in found.decided:
                self._fix(spin, value)

    def exhaust(self, more: Callable[[], bool]) -> None:
        """Apply the rules until none finds anything, or ``more`` says no."""
        waiting = [i for i in range(self.model.size) if self.alive[i]]
        queued = self.alive.copy()
        tried = 0
        while waiting:
            tried += 1
            if tried % TRIES_PER_BLOCK == 0 and not more():
                return
            i = waiting.pop()
            queued[i] = False
            if not self.alive[i]:
                continue
            for j in self._try(i):
                if self.alive[j] and not queued[j]:
                    queued[j] = True
                    waiting.append(j)

    def result(self) -> Reduced:
        """Components of what is left."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        left = np.flatnonzero(self.alive)
        if not self.touched:
            model = self.model
            left_model = Ising(model.field, model.indptr, model.indices, model.weights, 0.0)
        else:
            place = np.full(self.model.size, -1)
            place[left] = np.arange(left.shape[0])
            entries = [(i, j, w) for i in left.tolist() for j, w in self.links[i].items() if i < j and w != 0.0]
            table = np.array(entries, dtype=np.float64).reshape(-1, 3)
            field = np.array([self.field[i] for i in left.tolist()], dtype=np.float64)
            rows, columns = place[table[:, 0].astype(np.int64)], place[table[:, 1].astype(np.int64)]
            left_model = to_ising(False, field, rows, columns, table[:, 2], 0.0)
        n = left_model.size
        if n == 0:
            return Reduced(self.model.size, (), (), self.offset, tuple(self.steps), self.bound)
        graph = csr_array((np.ones(left_model.indices.shape[0]), left_model.indices, left_model.indptr), shape=(n, n))
        count, label = connected_components(graph, directed=False)
        if count == 1:
            return Reduced(self.model.size, (left_model,), (left,), self.offset, tuple(self.steps), self.bound)
        order = np.argsort(label, kind="stable")
        pieces = np.split(order, np.cumsum(np.bincount(label))[:-1])
        pieces.sort(key=lambda piece: -piece.shape[0])
        models = tuple(_piece(left_model, piece) for piece in pieces)
        return Reduced(
            self.model.size, models, tuple(left[p] for p in pieces), self.offset, tuple(self.steps), self.bound
        )

    def _try(self, i: int) -> list[int]:
        """Take ``i`` out, or tie a spin to it, if a rule allows; spins whose surroundings changed."""
        links, field = self.links[i], self.field[i]
        total = sum(abs(weight) for weight in links.values())
        if abs(field) >= total:
            return self._fix(i, -1 if field > 0 else 1)
        if len(links) <= 2 or (len(links) == 3 and field == 0.0):
            return self._eliminate(i)
        j, weight = max(links.items(), key=lambda item: abs(item[1]))
        if 2.0 * abs(weight) >= total + abs(field):
            return self._tie(i, j, -1 if weight > 0 else 1)
        return []

    def _fix(self, i: int, value: int) -> list[int]:
        neighbours = self._take_out(i, _Step(i, float(-value), ()))
        self.offset += self.field[i] * value
        for j, weight in neighbours:
            self.field[j] += weight * value
        return [j for j, _ in neighbours]

    def _tie(self, i: int, j: int, sign: int) -> list[int]:
        """``s_i = sign s_j``."""
        neighbours = self._take_out(i, _Step(i, 0.0, ((j, -float(sign)),)))
        self.field[j] += sign * self.field[i]
        for k, weight in neighbours:
            if k == j:
                self.offset += sign * weight
            else:
                self._couple(j, k, sign * weight)
        return [k for k, _ in neighbours]

    def _eliminate(self, i: int) -> list[int]:
        """``min over s_i`` of its terms, which is ``-|field + sum J s|``, as a quadratic function of its neighbours."""
        field = self.field[i]
        around = tuple(self.links[i].items())
        neighbours = self._take_out(i, _Step(i, field, around))
        values = [
            (signs, -abs(field + sum(w * s for (_, w), s in zip(around, signs, strict=True))) / (1 << len(around)))
            for signs in SIGNS[len(around)]
        ]
        self.offset += sum(value for _, value in values)
        for a, (j, _) in enumerate(around):
            self.field[j] += sum(signs[a] * value for signs, value in values)
        for a, b in combinations(range(len(around)), 2):
            self._couple(around[a][0], around[b][0], sum(signs[a] * signs[b] * value for signs, value in values))
        return [j for j, _ in neighbours]

    def _couple(self, i: int, j: int, weight: float) -> None:
        new = self.links[i].get(j, 0.0) + weight
        if new == 0.0:
            self.links[i].pop(j, None)
            self.links[j].pop(i, None)
        else:
            self.links[i][j] = self.links[j][i] = new

    def _take_out(self, i: int, step: _Step) -> list[tuple[int, float]]:
        self.touched = True
        self.alive[i] = False
        self.steps.append(step)
        neighbours = list(self.links[i].items())
        for j, _ in neighbours:
            del self.links[j][i]
        self.links[i] = {}
        return neighbours


def _piece(model: Ising, piece: NDArray[np.int64]) -> Ising:
    """The component over the spins ``piece`` (ascending)."""
    counts = np.diff(model.indptr)[piece]
    starts = model.indptr[piece]
    total = int(counts.sum())
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    where = np.repeat(starts - indptr[:-1], counts) + np.arange(total)
    indices = np.searchsorted(piece, model.indices[where]).astype(np.int32)
    return Ising(model.field[piece], indptr, indices, model.weights[where], 0.0)
