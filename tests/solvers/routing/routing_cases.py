"""Random routing problems of every feature, and a slow judge of plans that shares no code with the product.

All figures of these problems are whole numbers and every metric gives whole distances, so the best start of a route is
a whole second: the judge tries them all.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import strategies as st

from solvers.routing.data import (
    Coordinates,
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
from solvers.routing.pins import pinned_places
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem

HORIZON = 120
SKILLS = ("cold", "lift")


def data_folder() -> Path:
    """The folder of benchmark instances; skips the test where it is absent."""
    folder = Path(os.environ.get("ISINGLASS_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data at {folder}; set ISINGLASS_DATA")
    return folder


@st.composite
def windows(draw: st.DrawFn, most: int = 2) -> tuple[Window, ...]:
    bounds = sorted(draw(st.lists(st.integers(0, HORIZON), min_size=2, max_size=2 * most, unique=True)))
    pairs = [Window(float(a), float(b)) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    if draw(st.booleans()):
        pairs[-1] = pairs[-1]._replace(latest_s=math.inf)
    return tuple(pairs)


def loads(names: tuple[str, ...], most: int = 5) -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    row = st.tuples(*(st.integers(0, most) for _ in names))
    return row.map(lambda amounts: tuple((n, a) for n, a in zip(names, amounts, strict=True) if a))


@st.composite
def routing_data(draw: st.DrawFn, several_windows: bool = True) -> RoutingData:
    """A small problem; each feature is there in about half of them."""
    has = {
        name: draw(st.booleans())
        for name in (
            "matrix", "time", "windows", "release", "prizes", "fleet", "open", "loads", "pickups", "shipments",
            "compatibility", "limits", "costs", "backhauls", "pins",
        )
    }  # fmt: skip
    n_places = draw(st.integers(2, 6))
    xy = st.integers(0, 20).map(float)
    places = tuple(LocationRow(f"p{k}", Coordinates.POINT, draw(xy), draw(xy)) for k in range(n_places))
    profiles = [ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED)]
    if has["matrix"]:
        import numpy as np

        cells = st.lists(st.integers(0, 20), min_size=n_places**2, max_size=n_places**2)
        times = np.array(draw(cells), dtype=float) if draw(st.booleans()) else None
        profiles[0] = ProfileRow(metric=Metric.MATRIX, distances=np.array(draw(cells), dtype=float), durations_s=times)
    place = st.sampled_from([row.id for row in places])
    names = draw(st.sampled_from((("a",), ("a", "b")))) if has["loads"] else ()
    small = st.integers(0, 4).map(float)

    def vehicle(k: int) -> VehicleRow:
        limited = has["limits"] and draw(st.booleans())
        return VehicleRow(
            id=f"v{k}",
            available=draw(st.integers(1, 3)),
            start_location="" if has["open"] and draw(st.booleans()) else draw(place),
            end_location="" if has["open"] and draw(st.booleans()) else draw(place),
            load_limits=tuple((name, draw(st.integers(3, 12))) for name in names),
            shift=draw(windows(1))[0] if has["time"] and draw(st.booleans()) else Window(),
            max_duration_s=float(draw(st.integers(10, 100))) if limited else math.inf,
            max_distance=float(draw(st.integers(10, 100))) if has["limits"] and draw(st.booleans()) else math.inf,
            fixed_cost=draw(small) if has["costs"] else 0.0,
            cost_per_distance=draw(small) if has["costs"] else 1.0,
            cost_per_duration=draw(small) if has["costs"] else 0.0,
            max_stops=draw(st.integers(1, 4)) if has["limits"] and draw(st.booleans()) else None,
            skills=tuple(s for s in SKILLS if draw(st.booleans())) if has["compatibility"] else (),
        )

    vehicles = tuple(vehicle(k) for k in range(draw(st.integers(2, 3)) if has["fleet"] else 1))
    types = [row.id for row in vehicles]
    some_types = st.lists(st.sampled_from(types), unique=True, max_size=2).map(tuple)
    wide = 2 if several_windows else 1

    def common() -> dict[str, object]:
        choosy = has["compatibility"] and draw(st.booleans())
        return {
            "prize": float(draw(st.integers(0, 60))) if has["prizes"] and draw(st.booleans()) else None,
            "release_s": float(draw(st.integers(0, 40))) if has["release"] and draw(st.booleans()) else 0.0,
            "allowed_vehicles": draw(some_types) if choosy else (),
            "forbidden_vehicles": draw(some_types) if choosy and draw(st.booleans()) else (),
            "required_skills": (draw(st.sampled_from(SKILLS)),) if choosy and draw(st.booleans()) else (),
        }

    def opening() -> tuple[Window, ...]:
        return draw(windows(wide)) if has["windows"] and draw(st.booleans()) else ()

    service = small if has["time"] else st.just(0.0)
    backhauls = has["backhauls"] and bool(names)

    def visit(k: int) -> VisitRow:
        picks = (has["pickups"] or backhauls) and draw(st.booleans())
        own = draw(loads(names))
        open_at = opening()
        pin = None
        if has["pins"] and draw(st.booleans()):
            start = draw(st.sampled_from([w.earliest_s for w in open_at] or [float(draw(st.integers(0, 60)))]))
            nth = st.none() | st.integers(0, 2)
            pin = PinRow(
                draw(st.sampled_from(["", *types])),
                start if draw(st.booleans()) else None,
                draw(nth),
                draw(nth),
            )
        return VisitRow(
            id=f"c{k}",
            location=draw(place),
            delivery=() if backhauls and picks else own,
            pickup=draw(loads(names)) if picks else (),
            service_s=draw(service),
            time_windows=open_at,
            pin=pin,
            **common(),  # type: ignore[arg-type]
        )

    n_visits = draw(st.integers(1, 5))
    n_shipments = draw(st.integers(1, 2)) if has["shipments"] and not backhauls else 0
    data = RoutingData(
        locations=places,
        vehicles=vehicles,
        visits=tuple(visit(k) for k in range(n_visits)),
        shipments=tuple(
            ShipmentRow(
                f"s{k}",
                LegRow(draw(place), draw(service), opening()),
                LegRow(draw(place), draw(service), opening()),
                draw(loads(names)),
                **common(),  # type: ignore[arg-type]
            )
            for k in range(n_shipments)
        ),
        profiles=tuple(profiles),
        backhauls_last=backhauls,
    )
    if pinned_places(data):  # contradictory pins are refused, and other tests are about that
        data = replace(data, visits=tuple(row._replace(pin=None) for row in data.visits))
    return data


@st.composite
def plans(draw: st.DrawFn, problem: RoutingProblem) -> RoutingPlan:
    """Any routes over the problem's stops: each stop at most once, in any order, on any vehicles."""
    stops = draw(st.permutations(range(problem.n_stops)))
    stops = stops[: draw(st.integers(max(0, len(stops) - 2), len(stops)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(stops)), max_size=3)))
    parts = [stops[a:b] for a, b in zip([0, *cuts], [*cuts, len(stops)], strict=True)]
    types = st.integers(0, len(problem.data.vehicles) - 1)
    return RoutingPlan(tuple(Route(draw(types), tuple(part)) for part in parts if part))


