"""What selection learns from: one run of a backend or a strategy, with a gain that compares across problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backends.backend import BackendFacts
from solvers.problem import Features

OBJECTIVE = "objective"
"""Name under which an observation's features carry the objective of the final plan, so that its gain can be told."""


CONTESTED = "contested"
"""Name under which an observation's features say (1) that another strategy looked for plans at the same time."""


@dataclass(frozen=True)
class Seen:
    """One run of an arm.

    Parameters
    ----------
    kind, features
        Of the problem.
    strategy
        Name of a classical strategy; ignored when ``backend`` is set.
    backend
        Name of the backend; empty for a classical strategy.
    outcome
        OK, SKIPPED, REFUSED, FAILED or CANCELLED.
    gain
        Improvement relative to the objective of the incumbent it started from (>= 0; 0 when it did not help).
    seconds
        How long it took, queue included.
    facts
        Of the backend when it ran, for its calibration; ``None`` when unknown.
    version
        Of the strategy; empty when unknown.
    contested
        Whether another strategy looked for plans for about as long. Who runs alone is credited with what any other
        would have found, which says nothing of who is better.
    """

    kind: str
    features: Features
    strategy: str
    backend: str
    outcome: str
    gain: float
    seconds: float
    facts: BackendFacts | None = None
    version: str = ""
    contested: bool = True


def is_contest(seconds: Mapping[str, float]) -> bool:
    """Whether the two strategies that looked for plans longest, of those named with ``seconds``, ran about as long."""
    longest = sorted(seconds.values(), reverse=True)[:2]
    return len(longest) == 2 and longest[1] > 0.5 * longest[0]


def relative_gain(improvement: float, objective: float) -> float:
    """``improvement`` of a minimised objective that ended at ``objective``, relative to where it started, 0 - 1.

    An objective that started at or below 0 has no scale of its own: its size is taken instead.
    """
    if improvement <= 0:
        return 0.0
    start = objective + improvement
    return min(1.0, improvement / max(abs(start), abs(objective), 1e-9))


def seen_from_observation(
    kind: str,
    features: Mapping[str, float],
    strategy: str,
    backend: str,
    outcome: str,
    improvement: float,
    seconds: float,
    facts: BackendFacts | None = None,
    version: str = "",
) -> Seen | None:
    """An observation of the store as evidence; ``None`` when its features do not carry the `OBJECTIVE`."""
    objective = features.get(OBJECTIVE)
    if objective is None:
        return None
    values = {name: value for name, value in features.items() if name not in (OBJECTIVE, CONTESTED)}
    gain = relative_gain(improvement, objective)
    contested = bool(backend) or features.get(CONTESTED, 0.0) > 0
    return Seen(kind, Features(kind, values), strategy, backend, outcome, gain, seconds, facts, version, contested)
