"""PyVRP as its users call it: `pyvrp.solve` with what it does by default and a start of its own.

Our own second strategy (`solvers.routing.pyvrp_strategy`) begins from savings and bounds penalties by the problem. That
takes it further in short runs; it is measured as ``pyvrp-strategy``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_model import PyvrpModel, fits_pyvrp
from solvers.strategy import Candidate, Context


class PlainPyvrp:
    """`pyvrp.solve` with default parameters on the integers that our strategy gives it; one candidate, at the end."""

    def accepts(self, problem: RoutingProblem) -> bool:
        """Whether PyVRP knows every feature of ``problem``."""
        return fits_pyvrp(problem)

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """The best plan that PyVRP has at the stop, if it is feasible."""
        from pyvrp import solve
        from pyvrp.exceptions import PenaltyBoundWarning, ScalingWarning

        for category in (PenaltyBoundWarning, ScalingWarning):
            warnings.filterwarnings("ignore", category=category)
        model = PyvrpModel(problem)
        stop = context.stop

        class Stop:
            def __call__(self, _best_cost: float) -> bool:
                return stop()

        result = solve(model.data, Stop(), seed=context.seed % 2**32, collect_stats=False, display=False)
        if result.best.is_feasible():
            plan = model.plan(result.best)
            yield Candidate(plan, problem.verify(plan).objective, "pyvrp", context.seed)
