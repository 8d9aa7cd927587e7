"""One time line out of the times that callers pass in, which come from clocks that may be set back."""

from __future__ import annotations

import math

JITTER_S = 1.0
"""Times that run back by less come from threads that read the clock before others did: the latest time stands."""


class Timeline:
    """Seconds that never run backwards.

    Where the caller's clock is set back (by more than `JITTER_S`), time goes on from the latest seen, so that a rest of
    five seconds stays one of five seconds. A clock set forward cannot be told from a pause.
    """

    def __init__(self) -> None:
        self.now_s = -math.inf
        """Latest time, on the line."""
        self._offset_s = 0.0

    def at(self, caller_s: float) -> float:
        """Advance to the caller's time and return the time on the line, in seconds.

        Raises
        ------
        ValueError
            When ``caller_s`` is not a finite number.
        """
        if not math.isfinite(caller_s):
            raise ValueError(f"now_s is {caller_s}; allowed: a finite number of seconds")
        seen_s = caller_s + self._offset_s
        if seen_s < self.now_s - JITTER_S:
            self._offset_s = self.now_s - caller_s
            seen_s = self.now_s
        self.now_s = max(self.now_s, seen_s)
        return self.now_s

    def of(self, caller_s: float) -> float:
        """A time of the caller's clock, past or future, on the line; infinities stay."""
        return caller_s + self._offset_s
