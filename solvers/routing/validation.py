"""Every rule of the routing contract about its input, checked before anything else looks at it.

Columns are checked as arrays, so that 20,000 visits take milliseconds; only what is at fault is turned into text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from solvers.errors import FieldViolation, InvalidProblem
from solvers.routing.compilation import default_metric, profile_index, stop_ids
from solvers.routing.data import Coordinates, LegRow, Loads, Metric, ProfileRow, RoutingData, VisitRow, Window
from solvers.routing.pins import pinned_places

MAX_ROWS = 100_000
MAX_TYPES = 10_000
MAX_COUNT = 1_000_000
MAX_MATRIX_LOCATIONS = 5_000
MAX_WINDOWS = 50
MAX_LOAD = 10**12
MAX_NUMBER = 1e12
MAX_COORDINATE = 1e9
MAX_ID = 128

NOT_HONOURED = "absent: no engine honours it yet"
_NON_NEGATIVE = "a finite number from 0 to 1e12"


def check(data: RoutingData) -> None:
    """Check ``data`` against the contract.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault.

    """
    found = _Findings()
    _sizes(data, found)
    _locations(data, found)
    if not found.violations:  # what follows needs locations to look at
        _profiles(data, found)
    _vehicles(data, found)
    _visits(data, found)
    _shipments(data, found)
    _stop_names(data, found)
    _backhauls(data, found)
    _initial_plan(data, found)
    if not found.violations:  # whether pins go together can be said of pins that mean something
        found.violations += pinned_places(data)
    if found.violations:
        raise InvalidProblem(found.violations)


class _Findings:
    """Collects violations, with the checks that many fields share."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def add(self, path: str, problem: str, allowed: str) -> None:
        self.violations.append(FieldViolation(path, problem, allowed))

    def numbers(
        self, values: Iterable[float], path: Callable[[int], str], low: float, high: float, allowed: str
    ) -> None:
        """Each of ``values`` is finite and within [low, high]."""
        array = np.fromiter(values, dtype=np.float64)
        for i in np.flatnonzero(~((array >= low) & (array <= high))):
            self.add(path(int(i)), f"is {float(array[i])!r}", allowed)

    def amounts(self, values: Iterable[float], path: Callable[[int], str]) -> None:
        self.numbers(values, path, 0.0, MAX_NUMBER, _NON_NEGATIVE)

    def ids(self, ids: Sequence[str], path: Callable[[int], str], least: int = 1) -> None:
        """Each id is unique and has ``least`` to 128 characters."""
        counts = Counter(ids)
        for i, name in enumerate(ids):
            if not least <= len(name) <= MAX_ID:
                self.add(path(i), f"has {len(name)} characters", f"{least} to {MAX_ID} characters")
            elif counts[name] > 1:
                self.add(path(i), f"{name!r} occurs {counts[name]} times", "an id that occurs once")

    def known(self, names: Iterable[str], known: frozenset[str], path: Callable[[int], str], what: str) -> None:
        """Each name is one of ``known``."""
        for i, name in enumerate(names):
            if name not in known:
                self.add(path(i), f"{name!r} does not exist", f"the id of a {what}")

    def loads(self, rows: Iterable[Loads], path: Callable[[int], str]) -> None:
        for i, loads in enumerate(rows):
            for name, amount in loads:
                if not 0 <= amount <= MAX_LOAD:
                    self.add(f"{path(i)}[{name!r}]", f"is {amount}", "an integer from 0 to 10^12")
                if not 1 <= len(name) <= MAX_ID:
                    self.add(f"{path(i)}[{name!r}]", f"has a name of {len(name)} characters", f"1 to {MAX_ID}")

    def windows(self, rows: Sequence[tuple[Window, ...]], path: Callable[[int], str]) -> None:
        """Windows of each row are closed intervals of [0, inf], ascending and disjoint."""
        owner = [(i, k) for i, windows in enumerate(rows) for k in range(len(windows))]
        if not owner:
            return
        flat = np.array([window for windows in rows for window in windows], dtype=np.float64)
        early, late = flat[:, 0], flat[:, 1]
        bad_early = ~((early >= 0) & (early <= MAX_NUMBER))
        bad_late = ~((late >= 0) & ((late <= MAX_NUMBER) | np.isposinf(late)))
        for at in np.flatnonzero(bad_early | bad_late):
            i, k = owner[at]
            field = "earliest_s" if bad_early[at] else "latest_s"
            value = float(early[at] if bad_early[at] else late[at])
            self.add(f"{path(i)}[{k}].{field}", f"is {value!r}", _NON_NEGATIVE)
        for at in np.flatnonzero(~bad_early & ~bad_late & (late < early)):
            i, k = owner[at]
            problem = f"is {float(late[at])!r}: the window closes before it opens"
            self.add(f"{path(i)}[{k}].latest_s", problem, f"at least its earliest_s, {float(early[at])!r}")
        for at in np.flatnonzero(late[:-1] >= early[1:]):
            (i, _), (j, k) = owner[at], owner[at + 1]
            if i == j:
                problem = f"is {float(early[at + 1])!r}: the windows are not ascending and disjoint"
                self.add(f"{path(i)}[{k}].earliest_s", problem, f"more than {float(late[at])!r}")
        for i, windows in enumerate(rows):
            if len(windows) > MAX_WINDOWS:
                self.add(path(i), f"has {len(windows)} windows", f"at most {MAX_WINDOWS}")


