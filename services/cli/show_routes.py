"""Plans of routes as tables for people: each route with its totals, each stop, and what is not served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.cli.answer import CustomerOf
from services.cli.output import MAX_ROWS, number_text, print_table, say_rest

if TYPE_CHECKING:
    from protos.routing_pb2 import RoutingPlan


def show_routes(plan: RoutingPlan, customer_of: CustomerOf = str, *, stops: bool = False) -> None:
    """The routes of ``plan`` with their totals, with ``stops`` every stop too, and what is not served and why."""
    rows = [
        (
            str(number),
            route.vehicle,
            str(len(route.stops)),
            _loads(route.start_load),
            number_text(route.distance),
            _clock(route.start_s),
            _clock(route.end_s),
            _clock(route.duration_s),
            _clock(route.wait_s),
            number_text(route.cost),
            shorten([str(customer_of(stop.id)) for stop in route.stops]),
        )
        for number, route in enumerate(plan.routes, start=1)
    ]
    total = sum(len(route.stops) for route in plan.routes)
    sums = ("all", "", str(total), "", number_text(plan.distance), "", "", _clock(plan.duration_s))
    headers = (
        *("route", "vehicle", "stops", "load", "distance", "start", "end", "duration", "wait", "cost"),
        "visits",
    )
    last = [(*sums, _clock(plan.wait_s), number_text(plan.cost), "")] if plan.routes else []
    print_table("Routes", headers, [*rows[:MAX_ROWS], *last], numeric=headers[2:10], wrap=("visits",))
    say_rest(len(rows), "routes")
    if stops:
        _show_stops(plan, customer_of)
    if plan.unassigned:
        from protos.routing_pb2 import UnassignedVisit

        left_out = [
            (
                u.id,
                UnassignedVisit.Reason.Name(u.reason),
                number_text(u.forcing_cost) if u.HasField("forcing_cost") else "no place",
                u.detail,
            )
            for u in plan.unassigned
        ]
        titles = ("visit", "reason", "serving it costs", "detail")
        print_table("Not served", titles, left_out[:MAX_ROWS], numeric=titles[2:3])
        say_rest(len(left_out), "visits not served")


def _show_stops(plan: RoutingPlan, customer_of: CustomerOf) -> None:
    """Every stop, in the order of driving."""
    rows = [
        (
            str(number),
            str(place),
            str(customer_of(stop.id)),
            _clock(stop.arrival_s),
            _clock(stop.wait_s),
            _clock(stop.start_s),
            _clock(stop.departure_s),
            "any" if stop.slack_unlimited else _clock(stop.slack_s),
            _loads(stop.load),
            number_text(stop.distance),
        )
        for number, route in enumerate(plan.routes, start=1)
        for place, stop in enumerate(route.stops, start=1)
    ]
    headers = ("route", "no.", "visit", "arrival", "wait", "service", "departure", "slack", "load after", "driven")
    print_table("Stops", headers, rows, numeric=(*headers[:2], *headers[3:8], "driven"))


def _loads(loads: Mapping[str, int]) -> str:
    """Loads by dimension; the figure alone where there is one."""
    if len(loads) == 1:
        return f"{next(iter(loads.values())):,}"
    return ", ".join(f"{name} {load:,}" for name, load in sorted(loads.items()))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def shorten(names: list[str], most: int = 8) -> str:
    """The first and the last of ``names`` as one line."""
    return " ".join(names if len(names) <= most else [*names[: most - 2], "...", names[-1]])
