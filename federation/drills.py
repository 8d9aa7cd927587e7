"""What a drill reports: quantiles with intervals, and how far decisions under a fault differ from those without."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import bdtr


@dataclass(frozen=True)
class Quantile:
    """One quantile of a sample, with a distribution-free interval (order statistics) of at least ``confidence``.

    ``low`` or ``high`` is infinite where the sample is too small to bound it.
    """

    share: float
    value: float
    low: float
    high: float
    n: int


def quantile(values: Sequence[float], share: float, confidence: float = 0.95) -> Quantile:
    """The ``share`` quantile (0 < share < 1) of ``values``: the smallest value that so many do not exceed.

    The interval runs between two order statistics (David and Nagaraja, Order Statistics, 3rd ed. 2003, 7.1).

    Raises
    ------
    ValueError
        When there is no value, one is NaN, or ``share`` or ``confidence`` is not in 0 - 1.
    """
    if not values or any(math.isnan(value) for value in values):
        raise ValueError("values are empty or hold a NaN")
    if not (0 < share < 1 and 0 < confidence < 1):
        raise ValueError(f"share is {share}, confidence is {confidence}; allowed: 0 - 1")
    ordered = sorted(values)
    n, tail = len(ordered), (1 - confidence) / 2
    # P(X_(k) > quantile) = P(fewer than k values at or below it) = bdtr(k - 1, n, share).
    below = [k for k in range(1, n + 1) if float(bdtr(k - 1, n, share)) <= tail]
    above = [k for k in range(1, n + 1) if float(bdtr(k - 1, n, share)) >= 1 - tail]
    return Quantile(
        share,
        ordered[max(1, math.ceil(share * n - 1e-9)) - 1],
        ordered[below[-1] - 1] if below else -math.inf,
        ordered[above[0] - 1] if above else math.inf,
        n,
    )


def jensen_shannon(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Divergence of two distributions over decisions, in bits: 0 (the same) - 1 (nothing in common).

    ``first`` and ``second`` are counts or shares (>= 0) by decision; each must have some mass. Lin, IEEE Trans.
    Information Theory 37(1), 1991.

    Raises
    ------
    ValueError
        When a count is negative or not finite, or all are zero.
    """
    for counts in (first, second):
        if not counts or min(counts.values()) < 0 or not 0 < sum(counts.values()) < math.inf:
            raise ValueError(f"counts are {dict(counts)}; allowed: >= 0 and finite, not all 0")
    total = [sum(counts.values()) for counts in (first, second)]
    divergence = 0.0
    for name in first.keys() | second.keys():
        p, q = first.get(name, 0.0) / total[0], second.get(name, 0.0) / total[1]
        middle = (p + q) / 2
        divergence += sum(0.5 * part * math.log2(part / middle) for part in (p, q) if part > 0)
    return min(1.0, max(0.0, divergence))


@dataclass(frozen=True)
class Detection:
    """When a fault was detected and when traffic had switched, both in seconds after it began; ``None``: never."""

    detected_s: float | None
    switched_s: float | None


def detection(fault_s: float, calls: Sequence[tuple[float, str]], opened_s: Sequence[float], backend: str) -> Detection:
    """Time to detect and time to switch to fallback of one drill.

    Parameters
    ----------
    fault_s
        When the fault began, on the clock of the other times.
    calls
        (when, backend) of every call sent, in any order.
    opened_s
        When the circuit of ``backend`` opened, or its health fell below what is used.
    backend
        The one that the fault struck.

    Returns
    -------
    Detection
        ``switched_s`` is from the detection (the first opening after the fault) to the first call after it that went
        elsewhere.
    """
    later = [at for at in opened_s if at >= fault_s]
    if not later:
        return Detection(None, None)
    detected = min(later)
    elsewhere = [at for at, name in calls if at >= detected and name != backend]
    return Detection(detected - fault_s, min(elsewhere) - detected if elsewhere else None)
