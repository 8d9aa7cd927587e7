"""The cash curve of an invoice plan as an SVG."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from solvers.invoices.calendars import to_date
from solvers.invoices.model import model_of
from solvers.invoices.money import major
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.report import CashPoint, cash_curve

BALANCE, BAND, PAYMENT, FLOOR = "#1f4e79", "#9dbfe0", "#c77d1e", "#a83232"


def cash_curve_figure(problem: InvoiceProblem, plan: InvoicePlan) -> Figure:
    """One panel per bank account: expected balance, the range over scenarios, the floor, and payments as bars."""
    points = cash_curve(problem, plan)
    accounts = problem.bank_accounts
    figure = Figure(figsize=(9.0, 0.8 + 3.4 * len(accounts)), layout="constrained")
    panels = figure.subplots(len(accounts), 1, squeeze=False)[:, 0]
    objective = model_of(problem).objective(plan)
    figure.suptitle(f"Cash over payment runs, plan cost {objective:,.2f} {problem.base_currency}", fontsize=12)
    for panel, account in zip(panels, accounts, strict=True):
        mine = [point for point in points if point.account_id == account.account_id]
        _draw(panel, mine, account.floor_minor, account.overdraft_limit_minor)
        panel.set_title(f"{account.account_id} ({account.currency})", loc="left", fontsize=10)
        panel.set_ylabel(account.currency)
    return figure


def _draw(panel: object, points: list[CashPoint], floor_minor: int, overdraft_minor: int) -> None:
    from matplotlib.axes import Axes

    if not isinstance(panel, Axes):
        raise TypeError(f"panel is a {type(panel).__name__}, not Axes")
    currency = points[0].currency
    days = [date2num(to_date(point.day)) for point in points]

    def amounts(name: str) -> list[float]:
        return [major(getattr(point, name), currency) for point in points]

    gap = min((b - a for a, b in pairwise(days)), default=7.0)
    paid = amounts("paid_minor")
    panel.bar(days, paid, width=0.5 * gap, color=PAYMENT, alpha=0.85, label="paid", zorder=2)
    lowest, highest = amounts("lowest_minor"), amounts("highest_minor")
    if lowest != highest:
        panel.fill_between(days, lowest, highest, color=BAND, alpha=0.6, linewidth=0, label="all scenarios", zorder=1)
    expected = amounts("expected_minor")
    panel.plot(days, expected, color=BALANCE, marker="o", markersize=3.5, label="expected balance", zorder=3)
    panel.axhline(major(floor_minor, currency), color=FLOOR, linestyle="--", linewidth=1.2, label="floor")
    if overdraft_minor and min(lowest) < 0:
        limit = -major(overdraft_minor, currency)
        panel.axhline(limit, color=FLOOR, linestyle=":", linewidth=1.2, label="overdraft limit")
    panel.axhline(0.0, color="#444444", linewidth=0.8)
    locator = AutoDateLocator(minticks=4, maxticks=10)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panel.grid(axis="y", color="#dddddd", linewidth=0.6, zorder=0)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=5, frameon=False, fontsize=8)


def cash_curve_svg(problem: InvoiceProblem, plan: InvoicePlan) -> str:
    """The cash curve of ``plan`` as an SVG document; the same plan gives the same text."""
    import matplotlib as mpl

    out = StringIO()
    with mpl.rc_context({"svg.hashsalt": "isinglass", "svg.fonttype": "none"}):
        figure = cash_curve_figure(problem, plan)
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": "Isinglass"})
    return out.getvalue()
