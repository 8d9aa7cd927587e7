"""The program over edges with rounded capacity cuts: weaker for short routes, but quick for long ones and for tours."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from solvers.routing.bounds.cuts import Cuts
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.growing_program import GrowingProgram, Interrupted
from solvers.routing.problem import BoolArray
from solvers.stop import Stop

_CUTS_AT_ONCE = 60
_NEAREST = 12
"""Edges of each node to begin with; others are priced in."""

_IDLE_ROUNDS = 12
"""Rounds without a use after which the row of a cut is dropped, to come back when it is broken again."""

_STALLED_ROUNDS = 15
_STALLED_GAIN = 2e-5
"""It ends when so many rounds have raised the bound by less than this share."""


class EdgeBound:
    """Bounds from edges (Laporte, Nobert and Desrochers 1985). `run` yields ever better ones, in the scaled unit.

    Every node has two edge ends; where costs differ both ways the lower one counts. The bound of a round is computed in
    integers from the rounded prices: for any prices ``sum(2 v) + sum(c need) + sum(min(0, reduced cost) * most)``.

    Parameters
    ----------
    relaxed, cuts, stop, seed
        As for `solvers.routing.bounds.columns.ColumnBound`.
    """

    def __init__(self, relaxed: Relaxed, cuts: Cuts, stop: Stop, seed: int) -> None:
        self.relaxed, self._cuts, self._stop, self._seed = relaxed, cuts, stop, seed
        size = relaxed.n + 1
        self._tail, self._head = np.triu_indices(size, 1)
        self._cost = np.minimum(relaxed.cost, relaxed.cost.T)[self._tail, self._head]
        self._most = np.where(self._tail == 0, 2, 1)
        self._possible: BoolArray = np.ones(len(self._cost), np.bool_)
        self._possible[self._tail > 0] = (relaxed.demand[self._tail] + relaxed.demand[self._head] <= relaxed.capacity)[
            self._tail > 0
        ]
        self._rows: list[int] = []
        self._idle: list[int] = []
        self._columns = np.zeros(0, np.int64)
        self._program = GrowingProgram(stop)
        self.tight: IntArray = np.zeros(0, np.int64)
        """Cuts that had a price in the last round."""
        self.best = -1
        self.exhausted = False
        """Whether it ended for want of cuts."""

    def run(self, cutoff: int) -> Iterator[int]:
        """Better and better scaled bounds, until a plan within ``cutoff`` is ruled out or no cut is left to add."""
        try:
            for bound in self._rounds(cutoff):
                if bound > self.best:
                    self.best = bound
                    yield bound
                if self.best > cutoff:
                    return
            self.exhausted = True
        except Interrupted:
            return

    def _rounds(self, cutoff: int) -> Iterator[int]:
        self._begin()
        history: list[int] = []
        while True:
            self._program.solve()
            constant, reduced = self._priced()
            outside = self._possible.copy()
            outside[self._columns] = False
            missing = np.flatnonzero(outside & (reduced < 0))
            if len(missing):
                worst = missing[np.argsort(reduced[missing], kind="stable")][: 4 * self.relaxed.n]
                self._add_edges(worst)
            bound = constant + int((np.minimum(reduced, 0) * self._most)[self._possible].sum())
            yield bound
            slack = cutoff - bound
            if 0 <= slack < 0.1 * abs(cutoff):
                self._possible &= reduced <= slack
            if len(missing):
                continue
            history.append(bound)
            if len(history) > _STALLED_ROUNDS and bound - history[-_STALLED_ROUNDS] < _STALLED_GAIN * abs(bound):
                return
            self._drop_idle()
            if not self._separate():
                return

    def _begin(self) -> None:
        r = self.relaxed
        n = r.n
        nothing = np.zeros(0, np.int64)
        lower = np.append(np.full(n, 2.0), 0.0)
        upper = np.append(np.full(n, 2.0), 2.0 * r.vehicles)
        self._program.add_rows(lower, upper, np.zeros(n + 1, np.int64), nothing, np.zeros(0))
        # A way to serve each node whatever the fleet and the cuts say.
        dear = 4.0 * float(r.cost.max()) / r.scale + 1.0
        self._program.add_columns(np.full(n, dear), np.full(n, math.inf), np.arange(n), np.arange(n), np.full(n, 2.0))
        matrix = np.minimum(r.cost, r.cost.T)
        near = np.zeros(matrix.shape, np.bool_)
        rows = np.arange(1, n + 1)
        order = np.argsort(matrix[1:, 1:] + np.diag(np.full(n, 2**50)), axis=1, kind="stable")[
            :, : min(n - 1, _NEAREST)
        ]
        near[rows[:, None], order + 1] = True
        near[0, 1:] = True
        near |= near.T
        self._add_edges(np.flatnonzero(near[self._tail, self._head] & self._possible))
        self._add_rows(range(len(self._cuts)))

    def _add_edges(self, edges: IntArray) -> None:
        tail, head = self._tail[edges], self._head[edges]
        n = self.relaxed.n
        inside = self._cuts.members[self._rows]
        crosses = inside[:, tail] != inside[:, head]
        column, row = np.nonzero(crosses.T)
        ends = np.column_stack([np.where(tail == 0, n, tail - 1), head - 1])
        columns = np.concatenate([np.repeat(np.arange(len(edges)), 2), column])
        rows = np.concatenate([ends.ravel(), row + n + 1])
        order = np.lexsort((rows, columns))
        starts = np.searchsorted(columns[order], np.arange(len(edges)))
        self._program.add_columns(
            self._cost[edges] / self.relaxed.scale,
            self._most[edges].astype(np.float64),
            starts,
            rows[order],
            np.ones(len(rows)),
        )
        self._columns = np.concatenate([self._columns, edges])

    def _add_rows(self, cuts: range | list[int]) -> None:
        cuts = list(cuts)
        if not cuts:
            return
        inside = self._cuts.members[cuts]
        tail, head = self._tail[self._columns], self._head[self._columns]
        counts = np.hstack([2.0 * inside[:, 1:], (inside[:, tail] != inside[:, head]).astype(np.float64)])
        row, column = np.nonzero(counts)
        starts = np.searchsorted(row, np.arange(len(cuts)))
        lower = self._cuts.crossings[cuts].astype(np.float64)
        self._program.add_rows(lower, np.full(len(cuts), math.inf), starts, column, counts[row, column])
        self._rows += cuts
        self._idle += [0] * len(cuts)

    def _drop_idle(self) -> None:
        prices = self._program.prices[self.relaxed.n + 1 :]
        self._idle = [0 if price > 1e-9 else idle + 1 for price, idle in zip(prices, self._idle, strict=True)]
        gone = [k for k, idle in enumerate(self._idle) if idle > _IDLE_ROUNDS]
        if gone:
            self._program.drop_rows(np.array(gone) + self.relaxed.n + 1)
            dropped = set(gone)
            self._rows = [cut for k, cut in enumerate(self._rows) if k not in dropped]
            self._idle = [idle for k, idle in enumerate(self._idle) if k not in dropped]

    def _separate(self) -> bool:
        """Whether cuts were broken: new ones, or those dropped before."""
        use = self.edge_use()
        outside = np.setdiff1d(np.arange(len(self._cuts)), self._rows)
        back: list[int] = []
        if len(outside):
            inside = self._cuts.members[outside].astype(np.float64)
            border = inside @ use.sum(axis=1) - ((inside @ use) * inside).sum(axis=1)
            back = outside[border < self._cuts.crossings[outside] - 0.02].tolist()
        before = len(self._cuts)
        self._cuts.separate(use, self._seed, _CUTS_AT_ONCE)
        fresh = back + list(range(before, len(self._cuts)))
        self._add_rows(fresh)
        return bool(fresh)

    def edge_use(self) -> FloatArray:
        """(n + 1, n + 1) use of each edge; symmetric."""
        use = np.zeros((self.relaxed.n + 1, self.relaxed.n + 1))
        use[self._tail[self._columns], self._head[self._columns]] = self._program.x[self.relaxed.n :]
        return np.asarray(use + use.T)

    def _priced(self) -> tuple[int, IntArray]:
        """What the rounded prices promise, and the reduced cost of every edge, in scaled integers."""
        r, prices = self.relaxed, self._program.prices
        limit = 2.0**42

        def whole(values: FloatArray) -> IntArray:
            return np.clip(np.rint(np.nan_to_num(values) * r.scale), -limit, limit).astype(np.int64)

        visit = np.append(whole(prices[: r.n + 1]), 0)[np.append(r.n, np.arange(r.n))]  # the depot first
        depot = int(visit[0])
        cut = np.maximum(0, whole(prices[r.n + 1 :]))
        # The depot's row lies between 0 and two ends per vehicle.
        constant = 2 * int(visit[1:].sum()) + min(0, depot) * 2 * r.vehicles
        reduced = self._cost - visit[self._tail] - visit[self._head]
        active = np.flatnonzero(cut)
        if len(active):
            rows = self.tight = np.array(self._rows)[active]
            constant += sum(int(p) * int(need) for p, need in zip(cut[active], self._cuts.crossings[rows], strict=True))
            inside = self._cuts.members[rows].astype(np.float64)
            both = ((inside.T * cut[active]) @ inside).astype(np.int64)
            own = np.diag(both)
            reduced = reduced - (own[self._tail] + own[self._head] - 2 * both[self._tail, self._head])
        return constant, reduced