def _sizes(data: RoutingData, found: _Findings) -> None:
    if not 1 <= len(data.locations) <= MAX_ROWS:
        found.add("locations", f"has {len(data.locations)} entries", f"1 to {MAX_ROWS}")
    if not 1 <= len(data.vehicles) <= MAX_TYPES:
        problem = "is empty: there is no vehicle" if not data.vehicles else f"has {len(data.vehicles)} entries"
        found.add("vehicles", problem, f"1 to {MAX_TYPES} types")
    if not 1 <= len(data.visits) + len(data.shipments) <= MAX_ROWS:
        size = len(data.visits) + len(data.shipments)
        found.add("visits", f"and shipments have {size} entries", f"1 to {MAX_ROWS} together")


def _locations(data: RoutingData, found: _Findings) -> None:
    rows = data.locations
    found.ids([row.id for row in rows], lambda i: f"locations[{i}].id")
    kinds = {row.coordinates for row in rows}
    if len(kinds) > 1:
        first = rows[0].coordinates
        for i, row in enumerate(rows):
            if row.coordinates is not first:
                problem = f"has {row.coordinates.name.lower()}, the first location {first.name.lower()}"
                found.add(f"locations[{i}].coordinates", problem, "the same kind of coordinates for all locations")
        return
    if kinds == {Coordinates.LAT_LNG}:
        y, x, x_limit, y_limit = "lat_lng.latitude", "lat_lng.longitude", 180.0, 90.0
    else:
        y, x, x_limit, y_limit = "point.y", "point.x", MAX_COORDINATE, MAX_COORDINATE
    for name, values, limit in ((x, [row.x for row in rows], x_limit), (y, [row.y for row in rows], y_limit)):
        allowed = f"a finite number from {-limit:g} to {limit:g}"
        found.numbers(values, lambda i, name=name: f"locations[{i}].{name}", -limit, limit, allowed)  # type: ignore[misc]


def _profiles(data: RoutingData, found: _Findings) -> None:
    found.ids([row.id for row in data.profiles], lambda i: f"profiles[{i}].id", least=0)
    kind, n = data.locations[0].coordinates, len(data.locations)
    for i, row in enumerate(data.profiles or (ProfileRow(),)):
        metric = default_metric(data, row)
        path = f"profiles[{i}]"
        if not (math.isfinite(row.speed) and row.speed > 0):
            found.add(f"{path}.speed", f"is {row.speed!r}", "a finite number > 0")
        if not 0 <= row.decimals <= 6:
            found.add(f"{path}.decimals", f"is {row.decimals}", "0 to 6")
        rounding = (Metric.EUCLIDEAN_ROUNDED, Metric.EUCLIDEAN_CEILED, Metric.EUCLIDEAN_TRUNCATED)
        if row.decimals and metric not in rounding:
            found.add(f"{path}.decimals", f"is {row.decimals} with {metric.name}", "0 unless the metric rounds")
        if metric is Metric.MATRIX:
            _matrices(row, n, path, found)
            continue
        for name, matrix in (("distances", row.distances), ("durations_s", row.durations_s)):
            if matrix is not None:
                found.add(f"{path}.{name}", f"is given with {metric.name}", "absent unless the metric is MATRIX")
        wanted = Coordinates.LAT_LNG if metric is Metric.HAVERSINE else Coordinates.POINT
        if kind is not wanted:
            problem = f"is {metric.name} but locations have {kind.name.lower() if kind else 'no coordinates'}"
            found.add(f"{path}.metric", problem, f"a metric for these locations; {metric.name} wants {wanted.name}")


