"""Invoice messages, canonical JSON and dataclasses say the same."""

from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import make_problem, make_small
from protos import invoices_pb2
from services.convert.invoices import (
    plan_from_message,
    plan_to_message,
    problem_from_message,
    problem_to_message,
)
from services.plots_cash import cash_curve_svg
from solvers.errors import InvalidProblem
from solvers.invoices.canonical import plan_to_json, problem_from_json, problem_to_json
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.records import ExpectedOutage


def with_numbers(value):
    """Proto JSON with its 64-bit integers as numbers, as canonical JSON has them."""
    if isinstance(value, dict):
        return {
            key: int(entry) if key == "units" else int(entry) if _whole(entry) else with_numbers(entry)
            for key, entry in value.items()
        }
    return [with_numbers(entry) for entry in value] if isinstance(value, list) else value


def _whole(value):
    return isinstance(value, float) and value.is_integer()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_messages_canonical_json_and_problems_agree(seed):
    """Problem to message to problem is the identity, and the message's JSON is the canonical one."""
    problem = make_small(seed)
    if problem.mode == "NORMAL":
        outages = (ExpectedOutage(("vat_id", "iban"), seed, 1 + seed % 90), ExpectedOutage(("schema",)))
        problem = replace(problem, prepare_for=outages[: seed % 3])
    message = problem_to_message(problem)
    assert problem_from_message(message) == problem
    canonical = problem_to_json(problem)
    assert with_numbers(MessageToDict(message, preserving_proto_field_name=True)) == canonical
    assert ParseDict(canonical, invoices_pb2.InvoiceProblem()) == message
    assert problem_from_json(canonical) == problem


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_plans_survive_messages(seed):
    """A plan reads back from its message, and from its canonical JSON as a message."""
    problem = make_small(seed)
    plan = greedy_plan(model_of(problem))
    message = plan_to_message(problem, plan, problem.verify(plan))
    assert plan_from_message(problem, message) == plan
    short = ParseDict(plan_to_json(problem, plan), invoices_pb2.InvoicePlan())
    assert plan_from_message(problem, short) == plan


def test_a_plan_message_says_what_to_do_with_every_invoice():
    """Decisions, ranks, ids, cash curve and exceptions are all there."""
    problem = make_problem(3, 60, 6, 4)
    plan = greedy_plan(model_of(problem))
    verdict = problem.verify(plan)
    message = plan_to_message(problem, plan, verdict)
    assert len(message.decisions) == 60
    assert message.objective == verdict.objective
    assert message.expected_cost == pytest.approx(verdict.objective - verdict.terms["cvar_penalty"])
    paid = [d for d in message.decisions if d.decision == invoices_pb2.InvoiceDecision.PAY]
    assert sorted(d.priority_rank for d in paid) == list(range(1, len(paid) + 1))
    assert len({d.end_to_end_id for d in paid}) == len(paid)
    assert all(0 < len(d.end_to_end_id) <= 35 for d in paid)
    assert all(d.reason_codes and len(d.reason_codes) == len(d.reasons) for d in message.decisions)
    assert len(message.cash_curve) == 6
    held = [d for d in message.decisions if d.decision != invoices_pb2.InvoiceDecision.PAY]
    assert {d.invoice_id for d in held} <= {e.invoice_id for e in message.exceptions}
    unverified = [d for d in held if d.checks_not_performed]
    assert not any(d.safe_to_process for d in unverified)


def test_every_fault_of_a_message_is_named():
    """Faults come with the path of the field below the problem message."""
    message = problem_to_message(make_problem(1, 5, 3, 2))
    message.invoices[1].amount_due.currency_code = "XXQ"
    message.invoices[2].invoice_id = message.invoices[0].invoice_id
    message.invoices[3].amount_due.units = -4
    message.liquidity.inflow_scenarios[1].probability = float("nan")
    message.mode = invoices_pb2.InvoiceProblem.RECONCILE
    message.invoices[4].match_status = 77  # a value that this version does not know
    with pytest.raises(InvalidProblem) as error:
        problem_from_message(message)
    paths = {violation.path for violation in error.value.violations}
    assert {
        "invoices[1].amount_due.currency_code",
        "invoices[2].invoice_id",
        "invoices[3].amount_due",
        "liquidity.inflow_scenarios[1].probability",
        "mode",
        "invoices[4].match_status",
    } <= paths


def test_an_empty_message_is_refused_with_every_missing_field():
    """Nothing at all is missing dates, runs, currency, invoices and accounts."""
    with pytest.raises(InvalidProblem) as error:
        problem_from_message(invoices_pb2.InvoiceProblem())
    paths = {violation.path for violation in error.value.violations}
    needed = {"as_of_date", "horizon_end_date", "payment_run_dates", "base_currency", "invoices"}
    assert needed | {"liquidity.bank_accounts"} <= paths


def test_the_cash_curve_is_a_repeatable_svg():
    """The same plan draws the same picture, one panel per account."""
    problem = make_problem(3, 40, 6, 4)
    plan = greedy_plan(model_of(problem))
    first = cash_curve_svg(problem, plan)
    assert first == cash_curve_svg(problem, plan)
    assert first.lstrip().startswith("<?xml")
    assert "expected balance" in first
    assert "main (EUR)" in first
