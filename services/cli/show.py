"""Answers as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from services.cli.answer import CustomerOf, date_text, is_paid, money, service_level
from services.cli.output import number_text, print_table

if TYPE_CHECKING:
    from protos.common_pb2 import Contribution, SolveReport
    from protos.invoices_pb2 import InvoiceDecision, InvoicePlan, PrioritizeInvoicesResponse
    from protos.routing_pb2 import OptimizeToursResponse
    from protos.sampling_pb2 import SampleResponse

MAX_ROWS = 40
"""Rows of a table for people; ``--json`` has them all."""


def show_answer(kind: str, response: Any, customer_of: CustomerOf = str) -> None:
    """The answer for people: outcome, plan, who contributed and what it cost."""
    report: SolveReport = response.report
    _show_outcome(report)
    if response.HasField("plan"):
        if kind == "routing":
            _show_routes(response, customer_of)
        elif kind == "invoices":
            _show_payments(response)
        else:
            _show_samples(response)
    elif report.violations:
        rows = [(v.constraint, v.entity, number_text(v.amount, 6)) for v in report.violations]
        print_table("Why no plan", ("constraint", "where", "by"), rows[:MAX_ROWS], numeric=("by",))
        _say_rest(len(rows), "violations")
    _show_contributions(report)


def _show_outcome(report: SolveReport) -> None:
    from protos.common_pb2 import SolveStatus

    status = SolveStatus.Name(report.status).lower().replace("_", " ")
    rows = [("status", status)]
    if report.HasField("objective"):
        terms = ", ".join(f"{name} {number_text(value)}" for name, value in sorted(report.terms.items()) if value)
        rows.append(("objective", number_text(report.objective) + (f"  ({terms})" if len(report.terms) > 1 else "")))
    if report.HasField("bound"):
        rows.append(("bound", number_text(report.bound)))
    rows.append(("gap", f"{100 * report.gap:.2f} %" if report.HasField("gap") else "no bound known"))
    reason = f": {report.service_level_reason}" if report.service_level_reason else ""
    rows += [
        ("service level", service_level(report) + reason),
        ("cost", f"${number_text(report.cost_usd, 6)}" + (f", {report.shots:,} shots" if report.shots else "")),
        ("time", f"{report.timings.total_s:.3f} s"),
        ("seed", str(report.seed)),
        ("job", report.job_id),
        ("decision", report.decision_id or "none"),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:{width}}  {text}")


def _show_routes(response: OptimizeToursResponse, customer_of: CustomerOf) -> None:
    plan = response.plan
    rows = [
        (
            str(number),
            route.vehicle,
            str(len(route.stops)),
            number_text(route.distance),
            _clock(route.start_s),
            _clock(route.end_s),
            number_text(route.cost),
            _shorten([str(customer_of(stop.id)) for stop in route.stops]),
        )
        for number, route in enumerate(plan.routes, start=1)
    ]
    headers = ("route", "vehicle", "stops", "distance", "start", "end", "cost", "visits")
    print_table("Routes", headers, rows[:MAX_ROWS], numeric=headers[2:7], wrap=("visits",))
    _say_rest(len(rows), "routes")
    if plan.unassigned:
        from protos.routing_pb2 import UnassignedVisit

        left_out = [(u.id, UnassignedVisit.Reason.Name(u.reason), u.detail) for u in plan.unassigned]
        print_table("Not served", ("visit", "reason", "detail"), left_out[:MAX_ROWS])
        _say_rest(len(left_out), "visits not served")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _shorten(names: list[str], most: int = 8) -> str:
    return " ".join(names if len(names) <= most else [*names[: most - 2], "...", names[-1]])


def _show_payments(response: PrioritizeInvoicesResponse) -> None:
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
    _say_rest(len(rows), "payment runs")
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
    worth = [(date_text(w.date), w.account_id, f"{w.worth:.4f}") for w in plan.worth_of_cash]
    if worth:
        headers = ("from", "account", "one more unit of cash saves")
        print_table("Worth of cash", headers, worth[:MAX_ROWS], numeric=headers[2:])
        _say_rest(len(worth), "dates")
    if plan.exceptions:
        rows = [(e.invoice_id, e.code, e.text) for e in plan.exceptions]
        print_table("Not paid or with a warning", ("invoice", "code", "reason"), rows[:MAX_ROWS])
        _say_rest(len(rows), "exceptions")
    if plan.alternatives:
        others = [
            (
                number_text(a.objective),
                number_text(a.expected_cost),
                number_text(a.cvar),
                f"{100 * a.probability_best:.1f} %",
                "; ".join(_change(d) for d in a.differences),
            )
            for a in plan.alternatives
        ]
        columns = ("objective", "expected cost", "CVaR", "best in", "differs in")
        print_table("Alternatives", columns, others, numeric=columns[:4], wrap=columns[4:])


def _change(decision: InvoiceDecision) -> str:
    """What an alternative does with an invoice."""
    from protos.invoices_pb2 import InvoiceDecision

    part = f" part {decision.part}" if decision.part else ""
    if is_paid(decision):
        return f"{decision.invoice_id}{part} on {date_text(decision.requested_execution_date)}"
    return f"{decision.invoice_id}{part} {InvoiceDecision.Action.Name(decision.decision)}"


def _show_samples(response: SampleResponse) -> None:
    rows = [
        (number_text(s.energy, 6), str(s.occurrences), _shorten([str(value) for value in s.values], 60))
        for s in response.plan.samples
    ]
    print_table(
        "Samples",
        ("energy", "occurrences", "values"),
        rows[:MAX_ROWS],
        numeric=("energy", "occurrences"),
        wrap=("values",),
    )
    _say_rest(len(rows), "samples")
    if response.plan.HasField("boltzmann"):
        estimate = response.plan.boltzmann
        click.echo(
            f"mean energy {number_text(estimate.mean_energy, 6)} +- {number_text(estimate.mean_energy_error, 6)} "
            f"from {number_text(estimate.effective_samples, 1)} effective samples"
        )


def _show_contributions(report: SolveReport) -> None:
    if not report.contributions:
        return
    rows = [
        (
            c.strategy,
            c.backend or "-",
            c.outcome,
            number_text(c.improvement),
            f"{c.seconds:.2f}",
            f"${number_text(c.cost_usd, 6)}",
            str(c.shots),
            _lift_text(c),
            c.reason,
        )
        for c in report.contributions
    ]
    headers = (
        "strategy",
        "backend",
        "outcome",
        "improved by",
        "seconds",
        "cost",
        "shots",
        "lift over control",
        "reason",
    )
    print_table("Who contributed", headers, rows, numeric=("improved by", "seconds", "cost", "shots"))
    for c in report.contributions:
        if c.detail:
            click.echo(f"{c.backend or c.strategy}: {c.detail}")


def _lift_text(contribution: Contribution) -> str:
    if not contribution.HasField("quantum_lift"):
        return ""
    lift = contribution.quantum_lift
    low, high = number_text(lift.mean_low), number_text(lift.mean_high)
    return f"{number_text(lift.mean_difference)} [{low}, {high}]"


def _say_rest(count: int, what: str) -> None:
    if count > MAX_ROWS:
        click.echo(f"... {count:,} {what} in all; --json has them")
