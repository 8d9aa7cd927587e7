"""The annealing strategy as a whole."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers.routing.annealing.capacity import fewest_routes
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Cancelled, WorkLimit
from solvers.strategy import Context


def _problem(n, seed=0, *, capacity=100, vehicles=100, metric=Metric.EUCLIDEAN_ROUNDED, prize=None, fixed_cost=0.0):
    rng = np.random.default_rng(seed)
    if metric is Metric.HAVERSINE:
        places = [LocationRow(f"p{i}", Coordinates.LAT_LNG, *rng.uniform(5, 15, 2).tolist()) for i in range(n + 1)]
    else:
        places = [LocationRow(f"p{i}", Coordinates.POINT, *rng.integers(0, 1000, 2).tolist()) for i in range(n + 1)]
    visits = tuple(
        VisitRow(f"v{i}", f"p{i}", (("kg", int(rng.integers(1, 50))),), prize=prize) for i in range(1, n + 1)
    )
    fleet = VehicleRow("van", vehicles, "p0", "p0", (("kg", capacity),), fixed_cost=fixed_cost)
    return RoutingProblem.of(RoutingData(tuple(places), (fleet,), visits, profiles=(ProfileRow(metric=metric),)))


def _last(problem, context):
    *_, last = Annealing().candidates(problem, context)
    return last


@pytest.mark.parametrize("n", [1, 2, 3, 10, 60])
@pytest.mark.parametrize("metric", [Metric.EUCLIDEAN, Metric.EUCLIDEAN_ROUNDED, Metric.HAVERSINE])
def test_every_candidate_is_feasible_better_than_the_one_before_and_priced_right(n, metric):
    problem = _problem(n, n, metric=metric)
    told = []
    for candidate in Annealing().candidates(problem, Context(1, WorkLimit(10))):
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible, verdict.violations
        assert candidate.claimed_objective == pytest.approx(verdict.objective, rel=1e-9)
        told.append(verdict.objective)
    assert told == sorted(told, reverse=True)


@pytest.mark.parametrize("load", [51, 34, 26])
def test_vehicles_that_hold_few_stops_each_are_enough(load):
    places = tuple(LocationRow(f"p{i}", Coordinates.POINT, float(i % 20), float(i // 20)) for i in range(301))
    visits = tuple(VisitRow(f"v{i}", f"p{i}", (("kg", load),)) for i in range(1, 301))
    fleet = (VehicleRow("van", 300, "p0", "p0", (("kg", 100),)),)
    problem = RoutingProblem.of(RoutingData(places, fleet, visits))
    last = _last(problem, Context(1, WorkLimit(3)))
    assert problem.verify(last.plan).feasible
    assert len(last.plan.routes) == -(-300 // (100 // load))


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(60, 150))
def test_no_packing_needs_fewer_vehicles_than_the_fewest(loads, capacity):
    rooms: list[int] = []  # first fit decreasing
    for load in sorted(loads, reverse=True):
        place = next((k for k, room in enumerate(rooms) if room >= load), None)
        if place is None:
            rooms.append(capacity - load)
        else:
            rooms[place] -= load
    assert fewest_routes(np.array(loads, np.int64), capacity) <= len(rooms)


def test_small_problems_are_solved_to_the_optimum_of_exhaustive_search():
    for seed in range(2):
        problem = _problem(5, seed, capacity=70, fixed_cost=30.0)
        best = min(
            (
                verdict.objective
                for order in itertools.permutations(range(5))
                for cuts in range(16)
                if (verdict := problem.verify(_cut(order, cuts))).feasible
            ),
        )
        assert _last(problem, Context(seed, WorkLimit(10))).claimed_objective == pytest.approx(best)


def _cut(order, cuts):
    routes, route = [], [order[0]]
    for k, v in enumerate(order[1:]):
        if cuts >> k & 1:
            routes.append(route)
            route = []
        route.append(v)
    return RoutingPlan(tuple(Route(0, tuple(r)) for r in [*routes, route]))


def test_the_same_seed_and_work_give_the_same_candidates():
    problem = _problem(80)
    first, second = (list(Annealing().candidates(problem, Context(3, WorkLimit(20)))) for _ in range(2))
    assert first == second


def test_another_seed_searches_elsewhere():
    problem = _problem(80)
    assert _last(problem, Context(3, WorkLimit(60))).plan != _last(problem, Context(4, WorkLimit(60))).plan


class _Clock:
    """A stop with a clock that runs unevenly, as on a busy machine."""

    def __init__(self, seconds, seed):
        self.left, self.rng = seconds, np.random.default_rng(seed)

    def __call__(self):
        return self.left <= 0

    def remaining_s(self):
        self.left -= self.rng.uniform(0, 0.02)
        return max(self.left, 0.0)


def test_a_run_under_a_clock_is_repeated_byte_for_byte_from_its_control_trace_without_one():
    problem = _problem(80)
    run = list(Annealing().candidates(problem, Context(3, _Clock(4.0, 1))))
    assert run[-1].control_trace is not None
    trace = json.loads(json.dumps(run[-1].control_trace))
    replay = list(Annealing().candidates(problem, Context(3, control_trace=trace)))
    assert replay == run


def test_a_trace_of_another_version_is_refused():
    with pytest.raises(ValueError, match="version"):
        list(Annealing().candidates(_problem(5), Context(3, control_trace={"version": 0, "segments": []})))


def test_an_incumbent_is_never_made_worse():
    problem = _problem(60)
    good = _last(problem, Context(3, WorkLimit(200)))
    again = list(Annealing().candidates(problem, Context(9, WorkLimit(1), incumbent=good.plan)))
    assert again[0].plan.routes
    assert all(candidate.claimed_objective <= good.claimed_objective for candidate in again)


def test_optional_visits_are_left_out_where_they_cost_more_than_their_prize():
    cheap, dear = _problem(30, prize=0.5), _problem(30, prize=1e5)
    assert not any(route.visits for route in _last(cheap, Context(1, WorkLimit(20))).plan.routes)
    assert sum(len(route.visits) for route in _last(dear, Context(1, WorkLimit(20))).plan.routes) == 30


@pytest.mark.parametrize("prize", [60.0, 150.0])
def test_candidates_get_better_and_are_priced_right_while_prizes_are_weighted(prize):
    problem = _problem(40, 5, prize=prize, capacity=200)
    told = []
    for candidate in Annealing().candidates(problem, Context(1, WorkLimit(400))):
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible
        assert candidate.claimed_objective == pytest.approx(verdict.objective, rel=1e-9)
        told.append(candidate.claimed_objective)
    assert told == sorted(told, reverse=True)
    assert told[-1] < told[0]


def test_a_tight_fleet_is_packed():
    total = int(_problem(40, 3).delivery.sum())
    problem = _problem(40, 3, capacity=-(-total // 4) + 1, vehicles=4)
    assert len(_last(problem, Context(1, WorkLimit(50))).plan.routes) == 4


def test_a_problem_without_a_feasible_plan_has_no_candidate():
    problem = _problem(10, capacity=60, vehicles=1)
    assert list(Annealing().candidates(problem, Context(1, WorkLimit(20)))) == []


def test_a_cancel_is_obeyed_at_the_next_question():
    asked = []

    def is_cancelled():
        asked.append(True)
        return len(asked) > 3

    list(Annealing().candidates(_problem(50), Context(1, Cancelled(is_cancelled))))
    assert len(asked) == 4
