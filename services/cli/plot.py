"""``--plot``: the route map or the cash curve of an answer, as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from services.cli.output import note
from services.cli.read import Question
from solvers.errors import PolicyUnmet


def write_plot(question: Question, response: Any, path: Path) -> None:
    """Write the picture of ``response`` to ``path``; says so when there is no plan to draw.

    Raises
    ------
    PolicyUnmet
        When this kind of problem has no picture.

    """
    if question.kind == "binary":
        raise PolicyUnmet("samples of a binary model have no picture; leave --plot out")
    if not response.HasField("plan"):
        note(f"isinglass: there is no plan to draw; {path} was not written")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(question, response))
    note(f"isinglass: wrote {click.format_filename(path)}")


def svg(question: Question, response: Any) -> str:
    """The picture of ``response``."""
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
