"""Which of the strategies that accept a problem run on it: flags and canaries, before selection orders the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from federation.attack import Attack
from federation.canary import Verdict
from federation.flags import Flags
from federation.reasons import Reason
from federation.rollouts import Rollouts


@dataclass(frozen=True)
class Casting:
    """``names`` are to be ordered; then a candidate runs in the place of who it ``stands_in`` for."""

    names: tuple[str, ...]
    stands_in: dict[str, str]
    """Stable strategy -> the candidate."""
    left_out: tuple[tuple[str, str], ...]
    """Strategy and why."""

    def applied(self, attack: Attack) -> Attack:
        """The attack with candidates in their places, and with who was left out."""
        strategies = tuple(self.stands_in.get(name, name) for name in attack.strategies)
        return replace(attack, strategies=strategies, strategies_out=self.left_out)


def cast_of(flags: Flags, rollouts: Rollouts, kind: str, job_id: str, strategies: Sequence[str]) -> Casting:
    """The casting of one job, by its id: the same on every node and again after a restart."""
    off = flags.strategies_off(kind, strategies, job_id)
    allowed = [name for name in strategies if name not in off]
    replaced = rollouts.strategies(kind, job_id, allowed)
    # Where the candidate stands in, the stable one is ordered in its place: a newcomer has nothing to be ordered by.
    stands_in = {loser: winner for loser, winner in replaced.items() if rollouts.is_candidate(kind, winner)}
    away = (set(replaced) | set(stands_in.values())) - set(stands_in)
    names = tuple(name for name in allowed if name not in away)
    left_out = [(name, str(Reason.SWITCHED_OFF)) for name in strategies if name in off]
    for loser, winner in replaced.items():
        verdict = rollouts.verdict_on(kind, loser, winner)
        how = "the canary has its share" if verdict is Verdict.CONTINUE else f"canary: {verdict}"
        left_out.append((loser, f"{winner} runs in its place; {how}"))
    return Casting(names, stands_in, tuple(left_out))
