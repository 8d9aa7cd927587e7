"""No bound is ever above the optimum, and bounds are as good as they are said to be."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import pytest
from bounds_cases import optimum, plain_problems
from hypothesis import HealthCheck, given, settings
from routing_cases import data_folder, routing_data

from solvers.routing.bounds.strategy import RoutingBound
from solvers.routing.data import RoutingData, Window
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.routing.vrplib_reader import read_vrplib
from solvers.stop import Never, WorkLimit
from solvers.strategy import Candidate, Context


def bounds(problem: RoutingProblem, limit: int | None = None, **context: object) -> list[Candidate]:
    stop = Never() if limit is None else WorkLimit(limit)
    return list(RoutingBound().candidates(problem, Context(1, stop=stop, **context)))  # type: ignore[arg-type]


def last_bound(candidates: list[Candidate]) -> float:
    return max((c.lower_bound for c in candidates if c.lower_bound is not None), default=-math.inf)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plain_problems())
def test_no_bound_is_above_the_optimum(problem: RoutingProblem) -> None:
    """Whatever the metric, the costs, the loads and the fleet: bounds rise and stay at or below the optimum."""
    if not RoutingBound().accepts(problem):
        return
    best = optimum(problem)
    told = -math.inf
    for candidate in bounds(problem):
        assert candidate.claimed_objective >= best - 1e-6
        if candidate.lower_bound is not None:
            assert told < candidate.lower_bound <= best + 1e-6
            told = candidate.lower_bound
    assert told > -math.inf


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(routing_data(several_windows=False))
def test_bounds_hold_for_every_problem_that_is_accepted(data: RoutingData) -> None:
    """Constraints that the relaxation leaves out do not make its bound wrong: no plan of another engine is below it."""
    visits = tuple(
        visit._replace(prize=None, allowed_vehicles=(), forbidden_vehicles=(), required_skills=(), pin=None)
        for visit in data.visits
    )
    problem = RoutingProblem.of(replace(data, visits=visits, shipments=(), vehicles=data.vehicles[:1]))
    if not RoutingBound().accepts(problem):
        return
    bound = last_bound(bounds(problem))
    if Pyvrp().accepts(problem):
        for candidate in Pyvrp().candidates(problem, Context(1, stop=WorkLimit(30))):
            assert bound <= candidate.claimed_objective + 1e-6


def instance(name: str) -> tuple[RoutingProblem, float]:
    """A public instance and the best value known."""
    folder = data_folder() / "cvrp"
    with (folder / "best_known.csv").open() as file:
        best = {row["instance"]: float(row["best"]) for row in csv.DictReader(file)}[name]
    return RoutingProblem.of(read_vrplib((folder / "small" / f"{name}.vrp").read_text()).data), best


@pytest.mark.parametrize(("name", "gap"), [("P-n16-k8", 0.01), ("A-n32-k5", 0.0), ("E-n22-k4", 0.0), ("B-n31-k5", 0.0)])
def test_public_instances_are_bounded_closely(name: str, gap: float) -> None:
    """On small public instances the proved gap is what the method is known for."""
    problem, best = instance(name)
    bound = last_bound(bounds(problem))
    assert best * (1 - gap) <= bound <= best


def test_a_run_under_a_work_limit_is_repeatable() -> None:
    """The same work gives the same bounds."""
    problem, _ = instance("A-n33-k5")
    assert bounds(problem, 400) == bounds(problem, 400)


def test_a_stop_from_the_start_is_heeded() -> None:
    """With no work allowed no bound is claimed."""
    problem, _ = instance("A-n33-k5")
    assert last_bound(bounds(problem, 0)) == -math.inf


def test_it_ends_at_the_target_gap() -> None:
    """A wide target is reached with the first bounds, long before the last."""
    problem, best = instance("A-n33-k5")
    wide = bounds(problem, target_gap=0.2)
    assert 0.8 * best - 1 <= last_bound(wide) <= last_bound(bounds(problem))
    assert len(wide) <= len(bounds(problem))


def test_it_refuses_what_it_cannot_relax() -> None:
    """Optional visits and several vehicle types get no bound; time windows are left out of the relaxation."""
    problem, _ = instance("P-n16-k8")
    data = problem.data
    assert RoutingBound().accepts(problem)
    optional = (data.visits[0]._replace(prize=5.0), *data.visits[1:])
    assert not RoutingBound().accepts(RoutingProblem.of(replace(data, visits=optional)))
    fleet = (*data.vehicles, data.vehicles[0]._replace(id="other"))
    assert not RoutingBound().accepts(RoutingProblem.of(replace(data, vehicles=fleet)))
    timed = tuple(visit._replace(time_windows=(Window(0.0, 1e6),)) for visit in data.visits)
    assert RoutingBound().accepts(RoutingProblem.of(replace(data, visits=timed)))
