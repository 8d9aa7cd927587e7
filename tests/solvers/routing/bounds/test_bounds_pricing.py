"""Prices prove what they say: compared with a slow program that shares no code, and with enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bounds_cases import least_route, plain_problems
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from solvers.routing.bounds.prices import Prices
from solvers.routing.bounds.pricing import GaveUp, Pricer
from solvers.routing.bounds.relaxed import Relaxed, can_relax, relax
from solvers.routing.bounds.subsets import Subsets, subset_counts
from solvers.routing.problem import RoutingProblem
from solvers.stop import Never, WorkLimit


def cost_of(reduced: np.ndarray, subsets: Subsets, prices: Prices, nodes: np.ndarray) -> int:
    """Reduced cost of a route: its arcs, and what it pays to subset cuts by the rule for rows of the program."""
    arcs = itertools.pairwise([0, *nodes.tolist(), 0])
    counts = subset_counts(subsets.members, subsets.memory, nodes, np.array([0, len(nodes)]))[:, 0]
    return int(sum(reduced[a, b] for a, b in arcs)) + int(counts.astype(np.int64) @ prices.subset)


def neighbourhoods(pricer: Pricer) -> dict[int, set[int]]:
    return {i: set(pricer.near[i].tolist()) for i in range(1, pricer.relaxed.n + 1)}


def random_prices(relaxed: Relaxed, seed: int) -> tuple[Prices, np.ndarray]:
    """Prices near those of a good program, and the borders that they are for."""
    rng = np.random.default_rng(seed)
    scale = float(relaxed.cost.max()) / relaxed.scale
    members = rng.random((3, relaxed.n + 1)) < 0.5
    members[:, 0] = False
    visit = rng.random(relaxed.n + 1) * 2.5 * scale
    fleet, subset = -rng.random() * 0.1 * scale, rng.random(4) * 0.5 * scale
    return Prices.rounded(visit, rng.random(3) * 0.2 * scale, fleet, subset, relaxed.scale), members


def random_subsets(n: int, seed: int) -> Subsets:
    """Four cuts over three nodes each with random memories."""
    rng = np.random.default_rng(seed)
    subsets = Subsets(n)
    subsets.members = np.zeros((4, n + 1), np.bool_)
    for row in subsets.members:
        row[rng.permutation(n)[:3] + 1] = True
    subsets.memory = subsets.members | (rng.random((4, n + 1)) < 0.5)
    subsets.memory[:, 0] = False
    return subsets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(plain_problems(most=9), st.integers(0, 2**31))
def test_the_least_reduced_cost_is_that_of_all_ng_routes(problem: RoutingProblem, seed: int) -> None:
    """Two bounded sides with dominance find the same least reduced cost as one side that keeps every state."""
    assume(can_relax(problem))
    relaxed = relax(problem)
    assume((relaxed.demand[1:] > 0).all())
    pricer = Pricer(relaxed, Never())
    prices, members = random_prices(relaxed, seed)
    reduced = prices.reduced_costs(relaxed, members)
    subsets = random_subsets(relaxed.n, seed)
    found = pricer.routes(reduced, subsets.fees(prices.subset), exact=True, most=20)
    assert found.least == least_route(relaxed, reduced, neighbourhoods(pricer), subsets, prices.subset)
    for nodes in found.routes:
        assert cost_of(reduced, subsets, prices, nodes) < 0
        assert relaxed.demand[nodes].sum() <= relaxed.capacity


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(plain_problems(most=8), st.integers(0, 2**31), st.integers(0, 2**31))
def test_arcs_of_routes_within_the_slack_stay(problem: RoutingProblem, seed: int, pick: int) -> None:
    """No arc of a route whose reduced cost is within the slack is ever dropped."""
    assume(can_relax(problem))
    relaxed = relax(problem)
    assume((relaxed.demand[1:] > 0).all())
    pricer = Pricer(relaxed, Never())
    prices, members = random_prices(relaxed, seed)
    reduced = prices.reduced_costs(relaxed, members)
    subsets = random_subsets(relaxed.n, seed)
    rng = np.random.default_rng(pick)
    routes = []
    for _ in range(40):
        nodes = rng.permutation(relaxed.n)[: rng.integers(1, relaxed.n + 1)] + 1
        if relaxed.demand[nodes].sum() <= relaxed.capacity:
            stations = [0, *nodes.tolist(), 0]
            arcs = list(itertools.pairwise(stations))
            routes.append((cost_of(reduced, subsets, prices, nodes), arcs))
    slack = int(np.median([cost for cost, _ in routes])) if routes else 0
    pricer.drop_arcs(reduced, subsets.fees(prices.subset), slack)
    for cost, arcs in routes:
        if cost <= slack:
            assert all(pricer.allowed[a, b] for a, b in arcs)


def test_reduced_costs_are_costs_less_prices() -> None:
    """Along a route reduced costs add up to its cost less the prices of its nodes, borders and vehicle."""
    rng = np.random.default_rng(3)
    cost = 2 * rng.integers(0, 50, (6, 6))
    relaxed = Relaxed(cost, np.array([0, 1, 1, 1, 1, 1]), 5, 3, 3, 4, True)
    prices, members = random_prices(relaxed, 1)
    reduced = prices.reduced_costs(relaxed, members)
    stations = [0, 2, 5, 1, 0]
    arcs = list(itertools.pairwise(stations))
    expected = sum(int(cost[a, b]) for a, b in arcs) - int(prices.visit[[2, 5, 1]].sum()) - prices.vehicle
    for c in range(3):
        expected -= int(prices.cut[c]) * sum(bool(members[c, a] != members[c, b]) for a, b in arcs)
    assert sum(int(reduced[a, b]) for a, b in arcs) == expected


def test_pricing_gives_up_when_stopped() -> None:
    """A stop within a pricing ends it without a result."""
    relaxed = Relaxed(np.full((4, 4), 8), np.array([0, 1, 1, 1]), 3, 3, 3, 4, True)
    with pytest.raises(GaveUp):
        Pricer(relaxed, WorkLimit(1)).routes(relaxed.cost, Subsets(3).fees(np.zeros(0, np.int64)), exact=True, most=1)
