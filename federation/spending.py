"""What a request may cost at worst, and how its budget and shots are shared out over backends.

All money is in integer millionths of a US dollar and rounded up, so that a reservation never falls short of the bill.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backends.backend import BackendFacts, Price, Technology
from federation.reasons import Reason

MIN_SHOTS = 50
"""Fewer say nothing about a kernel's distribution: a backend that can be given no more is left out."""

SECONDS_PER_TASK = 2.0
"""Fixed device time that a vendor bills for one task (IBM: about 2 s a sub-job)."""

SECONDS_PER_SHOT = {Technology.GATE: 350e-6, Technology.ANNEALER: 300e-6}
"""Device time a shot: repetition delay, circuit or anneal, readout."""


@dataclass(frozen=True)
class Allotment:
    """What one backend may use of a request's means.

    ``expected_usd_micros`` is the worst case of ``shots`` on it; ``reason`` is set when it gets none (0 shots).
    """

    backend: str
    shots: int
    expected_usd_micros: int
    reason: Reason | None = None


def is_metered(price: Price) -> bool:
    """Whether using it can cost anything."""
    return price.per_task_usd_micros > 0 or price.per_shot_usd_micros > 0 or price.per_second_usd_micros > 0


def device_seconds(technology: Technology, shots: int) -> float:
    """Device time that ``shots`` may be billed for, in seconds, before an adapter's own estimate is known."""
    return SECONDS_PER_TASK + SECONDS_PER_SHOT[technology] * shots


def worst_case_usd_micros(price: Price, shots: int, seconds: float) -> int:
    """The most that one task of ``shots`` and ``seconds`` of device time may be billed, rounded up.

    Raises
    ------
    ValueError
        When ``shots`` or ``seconds`` is negative or not finite.
    """
    if shots < 0 or not (0 <= seconds < math.inf):
        raise ValueError(f"shots is {shots}, seconds is {seconds}; allowed: >= 0, finite")
    return price.charge_usd_micros(shots, seconds)


def needs_approval(expected_usd_micros: int, limit_usd_micros: int | None, approved_usd_micros: int = 0) -> bool:
    """Whether a request must wait for an operator's approval before it spends.

    Parameters
    ----------
    expected_usd_micros
        Worst case of the request.
    limit_usd_micros
        Most that a request of this tenant may spend unasked; ``None``: any amount.
    approved_usd_micros
        What an operator has approved for this request.
    """
    return limit_usd_micros is not None and expected_usd_micros > max(limit_usd_micros, approved_usd_micros)


def facts_cost_usd_micros(facts: BackendFacts, shots: int) -> int:
    """`worst_case_usd_micros` of ``shots`` on the backend of ``facts``."""
    if not is_metered(facts.price):
        return 0
    return worst_case_usd_micros(facts.price, shots, device_seconds(facts.technology, shots))


def affordable_shots(facts: BackendFacts, budget_usd_micros: int, most: int) -> int:
    """The most shots (0 - ``most``) whose worst case fits ``budget_usd_micros``."""
    if most <= 0 or facts_cost_usd_micros(facts, 1) > budget_usd_micros:
        return 0
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if facts_cost_usd_micros(facts, middle) <= budget_usd_micros:
            low = middle
        else:
            high = middle - 1
    return low


def allot(
    backends: Sequence[BackendFacts], budget_usd_micros: int, max_shots: int, min_shots: int = MIN_SHOTS
) -> list[Allotment]:
    """Share ``max_shots`` and ``budget_usd_micros`` over ``backends``, the preferred first.

    Shots are shared evenly, money evenly over the metered ones; what a backend cannot use goes on to those after it. A
    metered backend whose even share buys fewer than ``min_shots`` is offered all the money that is left instead, so the
    preferred one of two that cannot both be paid gets its turn. The sum of all worst cases stays within the budget and
    the sum of all shots within ``max_shots``.

    Returns
    -------
    list[Allotment]
        One per backend, in the order given.
    """
    # Decide first who takes part, so that the shots of those left out are shared among the rest.
    taking_part = list(backends)
    refused: dict[str, Reason] = {}
    while True:
        granted = _share(taking_part, budget_usd_micros, max_shots, min_shots)
        # The least preferred of those that got too little leaves first: its share may be enough for the others.
        losers = [a for a in granted if a.reason is not None]
        if not losers:
            break
        loser = losers[-1]
        refused[loser.backend] = loser.reason or Reason.SHOTS_LIMIT
        taking_part = [facts for facts in taking_part if facts.name != loser.backend]
    found = {allotment.backend: allotment for allotment in granted}
    return [found.get(b.name) or Allotment(b.name, 0, 0, refused[b.name]) for b in backends]


def _share(backends: Sequence[BackendFacts], budget: int, shots: int, min_shots: int) -> list[Allotment]:
    result = []
    metered_left = sum(is_metered(facts.price) for facts in backends)
    for position, facts in enumerate(backends):
        even = min(shots // (len(backends) - position), facts.max_shots)
        least = min(min_shots, facts.max_shots)
        if even < least:
            result.append(Allotment(facts.name, 0, 0, Reason.SHOTS_LIMIT))
            continue
        allowed = even
        if is_metered(facts.price):
            allowed = affordable_shots(facts, budget // metered_left, even)
            if allowed < least:
                allowed = affordable_shots(facts, budget, even)
            metered_left -= 1
            if allowed < least:
                result.append(Allotment(facts.name, 0, 0, Reason.BUDGET_REQUEST_LIMIT))
                continue
        cost = facts_cost_usd_micros(facts, allowed)
        budget -= cost
        shots -= allowed
        result.append(Allotment(facts.name, allowed, cost))
    return result
