"""Plans for what may come: asked for beside a job, kept as jobs of their own, put to use when it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from actors import logs
from actors.messages import Box, SolveOrder
from federation.policy import Policy, Profile
from solvers import canonical
from solvers.errors import IsinglassError
from solvers.foresight import Difference
from solvers.problem import Verdict
from solvers.registry import problem_kind
from solvers.stop import Deadline, Stop
from store.prepared import PreparedPlan, ReadyPlan
from store.store import Store

if TYPE_CHECKING:
    from actors.solve import Solve

STRATEGY, VERSION = "prepared-plan", "1"
"""How a plan that was computed in advance is named among who contributed."""

MOST_DIFFERENCES = 1_000
_TRIED = 3
_SHARE = 0.2
"""Share of the time left that a prepared plan may take before the insurance is looked at."""

_LEAST_DEADLINE_S = 10.0
_PRIORITY = 2
_TARGET_GAP = 1e-3


@dataclass(frozen=True)
class Recalled:
    """A prepared plan fitted to the present problem; ``plan`` is ``None`` when it keeps no longer all constraints."""

    plan: Any
    verdict: Verdict
    ready: ReadyPlan
    differences: tuple[Difference, ...]


def recall(store: Store, kind: str, tenant: str, project: str, problem: Any, stop: Stop) -> Recalled | None:
    """The best plan that ``tenant`` has prepared for ``problem``, fitted to it and verified; ``None`` without one."""
    solvers = problem_kind(kind)
    scope = solvers.foresight.scope(problem) if solvers.foresight is not None else ""
    if solvers.foresight is None or not scope:
        return None
    ready = store.prepared.ready(tenant, project, kind, scope, datetime.now(UTC))
    unfit: Recalled | None = None
    for index in solvers.foresight.useful(problem, [plan.name for plan in ready])[:_TRIED]:
        one = ready[index]
        try:
            earlier = canonical.loads(store.artifacts.get(one.request_digest))["problem"]
            decided = canonical.loads(store.artifacts.get(one.plan_digest))
        except IsinglassError as error:
            logs.logger().error("prepared_plan_unreadable", job_id=one.job_id, error=str(error))
            continue
        adapted = solvers.foresight.adapt(problem, earlier, decided, stop)
        if adapted is None:
            continue
        verdict = problem.verify(adapted.plan)
        if verdict.feasible:
            return Recalled(adapted.plan, verdict, one, adapted.differences)
        unfit = unfit or Recalled(None, verdict, one, adapted.differences)
    return unfit


def use_json(kind: str, problem: Any, recalled: Recalled | None, answer: Any) -> dict[str, Any] | None:
    """What the contract's PreparedPlanUse says of an answer whose plan is ``answer`` (``None``: none)."""
    if recalled is None:
        return None
    differences = recalled.differences
    foresight = problem_kind(kind).foresight
    if foresight is not None and recalled.plan is not None and answer is not None:
        differences += foresight.changes(problem, recalled.plan, answer)
    ready = recalled.ready
    use: dict[str, Any] = {
        "name": ready.name,
        "job_id": ready.job_id,
        "decision_id": ready.decision_id,
        "prepared_by": ready.prepared_by,
        "prepared_at": _moment(ready.prepared_at),
        "expires_at": _moment(ready.expires_at),
        "feasible": recalled.plan is not None,
        "differences": [difference.to_json() for difference in differences[:MOST_DIFFERENCES]],
        "differences_total": len(differences),
        "is_answer": recalled.plan is not None and answer is not None and recalled.plan == answer,
    }
    if recalled.plan is not None:
        use["objective"] = recalled.verdict.objective
    return use


