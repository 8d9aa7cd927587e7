"""Pictures of routing plans as SVG: where the vehicles go."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.problem import Verdict
from solvers.routing.data import Coordinates, FloatArray
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.schedule import PlannedRoute, schedule
from solvers.routing.verify import path_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEGEND_ROUTES = 28
STYLE = {
    "svg.fonttype": "none",  # text stays text: smaller, searchable, and readable to screen readers
    "svg.hashsalt": "isinglass",  # the same plan gives the same bytes
    "font.family": "sans-serif",
    "font.size": 9,
}
INK, GREY, ALARM = "#1b1f24", "#8c959f", "#b42318"


def route_map_svg(problem: RoutingProblem, plan: RoutingPlan, verdict: Verdict) -> str:
    """The routes of ``plan`` on a map, as SVG text.

    Each route has a colour and a line of the legend with its stops, distance and cost; depots are squares, stops dots,
    what is left out crosses. Locations without coordinates are placed by classical scaling of their distances.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    routes = schedule(problem, plan)
    xy = _positions(problem)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 7.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _draw_routes(axes, problem, plan, routes, xy)
        _draw_places(axes, problem, plan, xy)
        _frame(axes, problem, xy)
        _caption(axes, problem, routes, verdict)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def colours(number: int) -> list[Any]:
    """``number`` colours, neighbours far apart in hue, dark enough on white."""
    import colorsys

    golden = (math.sqrt(5) - 1) / 2
    shades = ((0.78, 0.62), (0.72, 0.80), (0.95, 0.48))
    return [colorsys.hsv_to_rgb((0.58 + k * golden) % 1.0, *shades[k % 3]) for k in range(number)]


def route_label(problem: RoutingProblem, route: PlannedRoute) -> str:
    """``van #2: 12 stops, 345 far, cost 400``."""
    vehicle = problem.data.vehicles[route.vehicle_type].id
    stops = f"{len(route.stops)} stop{'s' if len(route.stops) != 1 else ''}"
    figures = f"distance {figure_text(route.distance)}, cost {figure_text(route.cost)}"
    return f"{vehicle} #{route.vehicle_index}: {stops}, {figures}"


def figure_text(value: float) -> str:
    """A figure for people: whole from a thousand on, thousands apart, at most two decimals below."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def _positions(problem: RoutingProblem) -> FloatArray:
    """Where to draw each location, shape (locations, 2)."""
    rows = problem.data.locations
    if problem.coordinates is not Coordinates.NONE:
        return np.array([(row.x, row.y) for row in rows], dtype=np.float64)
    everywhere = np.arange(len(rows))
    distances = problem.profiles[0].distance_matrix(everywhere, everywhere)
    squared = ((distances + distances.T) / 2) ** 2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    plane = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    return np.asarray(np.pad(plane, ((0, 0), (0, 2 - plane.shape[1]))), dtype=np.float64)


def _draw_routes(
    axes: Axes, problem: RoutingProblem, plan: RoutingPlan, routes: tuple[PlannedRoute, ...], xy: FloatArray
) -> None:
    palette = colours(len(routes))
    width = 1.5 if len(routes) <= 60 else 0.8
    dot = float(np.clip(2200 / max(problem.n_stops, 1), 1.5, 22))
    labels = [route_label(problem, route) for route in routes]
    if len(labels) > _LEGEND_ROUTES:
        labels = labels[: _LEGEND_ROUTES - 1] + ["_"] * (len(labels) - _LEGEND_ROUTES + 1)
    driven = [route for route in plan.routes if route.visits]
    for route, label, colour in zip(driven, labels, palette, strict=True):
        points = xy[path_of(problem, route)]
        stops = xy[problem.stop_location[list(route.visits)]]
        # ways from and to the depot are the same for everyone: thin, so that the tours between stops stand out
        axes.plot(points[:, 0], points[:, 1], color=colour, linewidth=0.45 * width, zorder=2, alpha=0.7)
        axes.plot(stops[:, 0], stops[:, 1], color=colour, linewidth=width, label=label, zorder=2)
        axes.scatter(stops[:, 0], stops[:, 1], s=dot, color=[colour], edgecolors="white", linewidths=0.4, zorder=3)
        _arrow(axes, points, colour)


def _arrow(axes: Axes, points: FloatArray, colour: Any) -> None:
    """The way round: an arrowhead in the middle of the longest leg."""
    legs = np.hypot(*(points[1:] - points[:-1]).T)
    if not len(legs) or legs.max() == 0:
        return
    k = int(np.argmax(legs))
    tail, head = points[k] * 0.53 + points[k + 1] * 0.47, points[k] * 0.47 + points[k + 1] * 0.53
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.8, "mutation_scale": 9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=style, zorder=4)


def _draw_places(axes: Axes, problem: RoutingProblem, plan: RoutingPlan, xy: FloatArray) -> None:
    served = {stop for route in plan.routes for stop in route.visits}
    left = [stop for stop in range(problem.n_stops) if stop not in served]
    if left:
        points = xy[problem.stop_location[left]]
        label = f"not served: {len(left)} stop{'s' if len(left) != 1 else ''}"
        axes.scatter(points[:, 0], points[:, 1], s=26, marker="x", color=ALARM, linewidths=1.2, label=label, zorder=5)
    depots = sorted({int(k) for k in (*problem.vehicle_start, *problem.vehicle_end) if k >= 0})
    if depots:
        label = "depot" if len(depots) == 1 else f"{len(depots)} depots"
        points = xy[depots]
        axes.scatter(points[:, 0], points[:, 1], s=90, marker="s", color=INK, edgecolors="white", label=label, zorder=6)


def _frame(axes: Axes, problem: RoutingProblem, xy: FloatArray) -> None:
    aspect = 1.0
    if problem.coordinates is Coordinates.LAT_LNG:
        aspect = 1.0 / max(math.cos(math.radians(float(xy[:, 1].mean()))), 0.05)
        axes.set_xlabel("longitude", color=GREY)
        axes.set_ylabel("latitude", color=GREY)
    elif problem.coordinates is Coordinates.NONE:
        axes.set_xlabel("places estimated from distances", color=GREY)
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_aspect(aspect, adjustable="datalim")
    axes.margins(0.04)
    axes.tick_params(colors=GREY, length=0, labelsize=8)
    axes.grid(color="#eaeef2", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color("#d0d7de")


def _caption(axes: Axes, problem: RoutingProblem, routes: tuple[PlannedRoute, ...], verdict: Verdict) -> None:
    distance = math.fsum(route.distance for route in routes)
    title = (
        f"{len(routes)} route{'s' if len(routes) != 1 else ''}, {sum(len(route.stops) for route in routes)} of "
        f"{problem.n_stops} stops, distance {figure_text(distance)}, objective {figure_text(verdict.objective)}"
    )
    if not verdict.feasible:
        first = verdict.violations[0]
        title += f"\nnot feasible: {len(verdict.violations)} broken, first {first.constraint} at {first.entity}"
    axes.set_title(title, loc="left", color=INK if verdict.feasible else ALARM, fontsize=11)
    handles, labels = axes.get_legend_handles_labels()
    hidden = len(routes) - sum(1 for label in labels if " #" in label)
    note = f"the first {len(routes) - hidden} of {len(routes)} routes" if hidden > 0 else None
    legend = axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=7.5,
        title=note,
        title_fontsize=7.5,
        labelspacing=0.35,
        markerscale=0.7,
        alignment="left",
    )
    legend.set_in_layout(True)
