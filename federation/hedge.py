"""Hedged requests for local work: send the same work again when the first is slower than nearly all others were.

Dean and Barroso, The tail at scale, CACM 56(2), 2013: waiting for the 95th percentile before the second send costs
about 5 % more work and takes the tail away. Never for metered backends: a hedge there pays twice.
"""

from __future__ import annotations

import math
from collections import deque

from federation.retry import RetryBudget, RetryConfig


class Hedge:
    """When to send local work of one sort a second time.

    Parameters
    ----------
    quantile
        Share of earlier runs that must have ended by now (0 < quantile < 1).
    most
        Hedges as a share of first sends (0 - 1).
    window
        Runs remembered (>= 10).
    """

    def __init__(self, quantile: float = 0.95, most: float = 0.1, window: int = 200) -> None:
        if not (0 < quantile < 1 and 0 <= most <= 1 and window >= 10):
            raise ValueError(f"quantile {quantile}, most {most}, window {window}; allowed: 0 - 1, 0 - 1, >= 10")
        self._quantile = quantile
        self._seconds: deque[float] = deque(maxlen=window)
        self._budget = RetryBudget(RetryConfig(budget_ratio=most, budget_burst=2.0))

    def sent(self) -> None:
        """Work went out for the first time."""
        self._budget.first_attempt()

    def answered(self, seconds: float) -> None:
        """The first answer to a piece of work came after ``seconds`` (>= 0)."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds is {seconds}; allowed: >= 0")
        self._seconds.append(seconds)

    def after_s(self) -> float:
        """How long to wait before the second send, in seconds; ``math.inf`` until ten runs are known."""
        if len(self._seconds) < 10:
            return math.inf
        ordered = sorted(self._seconds)
        return ordered[min(len(ordered) - 1, math.ceil(self._quantile * len(ordered)))]

    def due(self, waited_s: float, remaining_s: float) -> bool:
        """Whether to send again now; a yes spends the allowance. Not when the second could not end in time either."""
        after_s = self.after_s()
        if waited_s < after_s or not self._seconds:
            return False
        usual_s = sorted(self._seconds)[len(self._seconds) // 2]
        return usual_s <= remaining_s and self._budget.spend()
