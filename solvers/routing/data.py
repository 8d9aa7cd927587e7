"""The routing contract as plain rows: what a file or a message says, before it is checked and compiled.

Readers and converters fill these; `solvers.routing.problem.RoutingProblem` checks them all at once and turns them into
arrays. Field names and meanings are those of ``protos/routing.proto``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Loads = tuple[tuple[str, int], ...]
"""Amount per load dimension, sorted by name."""


class Metric(IntEnum):
    """How distances arise; the numbers are the proto's, so that compiled code can switch on them."""

    DEFAULT = 0
    EUCLIDEAN = 1
    EUCLIDEAN_ROUNDED = 2
    EUCLIDEAN_CEILED = 3
    EUCLIDEAN_TRUNCATED = 4
    HAVERSINE = 5
    MATRIX = 6


class Coordinates(IntEnum):
    """What a location's ``x`` and ``y`` are."""

    NONE = 0
    POINT = 1
    LAT_LNG = 2


class LocationRow(NamedTuple):
    """A place. With `Coordinates.LAT_LNG`, ``x`` is the longitude and ``y`` the latitude, in degrees."""

    id: str
    coordinates: Coordinates = Coordinates.NONE
    x: float = 0.0
    y: float = 0.0


class Window(NamedTuple):
    """Closed interval in seconds; ``latest_s`` is ``math.inf`` when it has no end."""

    earliest_s: float = 0.0
    latest_s: float = math.inf


@dataclass(frozen=True, eq=False)
class ProfileRow:
    """How far and how long from one location to another.

    ``distances`` and ``durations_s`` are flat, row-major, float64, as sent; ``None`` when absent.
    """

    id: str = ""
    metric: Metric = Metric.DEFAULT
    decimals: int = 0
    speed: float = 1.0
    distances: FloatArray | None = None
    durations_s: FloatArray | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProfileRow):
            return NotImplemented
        return (
            (self.id, self.metric, self.decimals, self.speed) == (other.id, other.metric, other.decimals, other.speed)
            and _same(self.distances, other.distances)
            and _same(self.durations_s, other.durations_s)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.metric, self.decimals, self.speed))


def _same(a: FloatArray | None, b: FloatArray | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and bool((a == b).all())


class BreakRow(NamedTuple):
    """A rest during a route."""

    window: Window
    duration_s: float


class VehicleRow(NamedTuple):
    """Vehicles that are alike. ``math.inf`` and ``None`` mean unlimited; ``available`` is the proto's ``count``."""

    id: str
    available: int = 1
    start_location: str = ""
    end_location: str = ""
    load_limits: Loads = ()
    shift: Window = Window()
    max_duration_s: float = math.inf
    max_distance: float = math.inf
    fixed_cost: float = 0.0
    cost_per_distance: float = 1.0
    cost_per_duration: float = 0.0
    profile: str = ""
    max_stops: int | None = None
    skills: tuple[str, ...] = ()
    breaks: tuple[BreakRow, ...] = ()
    reload_locations: tuple[str, ...] = ()


class PinRow(NamedTuple):
    """What is already decided about a visit.

    ``position`` is its place among the stops of its route from 0, ``position_from_end`` the same counted back from the
    last stop, which is 0. With both the route has exactly as many stops as they say.
    """

    vehicle: str = ""
    start_s: float | None = None
    position: int | None = None
    position_from_end: int | None = None


class VisitRow(NamedTuple):
    """A stop to make; ``prize`` is ``None`` when it must be served."""

    id: str
    location: str
    delivery: Loads = ()
    pickup: Loads = ()
    service_s: float = 0.0
    time_windows: tuple[Window, ...] = ()
    prize: float | None = None
    release_s: float = 0.0
    allowed_vehicles: tuple[str, ...] = ()
    forbidden_vehicles: tuple[str, ...] = ()
    required_skills: tuple[str, ...] = ()
    pin: PinRow | None = None


class LegRow(NamedTuple):
    """One leg of a shipment."""

    location: str
    service_s: float = 0.0
    time_windows: tuple[Window, ...] = ()


class ShipmentRow(NamedTuple):
    """Goods from one place to another; ``prize`` is ``None`` when it must be served."""

    id: str
    pickup: LegRow
    delivery: LegRow
    load: Loads = ()
    prize: float | None = None
    release_s: float = 0.0
    allowed_vehicles: tuple[str, ...] = ()
    forbidden_vehicles: tuple[str, ...] = ()
    required_skills: tuple[str, ...] = ()


class InitialRouteRow(NamedTuple):
    """One route of an injected plan."""

    vehicle: str
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoutingData:
    """A whole routing problem as rows."""

    locations: tuple[LocationRow, ...]
    vehicles: tuple[VehicleRow, ...]
    visits: tuple[VisitRow, ...] = ()
    shipments: tuple[ShipmentRow, ...] = ()
    profiles: tuple[ProfileRow, ...] = ()
    initial_plan: tuple[InitialRouteRow, ...] | None = None
    backhauls_last: bool = False
