"""A plan for an outage is computed before it comes, kept, and used at once when it does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import system_requests as requests

from protos import common_pb2, decisions_pb2, jobs_pb2
from protos.invoices_pb2 import InvoiceProblem
from store.keys import Role
from store.store import Store

pytestmark = pytest.mark.system


def _in_the_outage(**options: Any) -> Any:
    """The problem of `requests.invoices` once the VAT service is down, with one invoice more due on the day."""
    request = requests.invoices(**options)
    request.problem.mode = InvoiceProblem.DEGRADED
    request.problem.services_down.append("vat_id")
    request.problem.payment_policy.max_unverified_exposure.CopyFrom(_euros(20_000))
    fresh = request.problem.invoices.add()
    fresh.CopyFrom(request.problem.invoices[0])
    fresh.invoice_id = "fresh"
    return request


def _euros(units: int) -> Any:
    from google.type.money_pb2 import Money

    return Money(currency_code="EUR", units=units)


def test_the_plan_of_yesterday_is_the_first_incumbent_of_the_outage(service: Any, eventually: Any) -> None:
    """The answer says which plan it began from, from when and what differs; so does its record. Others see nothing."""
    request = requests.invoices(seed=7)
    request.project = "books"
    outage = request.problem.prepare_for.add(services_down=["vat_id"])
    outage.max_unverified_exposure.CopyFrom(_euros(20_000))
    before = service.call("invoices", "PrioritizeInvoices", request)
    (prepared,) = before.report.prepared
    assert (prepared.name, before.report.HasField("began_from")) == ("vat_id", False)

    def job() -> Any:
        return service.call("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id=prepared.job_id))

    eventually(lambda: job().state == jobs_pb2.SUCCEEDED, 30.0)
    assert job().labels["prepared_by"] == before.report.job_id

    now = _in_the_outage(seed=7)
    now.project = "books"
    answer = service.call("invoices", "PrioritizeInvoices", now)
    used = answer.report.began_from
    assert (used.job_id, used.prepared_by) == (prepared.job_id, before.report.job_id)
    assert used.feasible
    assert answer.report.objective <= used.objective + 1e-6
    assert used.prepared_at.seconds >= before.report.finished_at.seconds - 1
    assert used.expires_at == prepared.expires_at
    assert ("fresh", "NEW_INVOICE") in {(d.entity, d.code) for d in used.differences}
    who = {c.strategy: c for c in answer.report.contributions}
    assert who["prepared-plan"].outcome == "OK"
    record = service.call(
        "decisions", "GetDecision", decisions_pb2.GetDecisionRequest(decision_id=answer.report.decision_id)
    ).record
    assert record["report"]["began_from"]["decision_id"] == used.decision_id
    assert record["report"]["began_from"]["differences_total"] == len(used.differences)
    stored = service.call("jobs", "GetJob", jobs_pb2.GetJobRequest(job_id=answer.report.job_id))
    assert stored.invoices.report.began_from == used

    elsewhere = _in_the_outage(seed=7)
    assert not service.call("invoices", "PrioritizeInvoices", elsewhere).report.HasField("began_from"), "other project"
    settings = service.config.settings()
    store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
    _, token = store.keys.create("another-tenant", [Role.SUBMITTER], datetime.now(UTC))
    store.close()
    theirs = service.stub("invoices").PrioritizeInvoices(
        now, metadata=[("authorization", f"Bearer {token}")], timeout=30
    )
    assert theirs.report.feasible
    assert not theirs.report.HasField("began_from")


def test_the_prepared_plan_answers_even_without_a_coordinator(service: Any, eventually: Any) -> None:
    """With every coordinator and worker dead the gateway itself has the plan at hand, and says so."""
    request = requests.invoices(seed=8)
    request.problem.prepare_for.add(services_down=["vat_id"]).max_unverified_exposure.CopyFrom(_euros(20_000))
    (prepared,) = service.call("invoices", "PrioritizeInvoices", request).report.prepared
    state = jobs_pb2.GetJobRequest(job_id=prepared.job_id)
    eventually(lambda: service.call("jobs", "GetJob", state).state == jobs_pb2.SUCCEEDED, 30.0)
    service.kill("coordinators", "workers")
    answer = service.call("invoices", "PrioritizeInvoices", _in_the_outage(seed=8, deadline_s=1.5))
    assert answer.report.feasible
    assert answer.report.began_from.job_id == prepared.job_id
    if answer.report.service_level == common_pb2.INSURANCE:
        assert answer.report.objective <= answer.report.began_from.objective + 1e-6
