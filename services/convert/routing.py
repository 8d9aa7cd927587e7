"""Routing messages to problems and back, field by field. What is wrong with a problem is found by `solvers.routing`."""

from __future__ import annotations

import math

import numpy as np

from protos import routing_pb2 as pb
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import Verdict
from solvers.routing.canonical import plan_from_rows
from solvers.routing.data import (
    BreakRow,
    Coordinates,
    FloatArray,
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
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.rows_to_json import data_to_json
from solvers.routing.schedule import PlannedRoute, schedule
from solvers.routing.unassigned import unassigned

_BACKHAULS_LAST = {
    pb.RoutingProblem.BACKHAUL_ORDER_UNSPECIFIED: False,
    pb.RoutingProblem.MIXED: False,
    pb.RoutingProblem.AFTER_DELIVERIES: True,
}


def problem_from_message(message: pb.RoutingProblem) -> RoutingProblem:
    """The problem that ``message`` states.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault, with paths relative to ``message``.
    """
    unknown = []
    if message.backhauls not in _BACKHAULS_LAST:
        unknown.append(FieldViolation("backhauls", f"is {message.backhauls}", "MIXED or AFTER_DELIVERIES"))
    unknown += [
        FieldViolation(f"profiles[{i}].metric", f"is {profile.metric}", ", ".join(pb.TravelProfile.Metric.keys()))
        for i, profile in enumerate(message.profiles)
        if profile.metric not in pb.TravelProfile.Metric.values()
    ]
    if unknown:
        raise InvalidProblem(unknown)
    initial = None
    if message.HasField("initial_plan"):
        initial = tuple(InitialRouteRow(route.vehicle, tuple(route.stops)) for route in message.initial_plan.routes)
    return RoutingProblem.of(
        RoutingData(
            locations=tuple(_location(row) for row in message.locations),
            vehicles=tuple(_vehicle(row) for row in message.vehicles),
            visits=tuple(_visit(row) for row in message.visits),
            shipments=tuple(_shipment(row) for row in message.shipments),
            profiles=tuple(_profile(row) for row in message.profiles),
            initial_plan=initial,
            backhauls_last=_BACKHAULS_LAST[message.backhauls],
        )
    )


def problem_to_message(problem: RoutingProblem) -> pb.RoutingProblem:
    """The message that states ``problem``: its canonical JSON as a message."""
    from google.protobuf import json_format

    message = pb.RoutingProblem()
    json_format.ParseDict(data_to_json(problem.data), message)
    return message


def plan_from_message(problem: RoutingProblem, message: pb.RoutingPlan) -> RoutingPlan:
    """The plan in ``message``: its vehicles and stops; times, loads and costs follow from them and are not read.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming each id that does not exist.
    """
    rows = tuple(InitialRouteRow(route.vehicle, tuple(stop.id for stop in route.stops)) for route in message.routes)
    return plan_from_rows(problem, rows)


def plan_to_message(problem: RoutingProblem, plan: RoutingPlan, verdict: Verdict) -> pb.RoutingPlan:
    """``plan`` with times, loads, costs, and reasons for what it leaves out. ``verdict`` is the verifier's on it."""
    routes = schedule(problem, plan)
    message = pb.RoutingPlan(
        distance=math.fsum(route.distance for route in routes),
        duration_s=math.fsum(route.duration_s for route in routes),
        wait_s=math.fsum(route.wait_s for route in routes),
        cost=math.fsum(value for name, value in verdict.terms.items() if name != "prizes"),
    )
    for route in routes:
        _add_route(problem, route, message)
    for item in unassigned(problem, plan):
        message.unassigned.add(id=item.id, reason=int(item.reason), detail=item.detail, forcing_cost=item.forcing_cost)
    return message


def _add_route(problem: RoutingProblem, route: PlannedRoute, message: pb.RoutingPlan) -> None:
    out = message.routes.add(
        vehicle=problem.data.vehicles[route.vehicle_type].id,
        vehicle_index=route.vehicle_index,
        start_s=route.start_s,
        end_s=route.end_s,
        distance=route.distance,
        duration_s=route.duration_s,
        wait_s=route.wait_s,
        cost=route.cost,
        start_load=route.start_load,
    )
    for stop in route.stops:
        out.stops.add(
            id=problem.stop_ids[stop.stop],
            location=problem.data.locations[int(problem.stop_location[stop.stop])].id,
            arrival_s=stop.arrival_s,
            wait_s=stop.wait_s,
            start_s=stop.start_s,
            departure_s=stop.departure_s,
            slack_s=stop.slack_s if math.isfinite(stop.slack_s) else 0.0,
            slack_unlimited=not math.isfinite(stop.slack_s),
            load=stop.load,
            distance=stop.distance,
        )


def _location(row: pb.Location) -> LocationRow:
    kind = row.WhichOneof("coordinates")
    if kind == "point":
        return LocationRow(row.id, Coordinates.POINT, row.point.x, row.point.y)
    if kind == "lat_lng":
        return LocationRow(row.id, Coordinates.LAT_LNG, row.lat_lng.longitude, row.lat_lng.latitude)
    return LocationRow(row.id)


def _window(row: pb.TimeWindow) -> Window:
    return Window(row.earliest_s, row.latest_s if row.HasField("latest_s") else math.inf)


def _profile(row: pb.TravelProfile) -> ProfileRow:
    def array(values: object) -> FloatArray | None:
        return np.array(values, dtype=np.float64) if values else None

    return ProfileRow(
        id=row.id,
        metric=Metric(row.metric),
        decimals=row.decimals,
        speed=row.speed if row.HasField("speed") else 1.0,
        distances=array(row.distances),
        durations_s=array(row.durations_s),
    )


def _vehicle(row: pb.VehicleType) -> VehicleRow:
    return VehicleRow(
        id=row.id,
        available=row.count if row.HasField("count") else 1,
        start_location=row.start_location,
        end_location=row.end_location,
        load_limits=tuple(sorted(row.load_limits.items())),
        shift=_window(row.shift),
        max_duration_s=row.max_duration_s if row.HasField("max_duration_s") else math.inf,
        max_distance=row.max_distance if row.HasField("max_distance") else math.inf,
        fixed_cost=row.fixed_cost,
        cost_per_distance=row.cost_per_distance if row.HasField("cost_per_distance") else 1.0,
        cost_per_duration=row.cost_per_duration,
        profile=row.profile,
        max_stops=row.max_stops if row.HasField("max_stops") else None,
        skills=tuple(row.skills),
        breaks=tuple(BreakRow(_window(rest.window), rest.duration_s) for rest in row.breaks),
        reload_locations=tuple(row.reload_locations),
    )


def _visit(row: pb.Visit) -> VisitRow:
    return VisitRow(
        id=row.id,
        location=row.location,
        delivery=tuple(sorted(row.delivery.items())),
        pickup=tuple(sorted(row.pickup.items())),
        service_s=row.service_s,
        time_windows=tuple(_window(window) for window in row.time_windows),
        prize=row.prize if row.HasField("prize") else None,
        release_s=row.release_s,
        allowed_vehicles=tuple(row.allowed_vehicles),
        forbidden_vehicles=tuple(row.forbidden_vehicles),
        required_skills=tuple(row.required_skills),
        pin=_pin(row.pin) if row.HasField("pin") else None,
    )


def _pin(row: pb.Pin) -> PinRow:
    return PinRow(
        vehicle=row.vehicle,
        start_s=row.start_s if row.HasField("start_s") else None,
        position=row.position if row.HasField("position") else None,
        position_from_end=row.position_from_end if row.HasField("position_from_end") else None,
    )


def _leg(row: pb.ShipmentLeg) -> LegRow:
    return LegRow(row.location, row.service_s, tuple(_window(window) for window in row.time_windows))


def _shipment(row: pb.Shipment) -> ShipmentRow:
    return ShipmentRow(
        id=row.id,
        pickup=_leg(row.pickup),
        delivery=_leg(row.delivery),
        load=tuple(sorted(row.load.items())),
        prize=row.prize if row.HasField("prize") else None,
        release_s=row.release_s,
        allowed_vehicles=tuple(row.allowed_vehicles),
        forbidden_vehicles=tuple(row.forbidden_vehicles),
        required_skills=tuple(row.required_skills),
    )
