"""Routes of negative reduced cost, the least reduced cost of all, and the arcs that good plans cannot use."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from solvers.routing.bounds.joins import cheap_routes, path, starts_used, used_arcs
from solvers.routing.bounds.labels import FAR, Fees, Labels, clear, completions, grow, memory_table, new_labels
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.data import IntArray
from solvers.routing.problem import BoolArray
from solvers.stop import Stop

LABELS_MOST = 3_000_000
"""Per direction: 60 MB."""

_TABLE_MOST = 12_000_000
"""Entries of the table of memories: 24 MB."""

_EFFORT = 1_500_000
"""Elementary steps between two questions to the stop: some 10 ms."""

_FOUND_MOST = 20_000


@dataclass(frozen=True)
class Priced:
    """What a pricing found.

    Parameters
    ----------
    routes
        Nodes of each route, cheapest first.
    least
        The least reduced cost of all ng-routes where it is negative, else 0; ``None`` when only a heuristic ran.
    """

    routes: list[IntArray]
    least: int | None


class GaveUp(Exception):
    """The stop came, or there was no more room for labels."""


@dataclass
class Pricer:
    """Prices ng-routes of a relaxed problem.

    Parameters
    ----------
    relaxed
        With demands >= 1.
    stop
        Asked about every 10 ms.
    """

    relaxed: Relaxed
    stop: Stop
    allowed: BoolArray = field(init=False)
    """(n + 1, n + 1) arcs that are still there."""
    labels_made: int = field(init=False, default=0)
    """By the last exact pricing."""
    near: IntArray = field(init=False)
    """(n + 1, g) neighbourhoods, each node itself first; row 0 is not used."""

    def __post_init__(self) -> None:
        r = self.relaxed
        size = r.n + 1
        self.allowed = ~np.eye(size, dtype=np.bool_)
        self.allowed[1:, 1:] &= r.demand[1:, None] + r.demand[None, 1:] <= r.capacity
        g = min(r.n, 10)
        while g > 4 and size * size << g > _TABLE_MOST:
            g -= 1
        near = np.argsort(r.cost[1:, 1:] + np.diag(np.full(r.n, -1)), axis=1, kind="stable")[:, :g] + 1
        self.near = np.vstack([np.zeros((1, g), np.int64), near])
        self._set_near(self.near)
        self._ahead = new_labels(r.n, r.capacity, LABELS_MOST)
        self._back = self._ahead if r.is_symmetric else new_labels(r.n, r.capacity, LABELS_MOST)

    def _set_near(self, near: IntArray) -> None:
        size = self.relaxed.n + 1
        member = np.full((size, size), -1, np.int64)
        rows = np.repeat(np.arange(1, size), near.shape[1])
        member[rows, near[1:].ravel()] = np.tile(np.arange(near.shape[1]), size - 1)
        self._table = memory_table(near, member)

    def arcs(self, reduced: IntArray) -> IntArray:
        """Reduced costs with `FAR` on arcs that are not there."""
        return np.where(self.allowed, reduced, FAR)

    def routes(self, reduced: IntArray, fees: Fees, exact: bool, most: int) -> Priced:
        """At most ``most`` routes of negative cost under the ``reduced`` arc costs, (n + 1, n + 1), and ``fees``.

        Raises
        ------
        GaveUp
        """
        arc = self.arcs(reduced)
        half = self.relaxed.capacity // 2
        self._make(arc, fees, -1, exact, full=False)
        if exact:
            self.labels_made = int(self._ahead.made[0])
        order, start = _by_node_and_cost(self._back, self.relaxed.n, half)
        costs, lefts, rights = (np.empty(_FOUND_MOST, t) for t in (np.int64, np.int64, np.int64))
        counter = np.zeros(1, np.int64)
        at, least = 0, 0
        while at >= 0:
            self._ask()
            at, cost = cheap_routes(
                self._ahead, self._back, order, start, self._table, fees, arc, self.relaxed.capacity, half, -1, at,
                _EFFORT, (costs, lefts, rights, counter),
            )  # fmt: skip
            least = min(least, int(cost))
        n_found = int(counter[0])
        best = np.argsort(costs[:n_found], kind="stable")
        return Priced(self._spread(best, lefts, rights, most), least if exact else None)

    def drop_arcs(self, reduced: IntArray, fees: Fees, slack: int) -> int:
        """Take away the arcs that no ng-route of reduced cost at most ``slack`` uses; returns how many went.

        Raises
        ------
        GaveUp
            Nothing is taken away then.
        """
        arc = self.arcs(reduced)
        self._make(arc, fees, slack, exact=True, full=True)
        used = np.zeros(arc.shape, np.bool_)
        order, start = _by_node_and_cost(self._back, self.relaxed.n, self.relaxed.capacity)
        at = 0
        while at >= 0:
            self._ask()
            at = used_arcs(
                self._ahead,
                self._back,
                order,
                start,
                self._table,
                fees,
                arc,
                self.relaxed.capacity,
                slack,
                at,
                _EFFORT,
                used,
            )
        starts_used(self._back, arc, slack, used)
        if self._back is self._ahead:
            used |= used.T
        before = int(self.allowed.sum())
        self.allowed &= used
        return before - int(self.allowed.sum())

    def _make(self, arc: IntArray, fees: Fees, threshold: int, exact: bool, full: bool) -> None:
        """All labels: up to half the load from both sides, then above it where they may still matter."""
        capacity = self.relaxed.capacity
        half = capacity // 2
        sides = [(self._ahead, arc)]
        if self._back is not self._ahead:
            sides.append((self._back, np.ascontiguousarray(arc.T)))
        nothing = np.zeros((1, 1), np.int64)
        for labels, costs in sides:
            clear(labels)
            self._grow(labels, costs, fees, half, nothing, threshold, exact, full)
        least = [completions(labels.best, costs.T.copy(), self.relaxed.demand, half) for labels, costs in sides[::-1]]
        for (labels, costs), completion in zip(sides, least, strict=True):
            if labels is self._ahead or full:
                self._grow(labels, costs, fees, capacity, completion, threshold, exact, full)

    def _grow(
        self,
        labels: Labels,
        arc: IntArray,
        fees: Fees,
        until: int,
        least: IntArray,
        threshold: int,
        exact: bool,
        full: bool,
    ) -> None:
        state = 0
        while state == 0:
            self._ask()
            state = grow(
                labels, self._table, fees, arc, self.relaxed.demand, until, self.relaxed.capacity // 2, full, least,
                threshold, exact, _EFFORT,
            )  # fmt: skip
        if state < 0:
            raise GaveUp

    def _ask(self) -> None:
        if self.stop():
            raise GaveUp

    def _spread(self, best: IntArray, lefts: IntArray, rights: IntArray, most: int) -> list[IntArray]:
        """Routes cheapest first, leaving out those all of whose nodes have been taken often already."""
        taken = np.zeros(self.relaxed.n + 1, np.int64)
        often = max(5, 6 * most // self.relaxed.n)
        out = np.empty(self.relaxed.capacity + 1, np.int64)  # every node takes a load of 1 at least
        seen: set[bytes] = set()
        routes: list[IntArray] = []
        for k in best:
            nodes = out[: path(self._ahead, self._back, lefts[k], rights[k], out)].copy()
            key = min(nodes.tobytes(), nodes[::-1].tobytes())
            if key in seen or (taken[nodes] >= often).all():
                continue
            seen.add(key)
            taken[nodes] += 1
            routes.append(nodes)
            if len(routes) >= most:
                break
        return routes


def _by_node_and_cost(labels: Labels, n: int, most_load: int) -> tuple[IntArray, IntArray]:
    """Labels with at most a load, by node, the cheapest first."""
    count = int(labels.begin[min(most_load, int(labels.made[1]) - 1) + 1])
    order = np.lexsort((labels.cost[:count], labels.node[:count])).astype(np.int64)
    start = np.searchsorted(labels.node[:count][order], np.arange(n + 2)).astype(np.int64)
    return order, start
