"""Invoice messages and the dataclasses of `solvers.invoices`, both ways.

Validation lives once, in `solvers.invoices`: a message is read as the JSON that it stands for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2

from protos import invoices_pb2
from solvers.invoices.alternatives import alternatives, core_of, temperature
from solvers.invoices.calendars import to_date
from solvers.invoices.canonical import plan_from_json, plan_to_json, problem_from_json, problem_to_json
from solvers.invoices.model import model_of
from solvers.invoices.money import currency_digits, to_units_nanos
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.reader import timestamp_json
from solvers.invoices.relaxation import Relaxation
from solvers.invoices.report import CashPoint, Decision, cash_curve, decisions
from solvers.invoices.why import compare_with_rules, prices_of_cash, worth_of_cash
from solvers.invoices.why import prepare as prepare_why
from solvers.problem import JsonObject, Verdict

MAX_ALTERNATIVE_ITEMS = 2_000
"""Larger answers come without alternatives, which each take a look at every decision."""


def problem_from_message(message: invoices_pb2.InvoiceProblem) -> InvoiceProblem:
    """The problem in ``message``.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault.
    """
    return problem_from_json(message_json(message))


def problem_to_message(problem: InvoiceProblem) -> invoices_pb2.InvoiceProblem:
    """``problem`` as a message."""
    return ParseDict(problem_to_json(problem), invoices_pb2.InvoiceProblem())


def plan_from_message(problem: InvoiceProblem, message: invoices_pb2.InvoicePlan) -> InvoicePlan:
    """The plan in ``message``, of which only the decisions to pay are read. Raises `InvalidProblem`."""
    wanted = ("invoice_id", "decision", "requested_execution_date", "account_id", "part")
    entries = []
    for decision in message.decisions:
        entry = message_json(decision)
        entries.append({name: entry[name] for name in wanted if name in entry})
    return plan_from_json(problem, {"decisions": entries})


def plan_to_json_of_message(problem: InvoiceProblem, message: invoices_pb2.InvoicePlan) -> JsonObject:
    """Canonical JSON of the plan in ``message``."""
    return plan_to_json(problem, plan_from_message(problem, message))


def message_json(message: Message) -> JsonObject:
    """``message`` as JSON in proto field names: integers as numbers, enums by name, only what is set."""
    out: JsonObject = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            out[field.name] = [_json(field, entry) for entry in value]
        else:
            out[field.name] = _json(field, value)
    return out


def _json(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if isinstance(value, Timestamp):
            # Years 1 to 9999 are all that a Timestamp may hold; what is beyond is left for the reader to refuse.
            inside = -62_135_596_800 <= value.seconds <= 253_402_300_799 and 0 <= value.nanos < 10**9
            ns = value.seconds * 10**9 + value.nanos
            return timestamp_json(ns) if inside else f"{value.seconds} s {value.nanos} ns"
        return message_json(value)
    if field.type == FieldDescriptor.TYPE_ENUM and field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return str(value) if known is None else known.name
    return value


def date_message(day: int) -> date_pb2.Date:
    """A day number as google.type.Date."""
    when = to_date(day)
    return date_pb2.Date(year=when.year, month=when.month, day=when.day)


def money_message(minor: int, currency: str) -> money_pb2.Money:
    """Minor units as google.type.Money."""
    units, nanos = to_units_nanos(minor, currency)
    return money_pb2.Money(currency_code=currency, units=units, nanos=nanos)


def base_money(problem: InvoiceProblem, value: float) -> money_pb2.Money:
    """Base units as google.type.Money, rounded to the minor unit."""
    minor = round(value * 10 ** currency_digits(problem.base_currency))
    return money_message(minor, problem.base_currency)


def decision_message(problem: InvoiceProblem, decision: Decision) -> invoices_pb2.InvoiceDecision:
    """One decision."""
    message = invoices_pb2.InvoiceDecision(
        invoice_id=decision.invoice_id,
        decision=invoices_pb2.InvoiceDecision.Action.Value(decision.action),
        expected_late_cost=base_money(problem, decision.expected_late_cost),
        priority_rank=decision.priority_rank,
        safe_to_process=decision.safe_to_process,
        p_invalid_used=decision.p_invalid_used,
        reason_codes=[code for code, _ in decision.reasons],
        reasons=[text for _, text in decision.reasons],
        end_to_end_id=decision.end_to_end_id,
        revalidate_required=decision.revalidate_required,
        account_id=decision.account_id,
        part=decision.part,
        checks_not_performed=decision.checks_not_performed,
    )
    if decision.day is not None:
        message.requested_execution_date.CopyFrom(date_message(decision.day))
        message.payment_amount.CopyFrom(money_message(decision.amount_minor, decision.currency))
        message.discount_taken.CopyFrom(money_message(decision.discount_minor, decision.currency))
    return message


def cash_point_message(point: CashPoint) -> invoices_pb2.CashPoint:
    """One account after one run."""
    return invoices_pb2.CashPoint(
        date=date_message(point.day),
        account_id=point.account_id,
        paid=money_message(point.paid_minor, point.currency),
        expected_balance=money_message(point.expected_minor, point.currency),
        lowest_balance=money_message(point.lowest_minor, point.currency),
        highest_balance=money_message(point.highest_minor, point.currency),
        expected_overdraft_cost=point.overdraft_cost,
    )


def prepare(problem: InvoiceProblem, plan: InvoicePlan) -> None:
    """Work out what every plan's message needs, while a solver is still at it; ``plan`` is any feasible one."""
    prepare_why(problem, plan)


