"""Outages: what may be paid without a check, and what is reconciled afterwards."""

import dataclasses
import math

import numpy as np
import pytest

from benchmarks.invoice_instances import MONDAY, make_problem
from protos import invoices_pb2
from services.convert.invoices import date_message, plan_to_message, problem_to_message
from services.convert.invoices_outage import reconcile_message
from solvers.errors import InvalidProblem
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reconcile import jensen_shannon, kullback_leibler, reconcile
from solvers.invoices.records import BankAccount, Invoice, LatePayment, PaymentPolicy, ValidationCheck
from solvers.invoices.report import decisions
from solvers.invoices.why import compare_with_rules, prices_of_cash, worth_of_cash
from solvers.strategy import Context

VALID, INVALID = ValidationCheck("vat_id", "VALID"), ValidationCheck("vat_id", "INVALID")


def outage() -> InvoiceProblem:
    """Four invoices of 100 EUR without their check while the VAT service is down; 250 EUR may be paid unverified."""
    invoices = tuple(
        Invoice(f"I{k}", "S", MONDAY, 10_000, "EUR", late=LatePayment("CONTRACT", 0.365, 0)) for k in range(4)
    )
    return InvoiceProblem(
        as_of_day=MONDAY,
        horizon_end_day=MONDAY + 14,
        payment_run_days=(MONDAY, MONDAY + 7),
        base_currency="EUR",
        invoices=invoices,
        bank_accounts=(BankAccount("main", "EUR", 1_000_000),),
        policy=PaymentPolicy(max_unverified_minor=25_000, default_p_invalid=0.002),
        mode="DEGRADED",
        services_down=("vat_id",),
        reconcile_by_day=MONDAY + 9,
    )


PAID_TWO = InvoicePlan(np.array([0, 0, NEVER, NEVER]), np.array([0, 0, NEVER, NEVER]))


def test_an_outage_is_settled_invoice_by_invoice():
    """Paid and valid is confirmed, paid and invalid reversed, unpaid and valid caught up, unpaid and invalid held."""
    problem = outage()
    answer = reconcile(
        problem, PAID_TWO, {"I0": (VALID,), "I1": (INVALID,), "I2": (VALID,), "I3": (INVALID,)}, MONDAY + 10
    )
    assert [(one.invoice_id, one.outcome) for one in answer.invoices] == [
        ("I0", "CONFIRMED"),
        ("I1", "REVERSE"),
        ("I2", "LATE_CATCH_UP"),
        ("I3", "RIGHTLY_HELD"),
    ]
    assert answer.loss == pytest.approx(100.0)
    assert answer.late_cost == pytest.approx(100 * 0.365 * 10 / 365)
    assert answer.past_reconcile_by
    # I1 and I2 were decided against what turned out: half of the value.
    assert answer.divergence.value_weighted_disagreement == pytest.approx(0.5)
    assert answer.divergence.invoices == 4


def test_what_has_no_answer_stays_unresolved():
    """UNKNOWN from the service, or nothing at all, is not an answer."""
    problem = outage()
    answer = reconcile(problem, PAID_TWO, {"I0": (ValidationCheck("vat_id", "UNKNOWN"),)}, MONDAY + 1)
    assert {one.outcome for one in answer.invoices} == {"UNRESOLVED"}
    assert (answer.loss, answer.late_cost, answer.divergence.invoices) == (0.0, 0.0, 0)
    assert not answer.past_reconcile_by


def test_recovery_and_declared_loss_count():
    """Half of a declared loss of 60 EUR is got back."""
    problem = outage()
    check = ValidationCheck("vat_id", "INVALID", loss_minor=6_000, recovery_rate=0.5)
    answer = reconcile(problem, PAID_TWO, {"I1": (check,)}, MONDAY + 1)
    assert answer.loss == pytest.approx(30.0)