def _matrices(row: ProfileRow, n: int, path: str, found: _Findings) -> None:
    if n > MAX_MATRIX_LOCATIONS:
        found.add(f"{path}.distances", f"is for {n} locations", f"at most {MAX_MATRIX_LOCATIONS} with MATRIX")
        return
    for name, matrix in (("distances", row.distances), ("durations_s", row.durations_s)):
        if matrix is None:
            if name == "distances":
                found.add(f"{path}.{name}", "is absent", f"{n * n} numbers, {n} rows of {n}")
        elif matrix.size != n * n:
            found.add(f"{path}.{name}", f"has {matrix.size} numbers", f"{n * n}, {n} rows of {n}, for {n} locations")
        else:
            found.amounts(matrix, lambda i, name=name: f"{path}.{name}[{i}]")  # type: ignore[misc]


def _vehicles(data: RoutingData, found: _Findings) -> None:
    rows = data.vehicles
    locations = frozenset(row.id for row in data.locations) | {""}
    found.ids([row.id for row in rows], lambda i: f"vehicles[{i}].id")
    counts = f"an integer from 1 to {MAX_COUNT}"
    found.numbers((row.available for row in rows), lambda i: f"vehicles[{i}].count", 1, MAX_COUNT, counts)
    for field in ("start_location", "end_location"):
        names = [getattr(row, field) for row in rows]
        found.known(names, locations, lambda i, f=field: f"vehicles[{i}].{f}", "location")  # type: ignore[misc]
    found.loads((row.load_limits for row in rows), lambda i: f"vehicles[{i}].load_limits")
    for field in ("fixed_cost", "cost_per_distance", "cost_per_duration"):
        found.amounts((getattr(row, field) for row in rows), lambda i, f=field: f"vehicles[{i}].{f}")  # type: ignore[misc]
    for field in ("max_duration_s", "max_distance"):
        values = (getattr(row, field) for row in rows)
        limits = (0.0 if value == math.inf else value for value in values)
        found.amounts(limits, lambda i, f=field: f"vehicles[{i}].{f}")  # type: ignore[misc]
    for i, row in enumerate(rows):
        _shift(row.shift, f"vehicles[{i}].shift", found)
        if row.max_stops is not None and row.max_stops < 1:
            found.add(f"vehicles[{i}].max_stops", f"is {row.max_stops}", "an integer >= 1, or absent")
        if profile_index(data.profiles or (ProfileRow(),), row.profile) is None:
            found.add(f"vehicles[{i}].profile", f"{row.profile!r} does not exist", "the id of a profile, or empty")
        if row.breaks:
            found.add(f"vehicles[{i}].breaks", f"has {len(row.breaks)} entries", NOT_HONOURED)
        if row.reload_locations:
            found.add(f"vehicles[{i}].reload_locations", f"has {len(row.reload_locations)} entries", NOT_HONOURED)


def _shift(shift: Window, path: str, found: _Findings) -> None:
    shifted = _Findings()
    shifted.windows([(shift,)], lambda _: "")
    for violation in shifted.violations:
        found.add(violation.path.replace("[0]", path, 1), violation.problem, violation.allowed)


def _visits(data: RoutingData, found: _Findings) -> None:
    rows = data.visits
    locations = frozenset(row.id for row in data.locations)
    types = frozenset(row.id for row in data.vehicles)
    found.ids([row.id for row in rows], lambda i: f"visits[{i}].id")
    found.known((row.location for row in rows), locations, lambda i: f"visits[{i}].location", "location")
    found.loads((row.delivery for row in rows), lambda i: f"visits[{i}].delivery")
    found.loads((row.pickup for row in rows), lambda i: f"visits[{i}].pickup")
    found.amounts((row.service_s for row in rows), lambda i: f"visits[{i}].service_s")
    found.amounts((row.release_s for row in rows), lambda i: f"visits[{i}].release_s")
    found.amounts((0.0 if row.prize is None else row.prize for row in rows), lambda i: f"visits[{i}].prize")
    found.windows([row.time_windows for row in rows], lambda i: f"visits[{i}].time_windows")
    for i, row in enumerate(rows):
        if row.allowed_vehicles or row.forbidden_vehicles:
            _type_names(row.allowed_vehicles, row.forbidden_vehicles, types, f"visits[{i}]", found)
        if row.pin is not None:
            _pin(row, types, f"visits[{i}]", found)


