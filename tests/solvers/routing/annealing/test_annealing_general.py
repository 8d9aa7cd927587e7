"""The general engine: every feature it takes, judged by the problem's own verifier."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing import general
from solvers.routing.annealing.capacity import CapacityEngine
from solvers.routing.annealing.compile import compiled
from solvers.routing.annealing.rich_recreate import near_with_room
from solvers.routing.annealing.room import kind_for
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    Metric,
    PinRow,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import WorkLimit
from solvers.strategy import Context

LOADS = st.sampled_from(["deliveries", "pickups", "mixed", "backhauls", "none"])


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 14))
    kinds = draw(st.integers(1, 3))
    dimensions = draw(st.sampled_from([("kg",), ("kg", "m3")]))
    loads = draw(LOADS)
    timed, limited, optional, picky, spanned, ships = (draw(st.booleans()) for _ in range(6))
    several = not spanned and draw(st.booleans())
    depots = draw(st.integers(1, 2))
    metric = draw(st.sampled_from([Metric.EUCLIDEAN, Metric.EUCLIDEAN_TRUNCATED, Metric.MATRIX]))
    m = n + depots
    places = tuple(
        LocationRow(f"p{i}", Coordinates.POINT, float(rng.integers(0, 100)), float(rng.integers(0, 100)))
        for i in range(m)
    )
    profile = ProfileRow(metric=metric, decimals=1 if metric is Metric.EUCLIDEAN_TRUNCATED else 0, speed=2.0)
    if metric is Metric.MATRIX:
        # asymmetric, and without the triangle inequality
        profile = ProfileRow(
            metric=metric,
            distances=rng.uniform(1, 100, m * m),
            durations_s=rng.uniform(1, 60, m * m) if draw(st.booleans()) else None,
        )

    def amount(high):
        return tuple((name, int(rng.integers(0, high))) for name in dimensions)

    def visit(i):
        windows = ()
        if timed and rng.random() < 0.7:
            opens = float(rng.integers(0, 200))
            windows = (Window(opens, opens + float(rng.integers(0, 100))),)
            if several and rng.random() < 0.5:
                windows = (*windows, Window(windows[0].latest_s + float(rng.integers(1, 50)), 400.0))
        delivers = loads in ("deliveries", "mixed") or (loads == "backhauls" and rng.random() < 0.6)
        picks = loads in ("pickups", "mixed") or (loads == "backhauls" and not delivers)
        one = (("kg", int(rng.integers(1, 20))),)
        pinned = picky and rng.random() < 0.1
        return VisitRow(
            f"v{i}",
            f"p{depots + i}",
            delivery=(one if loads == "backhauls" else amount(20)) if delivers else (),
            pickup=(one if loads == "backhauls" else amount(20)) if picks else (),
            service_s=float(rng.integers(0, 20)) if timed or spanned else 0.0,
            release_s=float(rng.integers(0, 100)) if spanned and rng.random() < 0.3 else 0.0,
            time_windows=windows,
            prize=float(rng.uniform(0, 150)) if optional and rng.random() < 0.5 else None,
            forbidden_vehicles=("t0",) if picky and kinds > 1 and rng.random() < 0.3 else (),
            pin=PinRow(vehicle=f"t{kinds - 1}") if pinned and kinds > 1 else None,
        )

    def shipment(i):
        one = visit(i)
        return ShipmentRow(
            f"s{i}",
            LegRow(f"p{int(rng.integers(m))}", one.service_s, one.time_windows),
            LegRow(f"p{int(rng.integers(m))}", visit(i).service_s, visit(i).time_windows),
            (("kg", int(rng.integers(1, 20))),) if loads != "none" else (),
            prize=one.prize,
            forbidden_vehicles=one.forbidden_vehicles,
            release_s=one.release_s,
        )

    def vehicle(t):
        start = f"p{int(rng.integers(depots))}"
        return VehicleRow(
            f"t{t}",
            int(rng.integers(1, n + 1)),
            "" if rng.random() < 0.1 else start,
            "" if rng.random() < 0.1 else (start if rng.random() < 0.8 else f"p{int(rng.integers(depots))}"),
            tuple((name, int(rng.integers(15, 80))) for name in dimensions) if loads != "none" else (),
            shift=Window(float(rng.integers(0, 20)), float(rng.integers(300, 600))) if timed else Window(),
            max_distance=float(rng.integers(100, 400)) if limited else math.inf,
            max_stops=int(rng.integers(1, 6)) if limited else None,
            max_duration_s=float(rng.integers(60, 300)) if spanned and rng.random() < 0.7 else math.inf,
            cost_per_duration=float(rng.choice([0.0, 0.5, 2.0])) if spanned else 0.0,
            fixed_cost=float(rng.integers(0, 100)),
            cost_per_distance=float(rng.choice([0.5, 1.0, 2.0])),
        )

    return RoutingProblem.of(
        RoutingData(
            places,
            tuple(vehicle(t) for t in range(kinds)),
            tuple(visit(i) for i in range(n)),
            shipments=tuple(shipment(i) for i in range(n // 3 if ships and loads != "backhauls" else 0)),
            profiles=(profile,),
            backhauls_last=loads == "backhauls",
        )
    )


@settings(max_examples=120, deadline=None)
@given(problems(), st.integers(0, 2**40))
def test_every_plan_is_feasible_and_priced_right_whatever_features_the_problem_has(problem, seed):
    assert general.accepts(problem)
    told = math.inf
    for candidate in Annealing().candidates(problem, Context(seed, WorkLimit(2))):
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible, verdict.violations
        assert candidate.claimed_objective == pytest.approx(verdict.objective, rel=1e-9, abs=1e-6)
        assert candidate.claimed_objective <= told
        told = candidate.claimed_objective


@compiled
def _both(tours, c):
    """Near visits whose routes have room for ``c``, judged for one type of vehicle, and for any."""
    found = set()
    for k in range(near_with_room(tours, tours.rich, c)):
        found.add(np.int64(tours.fits[k]))
    expected = set()
    for j in tours.near[c]:
        r = np.int64(tours.nodes[j].route)
        if r >= 0 and kind_for(tours, tours.rich, c, r) >= 0:
            expected.add(np.int64(j))
    return found, expected


@settings(max_examples=30, deadline=None)
@given(problems().filter(lambda problem: len(problem.vehicle_count) == 1), st.integers(0, 2**40))
def test_room_with_one_type_of_vehicle_is_judged_as_with_several(problem, seed):
    engine = general.GeneralEngine(problem, seed)
    engine.start(None, WorkLimit(10**6))
    engine.run(100, 50.0)
    for c in np.flatnonzero(problem.partner < 0).tolist():
        found, expected = _both(engine.tours, c)
        assert found == expected


@settings(max_examples=25, deadline=None)
@given(problems(), st.integers(0, 2**40))
def test_the_arrays_after_a_run_are_those_of_tours_loaded_afresh(problem, seed):
    engine = general.GeneralEngine(problem, seed)
    engine.start(None, WorkLimit(10**6))
    engine.run(500, 5.0)
    tours = engine.tours
    n, rich = problem.n_stops, tours.rich
    routes = {}
    for r in range(engine.slots):
        v, route = int(tours.nodes["succ"][n + r]), []
        while v < n:
            route.append(v)
            v = int(tours.nodes["succ"][v])
        if route:
            routes[r] = route
    kept = {
        "cost": float(tours.costs[0]),
        "available": rich.kinds["available"].copy(),
        "length": {r: float(rich.runs["length"][r]) for r in routes},
        "span": {r: float(rich.runs["span"][r]) for r in routes},
        "spans": rich.spans.copy(),
        "earliest": rich.sites["earliest"].copy(),
        "latest": rich.sites["latest"].copy(),
        "before": rich.peaks["before"].copy(),
        "level": rich.peaks["level"].copy(),
        "after": rich.peaks["after"].copy(),
        "brought": {r: rich.sums["brought"][r].tolist() for r in routes},
    }
    engine.start(
        RoutingPlan(tuple(Route(int(rich.runs["type"][r]), tuple(route)) for r, route in routes.items())), WorkLimit(1)
    )
    assert float(tours.costs[0]) == pytest.approx(kept["cost"], rel=1e-9, abs=1e-6)
    assert rich.kinds["available"].tolist() == kept["available"].tolist()
    for fresh, (r, route) in enumerate(routes.items()):
        assert rich.runs["length"][fresh] == pytest.approx(kept["length"][r], rel=1e-9, abs=1e-6)
        assert rich.sums["brought"][fresh].tolist() == kept["brought"][r]
        nodes = [*route, n + fresh]
        old = [*route, n + r]
        if problem.has_time:
            assert np.allclose(rich.sites["earliest"][nodes], kept["earliest"][old])
            assert np.allclose(rich.sites["latest"][nodes], kept["latest"][old])
        if len(rich.spans):
            assert rich.runs["span"][fresh] == pytest.approx(kept["span"][r])
            for name in ("before", "leave_latest", "after", "ready"):
                assert np.allclose(rich.spans[name][nodes], kept["spans"][name][old])
        if rich.flags[1]:
            assert (rich.peaks["before"][nodes] == kept["before"][old]).all()
            assert (rich.peaks["level"][nodes] == kept["level"][old]).all()
            assert (rich.peaks["after"][nodes] == kept["after"][old]).all()


@settings(max_examples=20, deadline=None)
@given(problems())
def test_a_problem_that_both_engines_take_has_the_same_optimum_in_both(problem):
    if not CapacityEngine.accepts(problem) or problem.n_stops > 8:
        return
    best = []
    for engine in (CapacityEngine(problem, 1), general.GeneralEngine(problem, 1)):
        engine.start(None, WorkLimit(1))
        for temperature in (20.0, 5.0, 1.0):
            engine.run(3000, temperature)
        best.append(engine.best_objective)
    assert best[0] == pytest.approx(best[1], rel=1e-9)


def test_distances_from_coordinates_give_the_same_run_as_a_matrix():
    rng = np.random.default_rng(1)
    places = tuple(LocationRow(f"p{i}", Coordinates.POINT, *rng.integers(0, 100, 2).tolist()) for i in range(31))
    visits = tuple(
        VisitRow(f"v{i}", f"p{i}", (("kg", 5),), time_windows=(Window(0.0, 500.0),), service_s=3.0)
        for i in range(1, 31)
    )
    fleet = (VehicleRow("van", 30, "p0", "p0", (("kg", 40),), shift=Window(0.0, 600.0)),)
    problem = RoutingProblem.of(
        RoutingData(places, fleet, visits, profiles=(ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED),))
    )
    plans = []
    for sites in (general.MATRIX_SITES, 0):
        engine = general.GeneralEngine(problem, 1, matrix_sites=sites)
        engine.start(None, WorkLimit(1))
        engine.run(3000, 5.0)
        plans.append(engine.plan())
    assert plans[0] == plans[1]
