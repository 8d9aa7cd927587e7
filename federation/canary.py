"""Canaries: a new version of a strategy or backend on a share of traffic, promoted or rolled back by a sequential test.

The test may be looked at after every run without losing its meaning: mixture sequential probability ratio tests give
e-values, and a hypothesis whose e-value passes 1 / alpha is rejected with at most alpha error at any time (Johari,
Koomen, Pekelis and Walsh, KDD 2017; Ramdas, Grunwald, Vovk and Shafer, Statistical Science 38(4), 2023). Quality is
compared on mean gains with an allowance, errors on their rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import betaln

from solvers.problem import JsonObject


class Verdict(StrEnum):
    """What the rule says so far."""

    CONTINUE = "CONTINUE"
    PROMOTE = "PROMOTE"
    ROLL_BACK = "ROLL_BACK"


@dataclass(frozen=True)
class CanaryConfig:
    """The rule.

    Parameters
    ----------
    alpha
        Chance of a wrong verdict, at any time (0 < alpha < 1), for each of its three tests.
    allowance
        How much worse in relative gain the canary may be and still be promoted (>= 0).
    spread
        Scale of differences in gain that matter, for the mixture (> 0).
    most_runs
        After so many canary runs without a verdict it is rolled back (>= 1): an open canary is not kept for ever.
    least_runs
        No verdict on gains before so many runs of both (>= 1): their scatter is not known sooner.
    """

    alpha: float = 0.01
    allowance: float = 0.0005
    spread: float = 0.002
    most_runs: int = 5000
    least_runs: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}; allowed: 0 - 1")
        if not (0 <= self.allowance < math.inf and 0 < self.spread < math.inf):
            raise ValueError(f"allowance is {self.allowance}, spread is {self.spread}; allowed: >= 0, > 0")
        if not 1 <= self.least_runs <= self.most_runs:
            raise ValueError(f"runs are {self.least_runs} - {self.most_runs}; allowed: 1 <= least <= most")


@dataclass
class _Side:
    runs: int = 0
    failures: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, ok: bool, gain: float) -> None:
        self.runs += 1
        self.failures += not ok
        # A failed run gained nothing: its lack of gain counts in the quality as well.
        value = gain if ok else 0.0
        delta = value - self.mean
        self.mean += delta / self.runs
        self.squares += delta * (value - self.mean)

    def variance(self, floor: float) -> float:
        """Of the mean."""
        return max(self.squares / max(1, self.runs - 1), floor) / max(1, self.runs)


class Canary:
    """One comparison between ``stable`` and ``candidate``, from its start to its verdict, which is final."""

    def __init__(self, stable: str, candidate: str, config: CanaryConfig | None = None) -> None:
        self.stable, self.candidate = stable, candidate
        self.config = config or CanaryConfig()
        self._sides = {False: _Side(), True: _Side()}
        self._verdict = Verdict.CONTINUE
        self._why = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict so far; once it is not ``CONTINUE`` it stays."""
        return self._verdict

    def record(self, is_candidate: bool, ok: bool, gain: float) -> Verdict:
        """A run of either side ended; ``gain`` is relative (>= 0, 0 when it failed)."""
        if not math.isfinite(gain):
            raise ValueError(f"gain is {gain}; allowed: a finite number")
        if self._verdict is Verdict.CONTINUE:
            self._sides[is_candidate].add(ok, gain)
            self._decide()
        return self._verdict

    def evidence(self) -> dict[str, float]:
        """E-values that the candidate gains less, that it gains no less than allowed, that it fails more often."""
        old, new = self._sides[False], self._sides[True]
        if min(old.runs, new.runs) < 2:
            return {"worse": 1.0, "not_worse": 1.0, "fails_more": 1.0}
        difference = new.mean - old.mean
        floor = (self.config.spread / 10) ** 2
        variance = old.variance(floor) + new.variance(floor)
        return {
            "worse": _one_sided(-difference, variance, self.config.spread),
            "not_worse": _one_sided(difference + self.config.allowance, variance, self.config.spread),
            "fails_more": _rates(old, new),
        }

    def audit_entry(self) -> JsonObject:
        """What the audit log keeps of the verdict: who, what was seen, by which rule."""
        old, new = self._sides[False], self._sides[True]
        return {
            "event": "canary",
            "stable": self.stable,
            "candidate": self.candidate,
            "verdict": str(self._verdict),
            "why": self._why,
            "stable_runs": old.runs,
            "stable_failures": old.failures,
            "stable_mean_gain": old.mean,
            "candidate_runs": new.runs,
            "candidate_failures": new.failures,
            "candidate_mean_gain": new.mean,
            "alpha": self.config.alpha,
            "allowance": self.config.allowance,
        }

    def _decide(self) -> None:
        evidence, limit = self.evidence(), 1 / self.config.alpha
        runs = min(side.runs for side in self._sides.values())
        if evidence["fails_more"] >= limit:
            self._verdict, self._why = Verdict.ROLL_BACK, "it fails more often"
        elif evidence["worse"] >= limit and runs >= self.config.least_runs:
            self._verdict, self._why = Verdict.ROLL_BACK, "it gains less"
        elif evidence["not_worse"] >= limit and evidence["fails_more"] <= 1 and runs >= self.config.least_runs:
            # What gains more but seems to fail more waits until that is settled either way.
            self._verdict, self._why = Verdict.PROMOTE, "it gains no less than allowed"
        elif self._sides[True].runs >= self.config.most_runs:
            self._verdict, self._why = Verdict.ROLL_BACK, f"no verdict after {self.config.most_runs} runs"


def _one_sided(difference: float, variance: float, spread: float) -> float:
    """E-value against "the true difference is <= 0": a half-normal mixture of scale ``spread`` over positive ones.

    Closed form of E[exp(d*t/v - t^2/(2v))] over t ~ |N(0, spread^2)|.
    """
    total = spread**2 + variance
    scaled = difference * spread / math.sqrt(variance * total)
    exponent = 0.5 * scaled**2
    # Phi by erfc keeps its precision in the lower tail.
    upper = math.erfc(-scaled / math.sqrt(2))
    return math.sqrt(variance / total) * math.exp(min(exponent, 600.0)) * upper


def _rates(old: _Side, new: _Side) -> float:
    """Bayes factor for "the candidate fails with a rate of its own" over "both share one", when it fails more often.

    Both rates have the prior Beta(1/2, 1/2). It grows only with evidence; a candidate that fails less often counts 1.
    """
    if new.failures * old.runs <= old.failures * new.runs:
        return 1.0

    def log_beta(failures: int, runs: int) -> float:
        return float(betaln(0.5 + failures, 0.5 + runs - failures) - betaln(0.5, 0.5))

    apart = log_beta(old.failures, old.runs) + log_beta(new.failures, new.runs)
    together = log_beta(old.failures + new.failures, old.runs + new.runs)
    return math.exp(min(apart - together, 600.0))
