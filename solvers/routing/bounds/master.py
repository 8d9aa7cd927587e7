"""The linear program over routes: every node served, the fleet kept, the cuts held."""

from __future__ import annotations

import math

import numpy as np

from solvers.routing.bounds.cuts import Cuts, crossing_counts
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.bounds.subsets import Subsets, subset_counts
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.growing_program import GrowingProgram
from solvers.routing.problem import BoolArray
from solvers.stop import Stop

_COLUMNS_MOST = 6_000
"""Above it columns of large reduced cost are dropped."""


class Master:
    """Routes so far, and the program over them. Rows: the nodes, the fleet, then cuts of both kinds as they came.

    Parameters
    ----------
    relaxed, cuts, subsets, stop
        The problem, the shared list of capacity cuts, the list of subset cuts, and who may interrupt.
    """

    def __init__(self, relaxed: Relaxed, cuts: Cuts, subsets: Subsets, stop: Stop) -> None:
        self.relaxed, self._cuts, self._subsets = relaxed, cuts, subsets
        self.program = GrowingProgram(stop)
        self.routes: list[IntArray] = []
        self._known: set[bytes] = set()
        self._is_subset: BoolArray = np.zeros(0, np.bool_)  # of the rows after the fleet's
        n = relaxed.n
        nothing = np.zeros(0, np.int64)
        lower = np.append(np.ones(n), -math.inf)
        upper = np.append(np.full(n, math.inf), float(relaxed.vehicles))
        self.program.add_rows(lower, upper, np.zeros(n + 1, np.int64), nothing, np.zeros(0))
        dear = 2.0 * float(relaxed.cost.max()) / relaxed.scale + 1.0
        # Serving a node at a high price without a vehicle keeps the program feasible, whatever fleet and cuts say.
        self._slacks = n
        self.program.add_columns(np.full(n, 2.0 * dear), np.full(n, math.inf), np.arange(n), np.arange(n), np.ones(n))
        self.add_cuts()
        self.add_routes([np.array([i]) for i in range(1, n + 1)])

    def add_routes(self, routes: list[IntArray]) -> int:
        """Add those that are new; returns how many."""
        fresh = []
        for nodes in routes:
            key = nodes.tobytes()
            if key not in self._known:
                self._known.add(key)
                fresh.append(nodes)
        if fresh:
            counts = np.empty((len(self._is_subset), len(fresh)))
            counts[~self._is_subset] = self._cut_counts(fresh, self._cuts.members[: self._cuts_in])
            counts[self._is_subset] = self._subset_counts(fresh)
            starts, rows, values = [0], list[IntArray](), list[FloatArray]()
            cost = np.empty(len(fresh))
            for k, nodes in enumerate(fresh):
                stations = np.concatenate([[0], nodes, [0]])
                cost[k] = float(self.relaxed.cost[stations[:-1], stations[1:]].sum()) / self.relaxed.scale
                visited, times = np.unique(nodes, return_counts=True)
                crossed = np.flatnonzero(counts[:, k])
                rows += [visited - 1, np.array([self.relaxed.n]), crossed + self.relaxed.n + 1]
                values += [times.astype(np.float64), np.ones(1), counts[crossed, k]]
                starts.append(starts[-1] + len(visited) + 1 + len(crossed))
            self.program.add_columns(
                cost, np.full(len(fresh), math.inf), np.array(starts[:-1]), np.concatenate(rows), np.concatenate(values)
            )
            self.routes += fresh
        return len(fresh)

    def add_cuts(self) -> None:
        """Add the rows of the cuts that have come since the last call."""
        fresh = slice(self._cuts_in, len(self._cuts))
        members = self._cuts.members[fresh]
        if not len(members):
            return
        counts = self._cut_counts(self.routes, members)
        # A slack serves one node by a route of its own.
        counts = np.hstack([2.0 * members[:, 1:], counts])
        row, column = np.nonzero(counts)
        starts = np.searchsorted(row, np.arange(len(members)))
        lower = self._cuts.crossings[fresh].astype(np.float64)
        self.program.add_rows(lower, np.full(len(lower), math.inf), starts, column, counts[row, column])
        self._is_subset = np.append(self._is_subset, np.zeros(len(members), np.bool_))

    def renew_subsets(self) -> None:
        """Replace the rows of the subset cuts by those that are in the list now."""
        old = np.flatnonzero(self._is_subset)
        if len(old):
            self.program.drop_rows(old + self.relaxed.n + 1)
        self._is_subset = np.append(self._is_subset[~self._is_subset], np.ones(len(self._subsets), np.bool_))
        counts = self._subset_counts(self.routes)
        row, column = np.nonzero(counts)
        starts = np.searchsorted(row, np.arange(len(counts)))
        upper = np.ones(len(counts))
        self.program.add_rows(
            np.full(len(counts), -math.inf), upper, starts, column + self._slacks, counts[row, column]
        )

    @property
    def _cuts_in(self) -> int:
        """Capacity cuts that are in the program."""
        return int((~self._is_subset).sum())

    @staticmethod
    def _cut_counts(routes: list[IntArray], members: BoolArray) -> FloatArray:
        if not routes:
            return np.zeros((len(members), 0))
        return np.asarray(crossing_counts(members, np.concatenate(routes), _offsets(routes)))

    def _subset_counts(self, routes: list[IntArray]) -> FloatArray:
        subsets = self._subsets
        return np.asarray(subset_counts(subsets.members, subsets.memory, np.concatenate(routes), _offsets(routes)))

    def solve(self) -> None:
        """Solve, and drop dear columns where there are many. Raises `solvers.routing.growing_program.Interrupted`."""
        self.program.solve()
        if len(self.routes) > _COLUMNS_MOST:
            reduced = self.program.reduced[self._slacks :]
            bar = np.partition(reduced, _COLUMNS_MOST // 2)[_COLUMNS_MOST // 2]
            gone = np.flatnonzero((reduced > bar) & (self.program.x[self._slacks :] < 1e-9))
            self.program.drop_columns(gone + self._slacks)
            for k in gone:
                self._known.discard(self.routes[k].tobytes())
            kept = np.ones(len(self.routes), np.bool_)
            kept[gone] = False
            self.routes = [nodes for nodes, keep in zip(self.routes, kept, strict=True) if keep]
            self.program.solve()

    def keep_allowed(self, allowed: BoolArray) -> bool:
        """Drop the routes that use an arc that is gone; whether there were any. The program is to be solved again."""
        gone = []
        for k, nodes in enumerate(self.routes):
            stations = np.concatenate([[0], nodes, [0]])
            if not allowed[stations[:-1], stations[1:]].all():
                gone.append(k)
        if gone:
            self.program.drop_columns(np.array(gone) + self._slacks)
            dropped = set(gone)
            self.routes = [nodes for k, nodes in enumerate(self.routes) if k not in dropped]
        return bool(gone)

    @property
    def visit_prices(self) -> FloatArray:
        """(n + 1,) prices of the nodes, 0 at the depot."""
        return np.concatenate([[0.0], self.program.prices[: self.relaxed.n]])

    @property
    def vehicle_price(self) -> float:
        """Price of a vehicle, <= 0."""
        return float(self.program.prices[self.relaxed.n])

    @property
    def cut_prices(self) -> FloatArray:
        """(capacity cuts in the program,) prices per crossing."""
        return self.program.prices[self.relaxed.n + 1 :][~self._is_subset]

    @property
    def subset_prices(self) -> FloatArray:
        """(subset cuts,) what a use of each costs, >= 0."""
        return -self.program.prices[self.relaxed.n + 1 :][self._is_subset]

    def routes_used(self) -> tuple[list[IntArray], FloatArray]:
        """The routes of the program's solution, and how often each is used (> 0)."""
        weights = self.program.x[self._slacks :]
        used = np.flatnonzero(weights > 1e-7)
        return [self.routes[k] for k in used], weights[used]

    def edge_use(self) -> FloatArray:
        """(n + 1, n + 1) how often the routes use each edge, both ways together; symmetric."""
        use = np.zeros((self.relaxed.n + 1, self.relaxed.n + 1))
        for nodes, weight in zip(*self.routes_used(), strict=True):
            stations = np.concatenate([[0], nodes, [0]])
            np.add.at(use, (stations[:-1], stations[1:]), weight)
        return np.asarray(use + use.T)


def _offsets(routes: list[IntArray]) -> IntArray:
    return np.cumsum([0, *(len(nodes) for nodes in routes)])
