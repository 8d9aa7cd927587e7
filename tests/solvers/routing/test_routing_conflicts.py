"""Why no plan serves everything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from routing_cases import routing_data

from solvers.routing.advice.conflicts import Cause, Limits, Remedy, explain
from solvers.routing.advice.proof import serves_all
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow, Window
from solvers.routing.problem import RoutingProblem
from solvers.stop import Never, WorkLimit


def case(
    visits: tuple[VisitRow, ...], count: int = 1, limit: int = 10, profile: Metric = Metric.EUCLIDEAN
) -> RoutingData:
    places = tuple(LocationRow(f"p{k}", Coordinates.POINT, float(10 * k), 0.0) for k in range(6))
    van = VehicleRow("van", available=count, start_location="p0", end_location="p0", load_limits=(("kg", limit),))
    return RoutingData(locations=places, vehicles=(van,), visits=visits, profiles=(ProfileRow(metric=profile),))


def one(data: RoutingData):
    found = explain(RoutingProblem.of(data), 1, Never())
    assert found.plan is None
    assert len(found.conflicts) == 1
    return found.conflicts[0]


def test_a_visit_no_vehicle_can_serve_is_a_conflict_of_its_own():
    heavy = VisitRow("heavy", "p1", delivery=(("kg", 11),))
    fine = VisitRow("fine", "p2", delivery=(("kg", 5),))
    conflict = one(case((heavy, fine), count=2))
    assert (conflict.ids, conflict.cause, conflict.proved, conflict.minimal) == (("heavy",), Cause.ALONE, True, True)
    assert conflict.remedies == (Remedy(Limits.LOAD_LIMITS),)


def test_load_beyond_the_fleet_names_the_fewest_visits():
    visits = tuple(VisitRow(f"v{k}", "p1", delivery=(("kg", kg),)) for k, kg in enumerate((2, 9, 3, 8)))
    conflict = one(case(visits, count=1))
    assert conflict.ids == ("v1", "v3")
    assert (conflict.cause, conflict.proved) == (Cause.FLEET_LOAD, True)
    assert "17 in all" in conflict.detail
    assert "carry 10" in conflict.detail
    assert set(conflict.remedies) == {Remedy(Limits.FLEET_SIZE, "van"), Remedy(Limits.LOAD_LIMITS)}


def test_two_windows_one_vehicle_cannot_both_meet_are_found_among_many_visits():
    easy = tuple(VisitRow(f"easy{k}", f"p{1 + k % 5}") for k in range(12))
    left = VisitRow("left", "p5", time_windows=(Window(60.0, 61.0),))
    right = VisitRow("right", "p1", time_windows=(Window(60.0, 61.0),))
    conflict = one(case((*easy, left, right)))
    assert set(conflict.ids) == {"left", "right"}
    assert (conflict.cause, conflict.proved, conflict.minimal) == (Cause.TOGETHER, True, True)
    assert set(conflict.remedies) == {Remedy(Limits.FLEET_SIZE, "van"), Remedy(Limits.TIME_WINDOWS)}


def test_what_may_be_left_out_is_no_conflict():
    visit = VisitRow("dear", "p1", delivery=(("kg", 11),), prize=1.0)
    found = explain(RoutingProblem.of(case((visit,))), 1, Never())
    assert found.plan is not None
    assert found.conflicts == ()


def test_an_early_stop_still_names_a_conflict_but_calls_it_not_minimal():
    easy = tuple(VisitRow(f"easy{k}", f"p{1 + k % 5}") for k in range(12))
    clash = tuple(VisitRow(f"c{k}", f"p{k}", time_windows=(Window(60.0, 61.0),)) for k in (1, 5))
    found = explain(RoutingProblem.of(case((*easy, *clash))), 1, WorkLimit(3))
    (conflict,) = found.conflicts
    assert {"c1", "c5"} <= set(conflict.ids)
    assert not conflict.minimal


@settings(max_examples=60, deadline=None)
@given(data=routing_data())
def test_what_it_finds_holds(data):
    """A plan it finds is feasible for what must be served; a conflict called proved has no plan at all."""
    problem = RoutingProblem.of(data)
    found = explain(problem, 1, Never())
    if found.plan is not None:
        assert all(v.constraint != "mandatory" for v in problem.verify(found.plan).violations)
        assert problem.verify(found.plan).feasible
        return
    assert found.conflicts
    for conflict in found.conflicts:
        inside = [v for v in data.visits if v.id in conflict.ids]
        if any(v.pin and v.pin[2:] != (None, None) for v in inside):
            continue  # what a pinned place needs before it may be outside: tests/.../test_routing_pins.py
        rows = replace(
            data,
            visits=tuple(inside),
            shipments=tuple(s for s in data.shipments if s.id in conflict.ids),
            initial_plan=None,
        )
        if conflict.proved:
            assert serves_all(RoutingProblem.of(rows)) is not True


@pytest.mark.parametrize("count", [1, 2])
def test_the_exact_search_agrees_with_what_one_sees(count):
    visits = tuple(VisitRow(f"v{k}", "p1", delivery=(("kg", 10),)) for k in range(2))
    assert serves_all(RoutingProblem.of(case(visits, count=count))) is (count == 2)
