"""Discounts taken and missed by a plan of invoices as an SVG."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from solvers.invoices.calendars import to_date
from solvers.invoices.discounts import discount_capture
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem

KINDS = (
    ("taken", "taken", "#2f7d4f"),
    ("dearer", "missed: cash or waiting is worth more", "#c77d1e"),
    ("unverified", "missed: not known to be valid", "#8c6bb1"),
    ("held", "missed: may not be paid", "#9aa0a6"),
)
TOTAL = "#1f4e79"


def discounts_figure(problem: InvoiceProblem, plan: InvoicePlan) -> Figure:
    """Discounts by payment run as bars, missed ones where the last chance for them was; above, the share taken."""
    points = discount_capture(problem, plan)
    days = np.array([date2num(to_date(point.day)) for point in points])
    gap = min((b - a for a, b in pairwise(days.tolist())), default=7.0)
    values = {name: np.array([getattr(point, name) for point in points]) for name, _, _ in KINDS}
    taken, offered = float(values["taken"].sum()), float(sum(value.sum() for value in values.values()))
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    panel = figure.subplots()
    share = f" ({100 * taken / offered:.1f} %)" if offered else ""
    figure.suptitle(f"Discounts taken: {taken:,.2f} of {offered:,.2f} {problem.base_currency}{share}", fontsize=12)
    below = np.zeros(len(points))
    for name, label, colour in KINDS:
        if values[name].sum() > 0 or name == "taken":
            text = f"{label} ({values[name].sum():,.0f})"
            panel.bar(days, values[name], width=0.6 * gap, bottom=below, color=colour, label=text, zorder=2)
            below = below + values[name]
    panel.set_ylabel(f"{problem.base_currency} by payment run")
    panel.set_ylim(0, 1.12 * float(below.max(initial=0.0)) or 1.0)
    total = panel.twinx()
    total.plot(days, np.cumsum(values["taken"]), color=TOTAL, marker="o", markersize=3, linewidth=1.3, zorder=3)
    total.axhline(offered, color=TOTAL, linestyle=":", linewidth=1.1)
    total.set_ylim(0, 1.12 * offered or 1.0)
    total.set_ylabel("taken so far; dotted: all on offer", color=TOTAL)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    for axes in (panel, total):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.spines["top"].set_visible(False)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6, zorder=0)
    panel.set_axisbelow(True)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=8)
    return figure


def discounts_svg(problem: InvoiceProblem, plan: InvoicePlan) -> str:
    """The discounts of ``plan`` as an SVG document; the same plan gives the same text."""
    import matplotlib as mpl

    out = StringIO()
    with mpl.rc_context({"svg.hashsalt": "isinglass", "svg.fonttype": "none"}):
        figure = discounts_figure(problem, plan)
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": "Isinglass"})
    return out.getvalue()
