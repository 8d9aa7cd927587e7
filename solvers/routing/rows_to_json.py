"""Rows of the routing contract to JSON, leaving out what is the default."""

from __future__ import annotations

import math
from typing import Any

from solvers.problem import JsonObject
from solvers.routing.data import (
    Coordinates,
    InitialRouteRow,
    LegRow,
    LocationRow,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)


def data_to_json(data: RoutingData) -> JsonObject:
    """``data``, in normal form, as JSON."""
    return short(
        locations=[_location(row) for row in data.locations],
        profiles=[_profile(row) for row in data.profiles],
        vehicles=[_vehicle(row) for row in data.vehicles],
        visits=[_visit(row) for row in data.visits],
        shipments=[_shipment(row) for row in data.shipments],
        initial_plan={"routes": [_initial_route(row) for row in data.initial_plan]} if data.initial_plan else None,
        backhauls="AFTER_DELIVERIES" if data.backhauls_last else None,
    )


def short(**fields: Any) -> JsonObject:
    """The fields that say something: no ``None``, no empty text, list or object."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], {}, ())}


def _unless(value: float, default: float) -> float | None:
    return None if value == default else value


def _window(window: Window) -> JsonObject:
    return short(earliest_s=_unless(window.earliest_s, 0.0), latest_s=_unless(window.latest_s, math.inf))


def _location(row: LocationRow) -> JsonObject:
    data = {"id": row.id}
    if row.coordinates is Coordinates.POINT:
        return data | {"point": short(x=_unless(row.x, 0.0), y=_unless(row.y, 0.0))}
    if row.coordinates is Coordinates.LAT_LNG:
        return data | {"lat_lng": short(latitude=_unless(row.y, 0.0), longitude=_unless(row.x, 0.0))}
    return data


def _profile(row: ProfileRow) -> JsonObject:
    return short(
        id=row.id,
        metric=row.metric.name if row.metric else None,
        decimals=_unless(row.decimals, 0),
        speed=_unless(row.speed, 1.0),
        distances=None if row.distances is None else row.distances.tolist(),
        durations_s=None if row.durations_s is None else row.durations_s.tolist(),
    )


def _vehicle(row: VehicleRow) -> JsonObject:
    return short(
        id=row.id,
        count=_unless(row.available, 1),
        start_location=row.start_location,
        end_location=row.end_location,
        load_limits=dict(row.load_limits),
        shift=_window(row.shift),
        max_duration_s=_unless(row.max_duration_s, math.inf),
        max_distance=_unless(row.max_distance, math.inf),
        fixed_cost=_unless(row.fixed_cost, 0.0),
        cost_per_distance=_unless(row.cost_per_distance, 1.0),
        cost_per_duration=_unless(row.cost_per_duration, 0.0),
        profile=row.profile,
        max_stops=row.max_stops,
        skills=list(row.skills),
    )


def _choice(row: VisitRow | ShipmentRow) -> JsonObject:
    return {
        "prize": row.prize,
        "release_s": _unless(row.release_s, 0.0),
        "allowed_vehicles": list(row.allowed_vehicles),
        "forbidden_vehicles": list(row.forbidden_vehicles),
        "required_skills": list(row.required_skills),
    }


def _visit(row: VisitRow) -> JsonObject:
    pin = row.pin
    return short(
        id=row.id,
        location=row.location,
        delivery=dict(row.delivery),
        pickup=dict(row.pickup),
        service_s=_unless(row.service_s, 0.0),
        time_windows=[_window(window) for window in row.time_windows],
        pin=None if pin is None else short(**pin._asdict()),
        **_choice(row),
    )


def _leg(row: LegRow) -> JsonObject:
    windows = [_window(window) for window in row.time_windows]
    return short(location=row.location, service_s=_unless(row.service_s, 0.0), time_windows=windows)


def _shipment(row: ShipmentRow) -> JsonObject:
    return short(id=row.id, pickup=_leg(row.pickup), delivery=_leg(row.delivery), load=dict(row.load), **_choice(row))


def _initial_route(row: InitialRouteRow) -> JsonObject:
    return short(vehicle=row.vehicle, stops=list(row.stops))
