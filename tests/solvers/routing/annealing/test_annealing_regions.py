"""Regions of a plan, annealed apart from the rest."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.routing.annealing import regions
from solvers.routing.annealing.engine import TourEngine
from solvers.routing.annealing.general import GeneralEngine, part_of
from solvers.routing.annealing.regions import Regions, cooled
from solvers.routing.annealing.schedule import Trace
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    Metric,
    ProfileRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.problem import RoutingProblem
from solvers.stop import Deadline, Never
from solvers.strategy import Context


def _problem(n, seed=0, *, prizes=False, windows=False, types=1, vehicles=1000, shipments=False):
    rng = np.random.default_rng(seed)
    places = tuple(
        LocationRow(f"p{i}", Coordinates.POINT, *rng.integers(0, 1000, 2).astype(float).tolist()) for i in range(n + 2)
    )
    visits = tuple(
        VisitRow(
            f"v{i}",
            f"p{i}",
            (("kg", int(rng.integers(1, 50))),),
            prize=float(rng.integers(1, 400)) if prizes and rng.random() < 0.7 else None,
            time_windows=(Window(float(a := int(rng.integers(0, 3000))), a + 1500.0),) if windows else (),
        )
        for i in range(2, n + 2)
    )
    pairs = ()
    if shipments:  # every other one of two visits in a row becomes the way from the first to the second
        pairs = tuple(
            ShipmentRow(f"s{i}", LegRow(visits[i].location), LegRow(visits[i + 1].location), prize=visits[i].prize)
            for i in range(0, n - 1, 4)
        )
        visits = tuple(visit for i, visit in enumerate(visits) if i % 4 > 1)
        visits = tuple(visit._replace(time_windows=(Window(0.0, 900.0), Window(1200.0, 9e3))) for visit in visits)
    fleet = tuple(
        VehicleRow(f"van{t}", vehicles, f"p{t}", f"p{t}", (("kg", 200 + 40 * t),), cost_per_distance=1.0 + 0.1 * t)
        for t in range(types)
    )
    profiles = (ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED),)
    return RoutingProblem.of(RoutingData(places, fleet, visits, pairs, profiles=profiles))


def _engine(problem, seed=0):
    engine = GeneralEngine(problem, seed)
    engine.start(None, Never())
    return engine


def _regions(problem, seed=0):
    def part(number, stops, vehicles):
        return GeneralEngine(problem, number, stops=stops, vehicles=vehicles)

    return Regions(problem, _engine(problem, seed), part, seed)


def _clock(steps):
    """A stop whose clock goes on by one at each look."""
    ticks = itertools.count()
    return Deadline(float(steps), lambda: float(next(ticks)))


problems = st.builds(
    _problem,
    st.integers(1, 60),
    st.integers(0, 2**30),
    prizes=st.booleans(),
    windows=st.booleans(),
    types=st.integers(1, 2),
    vehicles=st.sampled_from([8, 1000]),
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(regions, "LEAST_STOPS", 5)
    monkeypatch.setattr(regions, "MOST_STOPS", 20)


@settings(max_examples=30, deadline=None)
@given(problems, st.integers(0, 2**30))
def test_the_plan_stays_feasible_priced_right_and_never_gets_worse(problem, seed):
    found = _regions(problem, seed)
    found.run(200, found.cooling().hot)
    told = found.best_objective
    if not math.isfinite(told):
        return
    for _ in range(6):
        found.next_region()
        assert found.best_objective <= told + 1e-9 * (1.0 + abs(told))
        told = found.best_objective
        verdict = problem.verify(found.plan())
        assert verdict.feasible, verdict.violations
        assert verdict.objective == pytest.approx(told, rel=1e-9, abs=1e-6)
        found.run(300, 5.0)


def test_regions_of_a_large_plan_make_it_better():
    problem = _problem(200, 3, windows=True)
    found = _regions(problem)
    before = found.best_objective
    for _ in range(10):
        found.next_region()
        found.run(2_000, 5.0)
    found.close()
    assert found.best_objective < before


def test_an_absent_visit_comes_back_with_its_region():
    """Visits that are left out for their prize belong to the region that they lie in."""
    problem = _problem(40, 5, prizes=True)
    found = _regions(problem)
    found.run(500, 50.0)
    found.next_region()
    chosen, stops = found._choose(found.plan().routes)
    served = {stop for r in chosen for stop in found.plan().routes[r].visits}
    everywhere = {stop for route in found.plan().routes for stop in route.visits}
    assert served <= set(stops.tolist())
    assert not (set(stops.tolist()) - served) & everywhere


def test_a_region_has_both_legs_of_a_shipment_or_none():
    problem = _problem(80, 5, prizes=True, shipments=True)
    found = _regions(problem)
    for _ in range(5):
        found.run(500, 50.0)
        found.next_region()
        stops = set(found._engine.stops.tolist())
        assert {int(problem.partner[stop]) for stop in stops} - {-1} <= stops
    found.close()
    verdict = problem.verify(found.plan())
    assert verdict.feasible
    assert found.best_objective == pytest.approx(verdict.objective)


def test_a_part_keeps_windows_and_partners():
    problem = _problem(40, 5, shipments=True)
    leg = int(np.flatnonzero(problem.partner >= 0)[2])
    stops = np.array([0, 3, *sorted((leg, int(problem.partner[leg])))])
    part = part_of(problem, stops)
    assert part.partner.tolist() == [-1, -1, 3, 2]
    for k, stop in enumerate(stops.tolist()):
        whole = problem.windows[problem.window_offsets[stop] : problem.window_offsets[stop + 1]]
        assert part.windows[part.window_offsets[k] : part.window_offsets[k + 1]].tolist() == whole.tolist()


def test_a_part_has_the_rows_of_its_stops():
    problem = _problem(30, 7, windows=True, types=2)
    stops = np.array([2, 5, 11])
    part = part_of(problem, stops)
    assert part.n_stops == 3
    assert part.stop_location.tolist() == problem.stop_location[stops].tolist()
    assert part.earliest_s.tolist() == problem.earliest_s[stops].tolist()
    assert part.compatible.shape == (3, 2)


def test_under_a_clock_regions_follow_the_first_cooling_and_the_trace_says_where(monkeypatch):
    monkeypatch.setattr(TourEngine, "first_work", 5_000)
    monkeypatch.setattr(regions, "REGION_WORK", 1)
    problem, trace = _problem(60, 9), Trace()
    found = _regions(problem)
    list(cooled(found, _clock(3_000), trace))
    marks = [k for k, (iterations, _) in enumerate(trace.segments) if iterations == 0]
    assert len(marks) > 2
    assert marks[0] > 1
    assert trace.iterations == sum(iterations for iterations, _ in trace.segments)


def test_where_time_matters_two_coolings_come_first_and_a_replay_repeats_both(monkeypatch):
    monkeypatch.setattr(regions, "LEAST_WORK", 1)
    monkeypatch.setattr(regions, "REGION_WORK", 1)
    problem = _problem(60, 9, windows=True)
    *_, last = Annealing().candidates(problem, Context(5, _clock(3_000)))
    segments = last.control_trace["segments"]
    marks = [segment for segment in segments if segment[0] == 0]
    assert marks[:2] == [[0, -1.0]] * 2
    assert marks.count([0, -1.0]) == 2
    *_, again = Annealing().candidates(problem, Context(5, control_trace=last.control_trace))
    assert (again.plan, again.claimed_objective) == (last.plan, last.claimed_objective)


def test_a_bonus_for_routes_changes_their_number_while_hot_and_no_objective():
    problem = _problem(120, 3, windows=True)
    many, few, plain = _engine(problem), _engine(problem), _engine(problem)
    for engine in (many, few, few):
        engine.next_cooling()
    hot = few.hot * few.scale
    for engine in (many, few, plain):
        engine.run(3_000, hot)
    assert len(few.current_routes()) <= len(plain.current_routes()) < len(many.current_routes())
    for engine in (many, few):
        for fraction in (0.3, 0.6, 0.9, 1.0):
            engine.run(500, hot * (engine.cold / engine.hot) ** fraction)
            assert engine.best_objective == pytest.approx(problem.verify(engine.plan()).objective)
        assert engine.bonus == 0.0


def test_too_little_time_is_one_cooling():
    problem, trace = _problem(60, 9), Trace()
    list(cooled(_regions(problem), _clock(50), trace))
    assert all(iterations for iterations, _ in trace.segments)


@pytest.mark.parametrize("options", [{}, {"windows": True, "types": 2}, {"prizes": True}, {"shipments": True}])
def test_a_run_with_regions_is_repeated_byte_for_byte_from_its_trace(monkeypatch, options):
    monkeypatch.setattr(TourEngine, "first_work", 1)
    monkeypatch.setattr(regions, "REGION_WORK", 1)
    problem = _problem(60, 9, **options)
    *_, last = Annealing().candidates(problem, Context(5, _clock(3_000)))
    assert [0, 0.0] in last.control_trace["segments"]
    *_, again = Annealing().candidates(problem, Context(5, control_trace=last.control_trace))
    assert again.plan == last.plan
    assert again.claimed_objective == last.claimed_objective
