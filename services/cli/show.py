"""Answers as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from services.cli.answer import CustomerOf, service_level
from services.cli.output import MAX_ROWS, number_text, print_table, say_rest, time_text
from services.cli.show_invoices import show_payments
from services.cli.show_routes import shorten, show_routes

if TYPE_CHECKING:
    from protos.common_pb2 import Contribution, SolveReport
    from protos.sampling_pb2 import SampleResponse


def show_answer(kind: str, response: Any, customer_of: CustomerOf = str, *, stops: bool = False) -> None:
    """The answer for people: outcome, plan, who contributed and what it cost; of routes, with ``stops``, each stop."""
    report: SolveReport = response.report
    _show_outcome(report)
    if response.HasField("plan"):
        if kind == "routing":
            show_routes(response.plan, customer_of, stops=stops)
        elif kind == "invoices":
            show_payments(response)
        else:
            _show_samples(response)
    elif report.violations:
        rows = [(v.constraint, v.entity, number_text(v.amount, 6)) for v in report.violations]
        print_table("Why no plan", ("constraint", "where", "by"), rows[:MAX_ROWS], numeric=("by",))
        say_rest(len(rows), "violations")
    _show_prepared(report)
    _show_contributions(report)


def _show_prepared(report: SolveReport) -> None:
    """Plans computed in advance: those that this request asked for, and the one that its answer began from."""
    for plan in report.prepared:
        until = time_text(plan.expires_at)
        click.echo(f"prepared for {plan.name} being down: job {plan.job_id}, to be used until {until} UTC")
    if not report.HasField("began_from"):
        return
    used = report.began_from
    outcome = "keeps no longer every constraint, so it was not used"
    if used.feasible:
        last = "and nothing better was found" if used.is_answer else "and improved on"
        outcome = f"was the first plan, at {number_text(used.objective)}, {last}"
    made, until = time_text(used.prepared_at), time_text(used.expires_at)
    click.echo(f"the plan prepared for {used.name} on {made} UTC (job {used.job_id}, until {until} UTC) {outcome}")
    rows = [(d.entity or "the problem", d.code, d.text) for d in used.differences]
    if rows:
        headers = ("what", "code", "differs in")
        print_table("Since the plan was prepared", headers, rows[:MAX_ROWS], wrap=("differs in",))
        say_rest(used.differences_total, "differences")


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


def _show_samples(response: SampleResponse) -> None:
    rows = [
        (number_text(s.energy, 6), str(s.occurrences), shorten([str(value) for value in s.values], 60))
        for s in response.plan.samples
    ]
    print_table(
        "Samples",
        ("energy", "occurrences", "values"),
        rows[:MAX_ROWS],
        numeric=("energy", "occurrences"),
        wrap=("values",),
    )
    say_rest(len(rows), "samples")
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
