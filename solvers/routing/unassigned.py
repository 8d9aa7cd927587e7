"""Why a visit or shipment is on no route, from the problem's data: what a dispatcher can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import TOLERANCE, UNLIMITED, RoutingProblem
from solvers.routing.timing import Timing, least_duration
from solvers.routing.verify import distance_legs, loads_on_board, timed_route


class Reason(IntEnum):
    """Why it was left out; the numbers are the proto's."""

    NO_VEHICLE_ALLOWED = 1
    LOAD_EXCEEDS_VEHICLES = 2
    WINDOW_UNREACHABLE = 3
    SHIFT_TOO_SHORT = 4
    TOO_FAR = 5
    PRIZE_BELOW_COST = 6
    NO_FEASIBLE_INSERTION = 7
    DROPPED = 8
    PINNED_PLACE_NOT_FREE = 9


@dataclass(frozen=True)
class Unassigned:
    """One visit or shipment that no route serves.

    ``detail`` says why in words, with the figures. ``forcing_cost`` is what the routes would cost more with it at its
    cheapest place on this plan, ``None`` where it fits nowhere.
    """

    id: str
    reason: Reason
    detail: str
    forcing_cost: float | None = None


def unassigned(problem: RoutingProblem, plan: RoutingPlan) -> tuple[Unassigned, ...]:
    """Every visit and shipment that ``plan`` leaves out, in the problem's order, with the reason."""
    served = {stop for route in plan.routes for stop in route.visits}
    first = problem.n_visits
    names = [visit.id for visit in problem.data.visits] + [shipment.id for shipment in problem.data.shipments]
    legs = [(i,) for i in range(first)] + [(p, p + 1) for p in range(first, problem.n_stops, 2)]
    left = [(name, stops) for name, stops in zip(names, legs, strict=True) if served.isdisjoint(stops)]
    if not left:
        return ()
    placements = _cheapest_placements(problem, plan, [stops[0] for _, stops in left])
    return tuple(
        Unassigned(name, *_reason(problem, plan, stops, cost), float(cost) if np.isfinite(cost) else None)
        for (name, stops), cost in zip(left, placements, strict=True)
    )


def _reason(problem: RoutingProblem, plan: RoutingPlan, stops: tuple[int, ...], placement: float) -> tuple[Reason, str]:
    """``placement`` is the least extra cost of serving it on this plan, ``inf`` when it fits nowhere."""
    allowed = np.flatnonzero(problem.compatible[stops[0]])
    if not len(allowed):
        return Reason.NO_VEHICLE_ALLOWED, "no vehicle type is allowed, has the skills and is not forbidden"
    alone = [Route(int(t), stops) for t in allowed]
    able = [route for route in alone if _carries(problem, route)]
    if not able:
        return Reason.LOAD_EXCEEDS_VEHICLES, _load_detail(problem, stops, allowed.tolist())
    timings = [least_duration(timed_route(problem, route)) for route in able]
    reached = [(route, timing) for route, timing in zip(able, timings, strict=True) if not any(timing.lateness_s)]
    if not reached:
        return Reason.WINDOW_UNREACHABLE, _window_detail(problem, stops, timings)
    kept = [
        (route, timing)
        for route, timing in reached
        if timing.in_time and timing.duration_s <= problem.max_duration_s[route.vehicle_type] + TOLERANCE
    ]
    if not kept:
        return Reason.SHIFT_TOO_SHORT, _shift_detail(problem, reached)
    distances = [sum(distance_legs(problem, route)) for route, _ in kept]
    limits = [float(problem.max_distance[route.vehicle_type]) for route, _ in kept]
    if all(distance > limit + TOLERANCE for distance, limit in zip(distances, limits, strict=True)):
        return Reason.TOO_FAR, f"a tour to it alone is {min(distances):g} long; the limit is {max(limits):g}"
    prize = float(problem.prize[stops[0]])
    if not np.isfinite(placement):
        taken = _taken_place(problem, plan, stops[0])
        if taken:
            return Reason.PINNED_PLACE_NOT_FREE, taken
        return Reason.NO_FEASIBLE_INSERTION, "it fits on no route of this plan, and no suitable vehicle is free"
    if problem.optional[stops[0]] and placement >= prize:
        return Reason.PRIZE_BELOW_COST, f"serving it costs {placement:g} more; leaving it out costs {prize:g}"
    return Reason.DROPPED, f"it could be served at {placement:g} more; the solver had no time to"


