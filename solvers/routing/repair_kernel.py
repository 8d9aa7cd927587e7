"""Neighbourhood repair: a few neighbouring stops are taken out, and the kernel decides where each goes back.

The step of a large neighbourhood search that is combinatorial (Shaw, CP 1998) as a binary model: one variable for each
of a stop's cheapest places, one choice a stop. What two stops cost together in one route is exact, order and load
included, so as long as no route takes three the energy is the plan's objective up to a constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import dimod
import numpy as np

from solvers.kernel import Kernel, Sample, Variable
from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.data import IntArray
from solvers.routing.draft import draft_of, insert, leaders
from solvers.routing.evaluation import route_cost
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.repair_costs import pair_costs, single_costs
from solvers.routing.set_partitioning import partition_kernel
from solvers.strategy import Context

_PLACES = 4
"""Places that a stop may choose from, its own among them."""
_NEAR = 10
_ORDERS_MOST = 4  # stops of one gap whose orders are all tried
_MARGIN = 0.05


def variable(stop: int, place: int) -> str:
    """Name of the variable that gives the ``stop``-th stop its ``place``-th place."""
    return f"{stop}:{place}"


@dataclass(frozen=True)
class Place:
    """Before position ``gap`` of row ``row``; ``row`` -1: the stop is left out."""

    row: int
    gap: int


@dataclass(frozen=True)
class LiftRepair:
    """Sample to plan: each stop to its chosen place, the cheapest of several or of none; others inserted.

    Infeasible results are replaced by the incumbent, and so are worse ones in which a route took three of the stops or
    more: the energy does not know what those cost together.

    Parameters
    ----------
    problem, incumbent
        What is repaired.
    rows
        The incumbent's routes without the stops, empty ones kept.
    stops
        The stops, in the order of the incumbent.
    places
        Of each stop, the cheapest first.
    """

    problem: RoutingProblem
    incumbent: RoutingPlan
    rows: tuple[Route, ...]
    stops: tuple[int, ...]
    places: tuple[tuple[Place, ...], ...]

    def __call__(self, sample: Sample) -> RoutingPlan:
        A = arrays_of(self.problem)
        chosen: dict[int, list[tuple[int, int]]] = {}
        for i, places in enumerate(self.places):
            place = next((p for k, p in enumerate(places) if sample[variable(i, k)]), places[0])
            if place.row >= 0:
                chosen.setdefault(place.row, []).append((place.gap, self.stops[i]))
        routes: list[tuple[int, float, tuple[int, ...]]] = []
        left: list[int] = []
        for r, row in enumerate(self.rows):
            cost, visits = _filled(A, row, chosen.get(r, []))
            if not np.isfinite(cost):
                cost, visits = _filled(A, row, [])
                left += [stop for _, stop in chosen[r]]
            if visits:
                routes.append((row.vehicle_type, cost, visits))
        draft = draft_of(A, routes)
        if left:
            insert(A, draft, leaders(A, left), nearest_stops(self.problem, 40))
        plan = draft.plan()
        verdict = self.problem.verify(plan)
        crowded = bool(left) or _crowded(self, chosen)
        if not verdict.feasible or (crowded and verdict.objective > self.problem.verify(self.incumbent).objective):
            return self.incumbent
        return plan


def _crowded(lift: LiftRepair, chosen: dict[int, list[tuple[int, int]]]) -> bool:
    """Whether a route takes, or took, three of the stops."""
    taken = set(lift.stops)
    before = [sum(stop in taken for stop in route.visits) for route in lift.incumbent.routes]
    return max([len(stops) for stops in chosen.values()] + before, default=0) > 2


def _cost(A: Arrays, vehicle: int, visits: Sequence[int]) -> float:
    return float(route_cost(A, vehicle, np.array(visits, dtype=np.int64), len(visits)))


def _filled(A: Arrays, row: Route, placed: Iterable[tuple[int, int]]) -> tuple[float, tuple[int, ...]]:
    """Cost of ``row`` with stops put into gaps, and the visits; each gap's stops in their best order, gap by gap."""
    gaps: dict[int, tuple[int, ...]] = {}
    for gap, stop in placed:
        gaps[gap] = (*gaps.get(gap, ()), stop)
    best = _joined(A, row, gaps)
    for gap, stops in gaps.items():
        if 1 < len(stops) <= _ORDERS_MOST:
            trials = [(_joined(A, row, gaps | {gap: order}), order) for order in permutations(stops)]
            found, order = min(trials, key=lambda trial: trial[0][0])
            if found[0] < best[0]:
                best, gaps[gap] = found, order
    return best


