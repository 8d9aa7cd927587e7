"""Plans of invoices for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from services.cli.answer import date_text, is_paid, money
from services.cli.output import MAX_ROWS, number_text, print_table, say_rest

if TYPE_CHECKING:
    from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, PrioritizeInvoicesResponse


def show_payments(response: PrioritizeInvoicesResponse) -> None:
    """What is paid when, what is not and why, and what else would do."""
    from protos.invoices_pb2 import InvoiceDecision

    plan = response.plan
    runs: dict[tuple[str, str], list[float]] = {}
    actions: dict[str, int] = {}
    for decision in plan.decisions:
        action = InvoiceDecision.Action.Name(decision.decision)
        actions[action] = actions.get(action, 0) + 1
        if is_paid(decision):
            key = (date_text(decision.requested_execution_date), decision.payment_amount.currency_code)
            run = runs.setdefault(key, [0, 0.0, 0.0])
            run[0] += 1
            run[1] += money(decision.payment_amount)
            run[2] += money(decision.discount_taken)
    rows = [
        (date, currency, str(round(count)), f"{paid:,.2f}", f"{discount:,.2f}")
        for (date, currency), (count, paid, discount) in sorted(runs.items())
    ]
    headers = ("payment run", "currency", "payments", "paid", "discount")
    print_table("Payments", headers, rows[:MAX_ROWS], numeric=("payments", "paid", "discount"))
    say_rest(len(rows), "payment runs")
    click.echo("decisions: " + ", ".join(f"{count} {action}" for action, count in sorted(actions.items())))
    if plan.baseline_comparison:
        compared = [
            (
                b.rule,
                number_text(b.objective) if b.HasField("objective") else "no feasible plan",
                number_text(b.saved) if b.HasField("saved") else "",
            )
            for b in plan.baseline_comparison
        ]
        print_table(
            "Against rules in use", ("rule", "objective", "saved by this plan"), compared, numeric=("objective",)
        )
    _show_why(plan)


def _show_why(plan: InvoicePlan) -> None:
    """What cash would be worth, what is not paid and why, and what else would do nearly as well."""
    from protos.invoices_pb2 import InvoiceDecision

    worth = [(date_text(w.date), w.account_id, f"{w.worth:.4f}") for w in plan.worth_of_cash]
    if worth:
        headers = ("from", "account", "one more unit of cash saves")
        print_table("Worth of cash", headers, worth[:MAX_ROWS], numeric=headers[2:])
        say_rest(len(worth), "dates")
    if plan.exceptions:
        unpaid = [
            (
                e.invoice_id + (f" part {e.part}" if e.part else ""),
                InvoiceDecision.Action.Name(e.decision),
                e.code,
                e.text,
            )
            for e in plan.exceptions
        ]
        print_table("Not paid or with a warning", ("invoice", "decision", "code", "reason"), unpaid[:MAX_ROWS])
        say_rest(len(unpaid), "exceptions")
    if plan.alternatives:
        others = [
            (
                number_text(a.objective),
                number_text(a.expected_cost),
                number_text(a.cvar),
                f"{100 * a.probability_best:.1f} %",
                f"{100 * a.weight:.1f} %",
                "; ".join(_change(d) for d in a.differences),
            )
            for a in plan.alternatives
        ]
        columns = ("objective", "expected cost", "CVaR", "best in", "weight", "differs in")
        print_table("Alternatives", columns, others, numeric=columns[:5], wrap=columns[5:])


def _change(decision: InvoiceDecision) -> str:
    """What an alternative does with an invoice."""
    from protos.invoices_pb2 import InvoiceDecision

    part = f" part {decision.part}" if decision.part else ""
    if is_paid(decision):
        return f"{decision.invoice_id}{part} on {date_text(decision.requested_execution_date)}"
    return f"{decision.invoice_id}{part} {InvoiceDecision.Action.Name(decision.decision)}"
