"""When the quick heuristic begins and how long it may take."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.routing_insurance import rich
from benchmarks.service import invoice_request
from services.convert import invoices
from services.insurance import Insurance


@pytest.fixture(scope="module")
def insurance() -> Insurance:
    return Insurance(threads=1)


@pytest.fixture(params=["routing", "invoices"])
def kind_and_problem(request: pytest.FixtureRequest) -> tuple[str, Any]:
    if request.param == "routing":
        return "routing", rich("windows", 50)
    return "invoices", invoices.problem_from_message(invoice_request(1, 20).problem)


@pytest.mark.parametrize("late_s", [-5.0, 0.01])
def test_a_plan_comes_also_where_the_time_to_take_over_has_passed(
    insurance: Insurance, kind_and_problem: tuple[str, Any], late_s: float
) -> None:
    kind, problem = kind_and_problem
    now_s = time.monotonic()
    insured = insurance.start(kind, problem, 0, until_s=now_s - late_s, reply_by_s=now_s + 30.0).result()
    assert insured.plan is not None
    assert problem.verify(insured.plan).objective == pytest.approx(insured.verdict.objective)


def test_nothing_is_computed_once_the_reply_has_left(insurance: Insurance, kind_and_problem: tuple[str, Any]) -> None:
    kind, problem = kind_and_problem
    insured = insurance.start(kind, problem, 0, until_s=0.0, reply_by_s=0.0).result()
    assert insured.plan is None
    assert insured.seconds == 0.0
