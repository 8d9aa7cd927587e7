"""Verify and replay decisions from the store alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from solvers import canonical
from solvers.errors import CorruptRecord, InvalidProblem, NotFound, PolicyUnmet
from solvers.problem import Verdict
from solvers.registry import problem_kind
from store.decisions import Check, Decision
from store.store import Store

TOLERANCE = 1e-9
"""Relative difference between a recorded and a recomputed objective that counts as none: sums in another order."""


@dataclass(frozen=True)
class Audit:
    """What checking a decision found. ``verdict`` is ``None`` when there is no plan to judge."""

    checks: tuple[Check, ...]
    verdict: Verdict | None

    @property
    def valid(self) -> bool:
        return all(check.passed for check in self.checks)


def verify_decision(store: Store, decision_id: str, tenant: str | None) -> Audit:
    """Chain, signature and digests, then feasibility and objective recomputed from the stored problem and plan.

    Raises
    ------
    NotFound
        When there is no such decision (of ``tenant``, when given).

    """
    decision = store.decisions.get(decision_id, tenant)
    checks = list(store.decisions.verify_chain(decision_id))
    record = decision.record
    checks += _artifact_checks(store, record)
    verdict: Verdict | None = None
    if record["plan_digest"] is not None and all(check.passed for check in checks):
        try:
            problem, plan = _stored(store, record)
        except (InvalidProblem, CorruptRecord) as error:
            checks.append(Check("plan", passed=False, detail=str(error)))
        else:
            verdict = problem.verify(plan)
            checks += _verdict_checks(record, verdict)
    return Audit(tuple(checks), verdict)


def _artifact_checks(store: Store, record: dict[str, Any]) -> Iterable[Check]:
    named = [("request", record["request_digest"]), ("plan", record["plan_digest"])]
    named.append(("result", record.get("result_digest")))
    named += [(f"samples of {entry['backend']}", entry["samples_digest"]) for entry in record["backends"]]
    for name, digest in named:
        if digest is None:
            continue
        try:
            store.artifacts.get(digest)
        except (CorruptRecord, NotFound) as error:
            yield Check(f"{name} artifact", passed=False, detail=str(error))
        else:
            yield Check(f"{name} artifact", passed=True, detail=digest)


def _verdict_checks(record: dict[str, Any], verdict: Verdict) -> Iterable[Check]:
    recorded = record["report"]
    same = recorded["feasible"] == verdict.feasible
    yield Check("feasibility", same, f"recorded {recorded['feasible']}, recomputed {verdict.feasible}")
    objective = recorded.get("objective")
    close = objective is not None and abs(objective - verdict.objective) <= TOLERANCE * max(1.0, abs(objective))
    yield Check("objective", close, f"recorded {objective}, recomputed {verdict.objective}")
    bound = recorded.get("bound")
    if bound is not None:
        holds = bound <= verdict.objective + TOLERANCE * max(1.0, abs(bound))
        yield Check("bound", holds, f"bound {bound}, objective {verdict.objective}")


def _stored(store: Store, record: dict[str, Any]) -> tuple[Any, Any]:
    codec = problem_kind(record["kind"]).codec
    request = canonical.loads(store.artifacts.get(record["request_digest"]))
    problem = codec.problem_from_json(request["problem"])
    return problem, codec.plan_from_json(problem, canonical.loads(store.artifacts.get(record["plan_digest"])))


@dataclass(frozen=True)
class Replay:
    """A decision solved again."""

    recorded_plan_digest: str
    replayed_plan_digest: str
    objective: float | None

    @property
    def identical(self) -> bool:
        return self.recorded_plan_digest == self.replayed_plan_digest


Run = Callable[[Decision, Any, dict[str, Any]], Iterable[Any]]
"""Plans of a recorded run, run again: (decision, problem, entry of ``record["runs"]``)."""


def replay_decision(store: Store, decision_id: str, tenant: str | None, run: Run) -> Replay:
    """Run the recorded strategy again under the recorded amount of work and compare the plans' digests.

    Raises
    ------
    NotFound
        When there is no such decision.
    PolicyUnmet
        When the job was not accepted with ``policy.replayable``, or ended before its strategy ran.

    """
    decision = store.decisions.get(decision_id, tenant)
    record = decision.record
    if not record["policy"].get("replayable"):
        raise PolicyUnmet(
            f"decision {decision_id!r} is of a job without policy.replayable: its clock cannot be repeated"
        )
    runs = [entry for entry in record["runs"] if entry.get("asked") is not None]
    if len(runs) != 1:
        raise PolicyUnmet(f"decision {decision_id!r} has {len(runs)} complete runs; a replay needs exactly one")
    request = canonical.loads(store.artifacts.get(record["request_digest"]))
    codec = problem_kind(record["kind"]).codec
    problem = codec.problem_from_json(request["problem"])
    best: tuple[Any, float] | None = None
    for plan in run(decision, problem, runs[0]):
        verdict = problem.verify(plan)
        # The coordinator's own rule, see actors.solve.Solve.consider.
        if verdict.feasible and (best is None or verdict.objective < best[1] - 1e-9 * max(1.0, abs(best[1]))):
            best = plan, verdict.objective
    digest = canonical.digest(canonical.dumps(codec.plan_to_json(problem, best[0]))) if best else ""
    return Replay(record["plan_digest"] or "", digest, best[1] if best else None)
