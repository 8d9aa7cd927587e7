"""The verifier against hand calculation and against the solvers' own model."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import MONDAY, make_small
from solvers.errors import InvalidProblem
from solvers.invoices.mip import all_options
from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.records import (
    BankAccount,
    Inflow,
    InflowScenario,
    Invoice,
    LatePayment,
    PaymentPolicy,
    PaymentTerm,
    Supplier,
    ValidationCheck,
)


def problem(*invoices: Invoice, **changes) -> InvoiceProblem:
    """Three weekly runs, one account of 10,000 EUR."""
    fields = {
        "as_of_day": MONDAY,
        "horizon_end_day": MONDAY + 21,
        "payment_run_days": (MONDAY, MONDAY + 7, MONDAY + 14),
        "base_currency": "EUR",
        "invoices": invoices,
        "bank_accounts": (BankAccount("main", "EUR", 1_000_000),),
    }
    return InvoiceProblem(**(fields | changes))


def invoice(name: str = "I1", **changes) -> Invoice:
    """100 EUR, due on the second run."""
    fields = {"invoice_id": name, "supplier_id": "S", "due_day": MONDAY + 7, "amount_minor": 10_000, "currency": "EUR"}
    return Invoice(**(fields | changes))


def plan(*runs: int) -> InvoicePlan:
    """Runs on the first account."""
    dates = np.array(runs)
    return InvoicePlan(dates, np.where(dates == NEVER, NEVER, 0))


def test_a_discount_is_forgone_only_when_paid_after_it_ends():
    """A discount of 2 % on 100 EUR costs nothing when taken and 2 EUR when missed."""
    p = problem(invoice(terms=(PaymentTerm(MONDAY, discount_ppm=20_000),)))
    assert p.verify(plan(0)).objective == 0.0
    assert p.verify(plan(1)).terms["discount_forgone"] == pytest.approx(2.0)
    assert p.verify(plan(NEVER)).terms["discount_forgone"] == pytest.approx(2.0)


def test_dynamic_discount_grows_with_the_days_before_the_due_date():
    """10 % a year for 7 days on 100 EUR is 19.178 cents, rounded down to 19."""
    p = problem(invoice(terms=(PaymentTerm(MONDAY + 7, apr_ppm=100_000),)))
    assert p.verify(plan(0)).objective == 0.0
    assert p.verify(plan(1)).terms["discount_forgone"] == pytest.approx(0.19)


def test_european_late_interest_is_simple_at_the_rate_of_each_half_year():
    """Seven days late in the first half of 2026 at 10.15 % cost 0.1946575 EUR and the compensation of 40 EUR."""
    terms = problem(invoice(late=LatePayment("EU_2011_7"))).verify(plan(2)).terms
    assert terms["late_interest"] == pytest.approx(100 * 0.1015 * 7 / 365)
    assert terms["fixed_compensation"] == 40.0


def test_european_late_interest_changes_rate_at_the_turn_of_the_year():
    """Days of 2024 count at 12.25 %, days of 2025 at 11.15 %."""
    due = MONDAY - 365 - 10  # 2024-12-26
    terms = problem(invoice(due_day=due, late=LatePayment("EU_2011_7"))).verify(plan(0)).terms
    in_2024, in_h1_2025, in_h2_2025, in_2026 = 5, 181, 184, 5
    points = in_2024 * 0.1225 + in_h1_2025 * 0.1115 + (in_h2_2025 + in_2026) * 0.1015
    assert terms["late_interest"] == pytest.approx(100 * points / 365)


def test_prompt_payment_interest_compounds_every_thirty_days_for_a_year_at_most():
    """45 days late is one compounded month and 15 days at the rate of the day after due; 500 days are 365."""
    p = problem(invoice(due_day=MONDAY - 45, late=LatePayment("US_PROMPT_PAYMENT")))
    rate = 0.04625
    assert p.verify(plan(0)).terms["late_interest"] == pytest.approx(
        100 * ((1 + rate / 12) * (1 + rate * 15 / 360) - 1)
    )
    long_ago = problem(invoice(due_day=MONDAY - 500, late=LatePayment("US_PROMPT_PAYMENT")))
    rate = 0.04875
    assert long_ago.verify(plan(0)).terms["late_interest"] == pytest.approx(
        100 * ((1 + rate / 12) ** 12 * (1 + rate * 5 / 360) - 1)
    )


def test_contract_interest_criticality_loss_and_opportunity_are_priced():
    """Every linear term has its price per day, per year of 365."""
    p = problem(
        invoice(
            late=LatePayment("CONTRACT", 0.2, 500),
            validation=(ValidationCheck("vat_id", "UNKNOWN", p_invalid=0.1, loss_minor=5_000, recovery_rate=0.5),),
        ),
        suppliers=(Supplier("S", 0.5),),
        opportunity_rate=0.04,
        policy=PaymentPolicy(criticality_rate=0.3),
    )
    terms = p.verify(plan(2)).terms
    assert terms["late_interest"] == pytest.approx(100 * 0.2 * 7 / 365)
    assert terms["fixed_compensation"] == 5.0
    assert terms["criticality"] == pytest.approx(100 * 0.5 * 0.3 * 7 / 365)
    assert terms["expected_loss"] == pytest.approx(0.1 * 50 * 0.5)
    assert terms["opportunity"] == pytest.approx(100 * 0.04 * 7 / 365)


def test_cash_floor_overdraft_and_risk_follow_the_scenarios():
    """Two scenarios: the floor binds on average, the overdraft limit in the worst, CVaR looks at the tail."""
    p = problem(
        invoice(amount_minor=100_000),
        bank_accounts=(BankAccount("main", "EUR", 50_000, 0, 60_000, 0.1),),
        inflow_scenarios=(
            InflowScenario("good", 0.5, (Inflow("main", MONDAY + 7, 150_000),)),
            InflowScenario("bad", 0.5, ()),
        ),
        policy=PaymentPolicy(cvar_alpha=0.5, cvar_weight=0.1),
    )
    early = p.verify(plan(0))
    # Before the inflow both balances are -500: the average is below the floor of 0.
    assert [(v.constraint, v.entity, v.amount) for v in early.violations] == [("balance_floor", "main@0", 500.0)]
    late = p.verify(plan(1))
    assert late.feasible
    # In the bad half the account stands at -500 for 14 days.
    assert late.terms["overdraft"] == pytest.approx(0.5 * 500 * 0.1 * 14 / 365)
    assert late.terms["cvar_penalty"] == pytest.approx(0.1 * 500)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"block_code": "R"}, "blocked"),
        ({"disputed": True}, "blocked"),
        ({"match_status": "MISMATCHED"}, "blocked"),
        ({"validation": (ValidationCheck("iban", "INVALID"),)}, "blocked"),
        ({"earliest_day": MONDAY + 1}, "earliest_payment_date"),
    ],
)
def test_paying_what_may_not_be_paid_is_named(changes, constraint):
    """A plan that pays a blocked or not yet payable invoice is infeasible by that name."""
    verdict = problem(invoice(**changes)).verify(plan(0))
    assert not verdict.feasible
    assert [v.constraint for v in verdict.violations] == [constraint]


def test_unknown_is_never_read_as_valid_when_a_service_is_down():
    """With the VAT service down an invoice without its check, or with an undated VALID, may not be paid unverified."""
    checked = ValidationCheck("vat_id", "VALID", checked_at_ns=(MONDAY - 2) * 86_400 * 10**9)
    p = problem(
        invoice("missing"),
        invoice("undated", validation=(ValidationCheck("vat_id", "VALID"),)),
        invoice("dated", validation=(checked,)),
        mode="DEGRADED",
        services_down=("vat_id",),
    )
    assert p.verify(plan(NEVER, NEVER, 0)).feasible
    for unsafe in (plan(0, NEVER, NEVER), plan(NEVER, 0, NEVER)):
        assert [v.constraint for v in p.verify(unsafe).violations] == ["max_unverified_exposure"]


def test_a_plan_of_another_length_is_refused_without_an_exception():
    """A plan with too few items is infeasible and has no price."""
    verdict = problem(invoice("a"), invoice("b")).verify(plan(0))
    assert (verdict.feasible, verdict.objective) == (False, math.inf)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_verifier_and_model_agree_on_any_plan(seed, chance):
    """On random problems and plans the independent verifier finds the model's objective and feasibility."""
    try:
        p = make_small(seed)
    except InvalidProblem:
        pytest.fail("the generator made an invalid problem")
    model = model_of(p)
    rng = np.random.default_rng(chance)
    dates, accounts = np.full(model.items, NEVER), np.full(model.items, NEVER)
    allowed = all_options(model)
    for item in range(model.items):
        options = np.argwhere(allowed[item])
        if len(options) and (rng.random() < 0.6 or np.isinf(model.options.never[item])):
            accounts[item], dates[item] = options[rng.integers(len(options))]
    found = InvoicePlan(dates, accounts)
    verdict = p.verify(found)
    assert verdict.feasible == model.is_feasible(found)
    assert verdict.objective == pytest.approx(model.objective(found), rel=1e-9, abs=1e-9)
    assert math.fsum(verdict.terms.values()) == pytest.approx(verdict.objective, rel=1e-12)
