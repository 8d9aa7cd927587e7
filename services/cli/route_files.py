"""Files of routes: VRPLIB, Solomon text and VROOM JSON in; ``.sol``, GeoJSON and whole answers out; plans both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.cli.read import Question
from solvers.errors import FieldViolation, InvalidProblem

if TYPE_CHECKING:
    from protos.routing_pb2 import InitialRoute
    from solvers.routing.data import RoutingData
    from solvers.routing.problem import RoutingProblem


def looks_like_solomon(text: str) -> bool:
    """Whether ``text`` has the two headings of Solomon's format."""
    headings = [line.strip().upper() for line in text.splitlines()[:40]]
    return "VEHICLE" in headings and "CUSTOMER" in headings


def looks_like_vroom(data: dict[str, Any]) -> bool:
    """Whether ``data`` is VROOM's input: jobs, or vehicles with numbers for ids, and no locations of their own."""
    vehicles = data.get("vehicles")
    if not isinstance(vehicles, list) or "locations" in data or "visits" in data:
        return False
    return "jobs" in data or any(isinstance(row, dict) and isinstance(row.get("id"), int) for row in vehicles)


def read_vrp(text: str) -> Question:
    """A question from VRPLIB text; customers are node numbers minus 1."""
    from solvers.routing.vrplib_reader import read_vrplib

    instance = read_vrplib(text)
    return _question(instance.data, customer_of=int, vehicle_types=tuple(instance.vehicle_types))


def read_solomon_text(text: str) -> Question:
    """A question from Solomon text; customers are numbered as there, distances truncated to one decimal."""
    from solvers.routing.solomon_reader import read_solomon

    return _question(read_solomon(text), customer_of=int)


def read_vroom_json(data: dict[str, Any]) -> Question:
    """A question from VROOM's input object."""
    from solvers.routing.vroom_reader import read_vroom

    return _question(read_vroom(data))


def _question(data: RoutingData, **more: Any) -> Question:
    from google.protobuf.json_format import ParseDict

    from protos.routing_pb2 import OptimizeToursRequest
    from solvers.routing.rows_to_json import data_to_json

    request = OptimizeToursRequest()
    ParseDict(data_to_json(data), request.problem)
    return Question("routing", request, **more)


def read_routes(path: Path, question: Question) -> list[InitialRoute]:
    """The routes in ``path``: a ``.sol`` file, the contract's JSON of a plan, or what ``solve --json`` prints.

    Raises
    ------
    InvalidProblem
        Naming what is at fault.

    """
    from protos.routing_pb2 import InitialRoute
    from services.convert.routing import problem_from_message

    problem = problem_from_message(question.request.problem)
    if path.suffix.lower() == ".sol":
        from solvers.routing.solution_file import read_solution

        types = question.vehicle_types or vehicles_in_order(problem)
        plan = read_solution(path.read_text(), problem, types).plan
        return [
            InitialRoute(
                vehicle=problem.data.vehicles[route.vehicle_type].id,
                stops=[problem.stop_ids[stop] for stop in route.visits],
            )
            for route in plan.routes
        ]
    try:
        content = json.loads(path.read_bytes())
        rows = content["plan"]["routes"] if "plan" in content else content["routes"]
        return [InitialRoute(vehicle=_vehicle(row, problem), stops=_stops(row)) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        allowed = '.sol, or {"routes": [{"vehicle": ..., "stops": [...]}]}'
        raise InvalidProblem([FieldViolation(str(path), f"is no plan: {error}", allowed)]) from error


def vehicles_in_order(problem: RoutingProblem) -> tuple[int, ...]:
    """Type of the vehicle behind each route number of a ``.sol`` file, type by type; empty where there is one type."""
    if len(problem.data.vehicles) == 1:
        return ()
    most = problem.n_stops
    return tuple(t for t, row in enumerate(problem.data.vehicles) for _ in range(min(row.available, most)))


def _vehicle(row: Any, problem: RoutingProblem) -> str:
    """The vehicle of a route; a bare list of stops, as ``solve --json`` prints it, does where there is one type."""
    if isinstance(row, dict):
        return str(row["vehicle"])
    if len(problem.data.vehicles) > 1:
        raise ValueError("its routes name no vehicles, and there are several types")
    return problem.data.vehicles[0].id


def _stops(row: Any) -> list[str]:
    stops = row["stops"] if isinstance(row, dict) else row
    return [str(stop["id"]) if isinstance(stop, dict) else str(stop) for stop in stops]


def sol(question: Question, response: Any) -> str:
    """The answer as VRPLIB's ``.sol`` text."""
    from services.convert.routing import plan_from_message, problem_from_message
    from solvers.routing.solution_file import write_solution

    problem = problem_from_message(question.request.problem)
    plan = plan_from_message(problem, response.plan)
    types = question.vehicle_types or vehicles_in_order(problem)
    return write_solution(problem, plan, problem.verify(plan).objective, types)


def geojson(question: Question, response: Any) -> str:
    """The answer as GeoJSON."""
    from services.convert.routing import plan_from_message, problem_from_message
    from solvers.routing.geojson import plan_to_geojson

    problem = problem_from_message(question.request.problem)
    return json.dumps(plan_to_geojson(problem, plan_from_message(problem, response.plan)))


def answer(_question: Question, response: Any) -> str:
    """The whole answer in the contract's JSON."""
    from services.cli.output import message_json

    return json.dumps(message_json(response), ensure_ascii=False, indent=1)


def check_outputs(question: Question, path: Path, **wanted: Path | None) -> None:
    """Refuse files that this question's answer cannot fill, before anything is asked.

    Raises
    ------
    click.UsageError
        Naming the option.

    """
    for option, target in wanted.items():
        if target is not None and question.kind != "routing":
            does = "draws routes" if option == "gantt" else "is about routes"
            raise click.UsageError(
                f"--{option} {does}, and {path} holds a problem of kind {question.kind}; leave it out"
            )
    places = question.request.problem.locations if question.kind == "routing" else ()
    if wanted.get("geojson") is not None and not all(place.HasField("lat_lng") for place in places):
        raise click.UsageError(f"--geojson needs latitude and longitude, and the locations of {path} have none")
