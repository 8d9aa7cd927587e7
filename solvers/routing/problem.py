"""A routing problem, checked and compiled into arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from solvers.problem import Features, Verdict
from solvers.routing.data import Coordinates, FloatArray, IntArray, RoutingData
from solvers.routing.plan import RoutingPlan
from solvers.routing.travel import Travel

TOLERANCE = 1e-6
"""Limits (times, distances) are held within this much of their unit. Engines should hold them exactly."""

UNLIMITED = 2**62
"""Capacity or number of stops without a limit."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RoutingProblem:
    """A routing problem: rows for people, arrays for engines. Make it with `RoutingProblem.of`.

    A *stop* is a visit or one leg of a shipment. With ``v`` visits and ``k`` shipments there are ``n = v + 2 * k``
    stops: visit ``i`` is stop ``i``, shipment ``j`` has its pickup at stop ``v + 2 * j`` and its delivery right after.
    ``d`` is the number of load dimensions, ``t`` of vehicle types, ``w`` of windows over all stops. All arrays are
    read-only. Pins are folded in: a pinned vehicle into ``compatible``, a pinned start into the windows, a pinned place
    into ``before`` and ``after``.

    Attributes
    ----------
    data
        The rows it was made from; two problems are equal when these are.
    dimensions
        Names of the load dimensions, sorted.
    profiles
        Travel profiles in their order; `vehicle_profile` says which type drives by which.
    stop_ids
        Unique names of the stops.
    stop_location
        (n,) location index.
    delivery, pickup
        (n, d) loads brought from the start and taken to the end; 0 on legs of shipments.
    shipped
        (n, d) what comes on board (pickup leg, > 0) or goes off (delivery leg, < 0); 0 on visits.
    partner
        (n,) the other leg of the same shipment, -1 for visits.
    service_s, release_s
        (n,) service time; earliest start of the route that serves it.
    window_offsets, windows
        (n + 1,) and (w, 2): the windows of stop ``i`` are ``windows[window_offsets[i]:window_offsets[i + 1]]``,
        ascending, at least one each; the end may be ``inf``. Service starts within one of them.
    earliest_s, latest_s
        (n,) start of the first and end of the last window: all there is to know where ``has_multiple_windows`` is
        false.
    optional, prize
        (n,) whether it may be left out and what that costs. A shipment has its prize on the pickup leg, 0 on the other.
    compatible
        (n, t) whether a vehicle of the type may serve the stop (allowed, forbidden, skills, pin).
    before, after
        (n, 2) fewest and most stops that come before and after it on its route; 0 and `UNLIMITED` where free.
    vehicle_count, vehicle_start, vehicle_end, vehicle_profile, vehicle_max_stops
        (t,) integers; a start or end of -1 is open: the route starts at its first or ends at its last stop.
    capacity
        (t, d), `UNLIMITED` where no limit.
    shift_earliest_s, shift_latest_s, max_duration_s, max_distance
        (t,) ``inf`` where no limit.
    fixed_cost, cost_per_distance, cost_per_duration
        (t,)
    initial_plan
        An injected plan, feasible or not, or ``None``.

    """

    kind: ClassVar[str] = "routing"

    data: RoutingData
    dimensions: tuple[str, ...]
    profiles: tuple[Travel, ...]
    stop_ids: tuple[str, ...]
    stop_location: IntArray
    delivery: IntArray
    pickup: IntArray
    shipped: IntArray
    partner: IntArray
    service_s: FloatArray
    release_s: FloatArray
    window_offsets: IntArray
    windows: FloatArray
    earliest_s: FloatArray
    latest_s: FloatArray
    optional: BoolArray
    prize: FloatArray
    compatible: BoolArray
    before: IntArray
    after: IntArray
    vehicle_count: IntArray
    vehicle_start: IntArray
    vehicle_end: IntArray
    vehicle_profile: IntArray
    vehicle_max_stops: IntArray
    capacity: IntArray
    shift_earliest_s: FloatArray
    shift_latest_s: FloatArray
    max_duration_s: FloatArray
    max_distance: FloatArray
    fixed_cost: FloatArray
    cost_per_distance: FloatArray
    cost_per_duration: FloatArray
    initial_plan: RoutingPlan | None

    @classmethod
    def of(cls, data: RoutingData) -> RoutingProblem:
        """Bring into normal form, check and compile.

        Raises
        ------
        solvers.errors.InvalidProblem
            Naming every field at fault.

        """
        from solvers.routing.compilation import compiled
        from solvers.routing.normal_form import normalised
        from solvers.routing.validation import check

        data = normalised(data)
        check(data)
        return compiled(data)

    def verify(self, plan: RoutingPlan) -> Verdict:
        """Recompute the objective and every constraint from the raw data. Never raises for a well-typed plan."""
        from solvers.routing.verify import verify

        return verify(self, plan)

    def features(self) -> Features:
        """Size, density, tightness and what else selection may learn from."""
        from solvers.routing.features import features

        return features(self)

    def __eq__(self, other: object) -> bool:
        return self.data == other.data if isinstance(other, RoutingProblem) else NotImplemented

    def __hash__(self) -> int:
        return hash((len(self.data.visits), len(self.data.shipments), self.data.vehicles))

    @property
    def n_stops(self) -> int:
        """Visits and legs of shipments."""
        return len(self.stop_ids)

    @property
    def n_visits(self) -> int:
        """Visits alone; stops from here on are legs of shipments."""
        return len(self.data.visits)

    @cached_property
    def has_shipments(self) -> bool:
        """Whether some stop is a leg of a shipment."""
        return bool(self.data.shipments)

    @cached_property
    def has_multiple_windows(self) -> bool:
        """Whether some stop has more than one window."""
        return len(self.windows) > self.n_stops

    @cached_property
    def has_pinned_places(self) -> bool:
        """Whether some visit is pinned to a place on its route."""
        return bool((self.before[:, 1] < UNLIMITED).any() or (self.after[:, 1] < UNLIMITED).any())

    @cached_property
    def has_time(self) -> bool:
        """Whether time matters at all: windows, shifts, releases, duration limits or costs."""
        return bool(
            (self.earliest_s > 0).any()
            or np.isfinite(self.latest_s).any()
            or (self.release_s > 0).any()
            or np.isfinite(self.shift_latest_s).any()
            or np.isfinite(self.max_duration_s).any()
            or (self.cost_per_duration > 0).any()
        )

    @cached_property
    def coordinates(self) -> Coordinates:
        """What the locations' coordinates are."""
        return self.data.locations[0].coordinates
