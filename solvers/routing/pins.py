"""Pinned places on routes that contradict each other or the rest of the problem, found before anything is solved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from solvers.errors import FieldViolation
from solvers.routing.data import IntArray, RoutingData, VehicleRow, VisitRow

if TYPE_CHECKING:
    from solvers.routing.problem import RoutingProblem

_FIELDS = ("position", "position_from_end")


def pinned_places(data: RoutingData) -> list[FieldViolation]:
    """What no plan can keep, by the pins alone. What else is impossible is left to the answer to explain."""
    pinned = [(i, row) for i, row in enumerate(data.visits) if row.pin and _place(row) != (None, None)]
    if not pinned:
        return []
    return [*_too_far(data, pinned), *_taken(data, pinned), *_backwards(data, pinned), *_backhauls(data, pinned)]


def _place(row: VisitRow) -> tuple[int | None, int | None]:
    return (None, None) if row.pin is None else (row.pin.position, row.pin.position_from_end)


def _types(data: RoutingData, row: VisitRow) -> list[VehicleRow]:
    """Types that its pin leaves."""
    name = row.pin.vehicle if row.pin else ""
    return [vehicle for vehicle in data.vehicles if name in ("", vehicle.id)]


def _too_far(data: RoutingData, pinned: list[tuple[int, VisitRow]]) -> Iterator[FieldViolation]:
    """A place beyond the longest route that there can be."""
    stops = len(data.visits) + 2 * len(data.shipments)
    for i, row in pinned:
        limits = [stops if v.max_stops is None else min(stops, v.max_stops) for v in _types(data, row)]
        position, from_end = _place(row)
        for field, place in zip(_FIELDS, (position, from_end), strict=True):
            room = max(limits) - 1 - ((position or 0) if field == "position_from_end" else 0)
            if place is not None and place > room:
                beside = f" beside its position {position}" if field == "position_from_end" and position else ""
                allowed = f"0 to {max(room, 0)}{beside}: its longest route has {max(limits)} stops"
                yield FieldViolation(f"visits[{i}].pin.{field}", f"is {place}", allowed)
                break


def _taken(data: RoutingData, pinned: list[tuple[int, VisitRow]]) -> Iterator[FieldViolation]:
    """More visits that must be served pinned to one place of a type's routes than it has vehicles."""
    for field in _FIELDS:
        holders: defaultdict[tuple[str, int], list[tuple[int, VisitRow]]] = defaultdict(list)
        for i, row in pinned:
            place = getattr(row.pin, field)
            if place is not None and row.prize is None:
                holders[row.pin.vehicle if row.pin else "", place].append((i, row))
        for (name, place), rows in holders.items():
            room = sum(vehicle.available for vehicle in data.vehicles if name in ("", vehicle.id))
            for i, _ in rows[room:]:
                others = ", ".join(repr(row.id) for _, row in rows[:room][:3])
                who = f"{name!r} has" if name else "the fleet has"
                vehicles = "1 vehicle" if room == 1 else f"{room} vehicles"
                yield FieldViolation(
                    f"visits[{i}].pin.{field}",
                    f"is {place}, where {others} {'is' if room == 1 else 'are'} pinned too",
                    f"a place that is free: {who} {vehicles}, and each has one stop there",
                )


def _backwards(data: RoutingData, pinned: list[tuple[int, VisitRow]]) -> Iterator[FieldViolation]:
    """A visit pinned to an earlier time and a later place than another one on the same single vehicle."""
    single = {vehicle.id for vehicle in data.vehicles if vehicle.available == 1}
    routes: defaultdict[str, list[tuple[int, float, int, str]]] = defaultdict(list)
    for i, row in pinned:
        pin = row.pin
        if pin and pin.vehicle in single and pin.position is not None and pin.start_s is not None and row.prize is None:
            routes[pin.vehicle].append((pin.position, pin.start_s, i, row.id))
    for rows in routes.values():
        rows.sort()
        for (place, start, _, name), (_, later_start, i, _) in pairwise(rows):
            if later_start < start:
                allowed = f"at least {start:g}: {name!r} is pinned to the earlier place {place} and that time"
                yield FieldViolation(f"visits[{i}].pin.start_s", f"is {later_start!r}", allowed)


def _backhauls(data: RoutingData, pinned: list[tuple[int, VisitRow]]) -> Iterator[FieldViolation]:
    """A pickup in front, where deliveries come first."""
    if not data.backhauls_last:
        return
    for i, row in pinned:
        if row.pin and row.pin.position == 0 and any(amount for _, amount in row.pickup):
            allowed = "at least 1: with backhauls AFTER_DELIVERIES no route begins with a pickup"
            yield FieldViolation(f"visits[{i}].pin.position", "is 0", allowed)


def _at_most(places: IntArray) -> IntArray:
    """``places`` (n, 2), fewest and most, without the fewest."""
    loose = places.copy()
    loose[:, 0] = 0
    return loose


def unfilled(problem: RoutingProblem) -> RoutingProblem:
    """``problem`` where a pinned place may also be an earlier one: as if stops that others need were still to come.

    Whatever a plan of the problem serves can be served here when some of its stops are taken out.
    """
    if not problem.has_pinned_places:
        return problem
    return replace(problem, before=_at_most(problem.before), after=_at_most(problem.after))
