"""A routing problem as one flat record of arrays that compiled code takes as a single argument."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.routing.data import FloatArray, IntArray, Metric
from solvers.routing.problem import RoutingProblem


class Arrays(NamedTuple):
    """What `solvers.routing.evaluation` needs; shapes as in `RoutingProblem`.

    ``tables`` and ``time_tables`` are stacks of matrices, (matrices, locations, locations); ``table_of`` and
    ``time_table_of`` say which one a profile uses, -1: none. ``x`` and ``y`` are in radians for haversine profiles.
    ``timed`` is whether time matters, ``plain`` whether loads are deliveries alone or pickups alone, so that only the
    sum on a route counts. ``backhauls_last`` is 0 (no order), 1, or 2 (order, but pickups alone may be a route).
    ``seated`` is whether some stop is pinned to a place on its route.
    """

    location: IntArray
    delivery: IntArray
    pickup: IntArray
    shipped: IntArray
    partner: IntArray
    service: FloatArray
    release: FloatArray
    window_offsets: IntArray
    windows: FloatArray
    optional: NDArray[np.bool_]
    prize: FloatArray
    compatible: NDArray[np.bool_]
    before: IntArray
    after: IntArray
    available: IntArray
    start: IntArray
    end: IntArray
    profile: IntArray
    max_stops: IntArray
    capacity: IntArray
    shift_earliest: FloatArray
    shift_latest: FloatArray
    max_duration: FloatArray
    max_distance: FloatArray
    fixed_cost: FloatArray
    cost_per_distance: FloatArray
    cost_per_duration: FloatArray
    metric: IntArray
    scale: FloatArray
    speed: FloatArray
    x: FloatArray
    y: FloatArray
    table_of: IntArray
    time_table_of: IntArray
    tables: FloatArray
    time_tables: FloatArray
    timed: bool
    plain: bool
    several_windows: bool
    backhauls_last: int
    seated: bool


def _stacked(matrices: list[FloatArray | None]) -> tuple[IntArray, FloatArray]:
    used = [matrix for matrix in matrices if matrix is not None]
    place, index = [], 0
    for matrix in matrices:
        place.append(-1 if matrix is None else index)
        index += matrix is not None
    stack = np.stack(used) if used else np.zeros((1, 1, 1))
    return np.array(place, dtype=np.int64), np.ascontiguousarray(stack, dtype=np.float64)


def arrays_of(problem: RoutingProblem) -> Arrays:
    """The arrays of ``problem``; matrices are copied, the rest is shared."""
    profiles = problem.profiles
    spherical = any(profile.metric is Metric.HAVERSINE for profile in profiles)
    x, y = profiles[0].x, profiles[0].y
    if spherical:
        x, y = np.radians(x), np.radians(y)
    table_of, tables = _stacked([profile.distances for profile in profiles])
    time_table_of, time_tables = _stacked([profile.durations_s for profile in profiles])
    moved = [bool(loads.any()) for loads in (problem.delivery, problem.pickup, problem.shipped)]

    def own(array: NDArray[Any]) -> NDArray[Any]:
        # compiled code is specialised on writability; read-only views of a plain copy would compile twice
        return np.ascontiguousarray(array).copy()

    return Arrays(
        location=own(problem.stop_location),
        delivery=own(problem.delivery),
        pickup=own(problem.pickup),
        shipped=own(problem.shipped),
        partner=own(problem.partner),
        service=own(problem.service_s),
        release=own(problem.release_s),
        window_offsets=own(problem.window_offsets),
        windows=own(problem.windows),
        optional=own(problem.optional),
        prize=own(problem.prize),
        compatible=own(problem.compatible),
        before=own(problem.before),
        after=own(problem.after),
        available=own(problem.vehicle_count),
        start=own(problem.vehicle_start),
        end=own(problem.vehicle_end),
        profile=own(problem.vehicle_profile),
        max_stops=own(problem.vehicle_max_stops),
        capacity=own(problem.capacity),
        shift_earliest=own(problem.shift_earliest_s),
        shift_latest=own(problem.shift_latest_s),
        max_duration=own(problem.max_duration_s),
        max_distance=own(problem.max_distance),
        fixed_cost=own(problem.fixed_cost),
        cost_per_distance=own(problem.cost_per_distance),
        cost_per_duration=own(problem.cost_per_duration),
        metric=np.array([int(profile.metric) for profile in profiles], dtype=np.int64),
        scale=np.array([10.0**profile.decimals for profile in profiles]),
        speed=np.array([profile.speed for profile in profiles]),
        x=own(x),
        y=own(y),
        table_of=table_of,
        time_table_of=time_table_of,
        tables=tables,
        time_tables=time_tables,
        timed=problem.has_time,
        plain=sum(moved) <= 1 and not moved[2],
        several_windows=problem.has_multiple_windows,
        backhauls_last=int(problem.data.backhauls_last),
        seated=problem.has_pinned_places,
    )
