"""Route bundles for set partitioning: which routes of good plans compete for the same customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.data import IntArray
from solvers.routing.draft import draft_of, insert, leaders
from solvers.routing.evaluation import route_cost
from solvers.routing.injection import well_formed
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem

_ATTEMPTS = 64
"""Rebuilt neighbourhoods at most when the pool has too few alternatives."""


@dataclass(frozen=True)
class Bundle:
    """One column of the set partitioning model: a feasible route and its cost."""

    route: Route
    cost: float


@dataclass(frozen=True)
class Core:
    """The part of an incumbent that is still undecided.

    Parameters
    ----------
    fixed
        Routes of the incumbent that stay.
    chosen
        Routes of the incumbent that compete; they come first in ``bundles``.
    bundles
        All competing routes; every one covers only stops of ``chosen`` and stops that the incumbent leaves out.
    """

    fixed: tuple[Route, ...]
    chosen: tuple[Bundle, ...]
    bundles: tuple[Bundle, ...]


def undecided_core(
    problem: RoutingProblem,
    A: Arrays,
    incumbent: RoutingPlan,
    pool: tuple[RoutingPlan, ...],
    seed: int,
    max_bundles: int,
) -> Core | None:
    """At most ``max_bundles`` bundles around the most promising alternatives; ``None`` when there is no alternative.

    Whole swaps come first: routes of one plan of the pool that serve just the stops of some of the incumbent's routes.
    Then single routes: each brings the incumbent's routes that it touches into the core, and what is left of them
    without its stops, so that it can be chosen without breaking cover. When the pool has too few alternatives,
    neighbouring routes of the incumbent are taken apart and rebuilt in random orders.
    """
    routes = [route for route in incumbent.routes if route.visits]
    own = [Bundle(route, _cost(A, route)) for route in routes]
    if not own or not all(np.isfinite(bundle.cost) for bundle in own):
        return None
    growing = _Growing(A, own, max_bundles)
    known = {_key(route) for route in routes}
    others: dict[tuple[int, frozenset[int]], Bundle] = {}
    swaps: list[list[Bundle]] = []
    for plan in pool:
        fresh = []
        for route in well_formed(problem, plan).routes:
            key = _key(route)
            if route.visits and key not in known:
                bundle = Bundle(route, _cost(A, route))
                if not np.isfinite(bundle.cost):
                    continue
                fresh.append(bundle)
                if key not in others or bundle.cost < others[key].cost:
                    others[key] = bundle
        swaps += _swaps(growing, fresh)
    for swap in sorted(swaps, key=lambda swap: (sum(map(growing.reduced_cost, swap)), len(swap))):
        growing.try_add(*swap)
    for bundle in sorted(others.values(), key=lambda b: (growing.reduced_cost(b), b.route)):
        growing.try_add(bundle)
    _rebuild(problem, A, growing, seed)
    return growing.core()


def _swaps(growing: _Growing, bundles: list[Bundle]) -> list[list[Bundle]]:
    """``bundles`` of one plan in the smallest groups that touch no route of the incumbent in common."""
    group_of: dict[int, list[Bundle]] = {}
    for bundle in bundles:
        rows = {growing.owner[stop] for stop in bundle.route.visits if stop in growing.owner}
        joined = [bundle]
        for group in {id(group_of[r]): group_of[r] for r in rows if r in group_of}.values():
            joined += group
            rows |= {r for r, other in group_of.items() if other is group}
        for r in rows:
            group_of[r] = joined
    return list({id(group): group for group in group_of.values()}.values())


def _key(route: Route) -> tuple[int, frozenset[int]]:
    return route.vehicle_type, frozenset(route.visits)


def _cost(A: Arrays, route: Route) -> float:
    return float(route_cost(A, route.vehicle_type, np.array(route.visits, dtype=np.int64), len(route.visits)))


class _Growing:
    """A core while alternatives are added to it."""

    def __init__(self, A: Arrays, own: list[Bundle], limit: int) -> None:
        self.A, self.own, self.limit = A, own, limit
        self.owner = {stop: r for r, bundle in enumerate(own) for stop in bundle.route.visits}
        self.share = {s: bundle.cost / len(bundle.route.visits) for bundle in own for s in bundle.route.visits}
        self.touched: list[int] = []
        self.alternatives: dict[tuple[int, frozenset[int]], Bundle] = {}

    def reduced_cost(self, bundle: Bundle) -> float:
        """What the bundle costs beyond its stops' even shares of the incumbent's routes; prizes for new stops."""
        prizes = self.A.prize
        return bundle.cost - sum(self.share.get(stop, float(prizes[stop])) for stop in bundle.route.visits)

    def full(self) -> bool:
        return len(self.touched) + len(self.alternatives) >= self.limit

    def try_add(self, *bundles: Bundle) -> None:
        """Add disjoint ``bundles``, the routes that they touch and the remainders, if there is room for all of them."""
        stops = frozenset(stop for bundle in bundles for stop in bundle.route.visits)
        rows = sorted({self.owner[stop] for stop in stops if stop in self.owner})
        fresh = {_key(bundle.route): bundle for bundle in bundles}
        for r in rows:
            left = tuple(stop for stop in self.own[r].route.visits if stop not in stops)
            if not left:
                continue
            remainder = Route(self.own[r].route.vehicle_type, left)
            cost = _cost(self.A, remainder)
            if not np.isfinite(cost) or any(int(self.A.partner[stop]) in stops for stop in left):
                return
            fresh[_key(remainder)] = Bundle(remainder, cost)
        own = {_key(bundle.route) for bundle in self.own}
        new = {key: bundle for key, bundle in fresh.items() if key not in self.alternatives and key not in own}
        rows = [r for r in rows if r not in self.touched]
        if new and len(self.touched) + len(self.alternatives) + len(rows) + len(new) <= self.limit:
            self.touched += rows
            self.alternatives |= new

    def core(self) -> Core | None:
        if not self.alternatives:
            return None
        touched = sorted(self.touched)
        chosen = tuple(self.own[r] for r in touched)
        fixed = tuple(bundle.route for r, bundle in enumerate(self.own) if r not in set(touched))
        return Core(fixed, chosen, (*chosen, *self.alternatives.values()))


def _rebuild(problem: RoutingProblem, A: Arrays, growing: _Growing, seed: int) -> None:
    """Add what comes of taking two or three neighbouring routes apart and inserting their stops in random orders."""
    if growing.full() or len(growing.own) < 2:
        return
    rng = np.random.default_rng(seed)
    near = nearest_stops(problem, 10)
    everyone = sorted(growing.owner)
    for _ in range(_ATTEMPTS):
        if growing.full():
            return
        # once a core has begun, its own stops are taken, so that alternatives meet each other
        known = [stop for r in growing.touched for stop in growing.own[r].route.visits]
        centre = int(rng.choice(known or everyone))
        rows = [growing.owner[centre]]
        for stop in near[centre].tolist():
            r = growing.owner.get(stop)
            if r is not None and r not in rows and len(rows) < 3:
                rows.append(r)
        if len(rows) > 1:
            growing.try_add(*_rebuilt(A, growing, rows, near, rng))


def _rebuilt(
    A: Arrays, growing: _Growing, rows: list[int], near: IntArray, rng: np.random.Generator
) -> tuple[Bundle, ...]:
    """Routes for the stops of ``rows``, with the vehicles that the other routes leave free."""
    others = [bundle for r, bundle in enumerate(growing.own) if r not in rows]
    draft = draft_of(A, [(b.route.vehicle_type, b.cost, b.route.visits) for b in others])
    used = draft.used(len(A.available))
    draft.size[:] = 0  # the other routes take no part
    pool = leaders(A, [stop for r in rows for stop in growing.own[r].route.visits])
    insert(A, draft, rng.permutation(pool), near[:, :0], used)
    routes = (
        Route(int(draft.vehicle[r]), tuple(draft.routes[r, : draft.size[r]].tolist()))
        for r in np.flatnonzero(draft.size)
    )
    return tuple(Bundle(route, _cost(A, route)) for route in routes)
