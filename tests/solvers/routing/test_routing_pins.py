"""Pinned places on routes: contradictions are refused by name, the rest is honoured, verified and explained."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_cases import judge, routing_data

from solvers.errors import InvalidProblem
from solvers.routing.advice.conflicts import Cause, Limits, explain
from solvers.routing.advice.places import places
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import Coordinates, LocationRow, Metric, PinRow, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.routing.savings import Savings
from solvers.routing.unassigned import Reason, unassigned
from solvers.stop import Never
from solvers.strategy import Context

LINE = tuple(LocationRow(str(k), Coordinates.POINT, 10.0 * k) for k in range(9))

ROUNDED = (ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED),)


def line(*pins: PinRow | None, **vehicle: object) -> RoutingProblem:
    """A visit for each pin, 10 apart on a line, all on vehicles based at 0."""
    row = VehicleRow("v", **{"available": 1, "start_location": "0", "end_location": "0", **vehicle})  # type: ignore[arg-type]
    visits = tuple(VisitRow(f"c{k}", str(k + 1), (("w", 1),), pin=pin) for k, pin in enumerate(pins))
    return RoutingProblem.of(RoutingData(LINE, (row,), visits, profiles=ROUNDED))


def solved(problem: RoutingProblem) -> list[tuple[int, ...]]:
    (candidate,) = Savings().candidates(problem, Context(1))
    assert problem.verify(candidate.plan).feasible
    return [route.visits for route in candidate.plan.routes]


def faults(*pins: PinRow | None, **vehicle: object) -> list[str]:
    with pytest.raises(InvalidProblem) as error:
        line(*pins, **vehicle)
    return [violation.path for violation in error.value.violations]


def test_first_last_and_numbered_places_are_kept() -> None:
    """The insurance puts each pinned visit where it belongs, whatever that costs."""
    first, last = PinRow(position=0), PinRow(position_from_end=0)
    (route,) = solved(line(None, None, first, last, PinRow(position=2)))
    assert (route[0], route[-1], route[2]) == (2, 3, 4)
    (route,) = solved(line(PinRow(position_from_end=1), None, None, PinRow(position=0, position_from_end=3)))
    assert (route[-2], route[0], len(route)) == (0, 3, 4)


def test_other_visits_come_over_to_fill_a_route_up_to_a_pinned_place() -> None:
    """A place behind others is found although all of them would rather be on another vehicle."""
    cheap = VehicleRow("cheap", 1, "0", "0")
    dear = VehicleRow("dear", 1, "0", "0", cost_per_distance=9.0, fixed_cost=99.0)
    visits = [VisitRow(f"c{k}", str(k + 1)) for k in range(5)]
    visits[0] = visits[0]._replace(pin=PinRow("dear", position=2))
    problem = RoutingProblem.of(RoutingData(LINE, (cheap, dear), tuple(visits)))
    (candidate,) = Savings().candidates(problem, Context(1))
    assert problem.verify(candidate.plan).feasible
    assert next(route for route in candidate.plan.routes if route.vehicle_type == 1).visits[2] == 0


def test_the_verifier_names_a_visit_off_its_place() -> None:
    """By how many places, counted from the start or from the end."""
    problem = line(PinRow(position=1), PinRow(position_from_end=0), None)
    broken = problem.verify(RoutingPlan((Route(0, (0, 2, 1)),))).violations
    assert [(v.constraint, v.entity, v.amount) for v in broken] == [("position", "c0 on v#0", 1.0)]
    broken = problem.verify(RoutingPlan((Route(0, (1, 0, 2)),))).violations
    assert [(v.entity, v.amount) for v in broken] == [("c1 on v#0", 2.0)]


def test_contradictions_are_refused_by_field() -> None:
    """Two visits at one place of one vehicle, a place beyond the longest route, times against places."""
    at = PinRow("v", position=0)
    assert faults(at, at) == ["visits[1].pin.position"]
    assert faults(PinRow(position_from_end=0), PinRow(position_from_end=0)) == ["visits[1].pin.position_from_end"]
    assert faults(PinRow(position=2), None) == ["visits[0].pin.position"]
    assert faults(PinRow(position=1, position_from_end=1), None) == ["visits[0].pin.position_from_end"]
    assert faults(PinRow(position=2), None, None, max_stops=2) == ["visits[0].pin.position"]
    assert faults(PinRow("v", 50.0, 0), PinRow("v", 20.0, 1)) == ["visits[1].pin.start_s"]
    assert line(at, at, available=2).has_pinned_places


def test_a_pickup_in_front_is_refused_where_deliveries_come_first() -> None:
    """With backhauls after deliveries no route begins with a pickup."""
    visits = (VisitRow("p", "1", pickup=(("w", 1),), pin=PinRow(position=0)), VisitRow("d", "2", (("w", 1),)))
    with pytest.raises(InvalidProblem) as error:
        RoutingProblem.of(RoutingData(LINE, (VehicleRow("v", 1, "0", "0"),), visits, backhauls_last=True))
    assert [violation.path for violation in error.value.violations] == ["visits[0].pin.position"]


def test_only_strategies_that_know_places_get_them() -> None:
    """The kernels without a rule for places do not take such a problem."""
    problem = line(PinRow(position=0), None)
    assert not Pyvrp().accepts(problem)
    assert not Annealing().accepts(problem)
    assert Savings().accepts(problem)


def test_a_new_visit_is_recommended_only_where_the_pins_allow() -> None:
    """Its own place, and none that moves a pinned one."""
    problem = line(PinRow(position=0), PinRow(position_from_end=0), None, None)
    plan = RoutingPlan((Route(0, (0, 2, 1)),))
    assert sorted(place.positions for place in places(problem, plan, 3)) == [(1,), (2,)]
    assert [place.positions for place in places(problem, RoutingPlan((Route(0, (0, 2, 3)),)), 1)] == [(3,)]


def test_a_taken_place_is_the_reason() -> None:
    """An optional visit that would fit but for its place is told so, with what forcing it in costs where it fits."""
    problem = line(PinRow(position=0), None)
    data = problem.data
    visits = (data.visits[0], data.visits[1]._replace(pin=PinRow(position=0), prize=1.0))
    problem = RoutingProblem.of(RoutingData(LINE, data.vehicles, visits))
    (left,) = unassigned(problem, RoutingPlan((Route(0, (0,)),)))
    assert (left.reason, left.forcing_cost) == (Reason.PINNED_PLACE_NOT_FREE, None)
    assert "stop no. 1" in left.detail
    free = RoutingProblem.of(RoutingData(LINE, data.vehicles, (data.visits[0], visits[1]._replace(pin=None))))
    (left,) = unassigned(free, RoutingPlan((Route(0, (0,)),)))
    assert (left.reason, left.forcing_cost) == (Reason.PRIZE_BELOW_COST, pytest.approx(20.0))


def test_places_that_do_not_go_together_are_explained() -> None:
    """Too many visits for a route that two pins make short; and places behind others that there are too few of."""
    short = line(PinRow(position=0, position_from_end=1), None, None, None)
    (conflict,) = explain(short, 0, Never()).conflicts
    assert (conflict.cause, len(conflict.ids), "c0" in conflict.ids) == (Cause.TOGETHER, 3, True)
    assert conflict.proved
    assert {Limits.PINNED_PLACES, Limits.FLEET_SIZE} <= {remedy.limits for remedy in conflict.remedies}
    behind = line(PinRow(position=1), PinRow(position=1), None, available=2)
    (conflict,) = explain(behind, 0, Never()).conflicts
    assert (conflict.cause, conflict.ids, conflict.minimal) == (Cause.TOGETHER, ("c0", "c1"), True)
    assert {remedy.limits for remedy in conflict.remedies} == {Limits.PINNED_PLACES}
    assert explain(line(PinRow(position=1), None), 0, Never()).plan is not None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(6)), st.sets(st.integers(0, 5)), st.booleans())
def test_the_insurance_finds_every_order_that_pins_leave(order: list[int], pinned: set[int], from_end: bool) -> None:
    """One vehicle, places read off some order of its stops, from either end: the insurance serves all of them there."""
    pins: list[PinRow | None] = [None] * 6
    for place, stop in enumerate(order):
        if stop in pinned:
            pins[stop] = PinRow(position_from_end=5 - place) if from_end else PinRow(position=place)
    problem = line(*pins)
    (candidate,) = Savings().candidates(problem, Context(1))
    assert judge(problem.data, candidate.plan) is not None, candidate.plan


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(routing_data())
def test_reasons_and_forcing_costs_agree(data: RoutingData) -> None:
    """What is left out has one reason; it has a cost of forcing it in exactly where it fits somewhere."""
    problem = RoutingProblem.of(data)
    (candidate,) = Savings().candidates(problem, Context(1))
    served = {stop for route in candidate.plan.routes for stop in route.visits}
    left = unassigned(problem, candidate.plan)
    leads = [s for s in range(problem.n_stops) if s not in served and not 0 <= problem.partner[s] < s]
    assert len(left) == len(leads)
    for item in left:
        assert (item.forcing_cost is not None) == (item.reason in (Reason.PRIZE_BELOW_COST, Reason.DROPPED))
