"""The linear program over routes: every node served, the fleet kept, the cuts held."""

from __future__ import annotations

import math

import numpy as np

from solvers.routing.bounds.cuts import Cuts, crossing_counts
from solvers.routing.bounds.lp import GrowingProgram
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.problem import BoolArray
from solvers.stop import Stop

_COLUMNS_MOST = 6_000
"""Above it columns of large reduced cost are dropped."""


class Master:
    """Routes so far, and the program over them. Rows: the nodes, the fleet, then the cuts in their order.

    Parameters
    ----------
    relaxed, cuts, stop
        The problem, the shared list of cuts, and who may interrupt.
    """

    def __init__(self, relaxed: Relaxed, cuts: Cuts, stop: Stop) -> None:
        self.relaxed, self._cuts = relaxed, cuts
        self.program = GrowingProgram(stop)
        self.routes: list[IntArray] = []
        self._known: set[bytes] = set()
        self._rows = 0
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
            counts = self._cut_counts(fresh)
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
        fresh = slice(self._rows, len(self._cuts))
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
        self._rows = len(self._cuts)

    def _cut_counts(self, routes: list[IntArray], members: BoolArray | None = None) -> FloatArray:
        if members is None:
            members = self._cuts.members[: self._rows]
        if not routes:
            return np.zeros((len(members), 0))
        offsets = np.cumsum([0, *(len(nodes) for nodes in routes)])
        return np.asarray(crossing_counts(members, np.concatenate(routes), offsets))

    def solve(self) -> None:
        """Solve, and drop dear columns where there are many. Raises `solvers.routing.bounds.lp.Interrupted`."""
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
        """(cuts in the program,) prices per crossing."""
        return self.program.prices[self.relaxed.n + 1 :]

    def edge_use(self) -> FloatArray:
        """(n + 1, n + 1) how often the routes use each edge, both ways together; symmetric."""
        use = np.zeros((self.relaxed.n + 1, self.relaxed.n + 1))
        weights = self.program.x[self._slacks :]
        for k in np.flatnonzero(weights > 1e-9):
            stations = np.concatenate([[0], self.routes[k], [0]])
            np.add.at(use, (stations[:-1], stations[1:]), weights[k])
        return np.asarray(use + use.T)
