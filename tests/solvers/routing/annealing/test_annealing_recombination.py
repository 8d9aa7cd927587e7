"""The best plan of routes seen."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing import general, recombination, regions
from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.recombination import RoutePool, is_worthwhile
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Deadline, Never, WorkLimit
from solvers.strategy import Context


def _problem(n, seed, *, prizes=False, vehicles=(99,), capacity=3):
    """``n`` stops of one unit each; vehicle types with ever more room that cost ever more."""
    rng = np.random.default_rng(seed)
    places = tuple(
        LocationRow(f"p{i}", Coordinates.POINT, *rng.integers(0, 100, 2).astype(float).tolist()) for i in range(n + 1)
    )
    visits = tuple(
        VisitRow(f"v{i}", f"p{i}", (("kg", 1),), prize=float(rng.integers(1, 200)) if prizes else None)
        for i in range(1, n + 1)
    )
    fleet = tuple(
        VehicleRow(f"van{t}", count, "p0", "p0", (("kg", capacity + t),), fixed_cost=20.0 + 15.0 * t)
        for t, count in enumerate(vehicles)
    )
    return RoutingProblem.of(RoutingData(places, fleet, visits))


def _alone(problem):
    """A plan with each stop on a vehicle of its own."""
    free = [t for t, count in enumerate(problem.vehicle_count) for _ in range(int(count))]
    return RoutingPlan(tuple(Route(free[k], (k,)) for k in range(problem.n_stops)))


def _some_routes(problem, rng, count):
    sizes = rng.integers(1, 5, count)
    kinds = rng.integers(0, len(problem.vehicle_count), count)
    return tuple(
        Route(int(t), tuple(rng.permutation(problem.n_stops)[:size].tolist()))
        for t, size in zip(kinds, sizes, strict=True)
    )


def _best_choice(problem, routes):
    """Least objective of all choices of ``routes``, by trying them."""
    best = math.inf
    for size in range(problem.n_stops + 1):
        for chosen in itertools.combinations(routes, size):
            stops = [stop for route in chosen for stop in route.visits]
            if len(stops) == len(set(stops)):
                verdict = problem.verify(RoutingPlan(chosen))
                if verdict.feasible:
                    best = min(best, verdict.objective)
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_the_last_plan_is_the_best_choice_of_routes(seed, prizes, scarce):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    problem = _problem(n, seed, prizes=prizes, vehicles=(n, 1) if scarce else (99, 99))
    first, others = _alone(problem), _some_routes(problem, rng, 8)
    pool = RoutePool(problem)
    pool.add(others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recombination, "PART_OF_GAP", 1.0)
        plans = [first, *pool.better_plans(first, Never(), 0)]
    verdicts = [problem.verify(plan) for plan in plans]
    assert all(verdict.feasible for verdict in verdicts)
    objectives = [verdict.objective for verdict in verdicts]
    assert all(b < a for a, b in itertools.pairwise(objectives))
    assert objectives[-1] == pytest.approx(_best_choice(problem, first.routes + others))


def test_halves_of_two_plans_make_a_better_one():
    places = tuple(LocationRow(f"p{i}", Coordinates.POINT, x, 0.0) for i, x in enumerate((0, 10, 11, -10, -11)))
    visits = tuple(VisitRow(f"v{i}", f"p{i}", (("kg", 1),)) for i in range(1, 5))
    fleet = (VehicleRow("van", 9, "p0", "p0", (("kg", 2),)),)
    problem = RoutingProblem.of(RoutingData(places, fleet, visits))
    pool = RoutePool(problem)
    pool.add((Route(0, (0, 1)), Route(0, (2,)), Route(0, (3,))))
    first = RoutingPlan((Route(0, (0,)), Route(0, (1,)), Route(0, (2, 3))))
    *_, last = pool.better_plans(first, Never(), 0)
    assert {frozenset(route.visits) for route in last.routes} == {frozenset({0, 1}), frozenset({2, 3})}


def test_the_cheapest_order_of_the_same_stops_is_remembered_and_what_no_vehicle_can_do_is_not():
    problem = _problem(5, 1)
    orders = [Route(0, order) for order in itertools.permutations((0, 1, 2))]
    best = min(problem.verify(RoutingPlan((order, Route(0, (3,)), Route(0, (4,))))).objective for order in orders)
    pool = RoutePool(problem)
    pool.add((*orders, Route(0, (0, 1, 2, 3)), Route(0, ())))
    assert len(pool) == 1
    *_, last = pool.better_plans(_alone(problem), Never(), 0)
    assert problem.verify(last).objective == pytest.approx(best)


def test_the_routes_not_seen_for_longest_are_forgotten(monkeypatch):
    monkeypatch.setattr(recombination, "MOST_ROUTES", 3)
    problem = _problem(5, 1)
    pool = RoutePool(problem)
    pool.add(_alone(problem).routes[:3])
    pool.add((Route(0, (0,)), Route(0, (3,))))
    assert [route.visits for _, route in pool._seen.values()] == [(2,), (0,), (3,)]
    assert [*pool.better_plans(_alone(problem), Never(), 0)] == []


def test_a_stop_that_has_come_leaves_the_plan_as_it_is():
    problem = _problem(30, 2)
    pool = RoutePool(problem)
    pool.add(_some_routes(problem, np.random.default_rng(0), 300))
    assert [*pool.better_plans(_alone(problem), WorkLimit(0), 0)] == []
    assert [*pool.better_plans(_alone(problem), Never(), 0)] != []


def test_nothing_is_begun_that_has_no_time_to_end(monkeypatch):
    problem = _problem(30, 2)
    pool = RoutePool(problem)
    pool.add(_some_routes(problem, np.random.default_rng(0), 300))
    ticks = itertools.count()
    short = Deadline(100.0, lambda: float(next(ticks)))
    assert [*pool.better_plans(_alone(problem), short, 0)] == []
    ticks = itertools.count()
    monkeypatch.setattr(recombination, "LEAST_RELAXATIONS", 0.0)
    assert [*pool.better_plans(_alone(problem), Deadline(1e6, lambda: float(next(ticks))), 0)] != []


def test_routes_are_remembered_only_where_they_are_short_and_stops_few():
    assert is_worthwhile(_problem(40, 0), 10)
    assert not is_worthwhile(_problem(40, 0), 4)
    assert not is_worthwhile(_problem(300, 0), 100)


@pytest.mark.parametrize("vehicles", [(99,), (99, 99)])
def test_a_run_that_went_over_to_a_better_choice_is_repeated_from_its_trace(monkeypatch, vehicles):
    monkeypatch.setattr(TourEngine, "first_work", 1)
    monkeypatch.setattr(TourEngine, "cold", TourEngine.hot)  # so hot that the annealer does not find the best itself
    monkeypatch.setattr(general, "COLD_OF_TYPES", general.HOT_OF_TYPES)
    monkeypatch.setattr(regions, "REGION_COLD", TourEngine.hot * TourEngine.region_heat)
    monkeypatch.setattr(regions, "REGION_WORK", 1)
    monkeypatch.setattr(regions, "SNAPSHOT", 10)
    monkeypatch.setattr(recombination, "LEAST_RELAXATIONS", 0.0)
    problem = _problem(60, 3, vehicles=vehicles)
    ticks = itertools.count()
    run = [*Annealing().candidates(problem, Context(5, Deadline(10_000.0, lambda: float(next(ticks)))))]
    taken = [count for iterations, count in run[-1].control_trace["segments"] if not iterations and count]
    assert taken
    assert [*Annealing().candidates(problem, Context(5, control_trace=run[-1].control_trace))] == run
