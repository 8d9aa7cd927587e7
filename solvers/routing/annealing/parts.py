"""Large problems in parts: neighbouring routes, annealed apart from the others and put together again.

Parts are made of routes, not of visits, and by their barycentres or their directions from the depot, which has been
found to beat other ways (Santini, Schneider, Vidal and Vigo 2023). Each round cuts elsewhere, so that no border lasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.routing.annealing.capacity import CapacityEngine
from solvers.routing.annealing.schedule import Cooling, Trace, timed
from solvers.routing.data import Metric
from solvers.routing.problem import RoutingProblem
from solvers.stop import Stop, Until

LEAST_STOPS = 2_500
"""Below so many stops a problem is not cut."""

PART_STOPS = 3_000
"""Stops of the parts that a worker anneals one after the other: their data stay in the nearest caches."""

Routes = list[NDArray[np.int32]]
"""Stops of each route, in order."""


@dataclass(frozen=True)
class Part:
    """What one worker does in one round.

    Parameters
    ----------
    routes
        The part's routes.
    spare
        Vehicles beside theirs that it may use; >= 0.
    hot, cold
        Temperatures from the start to the end of the round, in units of the objective.
    seed, turn
        Chance, and the number of the round.
    seconds
        How long the round lasts; > 0.

    """

    routes: Routes
    spare: int
    hot: float
    cold: float
    seed: int
    turn: int
    seconds: float


@dataclass(frozen=True)
class PartDone:
    """Routes of a part when its round was over, and the best on the way there."""

    now: Routes
    best: Routes
    iterations: int


def accepts(problem: object) -> bool:
    """Whether ``problem`` is large enough to be cut, and of the kind whose parts are independent of each other."""
    return (
        isinstance(problem, RoutingProblem)
        and problem.n_stops >= LEAST_STOPS
        and not problem.optional.any()
        and problem.profiles[problem.vehicle_profile[0]].metric is not Metric.MATRIX
        and CapacityEngine.accepts(problem)
    )


def split(
    problem: RoutingProblem, routes: Sequence[NDArray[np.int32]], parts: int, seed: int, turn: int
) -> list[list[int]]:
    """Numbers of the routes of each part: neighbours together, about equally many stops in each.

    Even rounds cut along lines between barycentres, odd ones by direction from the depot.
    """
    travel = problem.profiles[problem.vehicle_profile[0]]
    where = problem.stop_location
    points = np.column_stack([travel.x, travel.y])
    depot = points[problem.vehicle_start[0]]
    centres = np.array([points[where[route]].mean(axis=0) for route in routes]).reshape(-1, 2)
    sizes = np.array([len(route) for route in routes], np.float64)
    rng = np.random.default_rng([seed, turn])
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    if turn % 2 and parts > 1:
        away = centres - depot
        keys = (np.arctan2(away[:, 1], away[:, 0]) + angle) % (2.0 * math.pi)
        return _cut(np.argsort(keys, kind="stable"), sizes, parts)
    return _bisect(np.arange(len(routes)), centres, sizes, parts, angle)


def _cut(order: NDArray[np.int64], sizes: NDArray[np.float64], parts: int) -> list[list[int]]:
    """Cut an order of routes into ``parts`` pieces of about the same number of stops."""
    middle = np.cumsum(sizes[order]) - 0.5 * sizes[order]
    piece = np.minimum((middle * (parts / max(sizes[order].sum(), 1.0))).astype(np.int64), parts - 1)
    return [order[piece == k].tolist() for k in range(parts)]


def _bisect(
    chosen: NDArray[np.int64], centres: NDArray[np.float64], sizes: NDArray[np.float64], parts: int, angle: float
) -> list[list[int]]:
    """Halve by lines, each at a right angle to the one before."""
    if parts == 1:
        return [chosen.tolist()]
    left = parts // 2
    along = centres[chosen] @ np.array([math.cos(angle), math.sin(angle)])
    order = chosen[np.argsort(along, kind="stable")]
    before = np.cumsum(sizes[order]) - 0.5 * sizes[order] < sizes[order].sum() * left / parts
    turned = angle + 0.5 * math.pi
    return _bisect(order[before], centres, sizes, left, turned) + _bisect(
        order[~before], centres, sizes, parts - left, turned
    )


def anneal_part(problem: RoutingProblem, part: Part, stop: Stop) -> PartDone:
    """Anneal a part until ``stop``, in pieces of at most about `PART_STOPS` stops one after the other.

    The stop needs a clock: it decides how long a piece takes.
    """
    stops = sum(len(route) for route in part.routes)
    pieces = [p for p in split(problem, part.routes, -(-stops // PART_STOPS), part.seed + 1, part.turn) if p]
    total_s, left = stop.remaining_s(), float(stops)
    now, best, iterations = [], [], 0
    for number, piece in enumerate(pieces):
        mine = [part.routes[r] for r in piece]
        size = sum(len(route) for route in mine)
        left -= size
        share = Until(stop, total_s * left / max(stops, 1))
        spare = part.spare // len(pieces) + (number < part.spare % len(pieces))
        if size < 2 or share():
            now += mine
            best += mine
            continue
        engine = CapacityEngine(
            problem,
            _seed(part.seed, part.turn, number),
            stops=np.concatenate(mine).astype(np.int64),
            vehicles=len(mine) + spare,
        )
        engine.load(mine)
        trace = Trace()
        for _ in timed(engine, Cooling(part.hot, part.cold, 1), share, trace):
            pass
        iterations += trace.iterations
        now += engine.current_routes()
        best += engine.routes()
    return PartDone(now, best, iterations)


def _seed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
