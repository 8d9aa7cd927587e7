"""InvoiceService.ReconcileOutage: what to confirm, reverse and catch up after an outage, with a record of its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from google.protobuf import json_format

from actors.record import SCHEMA_VERSION, versions
from protos import invoices_pb2
from services.convert.invoices_outage import reconcile_message
from solvers import canonical
from store.decisions import new_decision_id
from store.keys import Principal
from store.leases import JobState
from store.store import Store

KIND = "reconciliation"
"""Kind of the job that a reconciliation is kept as: finished as it is accepted, since nothing is searched."""
_LEASE_S = 10.0


async def reconcile_outage(
    store: Store, principal: Principal, request: invoices_pb2.ReconcileOutageRequest, correlation_id: str
) -> invoices_pb2.ReconcileOutageResponse:
    """Answer, and keep request and answer with a decision record.

    Raises
    ------
    InvalidProblem
        Naming every field at fault; nothing is stored.
    """
    response = await asyncio.to_thread(reconcile_message, request)
    return await asyncio.to_thread(_keep, store, principal.tenant, request, response, correlation_id)


def _keep(
    store: Store,
    tenant: str,
    request: invoices_pb2.ReconcileOutageRequest,
    response: invoices_pb2.ReconcileOutageResponse,
    correlation_id: str,
) -> invoices_pb2.ReconcileOutageResponse:
    now = datetime.now(UTC)
    asked = json_format.MessageToDict(request, preserving_proto_field_name=True)
    answered = json_format.MessageToDict(response, preserving_proto_field_name=True)
    request_digest = store.artifacts.put(canonical.dumps({"kind": KIND, "request": asked}))
    result_digest = store.artifacts.put(canonical.dumps({"response": answered}))
    job = store.jobs.accept(
        tenant=tenant,
        kind=KIND,
        request_digest=request_digest,
        idempotency_key=None,
        deadline_at=now + timedelta(seconds=_LEASE_S),
        priority=5,
        labels={},
        policy_json={},
        correlation_id=correlation_id,
        now=now,
    )
    token = store.jobs.lease(job.job_id, "gateway", _LEASE_S, now)
    decision_id = new_decision_id(now)
    record = {
        "schema_version": SCHEMA_VERSION,
        "job_id": job.job_id,
        "tenant": tenant,
        "kind": KIND,
        "correlation_id": correlation_id,
        "request_digest": request_digest,
        "result_digest": result_digest,
        "plan_digest": None,
        "policy": {},
        "runs": [],
        "backends": [],
        "report": {"divergence": answered.get("divergence", {})},
        "decided_by": "gateway",
        "versions": versions(),
    }
    store.commit_result(
        job.job_id,
        token,
        JobState.SUCCEEDED,
        result_digest=result_digest,
        error=None,
        record=record,
        settlements=[],
        now=datetime.now(UTC),
        decision_id=decision_id,
    )
    response.job_id, response.decision_id = job.job_id, decision_id
    return response
