"""The insurance: a plan in milliseconds by savings and insertion."""

from __future__ import annotations

from collections.abc import Iterator

from solvers.routing.construction import construct
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.strategy import Candidate, Context


class Savings:
    """Parallel savings over near stops (Clarke and Wright 1964), and cheapest insertion for what they leave.

    Takes the whole contract. Its one candidate breaks no limit; when the fleet is too tight for it, mandatory stops
    are missing from the plan, which the verifier then calls infeasible. A feasible initial plan or incumbent that is
    better is returned instead.
    """

    name = "savings"
    version = "1"

    def accepts(self, problem: RoutingProblem) -> bool:
        """Always: every feature is honoured."""
        return isinstance(problem, RoutingProblem)

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """One candidate. See `solvers.strategy.Strategy`."""
        plan = construct(problem, context.seed, context.stop)
        objective = problem.verify(plan).objective
        yield Candidate(plan, objective, self.name, context.seed)
