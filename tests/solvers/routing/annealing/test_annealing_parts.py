"""Large problems cut into parts, and put together again."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing import parts
from solvers.routing.annealing.parts import Part, anneal_part, split
from solvers.routing.annealing.rounds import ROUNDS, Rounds
from solvers.routing.construction import construct
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Deadline, Never


def _problem(n, seed=0, *, vehicles=1000, prize=None, metric=Metric.EUCLIDEAN_ROUNDED):
    rng = np.random.default_rng(seed)
    places = tuple(
        LocationRow(f"p{i}", Coordinates.POINT, *rng.integers(0, 1000, 2).astype(float).tolist()) for i in range(n + 1)
    )
    visits = tuple(
        VisitRow(f"v{i}", f"p{i}", (("kg", int(rng.integers(1, 50))),), prize=prize) for i in range(1, n + 1)
    )
    fleet = VehicleRow("van", vehicles, "p0", "p0", (("kg", 200),))
    return RoutingProblem.of(RoutingData(places, (fleet,), visits, profiles=(ProfileRow(metric=metric),)))


def _routes(problem):
    return [np.array(route.visits, np.int32) for route in construct(problem, 0, Never()).routes]


def _deadline(steps):
    """A stop whose clock goes on by one at each look."""
    ticks = itertools.count()
    return Deadline(float(steps), lambda: float(next(ticks)))


@given(st.integers(1, 9), st.integers(0, 5), st.integers(0, 2**40))
@settings(max_examples=25, deadline=None)
def test_each_route_is_in_one_part_and_parts_have_about_as_many_stops(pieces, turn, seed):
    problem = _problem(150)
    routes = _routes(problem)
    cut = split(problem, routes, pieces, seed, turn)
    assert sorted(itertools.chain(*cut)) == list(range(len(routes)))
    sizes = [sum(len(routes[r]) for r in part) for part in cut]
    longest = max(len(route) for route in routes)
    assert max(sizes) - min(sizes) <= 2 * longest * max(1, pieces.bit_length())


def test_rounds_cut_in_different_places():
    problem = _problem(150)
    routes = _routes(problem)
    assert len({tuple(map(tuple, split(problem, routes, 2, 1, turn))) for turn in range(6)}) == 6


def test_an_annealed_part_serves_its_own_stops_and_no_others_within_capacity(monkeypatch):
    monkeypatch.setattr(parts, "PART_STOPS", 40)
    problem = _problem(150)
    routes = _routes(problem)
    mine = [routes[r] for r in split(problem, routes, 2, 1, 0)[0]]
    done = anneal_part(problem, Part(mine, 3, 20.0, 1.0, 1, 0, 1.0), _deadline(300))
    assert done.iterations > 0
    for found in (done.now, done.best):
        assert sorted(np.concatenate(found)) == sorted(np.concatenate(mine))
        assert all(problem.delivery[route, 0].sum() <= 200 for route in found)
        assert len(found) <= len(mine) + 3


def test_the_same_part_under_the_same_clock_gives_the_same_routes():
    problem = _problem(80)
    part = Part(_routes(problem), 2, 20.0, 1.0, 7, 3, 1.0)
    first, second = (anneal_part(problem, part, _deadline(200)) for _ in range(2))
    assert [route.tolist() for route in first.now] == [route.tolist() for route in second.now]


def test_a_part_whose_time_is_over_comes_back_as_it_was():
    problem = _problem(60)
    routes = _routes(problem)
    done = anneal_part(problem, Part(routes, 0, 20.0, 1.0, 1, 0, 1.0), _deadline(0))
    assert sorted(map(tuple, done.now)) == sorted(map(tuple, routes))


@pytest.mark.parametrize("lost", [False, True])
def test_rounds_lead_to_a_feasible_plan_that_is_cheaper_even_when_parts_get_lost(lost):
    problem = _problem(150, vehicles=40)
    first = construct(problem, 0, Never())
    rounds = Rounds(problem, first, 1, 12.0)
    best, elapsed, turns = math.inf, 0.0, 0
    while todo := rounds.begin(2, elapsed):
        done = [anneal_part(problem, part, _deadline(2_000)) for part in todo]
        if lost and turns % 2:
            done[0] = None
        plan = rounds.end(done)
        verdict = problem.verify(plan)
        assert verdict.feasible
        best = min(best, verdict.objective)
        elapsed += todo[0].seconds
        turns += 1
    assert turns == ROUNDS
    assert best < problem.verify(first).objective


def test_the_last_round_ends_with_the_time_and_the_coldest():
    problem = _problem(60)
    rounds = Rounds(problem, construct(problem, 0, Never()), 1, 10.0)
    parts_of = rounds.begin(1, 9.3)
    assert parts_of[0].seconds == pytest.approx(0.7)
    coldest = parts_of[0].cold
    rounds.end([None])
    assert rounds.begin(1, 9.99) == []
    assert rounds.begin(1, 0.0)[0].hot > coldest


def test_what_is_small_or_has_prizes_is_not_cut(monkeypatch):
    assert not parts.accepts(_problem(60))
    monkeypatch.setattr(parts, "LEAST_STOPS", 50)
    assert parts.accepts(_problem(60))
    assert not parts.accepts(_problem(60, prize=5.0))
    assert not parts.accepts("a problem")


def test_a_plan_of_parts_is_made_of_the_best_of_each():
    problem = _problem(60)
    first = construct(problem, 0, Never())
    rounds = Rounds(problem, first, 1, 10.0)
    todo = rounds.begin(2, 0.0)
    assert rounds.end([None] * len(todo)) == RoutingPlan(
        tuple(Route(0, tuple(route.tolist())) for part in todo for route in part.routes)
    )
