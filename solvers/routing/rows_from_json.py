"""JSON to rows of the routing contract: types and field names are checked here, the contract later."""

from __future__ import annotations

import math
from typing import Any

from solvers.problem import JsonObject
from solvers.routing.data import (
    BreakRow,
    Coordinates,
    InitialRouteRow,
    LegRow,
    LocationRow,
    Metric,
    PinRow,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.json_reading import JsonReader

_BACKHAULS = {"BACKHAUL_ORDER_UNSPECIFIED": False, "MIXED": False, "AFTER_DELIVERIES": True}
_METRICS = {"METRIC_UNSPECIFIED": Metric.DEFAULT} | {metric.name: metric for metric in Metric if metric}
_CHOICE = frozenset({"allowed_vehicles", "forbidden_vehicles", "required_skills", "prize", "release_s"})
_PROBLEM = frozenset({"locations", "profiles", "vehicles", "visits", "shipments", "initial_plan", "backhauls"})
_PROFILE = frozenset({"id", "metric", "decimals", "speed", "distances", "durations_s"})
_VEHICLE = frozenset(VehicleRow._fields) - {"available"} | {"count"}
_VISIT = frozenset(VisitRow._fields)
_SHIPMENT = frozenset(ShipmentRow._fields)
_LEG = frozenset(LegRow._fields)


def data_from_json(data: JsonObject) -> RoutingData:
    """Rows from JSON; checks types and field names, not yet the contract.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault.

    """
    reader = JsonReader()
    top = reader.record(data, "", _PROBLEM)
    backhauls = reader.text(top.get("backhauls"), "backhauls")
    if backhauls and backhauls not in _BACKHAULS:
        reader.fault("backhauls", backhauls, ", ".join(_BACKHAULS))
    initial = None
    if "initial_plan" in top:
        plan = reader.record(top["initial_plan"], "initial_plan", {"routes"})
        initial = reader.items(plan, "routes", "initial_plan", lambda v, p: _read_initial_route(reader, v, p))
    rows = RoutingData(
        locations=reader.items(top, "locations", "", lambda v, p: _read_location(reader, v, p)),
        profiles=reader.items(top, "profiles", "", lambda v, p: _read_profile(reader, v, p)),
        vehicles=reader.items(top, "vehicles", "", lambda v, p: _read_vehicle(reader, v, p)),
        visits=reader.items(top, "visits", "", lambda v, p: _read_visit(reader, v, p)),
        shipments=reader.items(top, "shipments", "", lambda v, p: _read_shipment(reader, v, p)),
        initial_plan=initial,
        backhauls_last=_BACKHAULS.get(backhauls, False),
    )
    reader.finish()
    return rows


def _read_window(reader: JsonReader, value: object, path: str) -> Window:
    data = reader.record(value, path, {"earliest_s", "latest_s"})
    return Window(
        reader.number(data.get("earliest_s"), f"{path}.earliest_s", 0.0),
        reader.number(data.get("latest_s"), f"{path}.latest_s", math.inf),
    )


def _read_location(reader: JsonReader, value: object, path: str) -> LocationRow:
    data = reader.record(value, path, {"id", "point", "lat_lng"})
    name = reader.text(data.get("id"), f"{path}.id")
    if "point" in data and "lat_lng" in data:
        reader.fault(f"{path}.point", data["point"], "point or lat_lng, not both")
    for key, kind, fields in (
        ("point", Coordinates.POINT, ("x", "y")),
        ("lat_lng", Coordinates.LAT_LNG, ("longitude", "latitude")),
    ):
        if key in data:
            at = reader.record(data[key], f"{path}.{key}", fields)
            x, y = (reader.number(at.get(field), f"{path}.{key}.{field}", 0.0) for field in fields)
            return LocationRow(name, kind, x, y)
    return LocationRow(name)


def _read_profile(reader: JsonReader, value: object, path: str) -> ProfileRow:
    data = reader.record(value, path, _PROFILE)
    metric = reader.text(data.get("metric"), f"{path}.metric")
    if metric and metric not in _METRICS:
        reader.fault(f"{path}.metric", metric, ", ".join(_METRICS))
    return ProfileRow(
        id=reader.text(data.get("id"), f"{path}.id"),
        metric=_METRICS.get(metric, Metric.DEFAULT),
        decimals=reader.integer(data.get("decimals"), f"{path}.decimals", 0),
        speed=reader.number(data.get("speed"), f"{path}.speed", 1.0),
        distances=reader.numbers(data, "distances", path),
        durations_s=reader.numbers(data, "durations_s", path),
    )


def _read_vehicle(reader: JsonReader, value: object, path: str) -> VehicleRow:
    data = reader.record(value, path, _VEHICLE)

    def rest(entry: object, at: str) -> BreakRow:
        fields = reader.record(entry, at, {"window", "duration_s"})
        window = _read_window(reader, fields.get("window", {}), f"{at}.window")
        return BreakRow(window, reader.number(fields.get("duration_s"), f"{at}.duration_s", 0.0))

    stops = data.get("max_stops")
    return VehicleRow(
        id=reader.text(data.get("id"), f"{path}.id"),
        available=reader.integer(data.get("count"), f"{path}.count", 1),
        start_location=reader.text(data.get("start_location"), f"{path}.start_location"),
        end_location=reader.text(data.get("end_location"), f"{path}.end_location"),
        load_limits=reader.loads(data, "load_limits", path),
        shift=_read_window(reader, data.get("shift", {}), f"{path}.shift"),
        max_duration_s=reader.number(data.get("max_duration_s"), f"{path}.max_duration_s", math.inf),
        max_distance=reader.number(data.get("max_distance"), f"{path}.max_distance", math.inf),
        fixed_cost=reader.number(data.get("fixed_cost"), f"{path}.fixed_cost", 0.0),
        cost_per_distance=reader.number(data.get("cost_per_distance"), f"{path}.cost_per_distance", 1.0),
        cost_per_duration=reader.number(data.get("cost_per_duration"), f"{path}.cost_per_duration", 0.0),
        profile=reader.text(data.get("profile"), f"{path}.profile"),
        max_stops=None if stops is None else reader.integer(stops, f"{path}.max_stops", 1),
        skills=reader.items(data, "skills", path, reader.text),
        breaks=reader.items(data, "breaks", path, rest),
        reload_locations=reader.items(data, "reload_locations", path, reader.text),
    )


def _read_choice(reader: JsonReader, data: JsonObject, path: str) -> dict[str, Any]:
    """The fields that visits and shipments share."""
    fields: dict[str, Any] = {}
    if data.keys() & _CHOICE:
        if data.get("prize") is not None:
            fields["prize"] = reader.number(data["prize"], f"{path}.prize", 0.0)
        fields["release_s"] = reader.number(data.get("release_s"), f"{path}.release_s", 0.0)
        for key in ("allowed_vehicles", "forbidden_vehicles", "required_skills"):
            fields[key] = reader.items(data, key, path, reader.text)
    return fields


def _read_windows(reader: JsonReader, data: JsonObject, path: str) -> tuple[Window, ...]:
    return reader.items(data, "time_windows", path, lambda v, p: _read_window(reader, v, p))


def _read_visit(reader: JsonReader, value: object, path: str) -> VisitRow:
    data = reader.record(value, path, _VISIT)
    return VisitRow(
        id=reader.text(data.get("id"), f"{path}.id"),
        location=reader.text(data.get("location"), f"{path}.location"),
        delivery=reader.loads(data, "delivery", path),
        pickup=reader.loads(data, "pickup", path),
        service_s=reader.number(data.get("service_s"), f"{path}.service_s", 0.0),
        time_windows=_read_windows(reader, data, path),
        pin=_read_pin(reader, data["pin"], f"{path}.pin") if data.get("pin") is not None else None,
        **_read_choice(reader, data, path),
    )


def _read_pin(reader: JsonReader, value: object, path: str) -> PinRow:
    data = reader.record(value, path, set(PinRow._fields))
    start = data.get("start_s")

    def place(field: str) -> int | None:
        value = data.get(field)
        return None if value is None else reader.integer(value, f"{path}.{field}", 0)

    return PinRow(
        vehicle=reader.text(data.get("vehicle"), f"{path}.vehicle"),
        start_s=None if start is None else reader.number(start, f"{path}.start_s", 0.0),
        position=place("position"),
        position_from_end=place("position_from_end"),
    )


def _read_leg(reader: JsonReader, value: object, path: str) -> LegRow:
    data = reader.record(value, path, _LEG)
    return LegRow(
        location=reader.text(data.get("location"), f"{path}.location"),
        service_s=reader.number(data.get("service_s"), f"{path}.service_s", 0.0),
        time_windows=_read_windows(reader, data, path),
    )


def _read_shipment(reader: JsonReader, value: object, path: str) -> ShipmentRow:
    data = reader.record(value, path, _SHIPMENT)
    return ShipmentRow(
        id=reader.text(data.get("id"), f"{path}.id"),
        pickup=_read_leg(reader, data.get("pickup", {}), f"{path}.pickup"),
        delivery=_read_leg(reader, data.get("delivery", {}), f"{path}.delivery"),
        load=reader.loads(data, "load", path),
        **_read_choice(reader, data, path),
    )


def _read_initial_route(reader: JsonReader, value: object, path: str) -> InitialRouteRow:
    data = reader.record(value, path, {"vehicle", "stops"})
    vehicle = reader.text(data.get("vehicle"), f"{path}.vehicle")
    return InitialRouteRow(vehicle, reader.items(data, "stops", path, reader.text))
