"""The insurance: a plan in milliseconds by savings and insertion."""

from __future__ import annotations

from collections.abc import Iterator

from solvers.routing.construction import construct
from solvers.routing.injection import repaired
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.strategy import Candidate, Context


class Savings:
    """Parallel savings over near stops (Clarke and Wright 1964), and cheapest insertion for what they leave.

    Takes the whole contract. Its one candidate breaks no limit; when the fleet is too tight for it, mandatory stops
    are missing from the plan, which the verifier then calls infeasible. The initial plan, repaired where it has to be,
    is returned instead when it is better.
    """

    name = "savings"
    version = "1"

    def accepts(self, problem: RoutingProblem) -> bool:
        """Always: every feature is honoured."""
        return isinstance(problem, RoutingProblem)

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """One candidate. See `solvers.strategy.Strategy`."""
        plans = [construct(problem, context.seed, context.stop)]
        if problem.initial_plan is not None:
            plans.append(repaired(problem, problem.initial_plan, context.seed, context.stop))
        judged = [(problem.verify(plan), plan) for plan in plans]
        verdict, plan = min(judged, key=lambda item: (not item[0].feasible, len(item[0].violations), item[0].objective))
        yield Candidate(plan, verdict.objective, self.name, context.seed)
