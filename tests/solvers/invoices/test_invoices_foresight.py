"""The plan for an outage, prepared before it comes and fitted to what is true when it does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import MONDAY, make_problem, make_small
from solvers.errors import InvalidProblem
from solvers.invoices.canonical import plan_to_json, problem_from_json, problem_to_json
from solvers.invoices.foresight import InvoiceForesight
from solvers.invoices.greedy import greedy_plan, with_musts
from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.records import ExpectedOutage, Invoice, LatePayment, ValidationCheck
from solvers.stop import Never

FORESIGHT = InvoiceForesight()
OUTAGES = (ExpectedOutage(("vat_id",), 50_000_00, 3), ExpectedOutage(("iban", "vat_id")))


@pytest.fixture(scope="module")
def prepared():
    """(the degraded problem, its plan, both as they are kept)."""
    problem = FORESIGHT.contingencies(replace(make_problem(2, 30, 5, 3), prepare_for=OUTAGES))[0].problem
    plan = greedy_plan(model_of(problem))
    assert (plan.date_index != NEVER).any()
    return problem, plan, problem_to_json(problem), plan_to_json(problem, plan)


def codes(adapted):
    return [(difference.entity, difference.code) for difference in adapted.differences]


def test_every_outage_named_is_a_problem_of_its_own():
    """Each is DEGRADED with its services down and its cap, asks for nothing itself, and is valid for its days."""
    first, second = FORESIGHT.contingencies(replace(make_problem(2, 8, 3, 2), prepare_for=OUTAGES))
    assert (first.name, second.name) == ("vat_id", "iban vat_id")
    assert (first.valid_s, second.valid_s) == (3 * 86_400, 7 * 86_400)
    assert first.problem.mode == second.problem.mode == "DEGRADED"
    assert first.problem.policy.max_unverified_minor == 50_000_00
    assert first.problem.prepare_for == ()
    assert FORESIGHT.contingencies(first.problem) == FORESIGHT.contingencies(make_problem(2, 8, 3, 2)) == ()


def test_in_an_outage_what_is_down_stays_down():
    """The next outage is prepared for on top of the present one, and the one that has come is left out."""
    problem = make_problem(2, 8, 3, 2)
    now = replace(
        problem, mode="DEGRADED", services_down=("vat_id",), prepare_for=(*OUTAGES, ExpectedOutage(("schema",)))
    )
    assert [one.name for one in FORESIGHT.contingencies(now)] == ["iban vat_id", "schema vat_id"]


def test_books_are_told_apart_by_their_accounts(prepared):
    """The scope is the same whatever is due, another with other accounts, and empty when nothing is down."""
    problem = prepared[0]
    assert FORESIGHT.scope(problem) == FORESIGHT.scope(replace(problem, invoices=problem.invoices[:3]))
    other = replace(problem.bank_accounts[0], account_id="other")
    assert FORESIGHT.scope(replace(problem, bank_accounts=(other,), inflow_scenarios=())) != FORESIGHT.scope(problem)
    assert FORESIGHT.scope(make_problem(2, 8, 3, 2)) == ""


def test_the_plan_for_just_this_outage_goes_first(prepared):
    """Then those for more services, then for some of them; what was prepared for others is left alone."""
    problem = replace(prepared[0], services_down=("vat_id", "iban"))
    names = ["vat_id", "schema", "iban schema vat_id", "iban vat_id", "iban"]
    assert FORESIGHT.useful(problem, names) == [3, 2, 0, 4]


def test_an_unchanged_problem_gets_the_plan_back_as_it_was(prepared):
    """Nothing differs and nothing is moved."""
    problem, plan, earlier, decided = prepared
    adapted = FORESIGHT.adapt(problem, earlier, decided, Never())
    assert (adapted.plan, adapted.differences) == (plan, ())


def test_what_is_not_as_it_was_is_named(prepared):
    """New, changed and gone invoices, what may not be paid any more, and fields of the problem."""
    problem, plan, earlier, decided = prepared
    paid = [int(problem.columns.invoice[item]) for item in np.flatnonzero(plan.date_index != NEVER)]
    invoices = list(problem.invoices)
    blocked, changed = invoices[paid[0]], invoices[paid[1]]
    invoices[paid[0]] = replace(blocked, block_code="R")
    invoices[paid[1]] = replace(changed, due_day=changed.due_day + 1)
    free = [k for k in range(len(invoices)) if k not in paid[:2]]
    gone = invoices.pop(free[-1])
    fresh = replace(changed, invoice_id="fresh", amount_minor=1_00, validation=())
    account = replace(problem.bank_accounts[0], opening_minor=problem.bank_accounts[0].opening_minor + 1)
    now = replace(problem, invoices=(*invoices, fresh), bank_accounts=(account, *problem.bank_accounts[1:]))
    adapted = FORESIGHT.adapt(now, earlier, decided, Never())
    found = codes(adapted)
    assert ("", "PROBLEM_CHANGED") in found
    assert (blocked.invoice_id, "NOT_PAYABLE_NOW") in found
    assert (changed.invoice_id, "INVOICE_CHANGED") in found
    assert (gone.invoice_id, "INVOICE_GONE") in found
    assert ("fresh", "NEW_INVOICE") in found
    assert now.verify(adapted.plan).feasible


def test_later_days_move_payments_to_the_next_run(prepared):
    """A run that is over is replaced by the next one, and that is said."""
    problem, plan, earlier, decided = prepared
    first = [int(item) for item in np.flatnonzero(plan.date_index == plan.date_index[plan.date_index != NEVER].min())]
    now = replace(problem, payment_run_days=problem.payment_run_days[int(plan.date_index[first[0]]) + 1 :])
    adapted = FORESIGHT.adapt(now, earlier, decided, Never())
    moved = {entity for entity, code in codes(adapted) if code == "RUN_MOVED"}
    assert moved
    assert now.verify(adapted.plan).feasible


def test_what_no_longer_fits_is_left_out_the_least_worth_first():
    """With half of the cap gone one of two payments stays: the one that saves more per unit of cash."""
    check = (ValidationCheck("vat_id", "UNKNOWN", p_invalid=0.0001),)
    base = FORESIGHT.contingencies(replace(make_problem(2, 8, 3, 2), prepare_for=OUTAGES))[0].problem
    account = replace(base.bank_accounts[0], opening_minor=10**9)
    late = LatePayment("CONTRACT", 0.1)
    two = tuple(Invoice(name, "S", MONDAY, 100_00, "EUR", late=late, validation=check) for name in ("cheap", "dear"))
    policy = replace(base.policy, max_unverified_minor=200_00, must_pay=(), supplier_caps=())
    problem = replace(base, invoices=two, suppliers=(), bank_accounts=(account,), inflow_scenarios=(), policy=policy)
    both = InvoicePlan(np.array([0, 0]), np.array([0, 0]))
    now = replace(
        problem,
        policy=replace(policy, max_unverified_minor=100_00),
        invoices=(two[0], replace(two[1], late=LatePayment("CONTRACT", 0.9))),
    )
    adapted = FORESIGHT.adapt(now, problem_to_json(problem), plan_to_json(problem, both), Never())
    assert ("cheap", "DOES_NOT_FIT") in codes(adapted)
    assert adapted.plan.date_index.tolist() == [NEVER, 0]
    assert now.verify(adapted.plan).feasible


def test_books_without_a_common_invoice_have_no_use_for_the_plan(prepared):
    """Nothing is adapted then."""
    problem, _, earlier, decided = prepared
    strangers = tuple(replace(invoice, invoice_id=f"other {invoice.invoice_id}") for invoice in problem.invoices)
    policy = replace(problem.policy, must_pay=())
    assert FORESIGHT.adapt(replace(problem, invoices=strangers, policy=policy), earlier, decided, Never()) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_adapting_never_breaks_what_deferring_would_keep(seed, other):
    """Whatever plan was prepared for the same invoice ids: the adapted one is feasible when deferring all is."""
    now, then = make_small(seed), make_small(other)
    adapted = FORESIGHT.adapt(now, problem_to_json(then), plan_to_json(then, greedy_plan(model_of(then))), Never())
    if model_of(now).is_feasible(with_musts(model_of(now)).plan()):
        assert adapted is not None
        assert now.verify(adapted.plan).feasible


def test_changes_name_both_decisions(prepared):
    """An item paid otherwise is told with what it was and what it is."""
    problem, plan, _, _ = prepared
    item = int(np.flatnonzero(plan.date_index != NEVER)[0])
    dates, accounts = plan.date_index.copy(), plan.account_index.copy()
    dates[item] = accounts[item] = NEVER
    (change,) = FORESIGHT.changes(problem, plan, InvoicePlan(dates, accounts))
    assert change.code == "DECIDED_OTHERWISE"
    assert change.text.startswith("not paid instead of paid on ")


def test_faults_of_the_preparation_are_named():
    """Each bad field of prepare_for by its path, and all of it in an outage that has come."""
    data = problem_to_json(make_problem(1, 8, 3, 2))
    data["prepare_for"] = [
        {"services_down": []},
        {"services_down": ["a b", "c", "c"], "valid_days": 91},
        {"services_down": ["x", "y"], "max_unverified_exposure": {"currency_code": "EUR", "units": -1}},
        {"services_down": ["y", "x"]},
    ]
    with pytest.raises(InvalidProblem) as caught:
        problem_from_json(data)
    paths = {violation.path for violation in caught.value.violations}
    assert paths == {
        "prepare_for[0].services_down",
        "prepare_for[1].services_down[0]",
        "prepare_for[1].services_down[2]",
        "prepare_for[1].valid_days",
        "prepare_for[2].max_unverified_exposure",
        "prepare_for[3].services_down",
    }