def judge(data: RoutingData, plan: RoutingPlan) -> float | None:
    """The objective of ``plan``, or ``None`` when it is infeasible: by the contract's words, from the rows, slowly."""
    n = len(data.visits)
    total = 0.0
    seen: list[int] = []
    fleet: dict[int, int] = {}
    for t, visits in plan.routes:
        if visits:
            seen += visits
            fleet[t] = fleet.get(t, 0) + 1
            cost = _route(data, t, visits)
            if cost is None:
                return None
            total += cost
    if len(seen) != len(set(seen)) or any(fleet[t] > data.vehicles[t].available for t in fleet):
        return None
    for i, visit in enumerate(data.visits):
        if i not in seen:
            if visit.prize is None:
                return None
            total += visit.prize
    for j, shipment in enumerate(data.shipments):
        legs = (n + 2 * j in seen) + (n + 2 * j + 1 in seen)
        if legs == 1 or (legs == 0 and shipment.prize is None):
            return None
        if legs == 0:
            total += shipment.prize or 0.0
    return total


def _route(data: RoutingData, t: int, visits: tuple[int, ...]) -> float | None:
    vehicle, n = data.vehicles[t], len(data.visits)
    spots = {row.id: k for k, row in enumerate(data.locations)}
    if vehicle.max_stops is not None and len(visits) > vehicle.max_stops:
        return None
    for stop in visits:
        pin = data.visits[stop].pin if stop < n else None
        if pin is not None:
            if pin.position is not None and visits[pin.position : pin.position + 1] != (stop,):
                return None
            if pin.position_from_end is not None and visits[::-1][pin.position_from_end :][:1] != (stop,):
                return None
    stops = []  # location, service, windows, change of load, owner
    start_load: dict[str, int] = {}
    carried: set[int] = set()
    for stop in visits:
        change: dict[str, int] = {}
        if stop < n:
            row = data.visits[stop]
            for name, amount in row.delivery:
                start_load[name] = start_load.get(name, 0) + amount
                change[name] = change.get(name, 0) - amount
            for name, amount in row.pickup:
                change[name] = change.get(name, 0) + amount
            open_at = row.time_windows or (Window(),)
            if row.pin is not None and row.pin.start_s is not None:
                open_at = (Window(row.pin.start_s, row.pin.start_s),)
            if row.pin is not None and row.pin.vehicle not in ("", vehicle.id):
                return None
            stops.append((row.location, row.service_s, open_at, change, row))
        else:
            shipment = data.shipments[(stop - n) // 2]
            is_pickup = (stop - n) % 2 == 0
            if is_pickup:
                carried.add(stop)
            elif stop - 1 not in carried:
                return None
            leg = shipment.pickup if is_pickup else shipment.delivery
            for name, amount in shipment.load:
                change[name] = amount if is_pickup else -amount
            if is_pickup and stop + 1 not in visits:
                return None
            stops.append((leg.location, leg.service_s, leg.time_windows or (Window(),), change, shipment))
    for *_, row in stops:
        allowed = not row.allowed_vehicles or vehicle.id in row.allowed_vehicles
        if not allowed or vehicle.id in row.forbidden_vehicles or not set(row.required_skills) <= set(vehicle.skills):
            return None
    limits = dict(vehicle.load_limits)
    on_board = dict(start_load)
    for change in [{}, *(stop[3] for stop in stops)]:
        for name, amount in change.items():
            on_board[name] = on_board.get(name, 0) + amount
        if any(load > limits.get(name, math.inf) for name, load in on_board.items()):
            return None
    if data.backhauls_last:
        kinds = ["d" if row.delivery else "p" if row.pickup else "" for *_, row in stops]
        letters = "".join(kinds)
        if "pd" in letters or (letters and "d" not in letters):
            return None
    path = [spots[stop[0]] for stop in stops]
    distance = sum(_distance(data, a, b) for a, b in pairwise(path))
    first = last = 0.0
    first_s = last_s = 0.0
    if vehicle.start_location:
        first, first_s = (f(data, spots[vehicle.start_location], path[0]) for f in (_distance, _seconds))
    if vehicle.end_location:
        last, last_s = (f(data, path[-1], spots[vehicle.end_location]) for f in (_distance, _seconds))
    distance += first + last
    if distance > vehicle.max_distance:
        return None
    release = max(row.release_s for *_, row in stops)
    best = math.inf
    for start in range(int(max(release, vehicle.shift.earliest_s)), 3 * HORIZON):
        now = start + first_s
        for k, (_, service, open_at, _, _) in enumerate(stops):
            times = [max(now, w.earliest_s) for w in open_at if now <= w.latest_s]
            if not times:
                break
            now = min(times) + service
            now += _seconds(data, path[k], path[k + 1]) if k + 1 < len(path) else last_s
        else:
            if now <= vehicle.shift.latest_s:
                best = min(best, now - start)
    if best > vehicle.max_duration_s or best == math.inf:
        return None
    return vehicle.fixed_cost + vehicle.cost_per_distance * distance + vehicle.cost_per_duration * best


def _distance(data: RoutingData, a: int, b: int) -> float:
    profile = data.profiles[0]
    if profile.distances is not None:
        return float(profile.distances[a * len(data.locations) + b])
    exact = math.hypot(data.locations[a].x - data.locations[b].x, data.locations[a].y - data.locations[b].y)
    return float(math.floor(exact + 0.5))


def _seconds(data: RoutingData, a: int, b: int) -> float:
    profile = data.profiles[0]
    if profile.durations_s is not None:
        return float(profile.durations_s[a * len(data.locations) + b])
    return _distance(data, a, b)
