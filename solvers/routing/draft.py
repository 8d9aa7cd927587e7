"""Routes while they are built: rows of stops that insertion, repair and pruning work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost
from solvers.routing.insertion import insert_all
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.seating import seat
from solvers.stop import Stop

_REPAIRS = 60
"""Rounds of ruin and insertion for stops that found no place."""


@compiled
def drop_unprofitable(
    A: Arrays, routes: IntArray, size: IntArray, vehicle: IntArray, cost: FloatArray, route_of: IntArray
) -> None:
    """Take out optional stops, with their partners, that cost more than their prize."""
    trial = np.empty(routes.shape[1], np.int64)
    for r in range(routes.shape[0]):
        k = 0
        while k < size[r]:
            stop = routes[r, k]
            if not A.optional[stop] or 0 <= A.partner[stop] < stop:
                k += 1
                continue
            mate = A.partner[stop]
            m = 0
            for p in range(size[r]):
                if routes[r, p] != stop and (mate < 0 or routes[r, p] != mate):
                    trial[m] = routes[r, p]
                    m += 1
            without = route_cost(A, vehicle[r], trial, m)
            if without + A.prize[stop] < cost[r] - 1e-9:
                for p in range(m):
                    routes[r, p] = trial[p]
                size[r], cost[r] = m, without
                route_of[stop] = -1
                if mate >= 0:
                    route_of[mate] = -1
            else:
                k += 1


@dataclass
class Draft:
    """Routes while they are built: rows of stops, and what belongs to each row."""

    routes: IntArray
    size: IntArray
    vehicle: IntArray
    cost: FloatArray
    route_of: IntArray

    def used(self, n_types: int) -> IntArray:
        return np.bincount(self.vehicle[self.size > 0], minlength=n_types).astype(np.int64)

    def copy(self) -> Draft:
        return Draft(self.routes.copy(), self.size.copy(), self.vehicle.copy(), self.cost.copy(), self.route_of.copy())

    def clear(self, rows: IntArray) -> list[int]:
        """Empty ``rows``; returns their stops."""
        stops = [int(stop) for r in rows for stop in self.routes[r, : self.size[r]]]
        self.route_of[stops] = -1
        self.size[rows], self.cost[rows] = 0, 0.0
        return stops

    def plan(self) -> RoutingPlan:
        rows = np.flatnonzero(self.size > 0)
        return RoutingPlan(
            tuple(Route(int(self.vehicle[r]), tuple(self.routes[r, : self.size[r]].tolist())) for r in rows)
        )


def draft_of(A: Arrays, kept: Sequence[tuple[int, float, Sequence[int]]]) -> Draft:
    """Rows for routes given as vehicle type, cost and stops, with room for every stop that is on none of them yet."""
    n = len(A.location)
    free = A.available - np.bincount([t for t, _, _ in kept], minlength=len(A.available))
    outside = n - sum(len(stops) for _, _, stops in kept)
    height = len(kept) + min(outside, int(np.clip(free, 0, outside).sum()))
    length = max((len(stops) for _, _, stops in kept), default=0) + outside
    width = min(n, max(length if height <= 64 else min(length, 20_000_000 // height), 2))
    draft = Draft(
        routes=np.zeros((height, width), dtype=np.int64),
        size=np.zeros(height, dtype=np.int64),
        vehicle=np.zeros(height, dtype=np.int64),
        cost=np.zeros(height),
        route_of=np.full(n, -1, dtype=np.int64),
    )
    for row, (t, c, stops) in enumerate(kept):
        draft.routes[row, : len(stops)] = stops
        draft.size[row], draft.vehicle[row], draft.cost[row] = len(stops), t, c
        draft.route_of[list(stops)] = row
    return draft


def leaders(A: Arrays, stops: list[int]) -> IntArray:
    """``stops`` without delivery legs (their pickups stand for both), mandatory and hard ones first."""
    leads = np.array([s for s in stops if A.partner[s] < 0 or s < A.partner[s]], dtype=np.int64)
    if not len(leads):
        return leads
    limits = np.maximum(A.capacity.max(axis=0, initial=1), 1).astype(np.float64)
    loads = (A.delivery + A.pickup + np.abs(A.shipped))[leads] / limits
    bulk = loads.max(axis=1, initial=0.0)
    freedom = A.compatible[leads].sum(axis=1)
    return leads[np.lexsort((leads, -bulk, freedom, A.optional[leads]))]


def insert(A: Arrays, draft: Draft, pool: IntArray, near: IntArray, used: IntArray | None = None) -> int:
    """Insert ``pool`` in its order (see `insert_all`); ``used`` vehicles by type, counted from the rows if ``None``."""
    if not len(pool) or not len(draft.size):
        return len(pool)
    failed = _insert(A, draft, pool, near, used)
    while A.seated and failed:  # a place behind others is there only once these are
        left = pool[draft.route_of[pool] < 0]
        _insert(A, draft, left, near, used)
        seat(A, draft, left, near)
        still = int((~A.optional[left] & (draft.route_of[left] < 0)).sum())
        if still >= failed:
            break
        failed = still
    return failed


def _insert(A: Arrays, draft: Draft, pool: IntArray, near: IntArray, used: IntArray | None) -> int:
    return int(
        insert_all(
            A,
            pool,
            draft.routes,
            draft.size,
            draft.vehicle,
            draft.cost,
            draft.route_of,
            draft.used(len(A.available)) if used is None else used,
            near,
            A.plain,
        )
    )


def missing_stops(A: Arrays, draft: Draft) -> IntArray:
    """Mandatory stops that are on no route; a shipment by its pickup."""
    stops = np.flatnonzero((draft.route_of < 0) & ~A.optional)
    return stops[(A.partner[stops] < 0) | (stops < A.partner[stops])]


def repair(A: Arrays, draft: Draft, near: IntArray, seed: int, stop: Stop) -> None:
    """Empty a few routes at random, those near missing stops first, and insert again; keep what serves more."""
    missing = missing_stops(A, draft)
    if not len(missing) or not len(draft.size):
        return
    rng = np.random.default_rng(seed)
    for attempt in range(_REPAIRS):
        if not len(missing) or stop():
            return
        trial = draft.copy()
        rows = np.flatnonzero(trial.size > 0)
        if not len(rows):
            return
        centre = int(rng.choice(missing))
        close = np.unique(trial.route_of[near[centre]])
        close = close[close >= 0]
        number = min(len(rows), 2 + attempt // 10)
        chosen = rng.choice(close if len(close) >= number else rows, size=number, replace=False)
        pool = leaders(A, [*missing.tolist(), *trial.clear(chosen)])
        shuffle = np.argsort(np.arange(len(pool)) + rng.uniform(0, len(pool) / 3, len(pool)), kind="stable")
        insert(A, trial, pool[shuffle], near)
        left = missing_stops(A, trial)
        if len(left) <= len(missing):
            missing = left
            draft.routes[:], draft.size[:], draft.vehicle[:] = trial.routes, trial.size, trial.vehicle
            draft.cost[:], draft.route_of[:] = trial.cost, trial.route_of
