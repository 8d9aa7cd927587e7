"""A first request waits for no compiler."""

from __future__ import annotations

import gc

from numba.core.registry import CPUDispatcher

from benchmarks.service import invoice_request
from services.convert import invoices
from solvers.registry import problem_kind
from solvers.stop import WorkLimit
from solvers.strategy import Context


def _compiled() -> dict[str, int]:
    """How many signatures each kernel of the solvers is compiled for."""
    found = (each for each in gc.get_objects() if isinstance(each, CPUDispatcher))
    return {f"{each.__module__}.{each.__qualname__}": len(each.overloads) for each in found}


def test_nothing_is_compiled_after_warming() -> None:
    """Insurance, engine and explanations of problems of several sizes find every kernel ready."""
    kind = problem_kind("invoices")
    kind.warm()
    before = _compiled()
    for size in (5, 20, 120):
        problem = invoices.problem_from_message(invoice_request(3, size).problem)
        plan = None
        for strategy in (kind.insurance, kind.strategies[0]):
            for candidate in strategy.candidates(problem, Context(seed=1, stop=WorkLimit(300))):
                plan = candidate.plan
        assert plan is not None
        invoices.prepare(problem, plan)
        invoices.plan_to_message(problem, plan, problem.verify(plan))
    assert {name: count for name, count in _compiled().items() if before.get(name) != count} == {}
