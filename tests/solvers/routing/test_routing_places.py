"""Places for one more stop."""

from __future__ import annotations

import math

from hypothesis import given, settings
from routing_cases import routing_data

from solvers.routing.advice.places import places
from solvers.routing.construction import construct
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.stop import Never


def without(problem: RoutingProblem, plan: RoutingPlan, stop: int) -> RoutingPlan:
    gone = {stop, int(problem.partner[stop])}
    return RoutingPlan(tuple(Route(t, tuple(s for s in visits if s not in gone)) for t, visits in plan.routes))


@settings(max_examples=60, deadline=None)
@given(data=routing_data())
def test_every_place_keeps_the_limits_and_costs_what_it_says(data):
    problem = RoutingProblem.of(data)
    plan = construct(problem, 1, Never())
    served = [stop for route in plan.routes for stop in route.visits]
    for stop in [s for s in served if problem.partner[s] < 0 or s < problem.partner[s]][:3]:
        left = without(problem, plan, stop)
        before = problem.verify(left)
        found = places(problem, left, stop, most=50)
        assert [p.extra_cost for p in found] == sorted(p.extra_cost for p in found)
        for place in found:
            routes = list(left.routes)
            if place.route is None:
                routes.append(Route(place.vehicle_type, ()))
            r = len(routes) - 1 if place.route is None else place.route
            visits = list(routes[r].visits)
            for s, at in zip((stop, int(problem.partner[stop])), place.positions, strict=False):
                visits.insert(at, s)
            routes[r] = Route(place.vehicle_type, tuple(visits))
            after = problem.verify(RoutingPlan(tuple(routes)))
            assert len(after.violations) <= len(before.violations)
            cost = math.fsum(v for k, v in after.terms.items() if k != "prizes")
            paid = math.fsum(v for k, v in before.terms.items() if k != "prizes")
            assert math.isclose(cost - paid, place.extra_cost, abs_tol=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=routing_data())
def test_the_place_it_was_taken_from_is_found_again_or_a_cheaper_one(data):
    problem = RoutingProblem.of(data)
    plan = construct(problem, 1, Never())
    for route in plan.routes:
        alone = RoutingPlan((route,))
        if any(v.constraint != "mandatory" for v in problem.verify(alone).violations):
            continue
        for stop in route.visits:
            if problem.partner[stop] >= 0 and problem.partner[stop] < stop:
                continue
            left = without(problem, alone, stop)
            if left.routes[0].visits and any(v.constraint != "mandatory" for v in problem.verify(left).violations):
                continue  # where ways are longer than detours, a route may need the stop
            found = places(problem, left, stop)
            assert found, (route, stop)
            new = problem.verify(alone).objective - problem.verify(left).objective
            prize = float(problem.prize[stop]) if problem.optional[stop] else 0.0
            assert found[0].extra_cost <= new + prize + 1e-6
