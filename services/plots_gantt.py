"""Pictures of routing plans as SVG: who does what when."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from services.plots import ALARM, GREY, INK, STYLE, colours, figure_text
from solvers.problem import Verdict
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.schedule import PlannedRoute, schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROUTES = 60
_NAMED_STOPS = 160
"""Stops up to which each bar carries the name of its stop."""

_WINDOW, _WAIT = "#d8dee4", "#c9a227"


def gantt_svg(problem: RoutingProblem, plan: RoutingPlan, verdict: Verdict) -> str:
    """The routes of ``plan`` against time, as SVG text; the first 60 of them.

    Each route is a row: a line while it drives, a bar while it serves, a hatched one while it waits, and behind each
    stop the time windows within which service may start.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    routes = schedule(problem, plan)
    shown = routes[:_MOST_ROUTES]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 1.6 + 0.34 * max(len(shown), 3)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        ends = [route.end_s for route in shown]
        begin, end = min((route.start_s for route in shown), default=0.0), max(ends, default=1.0)
        width = max(end - begin, 1e-9)
        named = sum(len(route.stops) for route in shown) <= _NAMED_STOPS
        for row, (route, colour) in enumerate(zip(shown, colours(len(shown)), strict=True)):
            _draw_route(axes, problem, route, row, colour, (begin, end), named)
        _frame(axes, problem, shown, begin - 0.02 * width, end + 0.02 * width)
        _caption(axes, problem, routes, len(shown), verdict)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _draw_route(
    axes: Axes,
    problem: RoutingProblem,
    route: PlannedRoute,
    row: int,
    colour: Any,
    span: tuple[float, float],
    named: bool,
) -> None:
    thin = 0.004 * (span[1] - span[0])
    axes.plot([route.start_s, route.end_s], [row, row], color=colour, linewidth=1.0, zorder=2)
    for stop in route.stops:
        first, last = problem.window_offsets[stop.stop], problem.window_offsets[stop.stop + 1]
        for opens, closes in problem.windows[first:last].tolist():
            if (opens, closes) == (0.0, math.inf):
                continue
            left, right = max(opens, span[0]), min(closes, span[1])
            if right >= left:
                axes.broken_barh(
                    [(left, max(right - left, thin))], (row - 0.42, 0.84), color=_WINDOW, alpha=0.35, zorder=1
                )
        if stop.wait_s > 0:
            axes.broken_barh(
                [(stop.arrival_s, stop.wait_s)], (row - 0.12, 0.24), color=_WAIT, hatch="////", linewidth=0, zorder=3
            )
        served = max(stop.departure_s - stop.start_s, thin)
        axes.broken_barh([(stop.start_s, served)], (row - 0.28, 0.56), facecolor=colour, linewidth=0, zorder=4)
        if named:
            name = problem.stop_ids[stop.stop]
            axes.annotate(name, (stop.start_s, row + 0.3), fontsize=5.5, color=INK, va="bottom", zorder=5)


def _frame(axes: Axes, problem: RoutingProblem, routes: tuple[PlannedRoute, ...], left: float, right: float) -> None:
    names = [f"{problem.data.vehicles[route.vehicle_type].id} #{route.vehicle_index}" for route in routes]
    axes.set_yticks(range(len(routes)), names, fontsize=7.5)
    axes.set_ylim(len(routes) - 0.4, -0.6)
    axes.set_xlim(left, right)
    axes.set_xlabel("time (s); bars: service, gold: waiting, grey: time windows", color=GREY)
    axes.tick_params(colors=GREY, length=0, labelsize=8)
    axes.grid(axis="x", color="#eaeef2", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color("#d0d7de")


def _caption(
    axes: Axes, problem: RoutingProblem, routes: tuple[PlannedRoute, ...], shown: int, verdict: Verdict
) -> None:
    driven, waits = math.fsum(r.duration_s for r in routes), math.fsum(r.wait_s for r in routes)
    stops = sum(len(route.stops) for route in routes)
    title = (
        f"{len(routes)} route{'s' if len(routes) != 1 else ''}, {stops} of {problem.n_stops} stops, "
        f"{figure_text(driven)} s on the way, {figure_text(waits)} s of it waiting"
    )
    if shown < len(routes):
        title += f"; the first {shown} routes"
    if not verdict.feasible:
        first = verdict.violations[0]
        title += f"\nnot feasible: {len(verdict.violations)} broken, first {first.constraint} at {first.entity}"
    axes.set_title(title, loc="left", color=INK if verdict.feasible else ALARM, fontsize=11)
