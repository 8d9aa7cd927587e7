"""Why no plan serves all that must be served: small sets of visits that do not go together, and what would help."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from solvers.routing.advice.proof import hereditary, loads_exceed_fleet, serves_all
from solvers.routing.compilation import compiled
from solvers.routing.construction import construct
from solvers.routing.data import RoutingData, ShipmentRow, VehicleRow, VisitRow, Window
from solvers.routing.pins import unfilled
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.unassigned import Reason, unassigned
from solvers.stop import Stop

_ALONE = (
    Reason.NO_VEHICLE_ALLOWED,
    Reason.LOAD_EXCEEDS_VEHICLES,
    Reason.WINDOW_UNREACHABLE,
    Reason.SHIFT_TOO_SHORT,
    Reason.TOO_FAR,
)
_ANYHOW = (Reason.NO_VEHICLE_ALLOWED, Reason.LOAD_EXCEEDS_VEHICLES)
"""Reasons that hold whatever else is on the route."""

_MOST_ALONE = 100
_MOST_TYPES = 10
"""Vehicle types of which one more is tried at most; the first ones."""


class Cause(IntEnum):
    """What a conflict is about; the numbers are the proto's."""

    ALONE = 1
    FLEET_LOAD = 2
    TOGETHER = 3


class Limits(IntEnum):
    """Limits whose lifting would resolve a conflict; the numbers are the proto's."""

    FLEET_SIZE = 1
    TIME_WINDOWS = 2
    LOAD_LIMITS = 3
    ROUTE_LIMITS = 4
    VEHICLE_RULES = 5
    PINNED_PLACES = 6


class Remedy(NamedTuple):
    """A plan for the whole set was found once ``limits`` were lifted; of `FLEET_SIZE`, with one more ``vehicle``."""

    limits: Limits
    vehicle: str = ""


@dataclass(frozen=True)
class Conflict:
    """Visits and shipments that cannot all be served.

    ``proved`` is whether that is certain; otherwise the quick heuristic found no plan for them. ``minimal`` is whether
    it finds a plan as soon as any one of them is left out.
    """

    ids: tuple[str, ...]
    cause: Cause
    detail: str
    proved: bool
    minimal: bool
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True)
class Explanation:
    """A plan that serves all that must be served, or why there seems to be none."""

    plan: RoutingPlan | None
    conflicts: tuple[Conflict, ...]


def explain(problem: RoutingProblem, seed: int, stop: Stop) -> Explanation:
    """Look for a plan with the quick heuristic and, where it finds none, for minimal conflicts.

    First what no vehicle can serve even alone, then load that exceeds the fleet; where neither explains it, the set of
    all visits is cut down as long as no plan is found for what is left (the complement step of delta debugging, Zeller
    and Hildebrandt 2002), so that an early ``stop`` still leaves a conflict, only a larger one. Optional visits and
    shipments play no part, but where a pinned place needs stops before or behind it.
    """
    mandatory = [name for name, unit in _units(problem.data) if unit.prize is None]
    if not mandatory:
        return Explanation(RoutingPlan(()), ())
    must = _part(problem.data, mandatory)
    plan = _plan(must, seed, stop)
    if problem.has_pinned_places:
        # parts of the problem lack the stops that fill a route up to a pinned place, so the whole is looked at for it
        whole = _plan(problem, seed, stop)
        if whole is not None:
            return Explanation(whole, ())
        if plan is not None:
            return Explanation(None, (_misplaced(problem, seed, stop),))
    elif plan is not None:
        return Explanation(_in(problem, must, plan), ())
    alone = [item for item in unassigned(must, RoutingPlan(())) if item.reason in _ALONE]
    if alone:
        direct = hereditary(must)
        return Explanation(
            None,
            tuple(
                Conflict(
                    ids=(item.id,),
                    cause=Cause.ALONE,
                    detail=f"{item.reason.name}: {item.detail}",
                    proved=direct or item.reason in _ANYHOW,
                    minimal=True,
                    remedies=_remedies(must, [item.id], seed, stop),
                )
                for item in alone[:_MOST_ALONE]
            ),
        )
    heavy = loads_exceed_fleet(must)
    if heavy is not None:
        ids, detail = heavy
        remedies = _remedies(must, ids, seed, stop)
        return Explanation(None, (Conflict(tuple(ids), Cause.FLEET_LOAD, detail, True, True, remedies),))
    return Explanation(None, (_together(must, seed, stop),))


def _together(must: RoutingProblem, seed: int, stop: Stop) -> Conflict:
    def unserved(names: Sequence[str]) -> bool:
        return _plan(_part(must.data, names), seed, stop) is None

    names, minimal = _cut_down([name for name, _ in _units(must.data)], unserved, stop)
    proved = hereditary(must) and serves_all(_part(must.data, names)) is False
    how = "no order of them on the vehicles keeps every limit" if proved else "the quick heuristic finds no plan"
    if not minimal:
        how += "; time was up before the set was minimal"
    return Conflict(tuple(names), Cause.TOGETHER, how, proved, minimal, _remedies(must, names, seed, stop))