def test_divergences_are_what_they_are_called():
    """Jensen-Shannon is symmetric, 0 for equals and 1 bit for opposites; smoothed KL is finite."""
    assert jensen_shannon(0.3, 0.3) == pytest.approx(0.0, abs=1e-12)
    assert jensen_shannon(0.0, 1.0) == pytest.approx(1.0)
    assert jensen_shannon(0.1, 0.8) == pytest.approx(jensen_shannon(0.8, 0.1))
    assert kullback_leibler(0.5, 0.5) == pytest.approx(0.0, abs=1e-12)
    assert math.isfinite(kullback_leibler(1.0, 0.0))
    assert kullback_leibler(1.0, 0.0) > 5


def test_reconciling_over_messages():
    """The call reads problem, plan and outcomes, answers with money, and names every fault."""
    problem = outage()
    request = invoices_pb2.ReconcileOutageRequest(
        problem=problem_to_message(problem),
        plan=plan_to_message(problem, PAID_TWO, problem.verify(PAID_TWO)),
        reconciled_on=date_message(MONDAY + 8),
    )
    outcome = request.outcomes.add(invoice_id="I1")
    outcome.validation.add(check_type="vat_id", status=invoices_pb2.ValidationCheck.INVALID)
    answer = reconcile_message(request)
    assert [one.invoice_id for one in answer.reverse] == ["I1"]
    assert answer.loss.units == 100
    assert answer.cost_of_outage.units == 100
    assert len(answer.unresolved) == 3
    assert not answer.past_reconcile_by
    request.outcomes.add(invoice_id="nobody")
    request.ClearField("reconciled_on")
    with pytest.raises(InvalidProblem) as error:
        reconcile_message(request)
    assert {v.path for v in error.value.violations} == {"outcomes[1].invoice_id", "reconciled_on"}


def test_a_day_before_the_plan_is_refused():
    """An outage cannot be reconciled before it was planned."""
    with pytest.raises(InvalidProblem):
        reconcile(outage(), PAID_TWO, {}, MONDAY - 1)


def test_in_an_outage_the_engine_pays_within_the_exposure_and_says_what_was_not_checked():
    """Two of four fit under the cap; the rest is for review, unsafe, and names the check."""
    problem = outage()
    best = list(EngineStrategy().candidates(problem, Context(seed=0)))[-1]
    assert problem.verify(best.plan).feasible
    said = decisions(problem, best.plan)
    assert sorted(d.action for d in said) == ["PAY", "PAY", "REVIEW", "REVIEW"]
    for decision in said:
        assert decision.checks_not_performed == ("vat_id",)
        assert decision.revalidate_required
        assert decision.safe_to_process == (decision.action == "PAY")
        assert decision.p_invalid_used == pytest.approx(0.002)


def test_without_an_exposure_nothing_unverified_is_paid():
    """DEGRADED without max_unverified_exposure means none."""
    problem = dataclasses.replace(outage(), policy=PaymentPolicy())
    best = list(EngineStrategy().candidates(problem, Context(seed=0)))[-1]
    assert (best.plan.date_index == NEVER).all()


def test_reasons_and_worth_follow_the_prices():
    """Where cash is scarce it has a worth per run that falls over time, and unpaid invoices say so."""
    problem = make_problem(2, 120, 6, 4, tightness=0.4)
    best = list(EngineStrategy().candidates(problem, Context(seed=0, target_gap=0.02)))[-1]
    relaxed = prices_of_cash(problem, best.plan)
    assert relaxed is not None
    worths = [worth.worth for worth in worth_of_cash(problem, relaxed)]
    assert worths
    assert worths == sorted(worths, reverse=True)
    codes = [code for d in decisions(problem, best.plan, relaxed) for code, _ in d.reasons]
    assert {"CASH_IS_DEARER", "BEATS_CASH"} <= set(codes)
    for compared in compare_with_rules(problem, best.claimed_objective):
        assert compared.feasible
        assert compared.saved is not None
        assert compared.saved >= -1e-9
    assert len(decisions(problem, best.plan)) == len(model_of(problem).columns)
