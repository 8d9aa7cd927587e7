"""Builds a first plan for every feature of the contract: savings, then fleet repair, then insertion of what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.compiled import compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.descent import descend
from solvers.routing.draft import Draft, draft_of, drop_unprofitable, insert, leaders, missing_stops, repair
from solvers.routing.evaluation import route_cost
from solvers.routing.merging import merge
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import UNLIMITED, RoutingProblem
from solvers.stop import Stop

_MANY = 2_000
"""Stops from which neighbour lists get shorter, so that 20,000 take well under a second."""

_FEW, _SHORT = 600, 3_000
"""Routes up to which all pairs of ends are tried for a saving, or for want of vehicles."""

_TIMELY_FROM, _TIMELY_KEPT, _WAIT_SHARE = 100, 40, 0.2
"""With windows: nearest stops looked at, those kept by time and distance, and what a second of waiting counts."""

_MERGE_TYPES = 16
"""Vehicle types tried at each merge at most; the widest ones."""


@compiled
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


def construct(problem: RoutingProblem, seed: int, stop: Stop) -> RoutingPlan:
    """A plan for ``problem`` that breaks no rule but, where it had to, leaves mandatory stops unserved.

    ``seed`` drives the repair of problems whose fleet is tight; ``stop`` ends it early.
    """
    A = arrays_of(problem)
    near = nearest_stops(problem, 40 if problem.n_stops <= _MANY else 20)
    draft = _fit_fleet(A, _merged(problem, A, near))
    insert(A, draft, leaders(A, np.flatnonzero(draft.route_of < 0).tolist()), near)
    if len(missing_stops(A, draft)) and not problem.has_shipments:
        # a fleet too tight for what savings made of it may still be enough when filled one stop at a time
        filled = draft_of(A, [])
        insert(A, filled, leaders(A, list(range(problem.n_stops))), near)
        draft = min(draft, filled, key=lambda d: (len(missing_stops(A, d)), d.cost.sum()))
    repair(A, draft, near, seed, stop)
    if problem.optional.any():
        drop_unprofitable(A, draft.routes, draft.size, draft.vehicle, draft.cost, draft.route_of)
        insert(A, draft, leaders(A, np.flatnonzero(draft.route_of < 0).tolist()), near)
    descend(A, draft, near, stop)
    return draft.plan()


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
    # a pinned place is taken once the others have theirs: savings would bring more stops before and after it
    seated = (A.before[visits, 1] < UNLIMITED) | (A.after[visits, 1] < UNLIMITED)
    visits = visits[~A.optional[visits] & ~seated]
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
    if np.isfinite(A.windows[:, 1]).any() and not reversible:
        first, second = _timely(problem, A, of)
    _join(problem, relaxed, chains, first, second, reversible, force=False)
    _end_to_end(problem, relaxed, chains, reversible)
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


def _timely(problem: RoutingProblem, A: Arrays, of: IntArray) -> tuple[IntArray, IntArray]:
    """Pairs of visits worth going between in time: near, reachable before the window closes, without a long wait.

    The measure is that of Vidal et al. (2013): distance plus a share of the wait that no schedule can avoid.
    """
    near = nearest_stops(problem, _TIMELY_FROM)
    first, second = np.repeat(np.arange(len(near)), near.shape[1]), near.reshape(-1)
    travel = problem.profiles[int(A.profile[0])]
    at, to = A.location[first], A.location[second]
    ready = A.service[first] + travel.duration_s(at, to)
    wait = np.maximum(problem.earliest_s[second] - ready - problem.latest_s[first], 0.0)
    late = problem.earliest_s[first] + ready > problem.latest_s[second]
    measure = travel.distance(at, to) + _WAIT_SHARE * travel.speed * wait
    measure[late | (of[first] < 0) | (of[second] < 0)] = np.inf
    measure = measure.reshape(near.shape)
    width = min(_TIMELY_KEPT, near.shape[1])
    best = np.argpartition(measure, width - 1, axis=1)[:, :width]
    kept = np.isfinite(np.take_along_axis(measure, best, axis=1))
    rows = np.repeat(np.arange(len(near))[:, None], width, axis=1)
    return rows[kept], np.take_along_axis(near, best, axis=1)[kept]


def _end_to_end(problem: RoutingProblem, A: Arrays, chains: _Chains, reversible: bool) -> None:
    """Join ends of routes that near pairs left apart: where that saves, and at any cost while vehicles are short."""
    vehicles = int(np.minimum(A.available, len(chains.size)).sum())
    for force in (False, True):
        for _ in range(4):
            rows = np.flatnonzero(chains.size > 0)
            if len(rows) > (_SHORT if force else _FEW) or (len(rows) <= vehicles and (force or reversible)):
                break
            ends = np.unique(np.concatenate((chains.head[rows], chains.tail[rows])))
            tails, heads = (ends, ends) if reversible else (chains.tail[rows], chains.head[rows])
            first, second = np.repeat(tails, len(heads)), np.tile(heads, len(tails))
            apart = chains.route_of[first] != chains.route_of[second]
            if reversible:
                apart &= first < second
            if not _join(problem, A, chains, first[apart], second[apart], reversible, force):
                break


def _fit_fleet(A: Arrays, chains: _Chains) -> Draft:
    """Chains as rows, at most as many of each type as there are; the others are dissolved."""
    rows = np.flatnonzero(chains.size > 0)
    rows = rows[np.argsort(-chains.size[rows], kind="stable")]  # long routes are hard to rebuild, so they choose first
    free = A.available.copy()
    kept: list[tuple[int, float, list[int]]] = []
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
            continue
        free[t] -= 1
        kept.append((t, c, stops))
    return draft_of(A, kept)
