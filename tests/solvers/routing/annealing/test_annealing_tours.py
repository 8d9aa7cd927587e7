"""Tours under annealing against a brute-force evaluation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing.build import best_routes, build_tours, near_by_coordinates
from solvers.routing.annealing.kernel import anneal
from solvers.routing.annealing.ruin import ruin
from solvers.routing.annealing.savings import savings_routes
from solvers.routing.annealing.tour import BEST_COST, COST, N_ABSENT, N_FREE, N_LOG, keep_best, undo
from solvers.routing.data import Metric
from solvers.routing.travel import Travel


@st.composite
def cases(draw):
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = rng.integers(0, draw(st.sampled_from([3, 50, 1000])), (n + 1, 2)).astype(float)
    demand = rng.integers(0, 10, n)
    capacity = draw(st.integers(1, 40))
    penalty = rng.uniform(0, draw(st.sampled_from([10.0, 1e6])), n)
    vehicles = draw(st.integers(1, n))
    metric = draw(st.sampled_from([Metric.EUCLIDEAN, Metric.EUCLIDEAN_ROUNDED, Metric.EUCLIDEAN_CEILED]))
    fixed = draw(st.sampled_from([0.0, 100.0]))
    return points, demand, capacity, penalty, vehicles, metric, fixed, draw(st.booleans()), draw(st.integers(0, 2**40))


def _build(case):
    points, demand, capacity, penalty, vehicles, metric, fixed, with_matrix, seed = case
    travel = Travel(metric, 0, 1.0, points[:, 0], points[:, 1])
    everywhere = np.arange(len(points))
    matrix = travel.distance_matrix(everywhere, everywhere)
    tours = build_tours(
        points,
        demand,
        capacity,
        penalty,
        vehicles,
        seed,
        metric=metric,
        fixed=fixed,
        matrix=matrix if with_matrix else None,
        neighbours=8,
    )
    return tours, matrix


def _routes_now(tours):
    n = len(tours.near)
    routes = []
    for r in range(len(tours.load)):
        route, v = [], int(tours.nodes[n + r]["succ"])
        while v < n:
            route.append(v)
            assert tours.nodes[v]["route"] == r
            assert tours.nodes[tours.nodes[v]["succ"]]["pred"] == v
            v = int(tours.nodes[v]["succ"])
        assert v == n + r
        routes.append(route)
    return routes


def _cost(routes, case, matrix):
    _, demand, _, penalty, _, _, fixed, _, _ = case
    depot = len(demand)
    outside = set(range(depot)) - {v for route in routes for v in route}
    total = sum(penalty[v] for v in outside)
    for route in routes:
        path = [depot, *route, depot]
        total += sum(matrix[a, b] for a, b in itertools.pairwise(path)) + (fixed if route else 0.0)
    return total


def _check(tours, case, matrix):
    _, demand, capacity, _, _, _, _, _, _ = case
    n = len(demand)
    routes = _routes_now(tours)
    served = [v for route in routes for v in route]
    assert len(served) == len(set(served))
    for r, route in enumerate(routes):
        assert tours.load[r] == demand[route].sum() <= capacity
        assert tours.routes["size"][r] == len(route)
        for v in [*route, n + r]:
            a, b = min(v, n), min(int(tours.nodes[v]["succ"]), n)
            if route:
                assert tours.nodes[v]["dsucc"] == pytest.approx(matrix[a, b])
                assert tours.nodes[tours.nodes[v]["succ"]]["dpred"] == tours.nodes[v]["dsucc"]
    absent = tours.visits["absent"][: tours.counts[N_ABSENT]].tolist()
    assert sorted(absent) == sorted(set(range(n)) - set(served))
    free = tours.routes["free"][: tours.counts[N_FREE]].tolist()
    assert sorted(free) == [r for r, route in enumerate(routes) if not route]
    assert tours.costs[COST] == pytest.approx(_cost(routes, case, matrix), rel=1e-9, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 300), st.sampled_from([0.01, 1.0, 100.0]))
def test_links_loads_and_costs_are_those_of_a_brute_force_evaluation_after_any_block(case, iterations, temperature):
    tours, matrix = _build(case)
    _check(tours, case, matrix)
    keep_best(tours)
    for _ in range(3):
        anneal(tours, iterations, temperature, 6.0, 5)
        _check(tours, case, matrix)
        best = [route for _, route in best_routes(tours)]
        assert _cost(best, case, matrix) == pytest.approx(tours.costs[BEST_COST], rel=1e-9, abs=1e-6)
        assert tours.costs[BEST_COST] <= tours.costs[COST] + 1e-6


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(0, 1000))
def test_undo_restores_the_tours_that_a_ruin_broke(case, pick):
    tours, matrix = _build(case)
    anneal(tours, 50, 1.0, 6.0, 5)
    before, cost = _routes_now(tours), tours.costs[COST]
    ruin(tours, pick % len(tours.near), 6.0, 5)
    undo(tours)
    tours.costs[COST] = cost
    assert tours.counts[N_LOG] == 0
    assert _routes_now(tours) == before
    _check(tours, case, matrix)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_savings_serve_every_visit_that_fits_a_vehicle_once_and_within_capacity(case):
    tours, _ = _build(case)
    _, demand, capacity, *_ = case
    routes = savings_routes(tours.near, tours.near_length, tours.depot_length, demand, capacity)
    assert sorted(v for route in routes for v in route) == np.flatnonzero(demand <= capacity).tolist()
    assert all(demand[route].sum() <= capacity for route in routes)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.sampled_from([2, 1000]), st.integers(0, 99))
def test_near_visits_are_the_nearest_others_even_where_points_coincide(n, k, spread, seed):
    points = np.random.default_rng(seed).integers(0, spread, (n, 2)).astype(float)
    near = near_by_coordinates(points, k)
    assert near.shape == (n, min(k, n - 1))
    lengths = np.linalg.norm(points[:, None] - points[None], axis=2)
    for v in range(n):
        assert v not in near[v]
        assert len(set(near[v].tolist())) == len(near[v])
        others = np.sort(np.delete(lengths[v], v))
        assert np.allclose(lengths[v, near[v]], others[: near.shape[1]])


def test_distances_from_unit_vectors_are_haversine():
    rng = np.random.default_rng(3)
    degrees = np.column_stack([rng.uniform(-180, 180, 20), rng.uniform(-80, 80, 20)])
    lon, lat = np.radians(degrees).T
    vectors = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    travel = Travel(Metric.HAVERSINE, 0, 1.0, degrees[:, 0], degrees[:, 1])
    tours = build_tours(vectors, np.ones(19, np.int64), 5, np.ones(19), 4, 0, metric=Metric.HAVERSINE)
    assert np.allclose(tours.depot_length, travel.distance(np.arange(19), 19), rtol=1e-9)
    assert math.isfinite(tours.costs[COST])
