"""What a coordinator does beside jobs: events for watchers, observations for selection, leaked reservations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from actors import logs
from actors.store_threads import in_store
from federation.evidence import CONTESTED, OBJECTIVE, is_contest
from federation.report import Report
from solvers.errors import IsinglassError, JobError
from store.leases import JobState
from store.observations import Observation
from store.store import Store

if TYPE_CHECKING:
    from actors.solve import Solve

EVENT_EVERY_S = 0.25
LEAK_AFTER_S = 5.0
"""A reservation of a finished job that is still held after this long was left by a coordinator that died."""


class Events:
    """Tells the store of better plans, at most every `EVENT_EVERY_S` seconds; a job that ends sooner writes none."""

    def __init__(self, solve: Solve) -> None:
        self._solve = solve

    async def run(self) -> None:
        """Write until cancelled or until the lease is lost."""
        solve, told = self._solve, None
        while True:
            await asyncio.sleep(EVENT_EVERY_S)
            incumbent = solve.incumbent
            news = (incumbent.verdict.objective if incumbent else None, solve.bound)
            if incumbent is None or news == told or solve.token is None:
                continue
            told = news
            try:
                await in_store(self._write, solve.token, *news, incumbent.found_by)
            except JobError:
                return

    def _write(self, token: int, objective: float | None, bound: float | None, found_by: str) -> None:
        self._solve.store.jobs.append_event(
            self._solve.order.job_id,
            token,
            JobState.RUNNING,
            objective=objective,
            bound=bound,
            found_by=found_by,
            now=datetime.now(UTC),
        )


def observations_of(solve: Solve, report: Report) -> tuple[Observation, ...]:
    """What each strategy and backend did on this problem: what selection learns from."""
    now = datetime.now(UTC)
    features = dict(solve.problem.features().values)
    if report.objective is not None:
        features[OBJECTIVE] = report.objective
    kind = solve.kind
    finders = {strategy.name for strategy in kind.strategies if strategy.name not in kind.provers}
    looked = {entry.strategy: entry.seconds for entry in report.contributions if entry.strategy in finders}
    features[CONTESTED] = float(is_contest(looked))
    return tuple(
        Observation(
            kind=solve.order.kind,
            strategy=entry.strategy,
            backend=entry.backend,
            features=features,
            improvement=entry.improvement,
            seconds=entry.seconds,
            cost_usd_micros=round(entry.cost_usd * 1e6),
            quantum_lift=entry.quantum_lift,
            outcome=entry.outcome,
            at=now,
            version=entry.strategy_version,
        )
        for entry in report.contributions
    )


def settle_leaks(store: Store, after_s: float = LEAK_AFTER_S) -> int:
    """Settle what coordinators that died left reserved for longer than ``after_s`` seconds; how many.

    Whether the submission went out is not known any more, so the worst case that was reserved counts as spent: a budget
    is never overdrawn by what nobody remembers.
    """
    settled = 0
    for reservation in store.budgets.leaked(datetime.now(UTC) - timedelta(seconds=after_s)):
        try:
            store.budgets.settle(reservation.id, reservation.reserved)
        except IsinglassError:  # settled by somebody else meanwhile
            logs.logger().info("leak_settled_elsewhere", reservation=reservation.id)
        else:
            settled += 1
            logs.logger().warning("leak_settled", reservation=reservation.id, job_id=reservation.job_id)
    return settled
