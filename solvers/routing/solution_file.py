"""``.sol`` files of VRPLIB: ``Route #1: 3 1 7`` per vehicle, then ``Cost 42``. Customers are node numbers minus 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvers.errors import FieldViolation, InvalidProblem
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem


@dataclass(frozen=True)
class Solution:
    """What a ``.sol`` file says; ``cost`` is ``None`` where it has none."""

    plan: RoutingPlan
    cost: float | None


def read_solution(text: str, problem: RoutingProblem, vehicle_types: Sequence[int] = ()) -> Solution:
    """Read ``text`` as a plan of ``problem``, whose stop ids are the file's customers.

    ``vehicle_types`` gives the type of the vehicle behind each route number, as the reader of the instance reports it;
    routes beyond it, or all of them without it, are of type 0.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming each route with an unknown customer, or text that is no solution file.

    """
    from vrplib.parse import parse_solution

    try:
        raw = parse_solution(text)
    except (ValueError, IndexError) as error:
        allowed = "lines 'Route #1: 3 1 7' and 'Cost 42'"
        raise InvalidProblem([FieldViolation("file", f"cannot be read: {error}", allowed)]) from error
    stops = {name: i for i, name in enumerate(problem.stop_ids)}
    violations = [
        FieldViolation(f"Route #{r + 1}", f"has customer {customer}", "customers of the problem")
        for r, customers in enumerate(raw["routes"])
        for customer in customers
        if str(customer) not in stops
    ]
    if violations:
        raise InvalidProblem(violations)
    routes = tuple(
        Route(vehicle_types[r] if r < len(vehicle_types) else 0, tuple(stops[str(customer)] for customer in customers))
        for r, customers in enumerate(raw["routes"])
        if customers
    )
    cost = raw.get("cost")
    return Solution(RoutingPlan(routes), float(cost) if isinstance(cost, (int, float)) else None)


def write_solution(
    problem: RoutingProblem, plan: RoutingPlan, objective: float, vehicle_types: Sequence[int] = ()
) -> str:
    """``plan`` as text. With several vehicle types, vehicles are numbered type by type, idle ones as empty lines.

    Numbering all vehicles is what lets a reader tell types apart; with one type idle vehicles are left out.
    ``vehicle_types`` gives the type of each vehicle in another order, as the reader of the instance reports it.
    """
    lines: list[str] = []
    many = len(problem.data.vehicles) > 1
    if many and vehicle_types:
        waiting = {t: [r for r in plan.routes if r.vehicle_type == t and r.visits] for t in set(vehicle_types)}
        for t in vehicle_types:
            names = [problem.stop_ids[stop] for stop in waiting[t].pop(0).visits] if waiting[t] else []
            lines.append(" ".join([f"Route #{len(lines) + 1}:", *names]))
        return _closed(lines, objective)
    for t, vehicle in enumerate(problem.data.vehicles):
        routes = [route for route in plan.routes if route.vehicle_type == t and route.visits]
        total = max(vehicle.available, len(routes)) if many else len(routes)
        for k in range(total):
            names = [problem.stop_ids[stop] for stop in routes[k].visits] if k < len(routes) else []
            lines.append(" ".join([f"Route #{len(lines) + 1}:", *names]))
    return _closed(lines, objective)


def _closed(lines: list[str], objective: float) -> str:
    cost = int(objective) if objective == int(objective) else objective
    return "\n".join([*lines, f"Cost {cost}", ""])