def prepare(
    store: Store, order: SolveOrder, problem: Any
) -> tuple[tuple[SolveOrder, ...], tuple[Mapping[str, Any], ...]]:
    """Accept a job for each contingency of ``problem``: the orders, and what the contract's PreparedPlan says of them.

    A second call for the same job accepts nothing anew.
    """
    kind = problem_kind(order.kind)
    foresight = kind.foresight
    if foresight is None:
        return (), ()
    orders: list[SolveOrder] = []
    said: list[Mapping[str, Any]] = []
    plans: list[PreparedPlan] = []
    now = datetime.now(UTC)
    for index, contingency in enumerate(foresight.contingencies(problem)):
        policy = _policy(order, contingency.name)
        request = {
            "kind": order.kind,
            "project": order.project,
            "policy": policy.to_json(),
            "problem": kind.codec.problem_to_json(contingency.problem),
        }
        digest, durable = store.artifacts.put_beside(canonical.dumps(request))
        job = store.jobs.accept(
            tenant=order.tenant,
            kind=order.kind,
            request_digest=digest,
            idempotency_key=f"prepared by {order.job_id} #{index}",
            deadline_at=now + timedelta(seconds=order.policy.deadline_s + policy.deadline_s),
            priority=policy.priority,
            labels=dict(policy.labels),
            policy_json=policy.to_json(),
            correlation_id=order.correlation_id,
            now=now,
            durable=durable,
        )
        expires_at = now + timedelta(seconds=contingency.valid_s)
        scope = foresight.scope(contingency.problem)
        plans.append(
            PreparedPlan(
                order.tenant, order.project, order.kind, scope, contingency.name, job.job_id, order.job_id, expires_at
            )
        )
        said.append({"name": contingency.name, "job_id": job.job_id, "expires_at": _moment(expires_at)})
        if job.is_new:
            orders.append(
                SolveOrder(
                    job_id=job.job_id,
                    tenant=order.tenant,
                    project=order.project,
                    kind=order.kind,
                    correlation_id=order.correlation_id,
                    request_digest=digest,
                    policy=policy,
                    problem=Box.pack(contingency.problem),
                    accepted_at=now,
                    finish_by_s=0.0,
                )
            )
    store.prepared.register(*plans, now=now)
    return tuple(orders), tuple(said)


def _policy(order: SolveOrder, name: str) -> Policy:
    """In the background, on the service's own cores, spending nothing; whose work it is, in its labels."""
    asked = order.policy
    return Policy(
        deadline_s=max(asked.deadline_s, _LEAST_DEADLINE_S),
        target_gap=_TARGET_GAP if asked.target_gap is None else asked.target_gap,
        seed=asked.seed,
        priority=min(asked.priority, _PRIORITY),
        profile=Profile.CLASSICAL,
        max_shots=0,
        labels=(("prepared_by", order.job_id), ("prepared_for", name[:63])),
    )


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


class Ahead:
    """What a job being solved has to do with plans made in advance: the one it begins from, those it asks for."""

    def __init__(self, solve: Solve) -> None:
        self._solve = solve
        self.recalled: Recalled | None = None
        self.prepared: tuple[Mapping[str, Any], ...] = ()
        self._orders: tuple[SolveOrder, ...] = ()
        self._recalling: asyncio.Task[None] | None = None
        self._preparing: asyncio.Task[None] | None = None

    def begin(self, stored: Any) -> None:
        """Start; ``stored`` does a piece of work once the job is in the store."""
        solve, foresight = self._solve, self._solve.kind.foresight
        if foresight is None or solve.order.policy.replayable:  # what is replayed is one run alone
            return
        if foresight.scope(solve.problem):
            self._recalling = asyncio.create_task(self._recall())
        if foresight.contingencies(solve.problem):
            self._preparing = asyncio.create_task(stored(self._prepare))

    async def first(self) -> None:
        """Wait until a prepared plan, where there is one, is the first incumbent; not for long."""
        if self._recalling is not None:
            left_s = max(0.0, self._solve.solve_until_s - time.time())
            await asyncio.wait((self._recalling,), timeout=_SHARE * left_s)

    async def settle(self) -> None:
        """Wait until plans are being prepared, as long as the deadline allows."""
        if self._preparing is not None:
            await asyncio.wait((self._preparing,), timeout=max(0.0, self._solve.solve_until_s - time.time()))

    async def orders(self) -> tuple[SolveOrder, ...]:
        """The jobs to be solved now that this one is."""
        if self._preparing is not None:
            await asyncio.wait((self._preparing,))
        return tuple(replace(order, finish_by_s=time.time() + order.policy.deadline_s) for order in self._orders)

    def began_from(self, answer: Any) -> dict[str, Any] | None:
        """What the report says of the prepared plan."""
        return use_json(self._solve.order.kind, self._solve.problem, self.recalled, answer)

    async def _recall(self) -> None:
        solve = self._solve
        order, left_s = solve.order, max(0.0, solve.solve_until_s - time.time())
        stop = Deadline(time.monotonic() + _SHARE * left_s, time.monotonic)
        try:
            self.recalled = await asyncio.to_thread(
                recall, solve.store, order.kind, order.tenant, order.project, solve.problem, stop
            )
        except Exception:
            solve.log.error("recall_failed", exc_info=True)
            return
        if self.recalled is not None and self.recalled.plan is not None:
            await solve.consider(self.recalled.plan, None, STRATEGY, "", VERSION)

    async def _prepare(self) -> None:
        solve = self._solve
        try:
            self._orders, self.prepared = await asyncio.to_thread(prepare, solve.store, solve.order, solve.problem)
        except Exception:
            solve.log.error("preparation_failed", exc_info=True)
