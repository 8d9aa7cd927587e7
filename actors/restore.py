"""Orders of jobs that somebody else accepted, from the store alone."""

from __future__ import annotations

import time

from actors.messages import Box, SolveOrder
from federation.policy import Policy
from solvers import canonical
from solvers.registry import problem_kind
from store.jobs import Job
from store.store import Store


def restore_order(store: Store, job: Job) -> SolveOrder:
    """The order of an accepted job, from the store alone.

    Its deadline stands; when it has passed, half a second is left for the insurance.

    Raises
    ------
    CorruptRecord
        When the stored request does not match its digest.

    """
    request = canonical.loads(store.artifacts.get(job.request_digest))
    problem = problem_kind(job.kind).codec.problem_from_json(request["problem"])
    return SolveOrder(
        job_id=job.id,
        tenant=job.tenant,
        project=request.get("project", ""),
        kind=job.kind,
        correlation_id=job.correlation_id,
        request_digest=job.request_digest,
        policy=Policy.from_json(dict(job.policy_json)),
        problem=Box.pack(problem),
        accepted_at=job.accepted_at,
        finish_by_s=max(job.deadline_at.timestamp(), time.time() + 0.5),
    )
