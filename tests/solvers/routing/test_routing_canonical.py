"""Canonical JSON of routing problems and plans loses nothing and has one text for one meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_cases import plans, routing_data

from solvers import canonical
from solvers.errors import InvalidProblem
from solvers.routing.canonical import RoutingCodec
from solvers.routing.data import RoutingData
from solvers.routing.problem import RoutingProblem

CODEC = RoutingCodec()


@settings(max_examples=100, deadline=None)
@given(routing_data())
def test_problems_survive(data: RoutingData) -> None:
    """Problem to text and back is the same problem, with the same arrays and the same text."""
    problem = RoutingProblem.of(data)
    text = canonical.dumps(CODEC.problem_to_json(problem))
    again = CODEC.problem_from_json(canonical.loads(text))
    assert again == problem
    assert canonical.dumps(CODEC.problem_to_json(again)) == text
    for name in ("windows", "compatible", "delivery", "capacity", "earliest_s"):
        assert np.array_equal(getattr(again, name), getattr(problem, name))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_plans_survive(case: st.DataObject) -> None:
    """Plan to text and back is the same plan."""
    problem = RoutingProblem.of(case.draw(routing_data()))
    plan = case.draw(plans(problem))
    assert CODEC.plan_from_json(problem, canonical.loads(canonical.dumps(CODEC.plan_to_json(problem, plan)))) == plan


MINIMAL = {
    "locations": [{"id": "a", "point": {"x": 1.0}}, {"id": "b", "point": {}}],
    "vehicles": [{"id": "v", "start_location": "a"}],
    "visits": [{"id": "x", "location": "b"}],
}


def test_written_defaults_are_left_out() -> None:
    """Spelling out what is the default anyway gives the same text."""
    spelled = {
        "locations": [{"id": "a", "point": {"x": 1, "y": 0.0}}, {"id": "b", "point": {"x": 0, "y": 0}}],
        "profiles": [{"id": "", "speed": 1.0, "metric": "METRIC_UNSPECIFIED", "distances": []}],
        "vehicles": [
            {"id": "v", "count": "1", "start_location": "a", "cost_per_distance": 1, "fixed_cost": 0, "shift": {}}
        ],
        "visits": [{"id": "x", "location": "b", "delivery": {"w": 0}, "time_windows": [{"earliest_s": 0}], "pin": {}}],
        "shipments": [],
        "initial_plan": {"routes": []},
        "backhauls": "MIXED",
    }
    short = CODEC.problem_from_json(MINIMAL)
    assert CODEC.problem_from_json(spelled) == short
    assert CODEC.problem_to_json(short) == MINIMAL


def test_names_every_field_of_the_wrong_type() -> None:
    """Types and unknown fields are all reported at once, by path."""
    broken = {
        "locations": [{"id": 5, "point": {"x": "far"}}],
        "vehicles": [{"id": "v", "count": 1.5, "load_limits": [1], "colour": "red"}],
        "visits": [{"id": "x", "location": "a", "time_windows": [{"latest_s": True}], "prize": "much"}],
        "backhauls": "SIDEWAYS",
        "shipments": {},
    }
    with pytest.raises(InvalidProblem) as error:
        CODEC.problem_from_json(broken)
    assert {violation.path for violation in error.value.violations} == {
        "locations[0].id",
        "locations[0].point.x",
        "vehicles[0].count",
        "vehicles[0].load_limits",
        "vehicles[0].colour",
        "visits[0].time_windows[0].latest_s",
        "visits[0].prize",
        "backhauls",
        "shipments",
    }


def test_plans_of_other_problems_are_refused() -> None:
    """Unknown vehicles and stops of a plan are named."""
    problem = CODEC.problem_from_json(MINIMAL)
    with pytest.raises(InvalidProblem) as error:
        CODEC.plan_from_json(problem, {"routes": [{"vehicle": "w", "stops": [{"id": "x"}, {"id": "y"}]}]})
    assert [v.path for v in error.value.violations] == ["routes[0].vehicle", "routes[0].stops[1].id"]
