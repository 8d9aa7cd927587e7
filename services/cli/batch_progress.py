"""How far a batch is: one line that is rewritten on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

LOG_EVERY_S = 10.0
TERMINAL_EVERY_S = 0.2


class Progress:
    """Counts answers and says how many there are, on standard error.

    Parameters
    ----------
    total
        Inputs in all.
    kept
        Those that were answered before.

    """

    def __init__(self, total: int, kept: int) -> None:
        self._total, self._kept = total, kept
        self.answered = 0
        self.without_plan = 0
        self._is_terminal = sys.stderr.isatty()
        self._began_s = time.monotonic()
        self._told_s = self._began_s
        self._width = 0

    def add(self, line: dict[str, Any]) -> None:
        """One more answer."""
        self.answered += 1
        self.without_plan += not line.get("feasible", False)
        now_s = time.monotonic()
        if now_s - self._told_s >= (TERMINAL_EVERY_S if self._is_terminal else LOG_EVERY_S):
            self._told_s = now_s
            self._tell()

    def end(self) -> None:
        """Nothing comes any more; the line of a terminal is wiped."""
        if self._is_terminal and self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
        elif not self._is_terminal and self.answered:
            self._tell()

    def text(self) -> str:
        """The line."""
        done = self._kept + self.answered
        share = 100 * done / max(1, self._total)
        rate = self.answered / max(1e-9, time.monotonic() - self._began_s)
        parts = [f"isinglass: {done:,} of {self._total:,} answered ({share:.0f} %)", f"{rate:.1f} a second"]
        if self.without_plan:
            parts.insert(1, f"{self.without_plan:,} without a plan")
        left = self._total - done
        if left > 0 and rate > 0:
            parts.append(f"about {_duration(left / rate)} left")
        return ", ".join(parts)

    def _tell(self) -> None:
        text = self.text()
        if self._is_terminal:
            click.echo("\r" + text.ljust(self._width), nl=False, err=True)
            self._width = max(self._width, len(text))
        else:
            click.echo(text, err=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