def _misplaced(problem: RoutingProblem, seed: int, stop: Stop) -> Conflict:
    """Visits whose pinned places do not go together, where the problem without these pins has a plan."""
    data = problem.data

    def unserved(names: Sequence[str]) -> bool:
        return _plan(compiled(_unpinned(data, frozenset(names))), seed, stop) is None

    pinned = [
        row.id for row in data.visits if row.pin and (row.pin.position, row.pin.position_from_end) != (None, None)
    ]
    names, minimal = _cut_down(pinned, unserved, stop)
    detail = "the quick heuristic finds a plan, but none that has them at their pinned places"
    if not minimal:
        detail += "; time was up before the set was minimal"
    remedies = _helpful(data, lambda changed: _plan(compiled(changed), seed, stop) is not None, stop)
    return Conflict(tuple(names), Cause.TOGETHER, detail, False, minimal, remedies)


def _unpinned(data: RoutingData, kept: frozenset[str]) -> RoutingData:
    """``data`` without the pinned places of all visits but ``kept``."""
    return replace(
        data,
        visits=tuple(
            row
            if row.pin is None or row.id in kept
            else row._replace(pin=row.pin._replace(position=None, position_from_end=None))
            for row in data.visits
        ),
    )


def _cut_down(names: list[str], unserved: Callable[[Sequence[str]], bool], stop: Stop) -> tuple[list[str], bool]:
    """A part of ``names`` that is still ``unserved``, and whether leaving out any one more makes it served."""
    size = max(1, len(names) // 2)
    while True:
        at, cut = 0, False
        while at < len(names):
            if stop():
                return names, False
            rest = names[:at] + names[at + size :]
            if rest and unserved(rest):
                names, cut = rest, True
            else:
                at += size
        if size == 1 and not cut:
            return names, True
        size = max(1, min(size, len(names)) // 2)


def _remedies(must: RoutingProblem, names: Sequence[str], seed: int, stop: Stop) -> tuple[Remedy, ...]:
    """Limits of which lifting one kind gives a plan for ``names``."""
    data = _part(must.data, names).data
    return _helpful(data, lambda changed: _plan(unfilled(compiled(changed)), seed, stop) is not None, stop)


def _helpful(data: RoutingData, served: Callable[[RoutingData], bool], stop: Stop) -> tuple[Remedy, ...]:
    """What to lift of ``data`` so that all of it is ``served``."""
    tried = [
        (Remedy(Limits.FLEET_SIZE, row.id), _one_more(data, k)) for k, row in enumerate(data.vehicles[:_MOST_TYPES])
    ]
    tried += [(Remedy(limits), _lifted(data, limits)) for limits in Limits if limits is not Limits.FLEET_SIZE]
    return tuple(remedy for remedy, changed in tried if changed != data and not stop() and served(changed))


def _one_more(data: RoutingData, k: int) -> RoutingData:
    rows = list(data.vehicles)
    rows[k] = rows[k]._replace(available=min(rows[k].available + 1, 1_000_000))
    return replace(data, vehicles=tuple(rows))


def _lifted(data: RoutingData, limits: Limits) -> RoutingData:
    """``data`` without ``limits``."""
    if limits is Limits.LOAD_LIMITS:
        return _vehicles(data, lambda row: row._replace(load_limits=()))
    if limits is Limits.ROUTE_LIMITS:
        return _vehicles(
            data,
            lambda row: row._replace(shift=Window(), max_duration_s=math.inf, max_distance=math.inf, max_stops=None),
        )
    if limits is Limits.PINNED_PLACES:
        return _unpinned(data, frozenset())
    if limits is Limits.TIME_WINDOWS:
        visits = tuple(
            row._replace(time_windows=(), pin=row.pin._replace(start_s=None) if row.pin else None)
            for row in data.visits
        )
        shipments = tuple(
            row._replace(pickup=row.pickup._replace(time_windows=()), delivery=row.delivery._replace(time_windows=()))
            for row in data.shipments
        )
        return replace(data, visits=visits, shipments=shipments)
    free: dict[str, tuple[str, ...]] = {"allowed_vehicles": (), "forbidden_vehicles": (), "required_skills": ()}
    visits = tuple(
        row._replace(**free, pin=row.pin._replace(vehicle="") if row.pin else None)  # type: ignore[arg-type]
        for row in data.visits
    )
    return replace(data, visits=visits, shipments=tuple(row._replace(**free) for row in data.shipments))  # type: ignore[arg-type]


def _vehicles(data: RoutingData, change: Callable[[VehicleRow], VehicleRow]) -> RoutingData:
    return replace(data, vehicles=tuple(change(row) for row in data.vehicles))


def _units(data: RoutingData) -> list[tuple[str, VisitRow | ShipmentRow]]:
    return [(row.id, row) for row in data.visits] + [(row.id, row) for row in data.shipments]


def _part(data: RoutingData, names: Sequence[str]) -> RoutingProblem:
    """The problem of serving only ``names``, at least one; pinned places as if what is left out were still to come."""
    wanted = set(names)
    return unfilled(
        compiled(
            replace(
                data,
                visits=tuple(row for row in data.visits if row.id in wanted),
                shipments=tuple(row for row in data.shipments if row.id in wanted),
                initial_plan=None,
            )
        )
    )


def _plan(problem: RoutingProblem, seed: int, stop: Stop) -> RoutingPlan | None:
    """The quick heuristic's plan when it serves everything."""
    plan = construct(problem, seed, stop)
    return plan if problem.verify(plan).feasible else None


def _in(problem: RoutingProblem, part: RoutingProblem, plan: RoutingPlan) -> RoutingPlan:
    """``plan`` of ``part`` with the indices of ``problem``."""
    index = {name: k for k, name in enumerate(problem.stop_ids)}
    return RoutingPlan(
        tuple(
            route._replace(visits=tuple(index[part.stop_ids[stop]] for stop in route.visits)) for route in plan.routes
        )
    )