def _carries(problem: RoutingProblem, route: Route) -> bool:
    return bool((loads_on_board(problem, route) <= problem.capacity[route.vehicle_type]).all())


def _taken_place(problem: RoutingProblem, plan: RoutingPlan, stop: int) -> str:
    """Why ``stop`` is not at its pinned place, where it would fit without the pin; empty where that is no reason."""
    before, after = problem.before.copy(), problem.after.copy()
    before[stop] = after[stop] = (0, UNLIMITED)
    if not np.isfinite(_cheapest_placements(replace(problem, before=before, after=after), plan, [stop])[0]):
        return ""
    pins = []
    if problem.before[stop, 1] < UNLIMITED:
        pins.append(f"position {problem.before[stop, 1]} (stop no. {problem.before[stop, 1] + 1})")
    if problem.after[stop, 1] < UNLIMITED:
        pins.append(f"position {problem.after[stop, 1]} from the end (0: the last stop)")
    if not pins:
        return ""
    return f"it fits on this plan, but not at its pinned {' and '.join(pins)}: taken, or on no route long enough"


def _shift_detail(problem: RoutingProblem, reached: Sequence[tuple[Route, Timing]]) -> str:
    route, timing = min(reached, key=lambda item: item[1].overtime_s)
    if timing.overtime_s > 0:
        shift_s = problem.shift_latest_s[route.vehicle_type]
        late = f"{timing.overtime_s:g} s after the shift's end at {shift_s:g} s"
        return f"a tour to it alone ends at {timing.end_s:g} s, {late}"
    in_shift = [(route, timing) for route, timing in reached if timing.overtime_s == 0]
    shortest_s = min(timing.duration_s for _, timing in in_shift)
    longest_s = max(float(problem.max_duration_s[route.vehicle_type]) for route, _ in in_shift)
    return f"a tour to it alone takes {shortest_s:g} s; at most {longest_s:g} s are allowed"


def _load_detail(problem: RoutingProblem, stops: tuple[int, ...], allowed: Sequence[int]) -> str:
    load = loads_on_board(problem, Route(0, stops)).max(axis=0)
    most = problem.capacity[list(allowed)].max(axis=0)
    parts = [
        f"{name}: {int(load[d])}, at most {int(most[d])}"
        for d, name in enumerate(problem.dimensions)
        if load[d] > most[d]
    ]
    return "; ".join(parts) or "no allowed vehicle has room in every dimension at once"


def _window_detail(problem: RoutingProblem, stops: tuple[int, ...], timings: Sequence[Timing]) -> str:
    parts = []
    for k, stop in enumerate(stops):
        earliest = min(timing.arrival_s[k] for timing in timings)
        if earliest > problem.latest_s[stop] + TOLERANCE:
            name = problem.stop_ids[stop]
            parts.append(f"{name}: earliest arrival {earliest:g} s, last window ends {problem.latest_s[stop]:g} s")
    return "; ".join(parts) or "no single vehicle reaches all its windows"


def _cheapest_placements(problem: RoutingProblem, plan: RoutingPlan, stops: Sequence[int]) -> list[float]:
    """Least extra cost of serving each of ``stops`` (a shipment by its pickup) on top of ``plan``; ``inf``: nowhere."""
    from solvers.routing.placement import cheapest_placements

    return cheapest_placements(problem, plan, stops)
