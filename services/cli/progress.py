"""The progress line of a solve: time, incumbent, bound, gap, and who found it. Only on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.cli.output import number_text

if TYPE_CHECKING:
    from protos.common_pb2 import SolveReport


@dataclass
class ProgressLine:
    """What is known so far; rendered anew with each refresh, so that the time runs on between improvements."""

    started: float = field(default_factory=time.monotonic)
    report: SolveReport | None = None

    def text(self) -> str:
        """The line."""
        parts = [f"{time.monotonic() - self.started:6.1f} s"]
        report = self.report
        if report is not None and report.HasField("objective"):
            parts.append(f"incumbent {number_text(report.objective)}")
            parts.append(f"bound {number_text(report.bound)}" if report.HasField("bound") else "no bound yet")
            if report.HasField("gap"):
                parts.append(f"gap {100 * report.gap:.2f} %")
            if report.contributions:
                parts.append(f"by {found_by(report)}")
        else:
            parts.append("no plan yet")
        return "   ".join(parts)

    def __rich__(self) -> str:
        from rich.markup import escape

        return escape(self.text())


def found_by(report: SolveReport) -> str:
    """Who improved the incumbent last: ``strategy`` or ``strategy@backend``."""
    best = next((c for c in reversed(report.contributions) if c.improvement > 0), report.contributions[-1])
    return f"{best.strategy}@{best.backend}" if best.backend else best.strategy


def wanted() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr.isatty()


def follow(responses: Iterable[Any]) -> Any:
    """Show the progress of a stream of responses and return the last one, ``None`` when there was none."""
    from rich.console import Console
    from rich.live import Live

    line, last = ProgressLine(), None
    with Live(line, console=Console(stderr=True), refresh_per_second=8, transient=True):
        for last in responses:
            line.report = last.report
    return last
