"""Rows to arrays: turns checked `RoutingData` into a `RoutingProblem`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.routing.data import (
    Coordinates,
    FloatArray,
    IntArray,
    Loads,
    Metric,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import UNLIMITED, BoolArray, RoutingProblem
from solvers.routing.travel import Travel


def _frozen(values: Iterable[object], dtype: type) -> NDArray[Any]:
    array: NDArray[Any] = np.array(list(values), dtype=dtype)
    array.setflags(write=False)
    return array


def _ints(values: Iterable[int]) -> IntArray:
    return _frozen(values, np.int64)


def _floats(values: Iterable[float]) -> FloatArray:
    return _frozen(values, np.float64)


def _readonly(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _loads(rows: Sequence[Loads], dimensions: tuple[str, ...], default: int = 0, sign: int = 1) -> IntArray:
    column = {name: c for c, name in enumerate(dimensions)}
    array = np.full((len(rows), len(dimensions)), default, dtype=np.int64)
    for r, loads in enumerate(rows):
        for name, amount in loads:
            array[r, column[name]] = sign * amount
    return array


def _dimensions(data: RoutingData) -> tuple[str, ...]:
    names: set[str] = set()
    for visit in data.visits:
        names.update(name for name, _ in visit.delivery)
        names.update(name for name, _ in visit.pickup)
    for shipment in data.shipments:
        names.update(name for name, _ in shipment.load)
    for vehicle in data.vehicles:
        names.update(name for name, _ in vehicle.load_limits)
    return tuple(sorted(names))


def stop_ids(data: RoutingData) -> tuple[str, ...]:
    """Names of all stops: visits, then ``<shipment>/pickup`` and ``<shipment>/delivery`` of each shipment."""
    legs = (f"{shipment.id}/{leg}" for shipment in data.shipments for leg in ("pickup", "delivery"))
    return (*(visit.id for visit in data.visits), *legs)


def default_metric(data: RoutingData, profile: ProfileRow) -> Metric:
    """The metric of ``profile``, with the default resolved from what the data has."""
    if profile.metric is not Metric.DEFAULT:
        return profile.metric
    if profile.distances is not None:
        return Metric.MATRIX
    return Metric.HAVERSINE if data.locations[0].coordinates is Coordinates.LAT_LNG else Metric.EUCLIDEAN


def profile_index(profiles: Sequence[ProfileRow], name: str) -> int | None:
    """Index of the profile called ``name``; an empty name means the one with the empty id, or the first."""
    for i, profile in enumerate(profiles):
        if profile.id == name:
            return i
    return 0 if not name else None


def _travel(data: RoutingData, row: ProfileRow, x: FloatArray, y: FloatArray) -> Travel:
    n = len(data.locations)

    def square(flat: FloatArray | None) -> FloatArray | None:
        return None if flat is None else np.ascontiguousarray(flat, dtype=np.float64).reshape(n, n)

    return Travel(
        metric=default_metric(data, row),
        decimals=row.decimals,
        speed=row.speed,
        x=x,
        y=y,
        distances=square(row.distances),
        durations_s=square(row.durations_s),
    )


def _windows_of(windows: tuple[Window, ...], pinned_start_s: float | None) -> tuple[Window, ...]:
    if pinned_start_s is not None:
        return (Window(pinned_start_s, pinned_start_s),)
    return windows or (Window(),)


def _compatible(data: RoutingData) -> BoolArray:
    types = {vehicle.id: t for t, vehicle in enumerate(data.vehicles)}
    skills = [frozenset(vehicle.skills) for vehicle in data.vehicles]
    compatible = np.ones((len(data.visits) + 2 * len(data.shipments), len(types)), dtype=np.bool_)

    def fill(rows: slice, item: VisitRow | ShipmentRow, pinned: str) -> None:
        if item.allowed_vehicles:
            allowed = np.zeros(len(types), dtype=np.bool_)
            allowed[[types[name] for name in item.allowed_vehicles]] = True
            compatible[rows] &= allowed
        for name in item.forbidden_vehicles:
            compatible[rows, types[name]] = False
        if item.required_skills:
            needed = frozenset(item.required_skills)
            compatible[rows] &= np.array([needed <= has for has in skills], dtype=np.bool_)
        if pinned:
            compatible[rows] &= np.arange(len(types)) == types[pinned]

    for i, visit in enumerate(data.visits):
        if visit.allowed_vehicles or visit.forbidden_vehicles or visit.required_skills or visit.pin:
            fill(slice(i, i + 1), visit, visit.pin.vehicle if visit.pin else "")
    for j, shipment in enumerate(data.shipments):
        first = len(data.visits) + 2 * j
        fill(slice(first, first + 2), shipment, "")
    return compatible


def _places(data: RoutingData, n_stops: int, field: str) -> IntArray:
    """Fewest and most stops before (``position``) or after (``position_from_end``) each stop; shape (n, 2)."""
    places = np.tile(np.array([0, UNLIMITED], dtype=np.int64), (n_stops, 1))
    for i, visit in enumerate(data.visits):
        place = None if visit.pin is None else getattr(visit.pin, field)
        if place is not None:
            places[i] = place
    return _readonly(places)


def _initial_plan(data: RoutingData, ids: tuple[str, ...]) -> RoutingPlan | None:
    if data.initial_plan is None:
        return None
    types = {vehicle.id: t for t, vehicle in enumerate(data.vehicles)}
    stops = {name: i for i, name in enumerate(ids)}
    return RoutingPlan(
        tuple(Route(types[row.vehicle], tuple(stops[name] for name in row.stops)) for row in data.initial_plan)
    )


def compiled(data: RoutingData) -> RoutingProblem:
    """The problem made of ``data``, which has been checked."""
    visits, shipments, vehicles = data.visits, data.shipments, data.vehicles
    locations = {row.id: i for i, row in enumerate(data.locations)}
    dimensions = _dimensions(data)
    ids = stop_ids(data)
    n_visits, n = len(visits), len(ids)
    legs = [leg for shipment in shipments for leg in (shipment.pickup, shipment.delivery)]
    x, y = _floats(row.x for row in data.locations), _floats(row.y for row in data.locations)

    delivery = np.zeros((n, len(dimensions)), dtype=np.int64)
    pickup, shipped = delivery.copy(), delivery.copy()
    delivery[:n_visits] = _loads([visit.delivery for visit in visits], dimensions)
    pickup[:n_visits] = _loads([visit.pickup for visit in visits], dimensions)
    shipped[n_visits::2] = _loads([shipment.load for shipment in shipments], dimensions)
    shipped[n_visits + 1 :: 2] = -shipped[n_visits::2]
    partner = np.full(n, -1, dtype=np.int64)
    partner[n_visits::2] = np.arange(n_visits + 1, n, 2)
    partner[n_visits + 1 :: 2] = np.arange(n_visits, n, 2)

    by_stop = [
        *(_windows_of(visit.time_windows, visit.pin.start_s if visit.pin else None) for visit in visits),
        *(_windows_of(leg.time_windows, None) for leg in legs),
    ]
    offsets = np.concatenate(([0], np.cumsum([len(windows) for windows in by_stop]))).astype(np.int64)
    flat = np.array([window for windows in by_stop for window in windows], dtype=np.float64).reshape(-1, 2)

    owners: list[VisitRow | ShipmentRow] = [*visits, *(shipment for shipment in shipments for _ in range(2))]
    prize = np.array([0.0 if owner.prize is None else owner.prize for owner in owners], dtype=np.float64)
    prize[n_visits + 1 :: 2] = 0.0
    profiles = data.profiles or (ProfileRow(),)

    def location_or_open(name: str) -> int:
        return locations[name] if name else -1

    def profile(vehicle: VehicleRow) -> int:
        index = profile_index(profiles, vehicle.profile)
        assert index is not None  # noqa: S101 - checked by validation
        return index

    for array in (delivery, pickup, shipped, partner, offsets, flat, prize):
        array.setflags(write=False)
    return RoutingProblem(
        data=data,
        dimensions=dimensions,
        profiles=tuple(_travel(data, row, x, y) for row in profiles),
        stop_ids=ids,
        stop_location=_ints([*(locations[v.location] for v in visits), *(locations[leg.location] for leg in legs)]),
        delivery=delivery,
        pickup=pickup,
        shipped=shipped,
        partner=partner,
        service_s=_floats([*(visit.service_s for visit in visits), *(leg.service_s for leg in legs)]),
        release_s=_floats(owner.release_s for owner in owners),
        window_offsets=offsets,
        windows=flat,
        earliest_s=_readonly(flat[offsets[:-1], 0]),
        latest_s=_readonly(flat[offsets[1:] - 1, 1]),
        optional=_frozen((owner.prize is not None for owner in owners), np.bool_),
        prize=prize,
        compatible=_readonly(_compatible(data)),
        before=_places(data, n, "position"),
        after=_places(data, n, "position_from_end"),
        vehicle_count=_ints(vehicle.available for vehicle in vehicles),
        vehicle_start=_ints(location_or_open(vehicle.start_location) for vehicle in vehicles),
        vehicle_end=_ints(location_or_open(vehicle.end_location) for vehicle in vehicles),
        vehicle_profile=_ints(profile(vehicle) for vehicle in vehicles),
        vehicle_max_stops=_ints(UNLIMITED if v.max_stops is None else v.max_stops for v in vehicles),
        capacity=_readonly(_loads([v.load_limits for v in vehicles], dimensions, UNLIMITED)),
        shift_earliest_s=_floats(vehicle.shift.earliest_s for vehicle in vehicles),
        shift_latest_s=_floats(vehicle.shift.latest_s for vehicle in vehicles),
        max_duration_s=_floats(vehicle.max_duration_s for vehicle in vehicles),
        max_distance=_floats(vehicle.max_distance for vehicle in vehicles),
        fixed_cost=_floats(vehicle.fixed_cost for vehicle in vehicles),
        cost_per_distance=_floats(vehicle.cost_per_distance for vehicle in vehicles),
        cost_per_duration=_floats(vehicle.cost_per_duration for vehicle in vehicles),
        initial_plan=_initial_plan(data, ids),
    )
