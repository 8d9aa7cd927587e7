"""Plans as GeoJSON (RFC 7946): a line for each route and a point for each stop, for any map."""

from __future__ import annotations

from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject
from solvers.routing.data import Coordinates
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.schedule import schedule
from solvers.routing.verify import path_of


def plan_to_geojson(problem: RoutingProblem, plan: RoutingPlan) -> JsonObject:
    """A feature collection of ``plan``.

    Raises
    ------
    solvers.errors.InvalidProblem
        When the locations have no latitude and longitude, which is all that GeoJSON knows.
    """
    if problem.coordinates is not Coordinates.LAT_LNG:
        allowed = "lat_lng on every location, for GeoJSON"
        raise InvalidProblem([FieldViolation("locations", "have no latitude and longitude", allowed)])
    places = [[row.x, row.y] for row in problem.data.locations]
    features: list[JsonObject] = []
    driven = [route for route in plan.routes if route.visits]
    for route, planned in zip(driven, schedule(problem, plan), strict=True):
        vehicle = problem.data.vehicles[route.vehicle_type].id
        name: JsonObject = {"vehicle": vehicle, "vehicle_index": planned.vehicle_index}
        line = [places[int(location)] for location in path_of(problem, route)]
        features.append(
            _feature(
                "LineString",
                line,
                name
                | {
                    "start_s": planned.start_s,
                    "end_s": planned.end_s,
                    "distance": planned.distance,
                    "duration_s": planned.duration_s,
                    "cost": planned.cost,
                    "stops": len(planned.stops),
                },
            )
        )
        for position, stop in enumerate(planned.stops):
            location = int(problem.stop_location[stop.stop])
            features.append(
                _feature(
                    "Point",
                    places[location],
                    name
                    | {
                        "id": problem.stop_ids[stop.stop],
                        "position": position,
                        "arrival_s": stop.arrival_s,
                        "start_s": stop.start_s,
                        "departure_s": stop.departure_s,
                    },
                )
            )
    return {"type": "FeatureCollection", "features": features}


def _feature(kind: str, coordinates: Any, properties: JsonObject) -> JsonObject:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}
