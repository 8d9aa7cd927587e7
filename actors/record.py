"""Decision records: everything an auditor needs to check an answer, in one JSON object."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from actors.messages import SolveOrder, Trail
from federation.attack import Attack
from federation.report import Report
from solvers import canonical
from solvers.problem import JsonObject

SCHEMA_VERSION = 1
_LIBRARIES = ("pyvrp", "highspy", "dwave-samplers", "dimod", "qiskit", "qiskit-aer", "numba", "numpy", "ray")
_ROOT = Path(__file__).resolve().parent.parent


@cache
def versions() -> dict[str, str]:
    """Version of the product, its commit where it runs from a checkout, digest of the lock, versions of engines."""
    found = {"isinglass": _version("isinglass"), "commit": _commit(), "lock_digest": _lock_digest()}
    return {**found, **{name: _version(name) for name in _LIBRARIES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(_ROOT), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _lock_digest() -> str:
    lock = _ROOT / "requirements.lock"
    return canonical.digest(lock.read_bytes()) if lock.is_file() else "unknown"


def decision_record(
    order: SolveOrder, report: Report, trail: Trail, attack: Attack | None, plan_digest: str | None, holder: str
) -> JsonObject:
    """The record of one finished job. Its digests name artifacts: request, plan, raw samples.

    ``seed`` and each run's ``asked`` (questions to the stop, under ``replayable``) are what a replay needs.
    """
    policy = order.policy.to_json()
    return {
        "schema_version": SCHEMA_VERSION,
        "job_id": order.job_id,
        "tenant": order.tenant,
        "project": order.project,
        "kind": order.kind,
        "correlation_id": order.correlation_id,
        "request_digest": order.request_digest,
        "policy": policy,
        "policy_digest": canonical.digest(canonical.dumps(policy)),
        "plan_digest": plan_digest,
        "seed": order.policy.seed,
        "attack": attack.to_json() if attack is not None else None,
        "runs": trail.runs,
        "backends": trail.backends,
        "report": report.to_json(),
        "verdict": {
            "objective": report.objective,
            "feasible": report.feasible,
            "violations": [[v.constraint, v.entity, v.amount] for v in report.violations],
        },
        "service_level": report.service_level.value,
        "service_level_reason": report.service_level_reason,
        "accepted_at": order.accepted_at.isoformat(),
        "decided_by": holder,
        "versions": versions(),
    }
