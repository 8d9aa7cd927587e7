"""Exchanges of tails against a search over all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing.general import GeneralEngine
from solvers.routing.annealing.rich_recreate import is_valid
from solvers.routing.annealing.tails import exchange_tails
from solvers.routing.annealing.tour import COST, undo
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow, Window
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import WorkLimit


def _problem(places, visits, capacity=60, **vehicle):
    rows = tuple(LocationRow(f"p{i}", Coordinates.POINT, float(x), float(y)) for i, (x, y) in enumerate(places))
    van = VehicleRow("van", len(visits), "p0", "p0", (("kg", capacity),) if capacity else (), **vehicle)
    return RoutingProblem.of(RoutingData(rows, (van,), tuple(visits), profiles=(ProfileRow(metric=Metric.EUCLIDEAN),)))


@st.composite
def _problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, loads = draw(st.integers(2, 14)), draw(st.booleans())
    opens = rng.integers(150, 450, n).astype(float)  # each can be reached
    visits = [
        VisitRow(
            f"v{i}",
            f"p{i + 1}",
            (("kg", int(rng.integers(1, 20))),) if loads else (),
            service_s=float(rng.integers(0, 20)),
            time_windows=(Window(opens[i], opens[i] + float(rng.integers(20, 300))),),
        )
        for i in range(n)
    ]
    most = draw(st.sampled_from([None, 5]))
    return _problem(rng.integers(0, 100, (n + 1, 2)), visits, 60 if loads else 0, max_stops=most, fixed_cost=40.0)


def _engine(problem, seed):
    engine = GeneralEngine(problem, seed)
    engine.start(None, WorkLimit(10**6))
    engine.run(20, 100.0)  # anything but a good plan
    return engine


def _plan(routes):
    return RoutingPlan(tuple(Route(0, tuple(route)) for route in routes if route))


def _exchanges(routes, c):
    """All plans that join visit ``c`` to a visit of another route by an exchange of tails."""
    (mine,) = (route for route in routes if c in route)
    at = mine.index(c)
    for other in routes:
        if other is mine:
            continue
        rest = [route for route in routes if route is not mine and route is not other]
        for k in range(len(other)):
            yield [*rest, mine[: at + 1] + other[k:], other[:k] + mine[at + 1 :]]
            yield [*rest, other[: k + 1] + mine[at:], mine[:at] + other[k + 1 :]]


@settings(max_examples=150, deadline=None)
@given(_problems(), st.integers(0, 2**40), st.integers(0, 13))
def test_the_cheapest_possible_exchange_is_made_and_can_be_undone(problem, seed, c):
    engine = _engine(problem, seed)
    tours = engine.tours
    routes = [route.tolist() for route in engine.current_routes()]
    before = engine.current_plan()
    c %= problem.n_stops
    cost = float(tours.costs[COST])
    verdicts = [problem.verify(_plan(found)) for found in _exchanges(routes, c)]
    possible = [verdict.objective for verdict in verdicts if verdict.feasible]
    exchange_tails(tours.rich, tours, c, math.inf)
    assert is_valid(tours.rich, tours)
    now = problem.verify(engine.current_plan())
    if possible:
        assert now.objective == pytest.approx(min(possible), abs=1e-6)
    else:
        assert engine.current_plan() == before
    old = problem.verify(before).objective
    assert float(tours.costs[COST]) - cost == pytest.approx(now.objective - old, abs=1e-6)
    undo(tours)
    assert engine.current_plan() == before


def test_nothing_dearer_than_the_limit_is_done():
    visits = [VisitRow(f"v{i}", f"p{i + 1}", time_windows=(Window(0.0, 500.0),)) for i in range(4)]
    problem = _problem([(0, 0), (10, 0), (20, 0), (-10, 0), (-20, 0)], visits)
    engine = GeneralEngine(problem, 0)
    engine.start(_plan([[0, 1], [2, 3]]), WorkLimit(1))
    for limit, changes in ((float(engine.tours.costs[COST]), False), (math.inf, True)):
        exchange_tails(engine.tours.rich, engine.tours, 0, limit)
        assert (engine.current_plan() != _plan([[0, 1], [2, 3]])) == changes


def test_two_routes_that_fit_on_one_vehicle_become_one():
    visits = [VisitRow(f"v{i}", f"p{i + 1}", time_windows=(Window(0.0, 500.0),)) for i in range(4)]
    problem = _problem([(0, 0), (10, 0), (20, 0), (30, 0), (40, 0)], visits, fixed_cost=5.0)
    engine = GeneralEngine(problem, 0)
    engine.start(_plan([[0, 1], [2, 3]]), WorkLimit(1))
    exchange_tails(engine.tours.rich, engine.tours, 1, math.inf)
    assert sorted(len(route) for route in engine.current_routes()) == [4]
    assert float(engine.tours.costs[COST]) == pytest.approx(85.0)
