"""What a route costs that serves one visit, or one shipment, and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers.routing.problem import RoutingProblem
from solvers.routing.travel import Travel


def cost_alone(problem: RoutingProblem, travel: Travel) -> NDArray[np.float64]:
    """(n, t) cost for each stop and vehicle type; inf where a limit is broken.

    A shipment has its cost on the pickup, and inf on the delivery.
    """
    n, types = problem.compatible.shape
    paired = problem.partner >= 0
    first = np.flatnonzero(~paired | (problem.partner > np.arange(n)))
    is_pair = paired[first]
    last = np.where(is_pair, problem.partner[first], first)
    site = problem.stop_location
    nothing = np.zeros(len(first))
    between = np.where(is_pair, travel.distance(site[first], site[last]), 0.0)
    leg_s = np.where(is_pair, problem.service_s[first] + travel.duration_s(site[first], site[last]), 0.0)
    wait_s = np.where(is_pair, np.maximum(problem.earliest_s[last] - leg_s - problem.latest_s[first], 0.0), 0.0)
    alone = np.full((n, types), np.inf)
    for t in range(types):
        start, end = int(problem.vehicle_start[t]), int(problem.vehicle_end[t])
        out = travel.distance(start, site[first]) if start >= 0 else nothing
        back = travel.distance(site[last], end) if end >= 0 else nothing
        out_s = travel.duration_s(start, site[first]) if start >= 0 else nothing
        back_s = travel.duration_s(site[last], end) if end >= 0 else nothing
        leave_s = np.maximum(problem.shift_earliest_s[t], problem.release_s[first])
        begin = _begun(problem, first, leave_s + out_s)
        begin_last = np.where(is_pair, _begun(problem, last, begin + leg_s), begin)
        took_s = out_s + leg_s + wait_s + problem.service_s[last] + back_s
        length = out + between + back
        fits = (
            problem.compatible[first, t]
            & (np.where(is_pair, 2, 1) <= problem.vehicle_max_stops[t])
            & (begin <= problem.latest_s[first])
            & (begin_last <= problem.latest_s[last])
            & (begin_last + problem.service_s[last] + back_s <= problem.shift_latest_s[t])
            & (length <= problem.max_distance[t])
            & (took_s <= problem.max_duration_s[t])
        )
        for amount in (problem.delivery, problem.pickup, problem.shipped):
            fits &= (amount[first] <= problem.capacity[t]).all(axis=1)
        if problem.data.backhauls_last:
            fits &= ~problem.pickup[first].any(axis=1)
        cost = problem.fixed_cost[t] + problem.cost_per_distance[t] * length + problem.cost_per_duration[t] * took_s
        alone[first[fits], t] = cost[fits]
    return alone


def _begun(problem: RoutingProblem, stops: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Earliest service start of each of ``stops`` not before ``at``; inf after its last window."""
    begin = np.full(len(stops), np.inf)
    begin_of, end_of = problem.window_offsets[stops], problem.window_offsets[stops + 1]
    for k in range(int((end_of - begin_of).max(initial=0))):
        window = np.minimum(begin_of + k, end_of - 1)
        now = np.isinf(begin) & (at <= problem.windows[window, 1])
        begin[now] = np.maximum(at, problem.windows[window, 0])[now]
    return begin
