"""DecisionService: for auditors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray

from actors.messages import Box, Found, StrategyOrder
from actors.names import actor, worker_name
from protos import common_pb2, decisions_pb2
from services.audit import replay_decision, verify_decision
from services.convert.common import struct_of
from services.convert.times import timestamp
from solvers.errors import TooBusy
from store.decisions import Decision
from store.keys import Principal, Role
from store.store import Store

_REPLAY_S = 600.0
_REPLAYS_MOST = 4


class DecisionsApi:
    """Handlers of the DecisionService; authentication and errors are the gateway's.

    A key with role auditor sees every tenant's decisions, others their own tenant's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replays = 0
        self._replayer = ThreadPoolExecutor(1, thread_name_prefix="replay")

    async def get(self, principal: Principal, decision_id: str) -> decisions_pb2.Decision:
        """One decision as it is stored."""
        return _message(await asyncio.to_thread(self._store.decisions.get, decision_id, _tenant(principal)))

    async def list(
        self, principal: Principal, request: decisions_pb2.ListDecisionsRequest
    ) -> decisions_pb2.ListDecisionsResponse:
        """A page of decisions, newest first."""
        page = await asyncio.to_thread(
            self._store.decisions.list,
            _tenant(principal),
            request.job_id or None,
            request.page_size,
            request.page_token,
        )
        return decisions_pb2.ListDecisionsResponse(
            decisions=[_message(decision) for decision in page.items], next_page_token=page.next_page_token
        )

    async def verify(self, principal: Principal, decision_id: str) -> decisions_pb2.VerifyDecisionResponse:
        """Check a decision from the store alone."""
        audit = await asyncio.to_thread(verify_decision, self._store, decision_id, _tenant(principal))
        response = decisions_pb2.VerifyDecisionResponse(
            valid=audit.valid,
            checks=[decisions_pb2.Check(name=c.name, passed=c.passed, detail=c.detail) for c in audit.checks],
        )
        if audit.verdict is not None:
            response.objective = audit.verdict.objective
            response.feasible = audit.verdict.feasible
            for violation in audit.verdict.violations:
                response.violations.append(
                    common_pb2.Violation(
                        constraint=violation.constraint, entity=violation.entity, amount=violation.amount
                    )
                )
        return response

    async def replay(self, principal: Principal, decision_id: str) -> decisions_pb2.ReplayDecisionResponse:
        """Solve again on a worker and compare; one replay at a time, in a thread of their own.

        Raises
        ------
        TooBusy
            When several wait already.

        """
        if self._replays >= _REPLAYS_MOST:
            raise TooBusy(f"{self._replays} replays run or wait", 10.0)
        self._replays += 1
        try:
            replay = await asyncio.get_running_loop().run_in_executor(
                self._replayer, replay_decision, self._store, decision_id, _tenant(principal), _run_on_worker
            )
        finally:
            self._replays -= 1
        response = decisions_pb2.ReplayDecisionResponse(
            identical=replay.identical,
            recorded_plan_digest=replay.recorded_plan_digest,
            replayed_plan_digest=replay.replayed_plan_digest,
        )
        if replay.objective is not None:
            response.replayed_objective = replay.objective
        return response

    async def audit(self, request: decisions_pb2.ListAuditRequest) -> decisions_pb2.ListAuditResponse:
        """A page of the audit log, newest first; checked as a whole when asked for."""
        log = self._store.audit
        page = await asyncio.to_thread(log.list, request.page_size, request.page_token)
        failed = await asyncio.to_thread(log.verify) if request.verify else ()
        return decisions_pb2.ListAuditResponse(
            entries=[
                decisions_pb2.AuditEntry(
                    position=entry.position,
                    at=timestamp(entry.at),
                    event=entry.event,
                    record=struct_of(entry.record),
                    previous_hash=entry.previous_hash,
                    hash=entry.hash,
                    signature=entry.signature,
                )
                for entry in page.items
            ],
            next_page_token=page.next_page_token,
            failed=[decisions_pb2.Check(name=c.name, passed=c.passed, detail=c.detail) for c in failed],
        )


def _tenant(principal: Principal) -> str | None:
    return None if Role.AUDITOR in principal.roles else principal.tenant


def _run_on_worker(decision: Decision, problem: Any, run: dict[str, Any]) -> Iterator[Any]:
    order = StrategyOrder(
        run_id=f"replay/{decision.id}/{time.time_ns()}",
        coordinator="replay",
        seat=f"replay/{decision.id}#0",
        job_id=decision.job_id,
        tenant=decision.tenant,
        correlation_id=decision.record["correlation_id"],
        kind=decision.record["kind"],
        strategy=run["strategy"],
        problem=Box.pack(problem),
        seed=run["seed"],
        finish_by_s=time.time() + _REPLAY_S,
        target_gap=decision.record["policy"].get("target_gap"),
        asked_limit=run["asked"],
    )
    for reference in actor(worker_name(0)).run.options(num_returns="streaming").remote(order):
        item = ray.get(reference)
        if isinstance(item, Found):
            yield item.plan


def _message(decision: Decision) -> decisions_pb2.Decision:
    return decisions_pb2.Decision(
        id=decision.id,
        job_id=decision.job_id,
        position=decision.position,
        at=timestamp(decision.at),
        previous_hash=decision.previous_hash,
        hash=decision.hash,
        signature=decision.signature,
        record=struct_of(decision.record),
    )
