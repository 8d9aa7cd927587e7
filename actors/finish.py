"""The end of a job: report, decision record and settled cost, committed in one transaction."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from actors.messages import Outcome, SolveOrder, Trail
from actors.metrics import metrics
from actors.record import decision_record
from actors.store_threads import in_store
from federation import attack as attack_rules
from federation.attack import Attack
from federation.reasons import Reason
from federation.report import Report, ServiceLevel, Timings, relative_gap, status_of
from solvers import canonical
from solvers.registry import problem_kind
from store.commit import Settlement
from store.decisions import Record, new_decision_id
from store.leases import JobState
from store.store import Store

if TYPE_CHECKING:
    from actors.solve import Solve


def commit(
    store: Store,
    order: SolveOrder,
    problem: Any,
    plan: Any,
    report: Report,
    trail: Trail,
    attack: Attack | None,
    token: int,
    state: JobState,
    holder: str,
) -> Report:
    """Store plan and record, settle what was reserved, end the job; the report with its store time.

    The report is kept once, in the record, which is what a later reader of the answer is given.

    Raises
    ------
    StaleLease, TerminalState
        When somebody else finished the job; nothing is changed.

    """
    started = time.perf_counter()
    plan_digest, durable = None, None
    if plan is not None:
        codec = problem_kind(order.kind).codec
        plan_digest, durable = store.artifacts.put_beside(canonical.dumps(codec.plan_to_json(problem, plan)))
    record = decision_record(order, report, trail, attack, plan_digest, holder)
    store.commit_result(
        order.job_id,
        token,
        state,
        result_digest=plan_digest,
        error=None,
        record=Record.of_text(canonical.dumps(record)),
        settlements=[Settlement(id, amounts) for id, amounts in trail.settlements.items()],
        now=datetime.now(UTC),
        decision_id=report.decision_id,
        durable=durable,
    )
    seconds = time.perf_counter() - started
    return replace(report, timings=replace(report.timings, store_s=report.timings.store_s + seconds))


class Finish:
    """Turns the state of a `Solve` into its committed outcome."""

    def __init__(self, solve: Solve) -> None:
        self._solve = solve

    async def commit(self) -> Outcome:
        """Commit and answer; raises as `commit` does."""
        solve = self._solve
        report = self._report()
        state = JobState.CANCELLED if solve.cancelled else JobState.SUCCEEDED
        plan = solve.incumbent.plan if solve.incumbent else None
        verdict = solve.incumbent.verdict if solve.incumbent else None
        solve.draft.set_result(Outcome(plan, report, verdict))
        report = await in_store(
            commit,
            solve.store,
            solve.order,
            solve.problem,
            plan,
            report,
            solve.trail,
            solve.attack,
            solve.token or 0,
            state,
            solve.coordinator,
        )
        observe(solve.order, report, state)
        return Outcome(plan, report, verdict)

    def _report(self) -> Report:
        solve = self._solve
        incumbent = solve.incumbent
        objective = incumbent.verdict.objective if incumbent else None
        gap = relative_gap(objective, solve.bound) if objective is not None else None
        contributions = solve.contributions()
        level, reason = self._level()
        return Report(
            job_id=solve.order.job_id,
            decision_id=new_decision_id(datetime.now(UTC)),
            status=status_of(incumbent is not None, gap, solve.candidates.proved_infeasible),
            objective=objective,
            bound=solve.bound,
            gap=gap,
            feasible=incumbent is not None,
            service_level=level,
            service_level_reason=reason,
            seed=solve.order.policy.seed,
            correlation_id=solve.order.correlation_id,
            finished_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            contributions=contributions,
            cost_usd=sum(entry.cost_usd for entry in contributions),
            shots=sum(entry.shots for entry in contributions),
            timings=Timings(
                total_s=time.time() - solve.order.accepted_at.timestamp(),
                queue_s=solve.queue_s,
                solver_s=solve.solver_s,
                verify_s=solve.candidates.verify_s,
                store_s=solve.store_s,
                insurance_s=solve.insurance_s,
            ),
            terms=dict(incumbent.verdict.terms) if incumbent else {},
            prepared=solve.ahead.prepared,
            began_from=solve.ahead.began_from(incumbent.plan if incumbent else None),
        )

    def _level(self) -> tuple[ServiceLevel, str]:
        solve = self._solve
        if solve.attack is None or not solve.trail.runs:
            if solve.candidates.proved_infeasible or solve.cancelled:
                return ServiceLevel.FULL, str(solve.reason)
            return ServiceLevel.INSURANCE, str(solve.reason or Reason.DEADLINE)
        outcomes = {
            entry.backend: attack_rules.Outcome(entry.outcome, entry.reason)
            for entry in solve.trail.contributions
            if entry.backend
        }
        for missing, instead in solve.trail.stood_in.items():  # nothing is missing where another stood in
            if instead in outcomes and outcomes[instead].outcome == "OK":
                outcomes[missing] = outcomes[instead]
        solved = any(not run["error"] for run in solve.trail.runs)
        level, reason = attack_rules.service_level(solve.attack, outcomes, solved)
        return ServiceLevel(level), reason


def observe(order: SolveOrder, report: Report, state: JobState) -> None:
    """Count a finished job in the metrics."""
    metrics().job_finished(
        order.kind, state.value, report.service_level.value, report.service_level_reason, report.timings.total_s
    )
    for entry in report.contributions:
        if entry.cost_usd:
            metrics().spend_usd.labels(order.tenant, entry.backend).inc(entry.cost_usd)
