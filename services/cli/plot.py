"""``--plot``, ``--gantt`` and ``--discounts``: pictures of an answer as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from services.cli.output import note
from services.cli.read import Question

Picture = Callable[[Question, Any], str]


def write_plot(question: Question, response: Any, draw: Picture, path: Path) -> bool:
    """Write the picture of ``response`` to ``path``; whether it could. Says why not on standard error."""
    if not response.HasField("plan"):
        note(f"isinglass: there is no plan to draw; {click.format_filename(path)} was not written")
        return True
    text = draw(question, response)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        note(f"isinglass: {click.format_filename(path)} could not be written: {error.strerror}")
        return False
    note(f"isinglass: wrote {click.format_filename(path)}")
    return True


def svg(question: Question, response: Any) -> str:
    """The picture of ``response`` to a question about routes or invoices."""
    if question.kind == "routing":
        from services.convert import routing
        from services.plots import route_map_svg

        problem = routing.problem_from_message(question.request.problem)
        plan = routing.plan_from_message(problem, response.plan)
        return route_map_svg(problem, plan, problem.verify(plan))
    from services.convert import invoices
    from services.plots_cash import cash_curve_svg

    payments = invoices.problem_from_message(question.request.problem)
    return cash_curve_svg(payments, invoices.plan_from_message(payments, response.plan))


def gantt(question: Question, response: Any) -> str:
    """The routes of ``response`` against time."""
    from services.convert import routing
    from services.plots_gantt import gantt_svg

    problem = routing.problem_from_message(question.request.problem)
    plan = routing.plan_from_message(problem, response.plan)
    return gantt_svg(problem, plan, problem.verify(plan))


def discounts(question: Question, response: Any) -> str:
    """The discounts that ``response`` takes and misses."""
    from services.convert import invoices
    from services.plots_discounts import discounts_svg

    problem = invoices.problem_from_message(question.request.problem)
    return discounts_svg(problem, invoices.plan_from_message(problem, response.plan))
