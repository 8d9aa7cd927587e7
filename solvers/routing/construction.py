"""Builds a first plan for every feature of the contract: savings, then fleet repair, then insertion of what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import route_cost
from solvers.routing.insertion import insert_all
from solvers.routing.merging import merge
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Stop

_MANY = 2_000
"""Stops from which neighbour lists get shorter, so that 20,000 take well under a second."""

_MERGE_TYPES = 16
"""Vehicle types tried at each merge at most; the widest ones."""

_REPAIRS = 60
"""Rounds of ruin and insertion for stops that found no place."""


@numba.njit(cache=True, nogil=True)
def _singles(A: Arrays, stops: IntArray) -> tuple[IntArray, FloatArray]:
    """Cheapest type and its cost for each of ``stops`` on a route of its own; -1 and ``inf`` when there is none."""
    types = np.full(stops.shape[0], -1, np.int64)
    costs = np.full(stops.shape[0], np.inf)
    route = np.empty(1, np.int64)
    for k in range(stops.shape[0]):
        route[0] = stops[k]
        for t in range(A.available.shape[0]):
            c = route_cost(A, t, route, 1)
            if c < costs[k]:
                costs[k], types[k] = c, t
    return types, costs


@numba.njit(cache=True, nogil=True)
def _drop_unprofitable(
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
class _Draft:
    """Routes while they are built: rows of stops, and what belongs to each row."""

    routes: IntArray
    size: IntArray
    vehicle: IntArray
    cost: FloatArray
    route_of: IntArray

    def used(self, n_types: int) -> IntArray:
        return np.bincount(self.vehicle[self.size > 0], minlength=n_types).astype(np.int64)

    def copy(self) -> _Draft:
        return _Draft(self.routes.copy(), self.size.copy(), self.vehicle.copy(), self.cost.copy(), self.route_of.copy())

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


def construct(problem: RoutingProblem, seed: int, stop: Stop) -> RoutingPlan:
    """A plan for ``problem`` that breaks no rule but, where it had to, leaves mandatory stops unserved.

    ``seed`` drives the repair of problems whose fleet is tight; ``stop`` ends it early.
    """
    A = arrays_of(problem)
    near = nearest_stops(problem, 40 if problem.n_stops <= _MANY else 20)
    chains = _merged(problem, A, near)
    draft, left = _fit_fleet(A, chains)
    left += np.flatnonzero((draft.route_of < 0) & ~np.isin(np.arange(problem.n_stops), left)).tolist()
    pool = _leaders(A, left)
    _insert(A, draft, pool, near)
    _repair(A, draft, near, seed, stop)
    if problem.optional.any():
        _drop_unprofitable(A, draft.routes, draft.size, draft.vehicle, draft.cost, draft.route_of)
        _insert(A, draft, _leaders(A, np.flatnonzero(draft.route_of < 0).tolist()), near)
    return draft.plan()


def _leaders(A: Arrays, stops: list[int]) -> IntArray:
    """``stops`` without delivery legs (their pickups stand for both), mandatory and hard ones first."""
    leads = np.array([s for s in stops if A.partner[s] < 0 or s < A.partner[s]], dtype=np.int64)
    if not len(leads):
        return leads
    limits = np.maximum(A.capacity.max(axis=0, initial=1), 1).astype(np.float64)
    loads = (A.delivery + A.pickup + np.abs(A.shipped))[leads] / limits
    bulk = loads.max(axis=1, initial=0.0)
    freedom = A.compatible[leads].sum(axis=1)
    return leads[np.lexsort((leads, -bulk, freedom, A.optional[leads]))]


def _reversible(problem: RoutingProblem, A: Arrays) -> bool:
    if A.timed or not A.plain or A.backhauls_last or (A.start != A.end).any():
        return False
    return all(p.distances is None or bool((p.distances == p.distances.T).all()) for p in problem.profiles)


@dataclass
class _Chains:
    """Routes as chains, the form that merging works on."""

    after: IntArray
    route_of: IntArray
    head: IntArray
    tail: IntArray
    size: IntArray
    load: IntArray
    vehicle: IntArray
    cost: FloatArray


def _merged(problem: RoutingProblem, A: Arrays, near: IntArray) -> _Chains:
    """Visits that some vehicle can serve alone, joined by savings. Legs of shipments stay out."""
    n = problem.n_stops
    # a pickup alone is no route where backhauls come last, but it is a beginning: merging may put it behind deliveries
    relaxed = A._replace(backhauls_last=2) if A.backhauls_last else A
    visits = np.arange(problem.n_visits, dtype=np.int64)
    visits = visits[~A.optional[visits]]
    types, costs = _singles(relaxed, visits)
    served = types >= 0
    visits, types, costs = visits[served], types[served], costs[served]
    of = np.full(n, -1, dtype=np.int64)
    of[visits] = np.arange(len(visits))
    chains = _Chains(
        after=np.full(n, -1, dtype=np.int64),
        route_of=of,
        head=visits.copy(),
        tail=visits.copy(),
        size=np.ones(len(visits), dtype=np.int64),
        load=(A.delivery + A.pickup)[visits],
        vehicle=types,
        cost=costs,
    )
    if len(visits) < 2:
        return chains
    reversible = _reversible(problem, A)
    first = np.repeat(np.arange(n), near.shape[1])
    second = near.reshape(-1)
    keep = (of[first] >= 0) & (of[second] >= 0)
    if reversible:
        # a pair counts once; keep the one direction that is always there
        keys = np.where(first < second, first * n + second, second * n + first)[keep]
        keys = np.unique(keys)
        first, second = keys // n, keys % n
    else:
        first, second = first[keep], second[keep]
    _join(problem, relaxed, chains, first, second, reversible, force=False)
    _shrink(problem, relaxed, chains, reversible)
    return chains


def _join(
    problem: RoutingProblem,
    A: Arrays,
    chains: _Chains,
    first: IntArray,
    second: IntArray,
    reversible: bool,
    force: bool,
) -> int:
    saving = _savings(problem, A, chains, first, second)
    order = np.argsort(-saving, kind="stable")
    widest = np.argsort(-A.capacity.min(axis=1, initial=2**62), kind="stable")[:_MERGE_TYPES].astype(np.int64)
    return int(
        merge(
            A,
            first[order],
            second[order],
            chains.after,
            chains.route_of,
            chains.head,
            chains.tail,
            chains.size,
            chains.load,
            chains.vehicle,
            chains.cost,
            np.sort(widest),
            reversible,
            force,
        )
    )


def _savings(problem: RoutingProblem, A: Arrays, chains: _Chains, first: IntArray, second: IntArray) -> FloatArray:
    """What going from ``first`` to ``second`` saves against going home between them, in distance cost."""
    saving = np.empty(len(first))
    t_first, t_second = chains.vehicle[chains.route_of[first]], chains.vehicle[chains.route_of[second]]
    pair = t_first * len(A.available) + t_second
    for key in np.unique(pair):
        mask = pair == key
        a, b = int(key) // len(A.available), int(key) % len(A.available)
        travel = problem.profiles[int(A.profile[a])]
        at, to = A.location[first[mask]], A.location[second[mask]]
        value = -travel.distance(at, to)
        if A.end[a] >= 0:
            value += travel.distance(at, int(A.end[a]))
        if A.start[b] >= 0:
            value += problem.profiles[int(A.profile[b])].distance(int(A.start[b]), to)
        saving[mask] = value * A.cost_per_distance[a]
    return saving


def _shrink(problem: RoutingProblem, A: Arrays, chains: _Chains, reversible: bool) -> None:
    """While there are more routes than vehicles, join whatever ends still fit, at any cost."""
    vehicles = int(np.minimum(A.available, len(chains.size)).sum())
    for _ in range(8):
        rows = np.flatnonzero(chains.size > 0)
        if len(rows) <= vehicles or len(rows) > 3_000:
            return
        ends = np.unique(np.concatenate((chains.head[rows], chains.tail[rows]))) if reversible else None
        tails, heads = (ends, ends) if ends is not None else (chains.tail[rows], chains.head[rows])
        first, second = np.repeat(tails, len(heads)), np.tile(heads, len(tails))
        apart = chains.route_of[first] != chains.route_of[second]
        if reversible:
            apart &= first < second
        if not _join(problem, A, chains, first[apart], second[apart], reversible, force=True):
            return


def _fit_fleet(A: Arrays, chains: _Chains) -> tuple[_Draft, list[int]]:
    """Chains as rows, at most as many of each type as there are; and the stops of those that had to go."""
    rows = np.flatnonzero(chains.size > 0)
    rows = rows[np.argsort(-chains.size[rows], kind="stable")]  # long routes are hard to rebuild, so they choose first
    n = len(chains.after)
    free = A.available.copy()
    kept: list[tuple[int, float, list[int]]] = []
    left: list[int] = []
    for r in rows:
        stops = []
        at = int(chains.head[r])
        while at >= 0:
            stops.append(at)
            at = int(chains.after[at])
        route = np.array(stops, dtype=np.int64)
        t = int(chains.vehicle[r])
        c = float(chains.cost[r])
        if free[t] <= 0 or A.backhauls_last:
            costs = [route_cost(A, u, route, len(stops)) if free[u] > 0 else np.inf for u in range(len(free))]
            t = int(np.argmin(costs))
            c = float(costs[t])
        if not np.isfinite(c):
            left += stops
            continue
        free[t] -= 1
        kept.append((t, c, stops))
    # room for every stop that is not on a route yet, each on its own if need be
    outside = n - sum(len(stops) for _, _, stops in kept)
    height = len(kept) + int(min(outside, np.minimum(free, outside).sum()))
    length = max((len(stops) for _, _, stops in kept), default=0) + outside
    width = min(n, max(length if height <= 64 else min(length, 20_000_000 // height), 2))
    draft = _Draft(
        routes=np.zeros((height, width), dtype=np.int64),
        size=np.zeros(height, dtype=np.int64),
        vehicle=np.zeros(height, dtype=np.int64),
        cost=np.zeros(height),
        route_of=np.full(n, -1, dtype=np.int64),
    )
    for row, (t, c, stops) in enumerate(kept):
        draft.routes[row, : len(stops)] = stops
        draft.size[row], draft.vehicle[row], draft.cost[row] = len(stops), t, c
        draft.route_of[stops] = row
    return draft, left


def _insert(A: Arrays, draft: _Draft, pool: IntArray, near: IntArray) -> int:
    if not len(pool) or not len(draft.size):
        return len(pool)
    return int(
        insert_all(
            A,
            pool,
            draft.routes,
            draft.size,
            draft.vehicle,
            draft.cost,
            draft.route_of,
            draft.used(len(A.available)),
            near,
            A.plain,
        )
    )


def _missing(A: Arrays, draft: _Draft) -> IntArray:
    """Mandatory stops that are on no route; a shipment by its pickup."""
    stops = np.flatnonzero((draft.route_of < 0) & ~A.optional)
    return stops[(A.partner[stops] < 0) | (stops < A.partner[stops])]


def _repair(A: Arrays, draft: _Draft, near: IntArray, seed: int, stop: Stop) -> None:
    """Empty a few routes at random, those near missing stops first, and insert again; keep what serves more."""
    missing = _missing(A, draft)
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
        pool = _leaders(A, [*missing.tolist(), *trial.clear(chosen)])
        shuffle = np.argsort(np.arange(len(pool)) + rng.uniform(0, len(pool) / 3, len(pool)), kind="stable")
        _insert(A, trial, pool[shuffle], near[:, :0])
        left = _missing(A, trial)
        if len(left) <= len(missing):
            missing = left
            draft.routes[:], draft.size[:], draft.vehicle[:] = trial.routes, trial.size, trial.vehicle
            draft.cost[:], draft.route_of[:] = trial.cost, trial.route_of
