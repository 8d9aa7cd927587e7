"""VROOM's JSON input to routing problems: jobs, shipments, vehicles, matrices.

What carries over differently, on purpose: as in VROOM any task may be left out, which here costs a prize above any
detour, times one plus its priority. VROOM prices driving time alone (``per_hour``) or driven kilometres (``per_km``);
either becomes the distance that is minimised, so waiting and service stay free. Without matrices, travel is by great
circle at ``speed_m_per_s``. What has no counterpart here is refused by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from solvers.errors import FieldViolation
from solvers.problem import JsonObject
from solvers.routing.data import (
    Coordinates,
    FloatArray,
    InitialRouteRow,
    LegRow,
    Loads,
    LocationRow,
    Metric,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.json_reading import JsonReader
from solvers.routing.travel import Travel

_PLACE = {"location", "location_index"}
_TASK = _PLACE | {"id", "description", "service", "time_windows"}
_JOB = _TASK | {"delivery", "pickup", "amount", "skills", "priority"}
_SHIPMENT = {"pickup", "delivery", "amount", "skills", "priority"}
_VEHICLE = {
    "id", "description", "profile", "start", "start_index", "end", "end_index", "capacity", "costs", "skills",
    "time_window", "speed_factor", "max_tasks", "max_distance", "steps",
}  # fmt: skip
_REFUSED = {
    "setup", "setup_per_type", "service_per_type", "breaks", "max_travel_time", "type", "geometry", "costs_matrix",
}  # fmt: skip


def read_vroom(data: JsonObject, speed_m_per_s: float = 13.9) -> RoutingData:
    """Read VROOM's input object.

    Visits have the ids of their jobs, shipments ``shipment-<id of the pickup>``, vehicles their own ids, one a type.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault or without a counterpart.
    """
    reading = _Reading(data, speed_m_per_s)
    rows = reading.rows()
    reading.json.finish()
    return rows


class _Reading:
    """One file while it is read: places and profiles are collected as they are met."""

    def __init__(self, data: JsonObject, speed: float) -> None:
        self.json, self.speed = JsonReader(), speed
        self.top = self.json.record(data, "", {"jobs", "shipments", "vehicles", "matrix", "matrices"})
        self.matrices = self._matrices()
        self.indexed = bool(self.matrices)
        self.places: dict[tuple[float, float] | int, LocationRow] = {}
        self.profiles: dict[tuple[str, float, bool], ProfileRow] = {}
        self.rates: list[float] = []

    def rows(self) -> RoutingData:
        top = self.top
        visits = self.json.items(top, "jobs", "", self._job)
        shipments = self.json.items(top, "shipments", "", self._shipment)
        vehicles = self.json.items(top, "vehicles", "", self._vehicle)
        size = max((len(m["durations"]) for m in self.matrices.values() if "durations" in m), default=0)
        if self.indexed:
            places = tuple(LocationRow(str(k)) for k in range(size))
            for key, row in self.places.items():
                if isinstance(key, int) and not 0 <= key < size:
                    self.json.fault(f"location_index {row.id}", key, f"0 to {size - 1}, a row of the matrices")
        else:
            places = tuple(self.places.values())
        self.json.finish()
        steps = tuple(route for route in self.json.items(top, "vehicles", "", self._steps) if route is not None)
        prize = self._prize(places, vehicles)
        return RoutingData(
            locations=places,
            vehicles=vehicles,
            visits=tuple(row._replace(prize=prize * (1 + (row.prize or 0.0))) for row in visits),
            shipments=tuple(row._replace(prize=prize * (1 + (row.prize or 0.0))) for row in shipments),
            profiles=tuple(self.profiles.values()),
            initial_plan=steps or None,
        )

    def _prize(self, places: tuple[LocationRow, ...], vehicles: tuple[VehicleRow, ...]) -> float:
        """More than any detour for one task can cost."""
        longest = 0.0
        x, y = np.array([p.x for p in places]), np.array([p.y for p in places])
        for row in self.profiles.values():
            if row.distances is not None:
                longest = max(longest, float(row.distances.max(initial=0.0)))
            elif len(places):
                travel = Travel(Metric.HAVERSINE, 0, 1.0, x, y)
                # no two places are farther apart than both are from the first one
                longest = max(longest, 2 * float(travel.distance(0, np.arange(len(places))).max()))
        dearest = max((vehicle.cost_per_distance for vehicle in vehicles), default=1.0)
        fixed = max((vehicle.fixed_cost for vehicle in vehicles), default=0.0)
        return 4.0 * longest * dearest + fixed + 1.0

    def _matrices(self) -> dict[str, dict[str, FloatArray]]:
        given: Mapping[str, Any] = self.top.get("matrices") or {}
        if "matrix" in self.top:
            given = {"car": {"durations": self.top["matrix"]}}
        if not isinstance(given, dict):
            self.json.fault("matrices", given, "an object of profiles")
            return {}
        read: dict[str, dict[str, FloatArray]] = {}
        for profile, tables in given.items():
            path = f"matrices.{profile}"
            fields = self.json.record(tables, path, {"durations", "distances"})
            read[profile] = {}
            for name, rows in fields.items():
                try:
                    table = np.array(rows, dtype=np.float64)
                except (TypeError, ValueError):
                    table = np.zeros(0)
                if table.ndim != 2 or table.shape[0] != table.shape[1]:
                    self.json.fault(f"{path}.{name}", rows, "rows of numbers, as many as columns")
                    table = np.zeros((0, 0))
                read[profile][name] = table
        return read

    def _known(self, data: object, path: str, known: set[str]) -> JsonObject:
        """``data`` as an object; fields of VROOM's that have no counterpart here are refused as such."""
        fields = self.json.record(data, path, known | _REFUSED)
        for name in sorted(_REFUSED & fields.keys()):
            if fields[name] not in (None, 0, [], {}, ""):
                self.json.violations.append(FieldViolation(f"{path}.{name}", "has no counterpart here", "absent, or 0"))
        return fields

    def _place(self, fields: JsonObject, path: str, coordinates: str, index: str) -> str:
        """Id of the place that ``fields`` name by coordinates or row of the matrices; empty when by neither."""
        if self.indexed:
            if index not in fields:
                if coordinates in fields:
                    self.json.fault(f"{path}.{index}", None, "a row of the matrices")
                return ""
            row = self.json.integer(fields[index], f"{path}.{index}", 0)
            self.places.setdefault(row, LocationRow(str(row)))
            return str(row)
        at = fields.get(coordinates)
        if at is None:
            return ""
        if not (isinstance(at, list) and len(at) == 2 and all(type(v) in (int, float) for v in at)):
            self.json.fault(f"{path}.{coordinates}", at, "[longitude, latitude]")
            return ""
        key = (float(at[0]), float(at[1]))
        name = f"{at[0]},{at[1]}"
        return self.places.setdefault(key, LocationRow(name, Coordinates.LAT_LNG, *key)).id

    def _amounts(self, fields: JsonObject, name: str, path: str) -> Loads:
        values = self.json.items(fields, name, path, lambda v, p: self.json.integer(v, p, 0))
        return tuple((f"load{d + 1}", value) for d, value in enumerate(values))

    def _window(self, value: object, path: str) -> Window:
        if isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value):
            return Window(float(value[0]), float(value[1]))
        self.json.fault(path, value, "[start, end] in seconds")
        return Window()

    def _leg(self, value: object, path: str, known: set[str] = _TASK) -> tuple[JsonObject, LegRow]:
        fields = self._known(value, path, known)
        place = self._place(fields, path, "location", "location_index")
        service = self.json.number(fields.get("service"), f"{path}.service", 0.0)
        return fields, LegRow(place, service, self.json.items(fields, "time_windows", path, self._window))

    def _skills(self, fields: JsonObject, path: str) -> tuple[str, ...]:
        return self.json.items(fields, "skills", path, lambda v, p: str(self.json.integer(v, p, 0)))

    def _priority(self, fields: JsonObject, path: str) -> float:
        return float(self.json.integer(fields.get("priority"), f"{path}.priority", 0))

    def _job(self, value: object, path: str) -> VisitRow:
        fields, leg = self._leg(value, path, _JOB)
        return VisitRow(
            id=str(self.json.integer(fields.get("id"), f"{path}.id", 0)),
            location=leg.location,
            delivery=self._amounts(fields, "delivery" if "delivery" in fields else "amount", path),
            pickup=self._amounts(fields, "pickup", path),
            service_s=leg.service_s,
            time_windows=leg.time_windows,
            prize=self._priority(fields, path),
            required_skills=self._skills(fields, path),
        )

    def _shipment(self, value: object, path: str) -> ShipmentRow:
        fields = self._known(value, path, _SHIPMENT)
        pickup_fields, pickup = self._leg(fields.get("pickup", {}), f"{path}.pickup")
        _, delivery = self._leg(fields.get("delivery", {}), f"{path}.delivery")
        number = self.json.integer(pickup_fields.get("id"), f"{path}.pickup.id", 0)
        return ShipmentRow(
            id=f"shipment-{number}",
            pickup=pickup,
            delivery=delivery,
            load=self._amounts(fields, "amount", path),
            prize=self._priority(fields, path),
            required_skills=self._skills(fields, path),
        )

    def _vehicle(self, value: object, path: str) -> VehicleRow:
        fields = self._known(value, path, _VEHICLE)
        costs = self.json.record(fields.get("costs", {}), f"{path}.costs", {"fixed", "per_hour", "per_km"})
        per_hour = self.json.number(costs.get("per_hour"), f"{path}.costs.per_hour", 3600.0)
        per_km = self.json.number(costs.get("per_km"), f"{path}.costs.per_km", 0.0)
        by_km = per_km > 0
        if by_km and per_hour > 0:
            self.json.fault(f"{path}.costs.per_hour", per_hour, "0 beside per_km: one of the two is minimised")
        max_distance = fields.get("max_distance")
        if max_distance is not None and not by_km:
            self.json.fault(f"{path}.max_distance", max_distance, "absent unless costs are per_km")
        factor = self.json.number(fields.get("speed_factor"), f"{path}.speed_factor", 1.0)
        profile, rate = self._profile(
            self.json.text(fields.get("profile"), f"{path}.profile") or "car", factor, by_km, path
        )
        window = fields.get("time_window")
        stops = fields.get("max_tasks")
        return VehicleRow(
            id=str(self.json.integer(fields.get("id"), f"{path}.id", 0)),
            start_location=self._place(fields, path, "start", "start_index"),
            end_location=self._place(fields, path, "end", "end_index"),
            load_limits=self._amounts(fields, "capacity", path),
            shift=Window() if window is None else self._window(window, f"{path}.time_window"),
            max_distance=self.json.number(max_distance, f"{path}.max_distance", float("inf")),
            fixed_cost=self.json.number(costs.get("fixed"), f"{path}.costs.fixed", 0.0),
            cost_per_distance=per_km / 1000.0 if by_km else per_hour / 3600.0 * rate,
            profile=profile,
            max_stops=None if stops is None else self.json.integer(stops, f"{path}.max_tasks", 1),
            skills=self._skills(fields, path),
        )

    def _profile(self, name: str, factor: float, by_km: bool, path: str) -> tuple[str, float]:
        """Id of our profile, and seconds of driving a unit of its distance where that is what costs."""
        key = (name, factor, by_km)
        label = name + (f" x{factor:g}" if factor != 1.0 else "") + (" km" if by_km else "")
        if not factor > 0:
            self.json.fault(f"{path}.speed_factor", factor, "a number > 0")
            return label, 1.0
        if not self.indexed:
            speed = self.speed * factor
            self.profiles.setdefault(key, ProfileRow(label, Metric.HAVERSINE, speed=speed))
            return label, 1.0 / speed
        tables = self.matrices.get(name, {})
        if "durations" not in tables or (by_km and "distances" not in tables):
            wanted = "distances and durations" if by_km else "durations"
            self.json.fault(f"{path}.profile", name, f"a profile of the matrices with {wanted}")
            return label, 1.0
        durations = (tables["durations"] / factor).reshape(-1)
        distances = tables["distances"].reshape(-1) if by_km else durations
        self.profiles.setdefault(key, ProfileRow(label, Metric.MATRIX, distances=distances, durations_s=durations))
        return label, 1.0

    def _steps(self, value: object, path: str) -> InitialRouteRow | None:
        """A vehicle's given steps as a route to start from."""
        names = {"job": "{}", "pickup": "shipment-{}/pickup", "delivery": "shipment-{}/delivery"}
        fields = self.json.record(value, path, _VEHICLE | _REFUSED)

        def stop(step: object, at: str) -> str:
            step = self.json.record(step, at, {"type", "id", "job", "description"})
            kind = self.json.text(step.get("type"), f"{at}.type")
            if kind in ("start", "end"):
                return ""
            if kind not in names:
                self.json.fault(f"{at}.type", kind, "start, job, pickup, delivery or end")
                return ""
            return names[kind].format(self.json.integer(step.get("id"), f"{at}.id", 0))

        stops = tuple(name for name in self.json.items(fields, "steps", path, stop) if name)
        return InitialRouteRow(str(self.json.integer(fields.get("id"), f"{path}.id", 0)), stops) if stops else None