def _joined(A: Arrays, row: Route, gaps: Mapping[int, tuple[int, ...]]) -> tuple[float, tuple[int, ...]]:
    visits: list[int] = []
    for k in range(len(row.visits) + 1):
        visits += gaps.get(k, ())
        visits += row.visits[k : k + 1]
    return _cost(A, row.vehicle_type, visits), tuple(visits)


def repair_kernel(
    problem: RoutingProblem,
    incumbent: RoutingPlan,
    pool: tuple[RoutingPlan, ...],
    context: Context[RoutingPlan],
    max_variables: int,
) -> Kernel[RoutingPlan] | None:
    """Places of a few neighbouring stops of ``incumbent`` (see `solvers.kind.KernelBuilder`); ``pool`` has no part.

    The seed chooses the neighbourhood. Shipments stay where they are. ``None`` when no two places compete.
    """
    del pool
    A = arrays_of(problem)
    each = _PLACES if max_variables >= 2 * _PLACES else 2
    stops = _neighbourhood(problem, A, incumbent, context.seed, max_variables // each)
    taken = set(stops)
    rows = tuple(
        Route(route.vehicle_type, tuple(stop for stop in route.visits if stop not in taken))
        for route in incumbent.routes
    )
    bases = [_cost(A, row.vehicle_type, row.visits) for row in rows]
    if not stops or not np.isfinite(bases).all():
        return None
    near = nearest_stops(problem, _NEAR)
    homes = _homes(incumbent, stops)
    found = [
        _places(A, incumbent, rows, bases, near, stop, home, each) for stop, home in zip(stops, homes, strict=True)
    ]
    if any(not places for places in found) or sum(len(places) for places in found) <= len(stops):
        return None
    bqm = _energy(A, rows, bases, stops, found, homes)
    places = tuple(tuple(place for _, place in options) for options in found)
    warm: dict[Variable, int] = {
        variable(i, k): int(place == homes[i]) for i, options in enumerate(places) for k, place in enumerate(options)
    }
    return Kernel(
        bqm=bqm,
        lift=LiftRepair(problem, incumbent, rows, stops, places),
        one_hot_groups=tuple(tuple(variable(i, k) for k in range(len(options))) for i, options in enumerate(places)),
        warm_start=warm,
        label=f"repair of {len(stops)} stops, {sum(map(len, places))} places",
    )


def _neighbourhood(
    problem: RoutingProblem, A: Arrays, incumbent: RoutingPlan, seed: int, number: int
) -> tuple[int, ...]:
    """At most ``number`` served stops near each other that are no leg of a shipment, in the incumbent's order."""
    served = [stop for route in incumbent.routes for stop in route.visits if A.partner[stop] < 0]
    if not served or number < 1:
        return ()
    near = nearest_stops(problem, problem.n_stops - 1 if problem.n_stops <= 200 else 4 * number)
    allowed = set(served)
    centre = int(np.random.default_rng(seed).choice(served))
    chosen = {centre, *[stop for stop in near[centre].tolist() if stop in allowed][: number - 1]}
    return tuple(stop for stop in served if stop in chosen)


def _homes(incumbent: RoutingPlan, stops: tuple[int, ...]) -> list[Place]:
    """Where each stop is now, in gaps of the routes without them."""
    taken = set(stops)
    homes: dict[int, Place] = {}
    for r, route in enumerate(incumbent.routes):
        gap = 0
        for stop in route.visits:
            if stop in taken:
                homes[stop] = Place(r, gap)
            else:
                gap += 1
    return [homes[stop] for stop in stops]


def _places(
    A: Arrays,
    incumbent: RoutingPlan,
    rows: tuple[Route, ...],
    bases: list[float],
    near: IntArray,
    stop: int,
    home: Place,
    each: int,
) -> list[tuple[float, Place]]:
    """The cheapest places of ``stop`` alone and what they cost, cheapest first, ``home`` always among them.

    None where ``home`` holds only together with other stops that were taken out.
    """
    close = {stop, *near[stop].tolist()}
    rows_near = [r for r, route in enumerate(incumbent.routes) if close.intersection(route.visits)]
    options: list[tuple[float, Place]] = []
    for r in rows_near:
        costs = single_costs(A, rows[r].vehicle_type, np.array(rows[r].visits, dtype=np.int64), stop)
        options += [
            (float(costs[gap]) - bases[r], Place(r, gap)) for gap in np.flatnonzero(np.isfinite(costs)).tolist()
        ]
    if A.optional[stop]:
        options.append((float(A.prize[stop]), Place(-1, 0)))
    options.sort(key=lambda option: (option[0], option[1].row, option[1].gap))
    at_home = next((option for option in options if option[1] == home), None)
    if at_home is None:
        return []
    kept = options[:each]
    return kept if at_home in kept else [*kept[:-1], at_home]


def _energy(
    A: Arrays,
    rows: tuple[Route, ...],
    bases: list[float],
    stops: tuple[int, ...],
    found: list[list[tuple[float, Place]]],
    homes: list[Place],
) -> dimod.BinaryQuadraticModel:
    """Cost of each place, what two in one route add to each other, and one choice a stop."""
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i, options in enumerate(found):
        for k, (cost, _) in enumerate(options):
            bqm.add_linear(variable(i, k), cost)
    together: dict[tuple[str, str], float] = {}
    barred: list[tuple[str, str]] = []
    for r, row in enumerate(rows):
        here = [
            (i, k, cost, place.gap)
            for i, options in enumerate(found)
            for k, (cost, place) in enumerate(options)
            if place.row == r
        ]
        if len(here) < 2:
            continue
        owner = np.array([i for i, _, _, _ in here])
        gaps = np.array([gap for _, _, _, gap in here])
        visits = np.array(row.visits, dtype=np.int64)
        both = pair_costs(A, row.vehicle_type, visits, gaps, np.array(stops)[owner], owner)
        for (a, (i, k, cost, _)), (b, (j, m, other, _)) in combinations(enumerate(here), 2):
            if i == j:
                continue
            pair = variable(i, k), variable(j, m)
            if np.isfinite(both[a, b]):
                together[pair] = float(both[a, b]) - bases[r] - cost - other
            else:
                barred.append(pair)
    own = {
        variable(i, k): cost
        for i, options in enumerate(found)
        for k, (cost, place) in enumerate(options)
        if place == homes[i]
    }
    incumbent = sum(own.values()) + sum(cost for pair, cost in together.items() if own.keys() >= set(pair))
    mean = float(np.mean([abs(cost) for options in found for cost, _ in options]))
    # what breaks a rule costs more than the incumbent: no state can cost less than all negative terms together
    gains = sum(min(0.0, cost) for cost in together.values())
    bar = incumbent - sum(options[0][0] for options in found) - gains + _MARGIN * max(mean, 1e-9)
    choice = incumbent - sum(min(0.0, c) for options in found for c, _ in options) - gains + _MARGIN * max(mean, 1e-9)
    for pair, cost in together.items():
        bqm.add_quadratic(*pair, cost)
    for pair in barred:
        bqm.add_quadratic(*pair, max(0.0, bar))
    for i, options in enumerate(found):
        bqm.add_linear_equality_constraint([(variable(i, k), 1.0) for k in range(len(options))], choice, -1.0)
    return bqm


def routing_kernel(
    problem: RoutingProblem,
    incumbent: RoutingPlan,
    pool: tuple[RoutingPlan, ...],
    context: Context[RoutingPlan],
    max_variables: int,
) -> Kernel[RoutingPlan] | None:
    """Set partitioning over route bundles where routes compete, else the repair of a neighbourhood."""
    kernel = partition_kernel(problem, incumbent, pool, context, max_variables)
    return kernel or repair_kernel(problem, incumbent, pool, context, max_variables)
