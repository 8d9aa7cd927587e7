"""The set partitioning kernel: its optimum lifts to a plan no worse than the incumbent, and it travels."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from routing_cases import plans, routing_data

from solvers.kernel import Kernel
from solvers.routing.data import Coordinates, LocationRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.savings import Savings
from solvers.routing.set_partitioning import partition_kernel
from solvers.strategy import Context


def optimum(kernel: Kernel[RoutingPlan]) -> dict[int, int]:
    """The sample of least energy, by trying all."""
    n = len(kernel.bqm.variables)
    samples = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.int8)
    energies = kernel.bqm.energies((samples, list(range(n))))
    return dict(enumerate(samples[int(np.argmin(energies))].tolist()))


def grid(count: int = 9) -> RoutingProblem:
    """36 visits of load 1 on a grid, the depot in its middle; 9 vehicles for 4 each, or fewer for more."""
    places = [LocationRow(f"{x},{y}", Coordinates.POINT, 10.0 * x, 10.0 * y) for x in range(6) for y in range(6)]
    depot = LocationRow("depot", Coordinates.POINT, 25.0, 25.0)
    vehicle = VehicleRow("v", count, "depot", "depot", (("w", 36 // count),))
    visits = tuple(VisitRow(row.id, row.id, (("w", 1),)) for row in places)
    return RoutingProblem.of(RoutingData((*places, depot), (vehicle,), visits))


def by_rows(problem: RoutingProblem) -> RoutingPlan:
    """A poor plan: visits in the order of the file, four to a route."""
    return RoutingPlan(tuple(Route(0, tuple(range(k, k + 4))) for k in range(0, 36, 4)))


def by_savings(problem: RoutingProblem) -> RoutingPlan:
    return next(Savings().candidates(problem, Context(1))).plan


@pytest.mark.parametrize("size", [6, 12, 20])
@pytest.mark.parametrize("pool", ["none", "savings"])
def test_the_optimum_is_no_worse_than_the_incumbent(size: int, pool: str) -> None:
    """The sample of least energy is a cover, and lifts to a feasible plan at most as dear as the incumbent."""
    problem = grid()
    incumbent = by_rows(problem)
    others = (by_savings(problem),) if pool == "savings" else ()
    kernel = partition_kernel(problem, incumbent, others, Context(1), size)
    assert kernel is not None
    assert 2 <= len(kernel.bqm.variables) <= size
    verdict = problem.verify(kernel.lift(optimum(kernel)))
    assert verdict.feasible
    assert verdict.objective <= problem.verify(incumbent).objective


def test_a_better_plan_in_the_pool_is_found() -> None:
    """When the pool's plan is better and fits the kernel, the optimum is at least as good as it."""
    problem = grid()
    incumbent, better = by_rows(problem), by_savings(problem)
    assert problem.verify(better).objective < problem.verify(incumbent).objective
    kernel = partition_kernel(problem, incumbent, (better,), Context(1), 200)
    assert kernel is not None
    rows = set(better.routes)
    sample = {v: int(bundle.route in rows) for v, bundle in enumerate(kernel.lift.bundles)}  # type: ignore[attr-defined]
    assert kernel.bqm.energy(sample) < kernel.bqm.energy(kernel.warm_start)
    assert problem.verify(kernel.lift(sample)).objective <= problem.verify(better).objective + 1e-9


def test_a_swap_of_a_few_routes_fits_a_small_kernel_whole() -> None:
    """A plan of the pool that differs in two routes is in a kernel of four variables, and is its optimum."""
    problem = grid()
    better = by_savings(problem)
    first, second, *rest = better.routes
    mixed = sorted((*first.visits, *second.visits))
    half = len(first.visits)
    torn = RoutingPlan((Route(0, tuple(mixed[::2])[:half]), Route(0, tuple(mixed[1::2])), *rest))
    assert problem.verify(torn).feasible
    assert problem.verify(better).objective < problem.verify(torn).objective
    kernel = partition_kernel(problem, torn, (better,), Context(1), 4)
    assert kernel is not None
    lifted = problem.verify(kernel.lift(optimum(kernel)))
    assert lifted.objective <= problem.verify(better).objective + 1e-9


def test_the_warm_start_is_the_incumbent() -> None:
    """Lifting the warm start gives back the incumbent's price, and it satisfies every one-hot group."""
    problem = grid()
    incumbent = by_rows(problem)
    kernel = partition_kernel(problem, incumbent, (by_savings(problem),), Context(1), 20)
    assert kernel is not None
    assert problem.verify(kernel.lift(kernel.warm_start)).objective == problem.verify(incumbent).objective
    assert kernel.one_hot_groups
    assert all(sum(kernel.warm_start[v] for v in group) == 1 for group in kernel.one_hot_groups)
    flat = [v for group in kernel.one_hot_groups for v in group]
    assert len(flat) == len(set(flat))


@pytest.mark.parametrize("value", [0, 1])
def test_any_sample_lifts_to_a_feasible_plan(value: int) -> None:
    """All bundles or none still give a feasible plan: doubles are removed and missing stops inserted."""
    problem = grid()
    kernel = partition_kernel(problem, by_rows(problem), (), Context(1), 16)
    assert kernel is not None
    sample = dict.fromkeys(range(len(kernel.bqm.variables)), value)
    assert problem.verify(kernel.lift(sample)).feasible


def test_kernels_travel_between_processes() -> None:
    """A pickled kernel lifts to the same plan."""
    problem = grid()
    kernel = partition_kernel(problem, by_rows(problem), (), Context(5), 12)
    assert kernel is not None
    again = pickle.loads(pickle.dumps(kernel))
    assert again.bqm == kernel.bqm
    assert again.lift(kernel.warm_start) == kernel.lift(kernel.warm_start)


def test_one_route_leaves_nothing_undecided() -> None:
    """A tour of a single vehicle has no bundles to choose from."""
    problem = grid(count=1)
    assert partition_kernel(problem, RoutingPlan((Route(0, tuple(range(36))),)), (), Context(1), 20) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_holds_for_every_feature(case: st.DataObject) -> None:
    """On random problems, whatever the pool, any sample lifts to a feasible plan, the optimum to one no worse."""
    problem = RoutingProblem.of(case.draw(routing_data()))
    incumbent = by_savings(problem)
    if not problem.verify(incumbent).feasible:
        return
    pool = tuple(case.draw(plans(problem)) for _ in range(3))
    kernel = partition_kernel(problem, incumbent, pool, Context(1), 10)
    if kernel is None:
        return
    objective = problem.verify(incumbent).objective
    best = problem.verify(kernel.lift(optimum(kernel)))
    assert best.feasible
    assert best.objective <= objective + 1e-6
    sample = {v: case.draw(st.integers(0, 1)) for v in range(len(kernel.bqm.variables))}
    assert problem.verify(kernel.lift(sample)).feasible
