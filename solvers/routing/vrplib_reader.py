"""VRPLIB files (``.vrp``) to routing problems, with the extra sections of the time-window, prize and fleet sets.

Nothing is dropped silently: a section or specification that is not known here is refused. Conventions: a node's id is
its number minus 1; a visit with a prize of 0 must be served; a depot's window is the shift of its vehicles; vehicles
that are alike become one type. Scalars ``SERVICE_TIME`` and ``CAPACITY`` hold for all customers and all vehicles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvers.errors import FieldViolation, InvalidProblem
from solvers.routing.data import (
    Coordinates,
    FloatArray,
    Loads,
    LocationRow,
    Metric,
    ProfileRow,
    RoutingData,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.tsplib_distances import att_distances, geo_distances

_DESCRIPTIVE = {"name", "comment", "type", "display_data_type", "node_coord_type", "dimension", "vehicles"}
_VEHICLE_KEYS = {
    "capacity",
    "vehicles_depot",
    "vehicles_max_distance",
    "vehicles_max_duration",
    "vehicles_fixed_cost",
    "vehicles_unit_distance_cost",
    "vehicles_allowed_clients",
}
_KNOWN = _DESCRIPTIVE | _VEHICLE_KEYS | {
    "edge_weight_type",
    "edge_weight_format",
    "edge_weight",
    "node_coord",
    "display_data",
    "depot",
    "demand",
    "linehaul",
    "backhaul",
    "service_time",
    "time_window",
    "release_time",
    "prize",
    "distance",
}  # fmt: skip


@dataclass(frozen=True)
class VrplibInstance:
    """What a file says.

    Parameters
    ----------
    name, comment
        As written.
    data
        The problem, not yet checked against the contract.
    vehicle_types
        Index of the type of each vehicle, in the file's order: how ``.sol`` files number routes.

    """

    name: str
    comment: str
    data: RoutingData
    vehicle_types: tuple[int, ...]


def read_vrplib(text: str, metric: Metric | None = None, decimals: int = 0) -> VrplibInstance:
    """Read the text of a VRPLIB file.

    ``EUC_2D`` means rounded to the nearest integer (TSPLIB 95), except where the sets with best-known values agreed
    otherwise: one depot with time windows is truncated to one decimal (DIMACS challenge 2021), several depots or a
    mixed fleet are exact. ``metric`` and ``decimals`` override this.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming the sections at fault.

    """
    raw = _parse(text)
    return _Reader(raw, metric, decimals).instance()


def _parse(text: str) -> dict[str, Any]:
    from vrplib.parse import parse_vrplib

    try:
        raw = parse_vrplib(text, compute_edge_weights=False)
    except (ValueError, RuntimeError, IndexError, KeyError, TypeError) as error:
        allowed = "VRPLIB: specifications 'KEY : VALUE', then sections, then EOF"
        raise _refused("file", f"cannot be read: {error}", allowed) from error
    unknown = sorted(key for key in raw if key not in _KNOWN)
    if unknown:
        allowed = ", ".join(sorted(_KNOWN)).upper()
        raise InvalidProblem([FieldViolation(key.upper(), "is not known here", allowed) for key in unknown])
    return dict(raw)


def _refused(path: str, problem: str, allowed: str) -> InvalidProblem:
    return InvalidProblem([FieldViolation(path, problem, allowed)])


class _Reader:
    """Turns the raw dictionary of one file into rows."""

    def __init__(self, raw: dict[str, Any], metric: Metric | None, decimals: int) -> None:
        self.raw = raw
        self.size = self._integer("dimension")
        self.depots: list[int] = np.atleast_1d(raw.get("depot", np.array([0]))).astype(int).tolist()
        if not self.depots or not all(0 <= depot < self.size for depot in self.depots):
            raise _refused("DEPOT_SECTION", f"names {[d + 1 for d in self.depots]}", f"nodes 1 to {self.size}")
        is_depot = set(self.depots)
        self.customers = [node for node in range(self.size) if node not in is_depot]
        self.n_vehicles = self._integer("vehicles", len(self.customers))
        self.metric, self.decimals = metric, decimals

    def instance(self) -> VrplibInstance:
        vehicles, types = self._vehicles()
        kind = str(self.raw.get("type", ""))
        data = RoutingData(
            locations=self._locations(),
            profiles=(self._profile(len(vehicles) > 1),),
            vehicles=vehicles,
            visits=self._visits(types, vehicles),
            backhauls_last=kind == "VRPB",
        )
        return VrplibInstance(str(self.raw.get("name", "")), str(self.raw.get("comment", "")), data, types)

    def _integer(self, key: str, default: int | None = None) -> int:
        value = self.raw.get(key, default)
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise _refused(key.upper(), f"is {value!r}", "an integer >= 1")
        return int(value)

    def _column(self, key: str, size: int, default: float) -> FloatArray:
        """``key`` as ``size`` numbers, one value standing for all."""
        value = np.asarray(self.raw.get(key, default))
        if value.ndim == 0:
            value = np.full(size, value)
        if value.shape[0] != size or value.dtype.kind not in "iuf":
            raise _refused(f"{key.upper()}_SECTION", f"has shape {value.shape}", f"{size} rows of numbers")
        return value.astype(np.float64)

    def _locations(self) -> tuple[LocationRow, ...]:
        if "node_coord" not in self.raw:
            return tuple(LocationRow(str(node)) for node in range(self.size))
        xy = self._column("node_coord", self.size, 0.0)
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise _refused("NODE_COORD_SECTION", f"has shape {xy.shape}", "a node number, x and y in each row")
        return tuple(LocationRow(str(node), Coordinates.POINT, x, y) for node, (x, y) in enumerate(xy.tolist()))

    def _profile(self, mixed_fleet: bool) -> ProfileRow:
        kind = str(self.raw.get("edge_weight_type", "EUC_2D" if "node_coord" in self.raw else "EXPLICIT"))
        if kind == "EXPLICIT":
            weights = self.raw.get("edge_weight")
            if weights is None:
                raise _refused("EDGE_WEIGHT_SECTION", "is absent", "a section, with EXPLICIT weights")
            matrix = np.asarray(weights, dtype=np.float64).reshape(-1)
            return ProfileRow(metric=Metric.MATRIX, distances=matrix)
        if kind in ("GEO", "ATT"):
            xy = self._column("node_coord", self.size, 0.0)
            matrix = geo_distances(xy) if kind == "GEO" else att_distances(xy)
            return ProfileRow(metric=Metric.MATRIX, distances=matrix.reshape(-1))
        if self.metric is not None:
            return ProfileRow(metric=self.metric, decimals=self.decimals)
        if kind == "EUC_2D":
            if len(self.depots) > 1 or mixed_fleet:
                return ProfileRow(metric=Metric.EUCLIDEAN)
            if "time_window" in self.raw:
                return ProfileRow(metric=Metric.EUCLIDEAN_TRUNCATED, decimals=1)
            return ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED)
        if kind in ("CEIL_2D", "FLOOR_2D"):
            return ProfileRow(metric=Metric.EUCLIDEAN_CEILED if kind == "CEIL_2D" else Metric.EUCLIDEAN_TRUNCATED)
        raise _refused("EDGE_WEIGHT_TYPE", f"is {kind!r}", "EUC_2D, CEIL_2D, FLOOR_2D, GEO, ATT or EXPLICIT")

    def _windows(self) -> list[tuple[float, float]]:
        if "time_window" not in self.raw:
            return [(0.0, math.inf)] * self.size
        windows = self._column("time_window", self.size, 0.0)
        if windows.ndim != 2 or windows.shape[1] != 2:
            raise _refused("TIME_WINDOW_SECTION", f"has shape {windows.shape}", "node, earliest and latest in each row")
        return [(float(a), float(b)) for a, b in windows]

    def _loads(self, key: str, size: int) -> list[Loads]:
        """Loads by row; several columns are several dimensions."""
        if key not in self.raw:
            return [()] * size
        values = self._column(key, size, 0.0)
        if (values != np.floor(values)).any():
            raise _refused(f"{key.upper()}_SECTION", "has fractions", "integers")
        columns = values.reshape(size, -1).astype(np.int64).tolist()
        names = ["load"] if len(columns[0]) == 1 else [f"load{d + 1}" for d in range(len(columns[0]))]
        return [tuple((name, v) for name, v in zip(names, row, strict=True) if v) for row in columns]

    def _visits(self, types: tuple[int, ...], vehicles: tuple[VehicleRow, ...]) -> tuple[VisitRow, ...]:
        service = self._column("service_time", self.size, 0.0)
        release = self._column("release_time", self.size, 0.0)
        prize = self._column("prize", self.size, 0.0)
        windows = self._windows()
        delivery = self._loads("demand" if "demand" in self.raw else "linehaul", self.size)
        pickup = self._loads("backhaul", self.size)
        allowed = self._allowed(types, vehicles)
        timed = "time_window" in self.raw
        return tuple(
            VisitRow(
                id=str(node),
                location=str(node),
                delivery=delivery[node],
                pickup=pickup[node],
                service_s=float(service[node]),
                time_windows=(Window(*windows[node]),) if timed else (),
                prize=float(prize[node]) if prize[node] != 0 else None,
                release_s=float(release[node]),
                allowed_vehicles=allowed.get(node, ()),
            )
            for node in self.customers
        )

    def _allowed(self, types: tuple[int, ...], vehicles: tuple[VehicleRow, ...]) -> dict[int, tuple[str, ...]]:
        """Vehicle types by customer, where the file restricts them."""
        if "vehicles_allowed_clients" not in self.raw:
            return {}
        by_type = dict(zip(types, self._client_lists(), strict=True))
        return {
            node: tuple(vehicles[t].id for t, nodes in sorted(by_type.items()) if node in nodes)
            for node in self.customers
        }

    def _client_lists(self) -> list[frozenset[int]]:
        rows = self.raw["vehicles_allowed_clients"]
        lists = [frozenset(int(node) - 1 for node in np.atleast_1d(row)) for row in rows]
        if len(lists) != self.n_vehicles:
            problem = f"has {len(lists)} rows"
            raise _refused("VEHICLES_ALLOWED_CLIENTS_SECTION", problem, f"{self.n_vehicles}, one a vehicle")
        return lists

    def _vehicles(self) -> tuple[tuple[VehicleRow, ...], tuple[int, ...]]:
        n = self.n_vehicles
        capacity: list[Loads] = [()] * n
        if "capacity" in self.raw:
            value = self.raw["capacity"]
            capacity = [(("load", int(value)),)] * n if np.ndim(value) == 0 else self._loads("capacity", n)
        depots = (self._column("vehicles_depot", n, self.depots[0] + 1) - 1).astype(int).tolist()
        unknown = sorted(set(depots) - set(self.depots))
        if unknown:
            raise _refused("VEHICLES_DEPOT_SECTION", f"names {unknown[0] + 1}", "nodes of the DEPOT_SECTION")
        max_distance = self._column("vehicles_max_distance", n, float(self.raw.get("distance", math.inf)))
        max_duration = self._column("vehicles_max_duration", n, math.inf)
        fixed = self._column("vehicles_fixed_cost", n, 0.0)
        per_distance = self._column("vehicles_unit_distance_cost", n, 1.0)
        clients: list[frozenset[int]] = [frozenset()] * n
        if "vehicles_allowed_clients" in self.raw:
            clients = self._client_lists()
        windows = self._windows()
        groups: dict[tuple[Any, ...], list[int]] = {}
        for v in range(n):
            key = (capacity[v], depots[v], max_distance[v], max_duration[v], fixed[v], per_distance[v], clients[v])
            groups.setdefault(key, []).append(v)
        rows, types = [], [0] * n
        for t, (key, members) in enumerate(groups.items()):
            depot = str(key[1])
            for v in members:
                types[v] = t
            rows.append(
                VehicleRow(
                    id="vehicle" if len(groups) == 1 else f"vehicle-{t + 1}",
                    available=len(members),
                    start_location=depot,
                    end_location=depot,
                    load_limits=key[0],
                    shift=Window(*windows[key[1]]),
                    max_distance=float(key[2]),
                    max_duration_s=float(key[3]),
                    fixed_cost=float(key[4]),
                    cost_per_distance=float(key[5]),
                )
            )
        return tuple(rows), tuple(types)
