"""The repair kernel: its energy is the plan's own, its optimum is no worse than the incumbent, any sample is a plan."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_cases import routing_data

from solvers.kernel import Kernel
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.repair_kernel import repair_kernel, routing_kernel
from solvers.routing.savings import Savings
from solvers.strategy import Context


def states(kernel: Kernel[RoutingPlan]) -> np.ndarray:
    """Every state that chooses one place a stop."""
    names = list(kernel.bqm.variables)
    rows = [np.zeros(len(names), dtype=np.int8)]
    for group in kernel.one_hot_groups:
        rows = [row + np.eye(len(names), dtype=np.int8)[names.index(v)] for row in rows for v in group]
    return np.array(rows)


def optimum(kernel: Kernel[RoutingPlan]) -> dict[str, int]:
    """The sample of least energy, by trying all states, valid or not."""
    names = list(kernel.bqm.variables)
    samples = ((np.arange(2 ** len(names))[:, None] >> np.arange(len(names))) & 1).astype(np.int8)
    return dict(zip(names, samples[int(np.argmin(kernel.bqm.energies((samples, names))))].tolist(), strict=True))


def square(vehicles: int = 6, size: int = 24, seed: int = 0, slack: int = 1) -> RoutingProblem:
    rng = np.random.default_rng(seed)
    places = [LocationRow(str(i), Coordinates.POINT, *rng.uniform(0, 100, 2).tolist()) for i in range(size + 1)]
    vehicle = VehicleRow("v", vehicles, "0", "0", (("w", -(-size // vehicles) + slack),))
    visits = tuple(VisitRow(row.id, row.id, (("w", 1),)) for row in places[1:])
    return RoutingProblem.of(RoutingData(tuple(places), (vehicle,), visits))


def by_number(problem: RoutingProblem, each: int) -> RoutingPlan:
    """A poor plan: visits in the order of the file."""
    n = problem.n_stops
    return RoutingPlan(tuple(Route(0, tuple(range(k, min(n, k + each)))) for k in range(0, n, each)))


def test_energies_of_valid_choices_differ_as_the_plans_do_while_no_route_takes_three() -> None:
    """A choice of places costs, up to a constant, what its plan costs."""
    problem = square(vehicles=24, slack=24)
    incumbent = by_number(problem, 1)  # every stop a route of its own: no route loses two
    kernel = repair_kernel(problem, incumbent, (), Context(3), 12)
    assert kernel is not None
    names = list(kernel.bqm.variables)
    compared = []
    for row in states(kernel):
        sample = dict(zip(names, row.tolist(), strict=True))
        chosen = [kernel.lift.places[i][k] for i, k in _chosen(kernel, sample)]  # type: ignore[attr-defined]
        if max(np.bincount([place.row for place in chosen])) <= 2:
            plan = kernel.lift(sample)
            compared.append(problem.verify(plan).objective - kernel.bqm.energy(sample))
    assert len(compared) > 10
    assert np.ptp(compared) == pytest.approx(0.0, abs=1e-6)


def _chosen(kernel: Kernel[RoutingPlan], sample: dict[str, int]) -> list[tuple[int, int]]:
    return [(int(v.split(":")[0]), int(v.split(":")[1])) for v in kernel.bqm.variables if sample[v]]


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_no_worse_than_the_incumbent_and_sets_one_place_a_stop(seed: int) -> None:
    """On poor plans the best state is a valid choice, and lifts to a feasible plan at most as dear."""
    problem = square(seed=seed)
    incumbent = by_number(problem, 4)
    kernel = repair_kernel(problem, incumbent, (), Context(seed), 12)
    assert kernel is not None
    best = optimum(kernel)
    assert all(sum(best[v] for v in group) == 1 for group in kernel.one_hot_groups)
    verdict = problem.verify(kernel.lift(best))
    assert verdict.feasible
    assert verdict.objective <= problem.verify(incumbent).objective + 1e-9


def test_repair_improves_poor_plans() -> None:
    """Over some neighbourhoods of a poor plan at least one kernel's optimum saves something."""
    problem = square()
    incumbent = by_number(problem, 4)
    kernels = [repair_kernel(problem, incumbent, (), Context(seed), 12) for seed in range(6)]
    objectives = [problem.verify(k.lift(optimum(k))).objective for k in kernels if k is not None]
    assert min(objectives) < problem.verify(incumbent).objective - 1.0


def test_the_warm_start_is_the_incumbent_or_better() -> None:
    """Lifting the warm start costs at most what the incumbent costs, and it satisfies every one-hot group."""
    problem = square()
    incumbent = by_number(problem, 4)
    kernel = repair_kernel(problem, incumbent, (), Context(1), 20)
    assert kernel is not None
    assert kernel.bqm.num_variables == 20
    assert problem.verify(kernel.lift(kernel.warm_start)).objective <= problem.verify(incumbent).objective + 1e-9
    assert all(sum(kernel.warm_start[v] for v in group) == 1 for group in kernel.one_hot_groups)


def test_kernels_travel_between_processes() -> None:
    """A pickled kernel lifts to the same plan."""
    problem = square()
    kernel = repair_kernel(problem, by_number(problem, 4), (), Context(2), 16)
    assert kernel is not None
    again = pickle.loads(pickle.dumps(kernel))
    assert again.bqm == kernel.bqm
    assert again.lift(kernel.warm_start) == kernel.lift(kernel.warm_start)


def test_a_single_route_is_repaired_where_no_bundles_compete() -> None:
    """The kernel of a tour of one vehicle is a repair; where routes compete it is set partitioning."""
    tour = square(vehicles=1)
    kernel = routing_kernel(tour, by_number(tour, 24), (), Context(0), 20)
    assert kernel is not None
    assert kernel.label.startswith("repair of")
    several = square()
    kernel = routing_kernel(several, by_number(several, 4), (), Context(0), 20)
    assert kernel is not None
    assert kernel.label.startswith("set partitioning")


def test_nothing_to_move_is_no_kernel() -> None:
    """One stop on one route has one place."""
    problem = square(vehicles=1, size=1)
    assert repair_kernel(problem, by_number(problem, 1), (), Context(0), 20) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_holds_for_every_feature(case: st.DataObject) -> None:
    """On random problems any sample lifts to a feasible plan, and the optimum to one no worse."""
    problem = RoutingProblem.of(case.draw(routing_data()))
    incumbent = next(Savings().candidates(problem, Context(1))).plan
    if not problem.verify(incumbent).feasible:
        return
    kernel = repair_kernel(problem, incumbent, (), Context(case.draw(st.integers(0, 5))), 10)
    if kernel is None:
        return
    objective = problem.verify(incumbent).objective
    best = problem.verify(kernel.lift(optimum(kernel)))
    assert best.feasible
    assert best.objective <= objective + 1e-6
    sample = {v: case.draw(st.integers(0, 1)) for v in kernel.bqm.variables}
    assert problem.verify(kernel.lift(sample)).feasible
