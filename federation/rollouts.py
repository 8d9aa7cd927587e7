"""Canaries under way: which jobs go to a candidate instead of the stable backend, and what has been decided.

Each canary is a configured pair with a share of traffic and the sequential test of `federation.canary`. Verdicts are
final and outlive restarts: whoever holds the rollouts keeps the audit entries and hands them back at the next start.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.canary import Canary, CanaryConfig, Verdict
from federation.evidence import Seen
from federation.selection import FAILURES, SUCCESSFUL
from federation.shares import in_share
from solvers.problem import JsonObject


@dataclass(frozen=True)
class CanarySetting:
    """A candidate that takes ``share`` (0 - 1) of what the stable backend would get, and the rule that judges it."""

    stable: str
    candidate: str
    share: float
    rule: CanaryConfig = field(default_factory=CanaryConfig)

    def __post_init__(self) -> None:
        if self.stable == self.candidate:
            raise ValueError(f"stable and candidate are both {self.stable!r}; allowed: two backends")
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; allowed: above 0, below 1")

    @property
    def purpose(self) -> str:
        """Whose share it is, for `federation.shares`."""
        return f"canary:{self.stable}/{self.candidate}"


class Rollouts:
    """All canaries.

    Parameters
    ----------
    settings
        As configured.
    decided
        Audit entries of earlier verdicts; those of pairs that are not configured any more are ignored.
    """

    def __init__(self, settings: Iterable[CanarySetting], decided: Iterable[Mapping[str, Any]] = ()) -> None:
        self._settings = tuple(settings)
        self._canaries = [Canary(one.stable, one.candidate, one.rule) for one in self._settings]
        self._verdicts = {(entry["stable"], entry["candidate"]): Verdict(entry["verdict"]) for entry in decided}

    def verdict(self, setting: CanarySetting) -> Verdict:
        """What stands for a pair."""
        return self._verdicts.get((setting.stable, setting.candidate), Verdict.CONTINUE)

    def gives_way(self, job_id: str, backends: Collection[str]) -> dict[str, str]:
        """Of ``backends``, those whose place the other of their pair takes for this job.

        Where only one of a pair may take part it does: an answer is worth more than a comparison. A candidate that was
        rolled back takes part no more, whoever is there.
        """
        found: dict[str, str] = {}
        for one in self._settings:
            verdict = self.verdict(one)
            if verdict is Verdict.ROLL_BACK:
                found[one.candidate] = one.stable
            elif one.stable in backends and one.candidate in backends:
                to_candidate = verdict is Verdict.PROMOTE or in_share(job_id, one.purpose, one.share)
                loser, winner = (one.stable, one.candidate) if to_candidate else (one.candidate, one.stable)
                found[loser] = winner
        return found

    def observe(self, seen: Seen) -> list[JsonObject]:
        """Learn from one run; the audit entries of verdicts that it brought about."""
        if not math.isfinite(seen.gain) or seen.outcome not in SUCCESSFUL | FAILURES:
            return []
        entries = []
        for one, canary in zip(self._settings, self._canaries, strict=True):
            if seen.backend not in (one.stable, one.candidate) or self.verdict(one) is not Verdict.CONTINUE:
                continue
            verdict = canary.record(seen.backend == one.candidate, seen.outcome in SUCCESSFUL, seen.gain)
            if verdict is not Verdict.CONTINUE:
                self._verdicts[one.stable, one.candidate] = verdict
                entries.append(canary.audit_entry() | {"share": one.share})
        return entries
