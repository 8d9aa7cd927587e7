"""Canonical JSON of routing problems and plans, with the field names of ``protos/routing.proto``."""

from __future__ import annotations

from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject
from solvers.routing.data import InitialRouteRow
from solvers.routing.json_reading import JsonReader
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.rows_from_json import data_from_json
from solvers.routing.rows_to_json import data_to_json, short


class RoutingCodec:
    """Canonical JSON of routing problems and plans (see `solvers.kind.Codec`)."""

    def problem_to_json(self, problem: RoutingProblem) -> JsonObject:
        return data_to_json(problem.data)

    def problem_from_json(self, data: JsonObject) -> RoutingProblem:
        """Raises `solvers.errors.InvalidProblem` naming every field at fault."""
        return RoutingProblem.of(data_from_json(data))

    def plan_to_json(self, problem: RoutingProblem, plan: RoutingPlan) -> JsonObject:
        return short(
            routes=[
                short(
                    vehicle=problem.data.vehicles[route.vehicle_type].id,
                    stops=[{"id": problem.stop_ids[stop]} for stop in route.visits],
                )
                for route in plan.routes
            ]
        )

    def plan_from_json(self, problem: RoutingProblem, data: JsonObject) -> RoutingPlan:
        """Raises `solvers.errors.InvalidProblem` naming every field at fault.

        Fields of the plan message that follow from the routes (times, loads, costs) are not looked at.
        """
        reader = JsonReader()

        def stop(value: object, path: str) -> str:
            if not isinstance(value, dict):
                reader.fault(path, value, "an object")
                return ""
            return reader.text(value.get("id"), f"{path}.id")

        def route(value: object, path: str) -> InitialRouteRow:
            if not isinstance(value, dict):
                reader.fault(path, value, "an object")
                return InitialRouteRow("")
            vehicle = reader.text(value.get("vehicle"), f"{path}.vehicle")
            return InitialRouteRow(vehicle, reader.items(value, "stops", path, stop))

        rows = reader.items(data, "routes", "", route)
        reader.finish()
        return plan_from_rows(problem, rows)


def plan_from_rows(problem: RoutingProblem, rows: tuple[InitialRouteRow, ...]) -> RoutingPlan:
    """The plan that names vehicle types and stops by their ids.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every id that does not exist.

    """
    types = {vehicle.id: t for t, vehicle in enumerate(problem.data.vehicles)}
    stops = {name: i for i, name in enumerate(problem.stop_ids)}
    violations = [
        FieldViolation(f"routes[{r}].vehicle", f"{row.vehicle!r} does not exist", "the id of a vehicle type")
        for r, row in enumerate(rows)
        if row.vehicle not in types
    ]
    violations += [
        FieldViolation(f"routes[{r}].stops[{k}].id", f"{name!r} does not exist", "the id of a stop")
        for r, row in enumerate(rows)
        for k, name in enumerate(row.stops)
        if name not in stops
    ]
    if violations:
        raise InvalidProblem(violations)
    return RoutingPlan(tuple(Route(types[row.vehicle], tuple(stops[name] for name in row.stops)) for row in rows))
