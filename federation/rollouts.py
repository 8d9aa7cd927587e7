"""Canaries under way: which jobs go to a candidate instead of the stable one, and what has been decided.

Each canary is a configured pair of backends, or of strategies of one kind, with a share of traffic and the sequential
test of `federation.canary`. Its start and its verdict, which is final, are audit entries: whoever holds the rollouts
keeps them and hands them back at the next start.
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
    """A candidate that takes ``share`` (0 - 1) of what the stable one would get, and the rule that judges it.

    Parameters
    ----------
    stable, candidate
        Names of two backends or, with a ``kind``, of two strategies of that kind.
    share
        Above 0, below 1.
    rule
        When to promote, when to roll back.
    kind
        Of the problems that the strategies solve; empty: they are backends.
    versions
        Of both strategies in this release: a verdict on others does not bind these.
    attempt
        Counts up to begin anew after a verdict (>= 1).
    """

    stable: str
    candidate: str
    share: float
    rule: CanaryConfig = field(default_factory=CanaryConfig)
    kind: str = ""
    versions: tuple[str, str] = ("", "")
    attempt: int = 1

    def __post_init__(self) -> None:
        if self.stable == self.candidate:
            raise ValueError(f"stable and candidate are both {self.stable!r}; allowed: two different ones")
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; allowed: above 0, below 1")
        if isinstance(self.attempt, bool) or not isinstance(self.attempt, int) or self.attempt < 1:
            raise ValueError(f"attempt is {self.attempt!r}; allowed: a whole number >= 1")

    @property
    def purpose(self) -> str:
        """Whose share it is, for `federation.shares`."""
        return f"canary:{self.kind}{':' if self.kind else ''}{self.stable}/{self.candidate}"

    @property
    def ends(self) -> tuple[str, str]:
        """Both."""
        return self.stable, self.candidate

    @property
    def identity(self) -> JsonObject:
        """What is compared: an audit entry speaks of this canary when it says the same."""
        return {
            "kind": self.kind,
            "stable": self.stable,
            "candidate": self.candidate,
            "stable_version": self.versions[0],
            "candidate_version": self.versions[1],
            "attempt": self.attempt,
        }


class Rollouts:
    """All canaries.

    Parameters
    ----------
    settings
        As configured.
    entries
        Audit entries so far, each with ``at_s``, when it was written (Unix time); those of canaries that are not
        configured any more are ignored.
    """

    def __init__(self, settings: Iterable[CanarySetting], entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self._settings = tuple(settings)
        self._canaries = [Canary(one.stable, one.candidate, one.rule) for one in self._settings]
        self._verdicts: dict[CanarySetting, Verdict] = {}
        self._began_s: dict[CanarySetting, float] = {}
        known = list(entries)
        for one in self._settings:
            for entry in known:
                if all(entry.get(name) == value for name, value in one.identity.items()):
                    self._began_s.setdefault(one, entry["at_s"])
                    if entry["verdict"] != Verdict.CONTINUE:
                        self._verdicts[one] = Verdict(entry["verdict"])

    def begin(self, now_s: float) -> list[JsonObject]:
        """Audit entries of the canaries that begin now: runs count from here on."""
        entries = []
        for one, canary in zip(self._settings, self._canaries, strict=True):
            if one not in self._began_s:
                self._began_s[one] = now_s
                entries.append(canary.audit_entry() | one.identity | {"share": one.share, "why": "it was configured"})
        return entries

    def verdict(self, setting: CanarySetting) -> Verdict:
        """What stands for a pair."""
        return self._verdicts.get(setting, Verdict.CONTINUE)

    def gives_way(self, job_id: str, backends: Collection[str]) -> dict[str, str]:
        """Of ``backends``, those whose place the other of their pair takes for this job.

        Where only one of a pair may take part it does: an answer is worth more than a comparison. A candidate that was
        rolled back takes part no more, whoever is there.
        """
        found: dict[str, str] = {}
        for one in self._settings:
            if one.kind:
                continue
            verdict = self.verdict(one)
            if verdict is Verdict.ROLL_BACK:
                found[one.candidate] = one.stable
            elif one.stable in backends and one.candidate in backends:
                winner, loser = self._winner(one, job_id)
                found[loser] = winner
        return found

    def strategies(self, kind: str, job_id: str, names: Collection[str]) -> dict[str, str]:
        """Of ``names``, strategies of ``kind``, those whose place the other of their pair takes for this job.

        Where only one of a pair accepts the problem it runs, but for a candidate that was rolled back, which runs
        only where there is nothing else at all.
        """
        found: dict[str, str] = {}
        for one in self._settings:
            if one.kind == kind and one.candidate in names:
                if one.stable in names:
                    winner, loser = self._winner(one, job_id)
                    found[loser] = winner
                elif self.verdict(one) is Verdict.ROLL_BACK and len(names) > len(found) + 1:
                    found[one.candidate] = one.stable
        return found

    def is_candidate(self, kind: str, name: str) -> bool:
        """Whether ``name`` is a candidate among strategies of ``kind``."""
        return any(one.kind == kind and one.candidate == name for one in self._settings)

    def verdict_on(self, kind: str, *pair: str) -> Verdict:
        """What stands for the canary of ``pair``, in either order."""
        [verdict] = [self.verdict(one) for one in self._settings if one.kind == kind and {*pair} == {*one.ends}]
        return verdict

    def _winner(self, one: CanarySetting, job_id: str) -> tuple[str, str]:
        """Who takes part and who gives way, where both could."""
        verdict = self.verdict(one)
        to_candidate = verdict is Verdict.PROMOTE
        if verdict is Verdict.CONTINUE:
            to_candidate = in_share(job_id, one.purpose, one.share)
        return (one.candidate, one.stable) if to_candidate else (one.stable, one.candidate)

    def observe(self, seen: Seen, at_s: float) -> list[JsonObject]:
        """Learn from one run that ended ``at_s`` (Unix time); the audit entries of verdicts that it brought about.

        What ran before a canary began was no comparison, and what another version of a strategy did says nothing.
        """
        if not math.isfinite(seen.gain) or seen.outcome not in SUCCESSFUL | FAILURES:
            return []
        entries = []
        for one, canary in zip(self._settings, self._canaries, strict=True):
            is_candidate = _side(one, seen)
            if is_candidate is None or self.verdict(one) is not Verdict.CONTINUE:
                continue
            if at_s < self._began_s.get(one, math.inf):
                continue
            verdict = canary.record(is_candidate, seen.outcome in SUCCESSFUL, seen.gain)
            if verdict is not Verdict.CONTINUE:
                self._verdicts[one] = verdict
                entries.append(canary.audit_entry() | one.identity | {"share": one.share})
        return entries


def _side(one: CanarySetting, seen: Seen) -> bool | None:
    """Whether ``seen`` is a run of the candidate (True) or of the stable one; ``None``: of neither."""
    if one.kind:
        if seen.backend or seen.kind != one.kind:
            return None
        arm = (seen.strategy, seen.version)
        arms = ((one.stable, one.versions[0]), (one.candidate, one.versions[1]))
        return arm == arms[1] if arm in arms else None
    return seen.backend == one.candidate if seen.backend in (one.stable, one.candidate) else None
