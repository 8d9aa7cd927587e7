"""Insurance: the better of the greedy and Dynamics BC's order, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.rules import suggest_vendor_payments
from solvers.strategy import Candidate, Context


class InsuranceStrategy:
    """Two quick plans, the better one told."""

    name = "invoices-insurance"
    version = "2"

    def accepts(self, problem: InvoiceProblem) -> bool:
        """Every invoice problem."""
        return isinstance(problem, InvoiceProblem)

    def candidates(self, problem: InvoiceProblem, context: Context[InvoicePlan]) -> Iterator[Candidate[InvoicePlan]]:
        """One candidate. It breaks a constraint only when deferring all that may be deferred breaks it too."""
        model = model_of(problem)
        plans = (greedy_plan(model), suggest_vendor_payments(problem, model))
        judged = [(not model.is_feasible(plan), model.objective(plan)) for plan in plans]
        best = 1 if judged[1] < judged[0] else 0
        yield Candidate(plans[best], judged[best][1], self.name, context.seed)
