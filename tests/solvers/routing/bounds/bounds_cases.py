"""Small random problems, their optima by enumeration, and a slow second opinion on prices that shares no code."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.bounds.subsets import Subsets
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.problem import RoutingProblem


@st.composite
def plain_problems(draw: st.DrawFn, most: int = 6) -> RoutingProblem:
    """One depot, one kind of vehicle, one kind of load or none; any metric, fixed costs, maybe too few vehicles."""
    n = draw(st.integers(2, most))
    xy = st.integers(0, 20).map(float)
    places = tuple(LocationRow(f"p{k}", Coordinates.POINT, draw(xy), draw(xy)) for k in range(n + 1))
    metric = draw(st.sampled_from([Metric.EUCLIDEAN, Metric.EUCLIDEAN_ROUNDED, Metric.MATRIX]))
    profile = ProfileRow(metric=metric)
    if metric is Metric.MATRIX:
        cells = draw(st.lists(st.integers(0, 20), min_size=(n + 1) ** 2, max_size=(n + 1) ** 2))
        profile = ProfileRow(metric=metric, distances=np.array(cells, dtype=float))
    loaded = draw(st.booleans())
    limit = draw(st.integers(4, 10))
    vehicle = VehicleRow(
        "v",
        draw(st.integers(1, n)),
        "p0",
        "p0",
        (("a", limit),) if loaded else (),
        fixed_cost=float(draw(st.sampled_from([0, 0, 3, 2.5]))),
        cost_per_distance=draw(st.sampled_from([1.0, 1.0, 2.0, 0.3])),
    )
    least = draw(st.integers(0, 1))
    visits = tuple(
        VisitRow(f"c{k}", f"p{k}", (("a", draw(st.integers(least, 4))),) if loaded else ()) for k in range(1, n + 1)
    )
    return RoutingProblem.of(RoutingData(places, (vehicle,), visits, profiles=(profile,)))


def optimum(problem: RoutingProblem) -> float:
    """Cost of the best plan by going through all orders of all subsets; infinite when there is none."""
    n = problem.n_visits
    vehicle = problem.data.vehicles[0]
    travel = problem.profiles[0]
    places = [int(problem.vehicle_start[0]), *problem.stop_location.tolist()]
    d = [[float(travel.distance(a, b)) if a != b else 0.0 for b in places] for a in places]
    loads = [dict(visit.delivery).get("a", 0) for visit in problem.data.visits]
    limit = dict(vehicle.load_limits).get("a", math.inf)
    route = {}
    for mask in range(1, 1 << n):
        members = [k for k in range(n) if mask >> k & 1]
        if sum(loads[k] for k in members) <= limit:
            tours = (
                d[0][order[0] + 1] + sum(d[a + 1][b + 1] for a, b in itertools.pairwise(order)) + d[order[-1] + 1][0]
                for order in itertools.permutations(members)
            )
            route[mask] = vehicle.fixed_cost + vehicle.cost_per_distance * min(tours)
    everything = (1 << n) - 1
    best = {0: 0.0}
    answer = math.inf
    for _ in range(min(vehicle.available, n)):
        following: dict[int, float] = {}
        for done, cost in best.items():
            first = next(k for k in range(n) if not done >> k & 1) if done != everything else None
            for mask, price in route.items():
                if first is not None and mask >> first & 1 and not mask & done:
                    total = cost + price
                    if total < following.get(done | mask, math.inf):
                        following[done | mask] = total
        best = following
        answer = min(answer, best.get(everything, math.inf))
    return answer


def least_route(
    relaxed: Relaxed, reduced: np.ndarray, near: Mapping[int, set[int]], subsets: Subsets, fees: np.ndarray
) -> int:
    """Least reduced cost of an ng-route, 0 at most: all states, from one side, without dominance."""
    n = relaxed.n
    State = tuple[int, frozenset[int], tuple[int, ...]]
    by_load: list[dict[State, int]] = [{} for _ in range(relaxed.capacity + 1)]
    cuts = [
        (set(np.flatnonzero(member)), set(np.flatnonzero(memory)), int(fee))
        for member, memory, fee in zip(subsets.members, subsets.memory, fees, strict=True)
    ]
    for j in range(1, n + 1):
        seen = tuple(int(j in member) for member, _, _ in cuts)
        by_load[int(relaxed.demand[j])][j, frozenset([j]), seen] = int(reduced[0, j])
    least = 0
    for load, states in enumerate(by_load):
        for (i, remembered, seen), cost in states.items():
            least = min(least, cost + int(reduced[i, 0]))
            for j in range(1, n + 1):
                total = load + int(relaxed.demand[j])
                if j not in remembered and total <= relaxed.capacity:
                    value = cost + int(reduced[i, j])
                    counts = []
                    for (member, memory, fee), count in zip(cuts, seen, strict=True):
                        now = (count if j in memory else 0) + (j in member)
                        value += fee * (now // 2)
                        counts.append(now % 2)
                    key = (j, (remembered & near[j]) | {j}, tuple(counts))
                    if value < by_load[total].get(key, 2**62):
                        by_load[total][key] = value
    return least
