"""Answers as the object that ``--json`` prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.cli.output import message_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from protos.common_pb2 import Contribution, SolveReport
    from protos.invoices_pb2 import InvoiceDecision
    from protos.jobs_pb2 import Job

CustomerOf = Callable[[str], int | str]
"""The name of a stop in ``routes``, from its id."""


def response_of(job: Job) -> Message | None:
    """The result of a job, ``None`` while it has none."""
    name = job.WhichOneof("result")
    return getattr(job, name) if name else None


def answer_json(kind: str, response: Any, customer_of: CustomerOf = str) -> dict[str, Any]:
    """The answer as one object; ``bound`` and ``gap`` are null when none is known.

    ``routes`` holds `customer_of` of each stop's id; ``payments`` what is paid, with amounts in the invoice's currency;
    ``exceptions`` what is not, or with a warning, and why, where there is any of that;
    ``samples`` assignments, least energy first.
    """
    report: SolveReport = response.report
    return {
        "job_id": report.job_id,
        "decision_id": report.decision_id,
        "kind": kind,
        "feasible": report.feasible,
        "objective": _finite(report, "objective"),
        "bound": _finite(report, "bound"),
        "gap": _finite(report, "gap"),
        "service_level": service_level(report),
        **_plan_json(kind, response, customer_of),
        "contributions": [_contribution_json(c) for c in report.contributions],
        "cost_usd": report.cost_usd,
        "elapsed_s": report.timings.total_s,
        **(_exceptions_json(response) if kind == "invoices" else {}),
        **_prepared_json(report),
    }


def _exceptions_json(response: Any) -> dict[str, Any]:
    """What is not paid, or with a warning, where there is any of that."""
    found = [message_json(exception) for exception in response.plan.exceptions]
    return {"exceptions": found} if found else {}


def _prepared_json(report: SolveReport) -> dict[str, Any]:
    """Plans computed in advance, where there are any: asked for by this request, or begun from by its answer."""
    found: dict[str, Any] = {}
    if report.prepared:
        found["prepared"] = [message_json(plan) for plan in report.prepared]
    if report.HasField("began_from"):
        found["began_from"] = message_json(report.began_from)
    return found


def _finite(report: SolveReport, name: str) -> float | None:
    if not report.HasField(name):  # type: ignore[arg-type]
        return None
    value = float(getattr(report, name))
    return value if math.isfinite(value) else None


def _plan_json(kind: str, response: Any, customer_of: CustomerOf) -> dict[str, Any]:
    if kind == "routing":
        return {"routes": [[customer_of(stop.id) for stop in route.stops] for route in response.plan.routes]}
    if kind == "invoices":
        return {"payments": [payment_json(d) for d in response.plan.decisions if is_paid(d)]}
    samples = response.plan.samples
    return {"samples": [{"values": list(s.values), "energy": s.energy, "occurrences": s.occurrences} for s in samples]}


def is_paid(decision: InvoiceDecision) -> bool:
    from protos.invoices_pb2 import InvoiceDecision

    return decision.decision == InvoiceDecision.PAY


def money(amount: Any) -> float:
    """A google.type.Money in whole units of its currency."""
    return float(Decimal(amount.units) + Decimal(amount.nanos).scaleb(-9))


def date_text(date: Any) -> str:
    """A google.type.Date as ISO 8601, empty when unset."""
    return f"{date.year:04}-{date.month:02}-{date.day:02}" if date.year else ""


def payment_json(decision: InvoiceDecision) -> dict[str, Any]:
    """One payment of a plan."""
    return {
        "invoice_id": decision.invoice_id,
        "part": decision.part,
        "date": date_text(decision.requested_execution_date),
        "amount": money(decision.payment_amount),
        "currency": decision.payment_amount.currency_code,
        "discount": money(decision.discount_taken),
        "account_id": decision.account_id,
        "priority_rank": decision.priority_rank,
        "end_to_end_id": decision.end_to_end_id,
        "reason_codes": list(decision.reason_codes),
    }


def _contribution_json(contribution: Contribution) -> dict[str, Any]:
    lift = contribution.quantum_lift
    return {
        "strategy": contribution.strategy,
        "strategy_version": contribution.strategy_version,
        "backend": contribution.backend or None,
        "outcome": contribution.outcome,
        "reason": contribution.reason,
        "detail": contribution.detail,
        "improvement": contribution.improvement,
        "seconds": contribution.seconds,
        "cost_usd": contribution.cost_usd,
        "shots": contribution.shots,
        "quantum_lift": {
            "mean_difference": lift.mean_difference,
            "mean_low": lift.mean_low,
            "mean_high": lift.mean_high,
            "best_difference": lift.best_difference,
            "samples": lift.samples,
            "control_samples": lift.control_samples,
            "kernel_variables": lift.kernel_variables,
            "kernel": lift.kernel,
        }
        if contribution.HasField("quantum_lift")
        else None,
    }


def service_level(report: SolveReport) -> str:
    from protos.common_pb2 import ServiceLevel

    return ServiceLevel.Name(report.service_level)
