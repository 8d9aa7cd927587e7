"""The whole model given to HiGHS: solutions and bounds as they come, to proved optimality."""

from __future__ import annotations

import math
from collections.abc import Iterator

from solvers.highs_run import stream
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.mip import build_mip
from solvers.invoices.model import model_of
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.strategy import Candidate, Context

RELATIVE_GAP = 1e-7
BOUND_MARGIN = 5e-7
"""Relative allowance of a claimed bound for HiGHS's tolerances, within the 1e-6 that counts as proved optimal."""
CAP_MARGIN_SHARE = 4e-6
"""Share of the cash scale by which caps are tightened when rounding made a solution break one."""
PROVED = 1e-6
"""Relative gap that counts as proved optimal."""
TOLD_SHARE = 0.1
"""Share of the open gap that a better bound must close to be told."""


def safe_bound(bound: float) -> float | None:
    """What may be claimed of a dual bound that HiGHS reports; ``None`` when it has none."""
    if not math.isfinite(bound):
        return None
    return bound - BOUND_MARGIN * abs(bound) - 1e-9


class HighsStrategy:
    """The mixed-integer program of the whole problem in HiGHS, on one thread."""

    name = "invoices-highs"
    version = "1"

    def accepts(self, problem: InvoiceProblem) -> bool:
        """Every invoice problem."""
        return isinstance(problem, InvoiceProblem)

    def candidates(self, problem: InvoiceProblem, context: Context[InvoicePlan]) -> Iterator[Candidate[InvoicePlan]]:
        """Improving plans; the bound grows from one to the next. Ends by itself once optimal or proved infeasible."""
        model = model_of(problem)
        best = context.incumbent if context.incumbent is not None else greedy_plan(model)
        best_value = model.objective(best) if model.is_feasible(best) else math.inf
        bound = told = -math.inf
        if math.isfinite(best_value):
            yield Candidate(best, best_value, self.name, context.seed)
        # A plan off by a minor unit through floating point is sought again under slightly tighter caps.
        for margin_share in (0.0, CAP_MARGIN_SHARE):
            mip = build_mip(model)
            if margin_share:
                mip = build_mip(model, margin_minor=math.ceil(margin_share * float(mip.cash_scale.max())) + 1)
            options = {
                "mip_rel_gap": max(RELATIVE_GAP, min(context.target_gap or 0.0, 1.0)),
                "mip_abs_gap": 1e-6,
                "mip_feasibility_tolerance": 1e-7,
                "primal_feasibility_tolerance": 1e-8,
            }
            start = mip.option_values(best) if math.isfinite(best_value) else None
            status, broken = "stopped", False
            for news in stream(mip.lp, context.stop, context.seed, start=start, options=options):
                status = news.status or status
                better = False
                if news.solution is not None:
                    plan = mip.plan(news.solution)
                    feasible, value = model.is_feasible(plan), model.objective(plan)
                    broken |= not feasible
                    if feasible and value < best_value:
                        best, best_value, better = plan, value, True
                if not margin_share and news.bound > bound:
                    # News of the bound alone is worth a candidate once it closes a fair part of the gap.
                    bound = news.bound
                    better |= math.isinf(told) or bool(news.status) or bound - told > TOLD_SHARE * (best_value - told)
                if better and math.isfinite(best_value):
                    claimed = safe_bound(bound)
                    if claimed is not None:
                        claimed = min(claimed, best_value)
                    told = bound
                    yield Candidate(best, best_value, self.name, context.seed, lower_bound=claimed)
            if status != "optimal" or not broken or best_value - bound <= PROVED * abs(best_value):
                return
