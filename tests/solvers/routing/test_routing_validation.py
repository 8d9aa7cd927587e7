"""Bad input is refused with every field at fault named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from solvers.errors import InvalidProblem
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
from solvers.routing.problem import RoutingProblem

PLACES = (LocationRow("a", Coordinates.POINT, 0, 0), LocationRow("b", Coordinates.POINT, 3, 4))
VAN = VehicleRow("van", 1, "a", "a")
STOP = VisitRow("x", "b")
GOOD = RoutingData(PLACES, (VAN,), (STOP,))
PAIR = ShipmentRow("s", LegRow("a"), LegRow("b"))
NAN = math.nan


def matrix(*values: float) -> ProfileRow:
    return ProfileRow(metric=Metric.MATRIX, distances=np.array(values))


def faults(data: RoutingData) -> list[str]:
    with pytest.raises(InvalidProblem) as error:
        RoutingProblem.of(data)
    assert all(violation.problem and violation.allowed for violation in error.value.violations)
    return [violation.path for violation in error.value.violations]


CASES: dict[str, tuple[dict[str, object], list[str]]] = {
    "no locations": (
        {"locations": ()},
        ["locations", "vehicles[0].start_location", "vehicles[0].end_location", "visits[0].location"],
    ),
    "no vehicles": ({"vehicles": ()}, ["vehicles"]),
    "nothing to do": ({"visits": ()}, ["visits"]),
    "duplicate locations": ({"locations": (*PLACES, PLACES[0])}, ["locations[0].id", "locations[2].id"]),
    "duplicate visits": ({"visits": (STOP, STOP)}, ["visits[0].id", "visits[1].id"]),
    "duplicate vehicles": ({"vehicles": (VAN, VAN)}, ["vehicles[0].id", "vehicles[1].id"]),
    "empty id": ({"visits": (STOP._replace(id=""),)}, ["visits[0].id"]),
    "long id": ({"visits": (STOP._replace(id="x" * 129),)}, ["visits[0].id"]),
    "NaN coordinate": ({"locations": (PLACES[0], PLACES[1]._replace(x=NAN))}, ["locations[1].point.x"]),
    "mixed coordinates": (
        {"locations": (PLACES[0], PLACES[1]._replace(coordinates=Coordinates.LAT_LNG))},
        ["locations[1].coordinates"],
    ),
    "latitude": (
        {"locations": tuple(p._replace(coordinates=Coordinates.LAT_LNG, y=91.0) for p in PLACES)},
        ["locations[0].lat_lng.latitude", "locations[1].lat_lng.latitude"],
    ),
    "NaN distance": ({"profiles": (matrix(0, NAN, 1, 0),)}, ["profiles[0].distances[1]"]),
    "negative distance": ({"profiles": (matrix(0, 1, -1, 0),)}, ["profiles[0].distances[2]"]),
    "matrix of the wrong size": ({"profiles": (matrix(0, 1, 2),)}, ["profiles[0].distances"]),
    "durations of the wrong size": (
        {"profiles": (replace(matrix(0, 1, 1, 0), durations_s=np.ones(9)),)},
        ["profiles[0].durations_s"],
    ),
    "matrix without numbers": ({"profiles": (ProfileRow(metric=Metric.MATRIX),)}, ["profiles[0].distances"]),
    "matrix and coordinates": (
        {"profiles": (replace(matrix(0, 1, 1, 0), metric=Metric.EUCLIDEAN),)},
        ["profiles[0].distances"],
    ),
    "haversine in the plane": ({"profiles": (ProfileRow(metric=Metric.HAVERSINE),)}, ["profiles[0].metric"]),
    "no coordinates": ({"locations": (LocationRow("a"), LocationRow("b"))}, ["profiles[0].metric"]),
    "no speed": ({"profiles": (ProfileRow(speed=0.0),)}, ["profiles[0].speed"]),
    "decimals": ({"profiles": (ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED, decimals=7),)}, ["profiles[0].decimals"]),
    "decimals unused": ({"profiles": (ProfileRow(decimals=2),)}, ["profiles[0].decimals"]),
    "unknown profile": ({"vehicles": (VAN._replace(profile="bike"),)}, ["vehicles[0].profile"]),
    "unknown start": ({"vehicles": (VAN._replace(start_location="z"),)}, ["vehicles[0].start_location"]),
    "no such many": ({"vehicles": (VAN._replace(available=0),)}, ["vehicles[0].count"]),
    "negative limit": ({"vehicles": (VAN._replace(load_limits=(("w", -1),)),)}, ["vehicles[0].load_limits['w']"]),
    "negative cost": ({"vehicles": (VAN._replace(fixed_cost=-1.0),)}, ["vehicles[0].fixed_cost"]),
    "NaN duration": ({"vehicles": (VAN._replace(max_duration_s=NAN),)}, ["vehicles[0].max_duration_s"]),
    "shift ends early": ({"vehicles": (VAN._replace(shift=Window(5, 4)),)}, ["vehicles[0].shift.latest_s"]),
    "no stops": ({"vehicles": (VAN._replace(max_stops=0),)}, ["vehicles[0].max_stops"]),
    "breaks": ({"vehicles": (VAN._replace(breaks=(BreakRow(Window(), 5.0),)),)}, ["vehicles[0].breaks"]),
    "reloads": ({"vehicles": (VAN._replace(reload_locations=("a",)),)}, ["vehicles[0].reload_locations"]),
    "unknown place": ({"visits": (STOP._replace(location="z"),)}, ["visits[0].location"]),
    "negative demand": ({"visits": (STOP._replace(delivery=(("w", -4),)),)}, ["visits[0].delivery['w']"]),
    "huge pickup": ({"visits": (STOP._replace(pickup=(("w", 10**13),)),)}, ["visits[0].pickup['w']"]),
    "negative service": ({"visits": (STOP._replace(service_s=-1.0),)}, ["visits[0].service_s"]),
    "infinite prize": ({"visits": (STOP._replace(prize=math.inf),)}, ["visits[0].prize"]),
    "window closes first": (
        {"visits": (STOP._replace(time_windows=(Window(9, 3),)),)},
        ["visits[0].time_windows[0].latest_s"],
    ),
    "windows overlap": (
        {"visits": (STOP._replace(time_windows=(Window(0, 5), Window(5, 9))),)},
        ["visits[0].time_windows[1].earliest_s"],
    ),
    "window from never": (
        {"visits": (STOP._replace(time_windows=(Window(math.inf, math.inf),)),)},
        ["visits[0].time_windows[0].earliest_s"],
    ),
    "unknown types": (
        {"visits": (STOP._replace(allowed_vehicles=("van", "bus"), forbidden_vehicles=("ox",)),)},
        ["visits[0].allowed_vehicles[1]", "visits[0].forbidden_vehicles[0]"],
    ),
    "pins": (
        {"visits": (STOP._replace(time_windows=(Window(1, 2),), pin=PinRow("bus", 5.0, 1)),)},
        ["visits[0].pin.vehicle", "visits[0].pin.start_s"],
    ),
    "shipment": (
        {"shipments": (PAIR._replace(pickup=LegRow("z", -1.0), load=(("w", -1),)),)},
        ["shipments[0].load['w']", "shipments[0].pickup.location", "shipments[0].pickup.service_s"],
    ),
    "shipment named like a visit": ({"shipments": (PAIR._replace(id="x"),)}, ["shipments[0].id"]),
    "leg named like a visit": (
        {"visits": (STOP._replace(id="s/pickup"),), "shipments": (PAIR,)},
        ["shipments[0].id"],
    ),
    "backhauls with both": (
        {"visits": (STOP._replace(delivery=(("w", 1),), pickup=(("w", 1),)),), "backhauls_last": True},
        ["visits[0].pickup"],
    ),
    "backhauls with shipments": ({"shipments": (PAIR,), "backhauls_last": True}, ["shipments"]),
    "initial plan": (
        {"initial_plan": (InitialRouteRow("bus", ("x", "y")), InitialRouteRow("van", ("x",)))},
        ["initial_plan.routes[0].vehicle", "initial_plan.routes[0].stops[1]", "initial_plan.routes[1].stops[0]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_names_the_field_at_fault(name: str) -> None:
    """Each kind of bad input is refused at its field, and at no other."""
    change, expected = CASES[name]
    assert faults(replace(GOOD, **change)) == expected  # type: ignore[arg-type]


def test_reports_everything_at_once() -> None:
    """Faults in different parts of a problem are all found in one go."""
    data = replace(
        GOOD, vehicles=(VAN._replace(fixed_cost=NAN),), visits=(STOP._replace(service_s=NAN, location="z"), STOP)
    )
    assert faults(data) == [
        "vehicles[0].fixed_cost",
        "visits[0].id",
        "visits[1].id",
        "visits[0].location",
        "visits[0].service_s",
    ]


def test_what_is_merely_impossible_is_not_refused() -> None:
    """A visit that no vehicle can serve is a problem without a feasible plan, not a bad request."""
    visits = (STOP._replace(delivery=(("w", 9),), required_skills=("fly",)),)
    problem = RoutingProblem.of(replace(GOOD, visits=visits, vehicles=(VAN._replace(load_limits=(("w", 1),)),)))
    assert not problem.compatible.any()
