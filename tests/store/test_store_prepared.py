"""Plans prepared for what may come."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from store.leases import JobState
from store.prepared import PreparedPlan
from store.store import Store


@pytest.fixture
def prepare(
    store: Store, new_job: Callable[..., dict[str, object]], tenant: str, now: datetime
) -> Callable[..., PreparedPlan]:
    """Registers a plan whose job has succeeded, unless told otherwise."""

    def prepare(name: str = "vat_id", finished: bool = True, **changes: object) -> PreparedPlan:
        job_id = store.jobs.accept(**new_job(changes.get("tenant", tenant))).job_id
        plan = PreparedPlan(tenant, "books", "invoices", "scope", name, job_id, "job-n", now + timedelta(days=7))
        plan = replace(plan, **changes)
        store.prepared.register(plan, now=now)
        if finished:
            token = store.jobs.lease(job_id, "c", 5.0, now)
            store.jobs.finish(job_id, token, JobState.SUCCEEDED, result_digest="sha256:1", error=None, now=now)
        return plan

    return prepare


def test_ready_plans_are_found_newest_first_once_computed(
    store: Store, prepare: Callable[..., PreparedPlan], tenant: str, now: datetime
) -> None:
    """A plan is found with the digests of its job once that has succeeded, the newest first."""
    first, second = prepare("vat_id"), prepare("iban")
    prepare("schema", finished=False)
    found = store.prepared.ready(tenant, "books", "invoices", "scope", now)
    assert [(plan.name, plan.job_id) for plan in found] == [("iban", second.job_id), ("vat_id", first.job_id)]
    assert (found[0].plan_digest, found[0].prepared_at, found[0].prepared_by) == ("sha256:1", now, "job-n")


def test_nobody_is_shown_the_plans_of_others(
    store: Store, prepare: Callable[..., PreparedPlan], tenant: str, now: datetime
) -> None:
    """Another tenant, project, kind or scope finds nothing, even where a row names a job of somebody else."""
    prepare()
    prepare(tenant="other")
    stolen = replace(prepare(tenant="third"), tenant=tenant, scope="stolen", job_id=prepare(tenant="third").job_id)
    store.prepared.register(stolen, now=now)
    assert len(store.prepared.ready(tenant, "books", "invoices", "scope", now)) == 1
    assert store.prepared.ready("other", "", "invoices", "scope", now) == ()
    assert store.prepared.ready(tenant, "other books", "invoices", "scope", now) == ()
    assert store.prepared.ready(tenant, "books", "routing", "scope", now) == ()
    assert store.prepared.ready(tenant, "books", "invoices", "other accounts", now) == ()
    assert store.prepared.ready(tenant, "books", "invoices", "stolen", now) == ()


def test_plans_expire_and_are_kept_once(
    store: Store, prepare: Callable[..., PreparedPlan], tenant: str, now: datetime
) -> None:
    """A plan is not found from its expiry on, and the same job is never registered twice."""
    plan = prepare()
    store.prepared.register(plan, now=now)
    arguments = (tenant, "books", "invoices", "scope")
    assert len(store.prepared.ready(*arguments, plan.expires_at - timedelta(microseconds=1))) == 1
    assert store.prepared.ready(*arguments, plan.expires_at) == ()
    store.prepared.register(prepare("iban", expires_at=now + timedelta(days=30)), now=plan.expires_at)
    assert [p.name for p in store.prepared.ready(*arguments, now)] == ["iban"]
