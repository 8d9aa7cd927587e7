"""What is known of one job's answer: the incumbent, its bound, a pool of plans, and who contributed to them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import structlog

from actors.messages import Incumbent
from federation.policy import Policy
from federation.reasons import Reason
from federation.report import OPTIMAL_GAP, Contribution, relative_gap
from solvers.problem import Verdict

QUICK_VERDICT_S = 0.003
_POOL = 24


class Candidates:
    """Plans and bounds of one job, each judged before it counts.

    Parameters
    ----------
    policy
        Its ``target_gap`` ends a job early.
    done
        Set when the job is to end now.
    solved
        Set when classical strategies have nothing more to bring.
    log
        The job's own.

    """

    def __init__(
        self, policy: Policy, done: asyncio.Event, solved: asyncio.Event, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self.problem: Any = None
        """Set before the first plan comes."""
        self.incumbent: Incumbent | None = None
        self.bound: float | None = None
        self.proved_infeasible = False
        self.pool: list[Any] = []
        self.verify_s = 0.0
        self.ended_by = Reason.DEADLINE
        """What ends those that still run when the job does."""
        self.first = asyncio.Event()
        """Set with the first incumbent, or when there will be none."""
        self._policy, self._done, self._solved, self._log = policy, done, solved, log
        self._verdict_s = math.inf
        self._contributions: dict[tuple[str, str], Contribution] = {}
        self._watchers: list[asyncio.Queue[Incumbent | None]] = []

    async def consider(self, plan: Any, bound: float | None, strategy: str, backend: str, version: str) -> float:
        """Verify a plan and keep it when it is better; by how much it lowered the incumbent's objective."""
        if bound is not None:
            self._raise_bound(bound, strategy)
        if plan is None:
            return 0.0
        verdict = await self._verdict(plan)
        if not verdict.feasible:
            return 0.0
        if not any(plan == known for known in self.pool):
            self.pool = [*self.pool[-_POOL + 1 :], plan]
        before = self.incumbent.verdict.objective if self.incumbent else None
        if before is not None and verdict.objective >= before - 1e-9 * max(1.0, abs(before)):
            self._check_gap()
            return 0.0
        found_by = f"{strategy}@{backend}" if backend else strategy
        if self.bound is not None and verdict.objective < self.bound - 1e-6 * max(1.0, abs(self.bound)):
            self._log.error("bound_refuted", bound=self.bound, objective=verdict.objective, found_by=found_by)
            self.bound = None
        if self.bound is not None:
            self.bound = min(self.bound, verdict.objective)
        self.incumbent = Incumbent(plan, verdict, found_by, self.bound, time.time())
        self.first.set()
        improvement = 0.0 if before is None else before - verdict.objective
        if not backend:
            self.credit(strategy, version, improvement=improvement)
        for queue in self._watchers:
            queue.put_nowait(self.incumbent)
        self._check_gap()
        return improvement

    async def _verdict(self, plan: Any) -> Verdict:
        started = time.perf_counter()
        # A verdict that takes less than a thread's hand-over is not worth one; the first tells.
        verdict: Verdict
        if self._verdict_s < QUICK_VERDICT_S:
            verdict = self.problem.verify(plan)
        else:
            verdict = await asyncio.to_thread(self.problem.verify, plan)
        self._verdict_s = time.perf_counter() - started
        self.verify_s += self._verdict_s
        return verdict

    def _raise_bound(self, bound: float, strategy: str) -> None:
        if bound == math.inf and self.incumbent is None:
            self.proved_infeasible = True
            self._done.set()
            return
        if math.isnan(bound) or bound == -math.inf:
            return
        if self.incumbent is not None:
            objective = self.incumbent.verdict.objective
            if bound > objective + 1e-6 * max(1.0, abs(objective)):
                self._log.error("bound_refuted", bound=bound, objective=objective, found_by=strategy)
                return
            bound = min(bound, objective)
        if self.bound is None or bound > self.bound:
            self.bound = bound
            self._check_gap()

    @property
    def gap(self) -> float | None:
        """Relative gap of the incumbent; ``None`` without one or without a bound."""
        return relative_gap(self.incumbent.verdict.objective, self.bound) if self.incumbent else None

    @property
    def is_proved(self) -> bool:
        """Whether nothing better exists than the incumbent, or nothing feasible at all."""
        return self.proved_infeasible or (self.gap is not None and self.gap <= OPTIMAL_GAP)

    def _check_gap(self) -> None:
        """Stop at the target gap, or at proved optimality when no backend is wanted any more."""
        gap = self.gap
        if gap is None:
            return
        if self._policy.target_gap is not None and gap <= self._policy.target_gap:
            self.ended_by = Reason.TARGET_REACHED
            self._done.set()
        elif gap <= OPTIMAL_GAP:
            self._solved.set()

    def forget(self) -> None:
        """Start from nothing again: what a replay repeats is one run alone."""
        self.incumbent, self.bound, self.pool = None, None, []

    # ---- who contributed

    def credit(
        self, strategy: str, version: str, improvement: float = 0.0, seconds: float = 0.0, error: str = ""
    ) -> None:
        """Add to what a classical strategy did."""
        old = self._contributions.get((strategy, "")) or Contribution(strategy, version)
        self._contributions[strategy, ""] = Contribution(
            strategy,
            version,
            improvement=old.improvement + improvement,
            seconds=old.seconds + seconds,
            outcome="FAILED" if error else old.outcome,
            reason=Reason.STRATEGY_FAILED if error else old.reason,
        )

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """Those of classical strategies."""
        return tuple(self._contributions.values())

    # ---- who watches

    async def incumbents(self) -> AsyncIterator[Incumbent]:
        """Improving plans until the job ends; a slow reader sees only the newest."""
        queue: asyncio.Queue[Incumbent | None] = asyncio.Queue()
        self._watchers.append(queue)
        if self.incumbent is not None:
            queue.put_nowait(self.incumbent)
        if self._done.is_set():
            return
        while (incumbent := await queue.get()) is not None:
            newest: Incumbent | None = incumbent
            while not queue.empty():
                newest = queue.get_nowait()
                if newest is None:
                    return
                incumbent = newest
            yield incumbent

    def close_watchers(self) -> None:
        """End every `incumbents`."""
        for queue in self._watchers:
            queue.put_nowait(None)
