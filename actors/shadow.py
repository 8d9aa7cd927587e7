"""Shadow runs: a share of classical requests also asks a free local backend, after the answer has left.

What it would have brought is observed, so that selection learns what backends are worth on problems that nobody sends
them; nothing of it touches the answer, its record or its cost.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from actors.hybrid import HybridStep
from actors.messages import Trail
from actors.names import SCHEDULER, actor
from federation.evidence import OBJECTIVE
from federation.reasons import Reason
from store.observations import Observation

if TYPE_CHECKING:
    from actors.messages import Incumbent
    from actors.solve import Solve
    from federation.attack import BackendChoice

STRATEGY = "shadow"
_MOST_S = 10.0
"""A shadow run has as long as its request had, and no longer than this."""


class Shadow:
    """What a `HybridStep` sees in place of the job: its end, which nothing changes any more."""

    def __init__(self, solve: Solve, choice: BackendChoice) -> None:
        self.order, self.store, self.log, self.seat = solve.order, solve.store, solve.log, solve.seat
        self.incumbent: Incumbent | None = solve.incumbent
        self.pool, self.attack = list(solve.pool), None
        self.trail = Trail()
        self.lanes: dict[str, Any] = {}
        self.reason, self.ended_by = "", Reason.DEADLINE
        self.solve_until_s = time.time() + min(_MOST_S, solve.order.policy.deadline_s)
        self.solved, self.first = asyncio.Event(), asyncio.Event()
        self.solved.set()
        self.first.set()
        self._problem, self._choice = solve.problem, choice

    async def consider(self, plan: Any, bound: float | None, strategy: str, backend: str, version: str) -> float:  # noqa: ARG002
        """By how much a plan would have lowered the objective; it is kept nowhere."""
        if plan is None or self.incumbent is None:
            return 0.0
        verdict = await asyncio.to_thread(self._problem.verify, plan)
        return max(0.0, self.incumbent.verdict.objective - verdict.objective) if verdict.feasible else 0.0

    async def run(self) -> None:
        """Ask, and tell the store and the scheduler what came of it."""
        step = HybridStep(self, self._choice)  # type: ignore[arg-type]
        try:
            await asyncio.wait_for(step.run(), max(0.0, self.solve_until_s - time.time()))
        except TimeoutError:
            self.log.info("shadow_timeout", backend=self._choice.name)
        seen = self.observations()
        if seen:
            await asyncio.to_thread(self.store.observations.record, *seen)
            actor(SCHEDULER).observe.remote(seen)

    def observations(self) -> tuple[Observation, ...]:
        """What selection may learn."""
        if self.incumbent is None:
            return ()
        features = {**self._problem.features().values, OBJECTIVE: self.incumbent.verdict.objective}
        return tuple(
            Observation(
                kind=self.order.kind,
                strategy=STRATEGY,
                backend=entry.backend,
                features=features,
                improvement=entry.improvement,
                seconds=entry.seconds,
                cost_usd_micros=0,
                quantum_lift=entry.quantum_lift,
                outcome=entry.outcome,
                at=datetime.now(UTC),
            )
            for entry in self.trail.contributions
        )
