"""`ReconcileOutage` messages and `solvers.invoices.reconcile`, both ways."""

from __future__ import annotations

from functools import partial

from protos import invoices_pb2
from services.convert.invoices import (
    base_money,
    message_json,
    money_message,
    plan_from_message,
    problem_from_message,
)
from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.parse import parse_check
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reader import Reader
from solvers.invoices.reconcile import (
    CATCH_UP,
    CONFIRMED,
    REVERSE,
    RIGHTLY_HELD,
    UNRESOLVED,
    Reconciliation,
    reconcile,
)
from solvers.invoices.records import ValidationCheck


def reconcile_message(request: invoices_pb2.ReconcileOutageRequest) -> invoices_pb2.ReconcileOutageResponse:
    """The whole call: read, reconcile, answer.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault, with paths below the request.
    """
    try:
        problem = problem_from_message(request.problem)
    except InvalidProblem as error:
        raise InvalidProblem(
            [FieldViolation(f"problem.{v.path}".rstrip("."), v.problem, v.allowed) for v in error.violations]
        ) from None
    found: list[FieldViolation] = []
    reader = Reader(message_json(request), "", found)
    outcomes = _outcomes(reader, problem)
    day = reader.needed_date("reconciled_on")
    try:
        plan = plan_from_message(problem, request.plan)
    except InvalidProblem as error:
        found.extend(FieldViolation(f"plan.{v.path}", v.problem, v.allowed) for v in error.violations)
    if found:
        raise InvalidProblem(found)
    return answer_message(problem, reconcile(problem, plan, outcomes, day))


def _outcomes(reader: Reader, problem: InvoiceProblem) -> dict[str, tuple[ValidationCheck, ...]]:
    """Checks by invoice_id."""
    currency = {invoice.invoice_id: invoice.currency for invoice in problem.invoices}
    out: dict[str, tuple[ValidationCheck, ...]] = {}
    for child in reader.children("outcomes"):
        name = child.text("invoice_id")
        if name not in currency:
            child.fault("invoice_id", f"is {name!r}", "an invoice of the problem")
            continue
        if name in out:
            child.fault("invoice_id", f"is {name!r} again", "each once")
        out[name] = child.records("validation", partial(parse_check, currency=currency[name]))
    return out


def answer_message(problem: InvoiceProblem, answer: Reconciliation) -> invoices_pb2.ReconcileOutageResponse:
    """A reconciliation as a message."""
    message = invoices_pb2.ReconcileOutageResponse(
        divergence=invoices_pb2.Divergence(
            jensen_shannon_bits=answer.divergence.jensen_shannon_bits,
            value_weighted_disagreement=answer.divergence.value_weighted_disagreement,
            kullback_leibler_bits=answer.divergence.kullback_leibler_bits,
            smoothing=answer.divergence.smoothing,
            invoices=answer.divergence.invoices,
        ),
        cost_of_outage=base_money(problem, answer.loss + answer.late_cost),
        loss=base_money(problem, answer.loss),
        late_cost=base_money(problem, answer.late_cost),
        past_reconcile_by=answer.past_reconcile_by,
    )
    lists = {
        CONFIRMED: message.confirmed,
        REVERSE: message.reverse,
        CATCH_UP: message.late_catch_up,
        RIGHTLY_HELD: message.rightly_held,
        UNRESOLVED: message.unresolved,
    }
    for one in answer.invoices:
        lists[one.outcome].add(
            invoice_id=one.invoice_id,
            amount=money_message(one.amount_minor, one.currency),
            cost=base_money(problem, one.cost),
            reason_codes=one.reasons,
        )
    return message