def plan_to_message(problem: InvoiceProblem, plan: InvoicePlan, verdict: Verdict) -> invoices_pb2.InvoicePlan:
    """``plan`` with what it means for every invoice. The objective is the verifier's."""
    model = model_of(problem)
    relaxed = prices_of_cash(problem, plan)
    found = decisions(problem, plan, relaxed)
    message = invoices_pb2.InvoicePlan(
        decisions=[decision_message(problem, decision) for decision in found],
        objective=verdict.objective,
        expected_cost=verdict.objective - verdict.terms.get("cvar_penalty", 0.0),
        cvar=float(model.liquidity.cvar(model.cumulated(plan).astype(np.float64))),
        cash_curve=[cash_point_message(point) for point in cash_curve(problem, plan)],
    )
    for compared in compare_with_rules(problem, verdict.objective):
        entry = message.baseline_comparison.add(rule=compared.rule, feasible=compared.feasible)
        if compared.objective is not None and compared.saved is not None:
            entry.objective, entry.saved = compared.objective, compared.saved
    for worth in worth_of_cash(problem, relaxed) if relaxed is not None else ():
        message.worth_of_cash.add(date=date_message(worth.day), account_id=worth.account_id, worth=worth.worth)
    if relaxed is not None and len(problem.columns) <= MAX_ALTERNATIVE_ITEMS:
        _add_alternatives(problem, plan, relaxed, message)
    if problem.late_rate_table is not None:
        message.late_rate_table_version = problem.late_rate_table.version
    for decision in found:
        if decision.action != "PAY" or decision.checks_not_performed:
            # Of a payment only what it lacks is a warning; of what is not paid every reason is told.
            said = decision.reasons if decision.action != "PAY" else decision.reasons[:1]
            message.exceptions.add(
                invoice_id=decision.invoice_id,
                code=said[0][0],
                text="; ".join(text for _, text in said),
                decision=invoices_pb2.InvoiceDecision.Action.Value(decision.action),
                part=decision.part,
            )
    return message


def _add_alternatives(
    problem: InvoiceProblem, plan: InvoicePlan, relaxed: Relaxation, message: invoices_pb2.InvoicePlan
) -> None:
    """Other good plans, each by the decisions in which it differs."""
    core = core_of(model_of(problem), plan, relaxed)
    if core is not None:
        message.alternatives_temperature = temperature(core, relaxed)
    for other in alternatives(problem, plan, relaxed):
        entry = message.alternatives.add(
            objective=other.objective,
            expected_cost=other.expected_cost,
            cvar=other.cvar,
            probability_best=other.probability_best,
            weight=other.weight,
        )
        said = decisions(problem, other.plan, only=other.items)
        entry.differences.extend(decision_message(problem, decision) for decision in said)
