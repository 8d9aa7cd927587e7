"""Every decision of an invoice plan as CSV."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO
from typing import Any

from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, InvoiceProblem
from solvers.invoices.money import MINOR_DIGITS

HEADER = (
    "invoice_id", "part", "invoice_number", "supplier_id", "decision", "requested_execution_date", "payment_amount",
    "discount_taken", "currency", "account_id", "payee_iban", "priority_rank", "end_to_end_id", "safe_to_process",
    "revalidate_required", "checks_not_performed", "expected_late_cost", "reason_codes", "reasons",
)  # fmt: skip


def exact(amount: Any) -> str:
    """A google.type.Money in plain decimals of its currency."""
    value = Decimal(amount.units) + Decimal(amount.nanos).scaleb(-9)
    return str(value.quantize(Decimal(1).scaleb(-MINOR_DIGITS[amount.currency_code])))


def decisions_csv(problem: InvoiceProblem, plan: InvoicePlan) -> str:
    """One row per decision in the plan's order; ``expected_late_cost`` in the base currency, lists joined by ``|``."""
    invoices = {invoice.invoice_id: invoice for invoice in problem.invoices}
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for decision in plan.decisions:
        invoice, date = invoices[decision.invoice_id], decision.requested_execution_date
        pays = decision.HasField("payment_amount")
        writer.writerow(
            (
                decision.invoice_id,
                decision.part or "",
                invoice.invoice_number,
                invoice.supplier_id,
                InvoiceDecision.Action.Name(decision.decision),
                f"{date.year:04}-{date.month:02}-{date.day:02}" if date.year else "",
                exact(decision.payment_amount) if pays else "",
                exact(decision.discount_taken) if pays else "",
                invoice.amount_due.currency_code,
                decision.account_id if pays else "",
                invoice.payee_iban,
                decision.priority_rank or "",
                decision.end_to_end_id if pays else "",
                "yes" if decision.safe_to_process else "no",
                "yes" if decision.revalidate_required else "no",
                "|".join(decision.checks_not_performed),
                exact(decision.expected_late_cost),
                "|".join(decision.reason_codes),
                "|".join(decision.reasons),
            )
        )
    return out.getvalue()
