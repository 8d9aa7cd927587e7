"""Compiles and imports what a first invoice request would otherwise wait for."""

from __future__ import annotations

from typing import Any

from solvers.invoices.alternatives import alternatives
from solvers.invoices.canonical import problem_from_json
from solvers.invoices.core import build_core
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.insurance import InsuranceStrategy
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.why import compare_with_rules, prepare, prices_of_cash
from solvers.problem import JsonObject
from solvers.stop import WorkLimit
from solvers.strategy import Context

_SIZES = (12, 80)
"""Invoices: few enough to be branched on at once, and more."""
_RUN_DAYS = ((3, 6), (3, 20), (4, 10))
_QUESTIONS = 400
"""Questions to the stop after which a strategy has used everything that it has."""


def warm() -> None:
    """Solve and explain small problems that touch every compiled function of insurance, engine and explanations."""
    for size in _SIZES:
        problem = _problem(size)
        plan: Any = None
        for strategy in (InsuranceStrategy(), EngineStrategy()):
            context: Context[Any] = Context(seed=1, stop=WorkLimit(_QUESTIONS))
            for candidate in strategy.candidates(problem, context):
                plan = candidate.plan
                problem.verify(plan)
        prepare(problem, plan)
        compare_with_rules(problem, 0.0)
        relaxed = prices_of_cash(problem, plan)
        if relaxed is not None:
            list(alternatives(problem, plan, relaxed))
        build_core(problem, plan, (plan,), Context(seed=1, stop=WorkLimit(_QUESTIONS)), 12)


def _problem(size: int) -> InvoiceProblem:
    """``size`` bills of which the cash covers about half at first, with discounts and two scenarios of inflows."""
    bills: list[JsonObject] = []
    for number in range(size):
        bill: JsonObject = {
            "invoice_id": f"i{number}",
            "supplier_id": f"s{number % 5}",
            "issue_date": _day(2, 1 + number % 27),
            "payment_due_date": _day(3, 3 + 7 * number % 25),
            "amount_due": _euros(100 + 37 * number % 900),
            "late_payment": {"regime": "EU_2011_7"},
        }
        if number % 3 == 0:
            terms = {"settlement_discount_percent": 2.0, "discount_due_date": _day(3, 5 + number % 9)}
            bill["payment_terms"] = [terms]
        bills.append(bill)
    owed = sum(bill["amount_due"]["units"] for bill in bills)
    scenarios: list[JsonObject] = [
        {
            "scenario_id": f"scenario-{part}",
            "probability": probability,
            "inflows": [{"account_id": "main", "date": _day(3, 12), "amount": _euros(owed // part)}],
        }
        for part, probability in ((3, 0.75), (5, 0.25))
    ]
    account = {"account_id": "main", "opening_balance": _euros(owed // 3), "overdraft_limit": _euros(owed // 10)}
    return problem_from_json(
        {
            "as_of_date": _day(3, 2),
            "horizon_end_date": _day(4, 30),
            "payment_run_dates": [_day(*day) for day in _RUN_DAYS],
            "base_currency": "EUR",
            "invoices": bills,
            "liquidity": {
                "bank_accounts": [{**account, "overdraft_rate": 0.09}],
                "inflow_scenarios": scenarios,
                "opportunity_rate": 0.03,
            },
        }
    )


def _euros(units: int) -> JsonObject:
    return {"currency_code": "EUR", "units": units}


def _day(month: int, day: int) -> JsonObject:
    return {"year": 2026, "month": month, "day": day}