def _type_names(
    allowed: tuple[str, ...], forbidden: tuple[str, ...], types: frozenset[str], path: str, found: _Findings
) -> None:
    found.known(allowed, types, lambda i: f"{path}.allowed_vehicles[{i}]", "vehicle type")
    found.known(forbidden, types, lambda i: f"{path}.forbidden_vehicles[{i}]", "vehicle type")


def _pin(row: VisitRow, types: frozenset[str], path: str, found: _Findings) -> None:
    pin = row.pin
    assert pin is not None  # noqa: S101 - the caller looked
    if pin.vehicle and pin.vehicle not in types:
        found.add(f"{path}.pin.vehicle", f"{pin.vehicle!r} does not exist", "the id of a vehicle type")
    if pin.start_s is None:
        return
    if not 0 <= pin.start_s <= MAX_NUMBER:
        found.add(f"{path}.pin.start_s", f"is {pin.start_s!r}", _NON_NEGATIVE)
    elif row.time_windows and not any(w.earliest_s <= pin.start_s <= w.latest_s for w in row.time_windows):
        found.add(f"{path}.pin.start_s", f"is {pin.start_s!r}", "a time within one of its time_windows")


def _shipments(data: RoutingData, found: _Findings) -> None:
    rows = data.shipments
    if not rows:
        return
    locations = frozenset(row.id for row in data.locations)
    types = frozenset(row.id for row in data.vehicles)
    found.loads((row.load for row in rows), lambda i: f"shipments[{i}].load")
    found.amounts((row.release_s for row in rows), lambda i: f"shipments[{i}].release_s")
    found.amounts((0.0 if row.prize is None else row.prize for row in rows), lambda i: f"shipments[{i}].prize")
    for name in ("pickup", "delivery"):
        legs: list[LegRow] = [getattr(row, name) for row in rows]

        def path(i: int, field: str, name: str = name) -> str:
            return f"shipments[{i}].{name}.{field}"

        found.known((leg.location for leg in legs), locations, lambda i: path(i, "location"), "location")
        found.amounts((leg.service_s for leg in legs), lambda i: path(i, "service_s"))
        found.windows([leg.time_windows for leg in legs], lambda i: path(i, "time_windows"))
    for i, row in enumerate(rows):
        _type_names(row.allowed_vehicles, row.forbidden_vehicles, types, f"shipments[{i}]", found)


def _stop_names(data: RoutingData, found: _Findings) -> None:
    """Ids of shipments, and the names of their legs, differ from each other and from those of visits."""
    if not data.shipments:
        return
    found.ids([row.id for row in data.shipments], lambda i: f"shipments[{i}].id")
    visits = frozenset(row.id for row in data.visits)
    counts = Counter(stop_ids(data))
    for i, row in enumerate(data.shipments):
        if row.id in visits or any(counts[f"{row.id}/{leg}"] > 1 for leg in ("pickup", "delivery")):
            problem = f"{row.id!r} is the id of a visit too, or one of its legs is"
            found.add(f"shipments[{i}].id", problem, "an id that occurs once")


def _backhauls(data: RoutingData, found: _Findings) -> None:
    if not data.backhauls_last:
        return
    if data.shipments:
        found.add("shipments", f"has {len(data.shipments)} entries", "none with backhauls AFTER_DELIVERIES")
    for i, row in enumerate(data.visits):
        if any(amount for _, amount in row.delivery) and any(amount for _, amount in row.pickup):
            allowed = "a delivery or a pickup, not both, with backhauls AFTER_DELIVERIES"
            found.add(f"visits[{i}].pickup", "is given beside a delivery", allowed)


def _initial_plan(data: RoutingData, found: _Findings) -> None:
    if data.initial_plan is None:
        return
    types = frozenset(row.id for row in data.vehicles)
    stops = frozenset(stop_ids(data))
    seen: Counter[str] = Counter()
    for i, route in enumerate(data.initial_plan):
        path = f"initial_plan.routes[{i}]"
        found.known((route.vehicle,), types, lambda _, p=path: f"{p}.vehicle", "vehicle type")  # type: ignore[misc]
        found.known(route.stops, stops, lambda k, p=path: f"{p}.stops[{k}]", "visit or leg of a shipment")  # type: ignore[misc]
        for k, name in enumerate(route.stops):
            seen[name] += 1
            if seen[name] == 2:
                found.add(f"{path}.stops[{k}]", f"{name!r} occurs twice in the plan", "each stop at most once")
