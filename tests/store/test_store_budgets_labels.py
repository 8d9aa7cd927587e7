"""Budgets by label: every one that is set holds beside the tenant's and the project's, whoever reserves at once."""

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from store.amounts import Amounts
from store.errors import BudgetExceeded, InvalidProblem
from store.store import Store

Make = Callable[..., str]

MONTH = "2026-11"


def usd(amount: float) -> Amounts:
    return Amounts(usd_micros=round(amount * 1e6))


@pytest.fixture
def rich(store: Store, tenant: str) -> Store:
    """A tenant and a project with room for anything."""
    for project in ("", "north"):
        store.budgets.set_limit(tenant, project, MONTH, Amounts(10**9, 10**6, 10**6))
    return store


def test_the_budget_of_a_jobs_label_refuses_and_is_named(rich: Store, accept: Make, reserve: Make, tenant: str) -> None:
    rich.budgets.set_limit(tenant, "", MONTH, usd(1.5), "team=a")
    labelled, other = {"team": "a", "run": "7"}, {"team": "b"}
    reserve(accept(labels=labelled))
    with pytest.raises(BudgetExceeded, match=f"tenant {tenant}, label team=a in {MONTH}") as refused:
        reserve(accept(labels=labelled))
    assert (refused.value.asked, refused.value.free) == (1_000_000, 500_000)
    reserve(accept(labels=other))
    reserve(accept(labels={}))
    assert rich.budgets.budget(tenant, "", MONTH, "team=a").free == usd(0.5)


def test_each_label_of_a_job_has_a_say(rich: Store, accept: Make, reserve: Make, tenant: str) -> None:
    rich.budgets.set_limit(tenant, "", MONTH, Amounts(10**9, 6, 10**6), "team=a")
    rich.budgets.set_limit(tenant, "", "total", Amounts(10**9, 5, 10**6), "run=7")
    with pytest.raises(BudgetExceeded, match="label run=7 in total") as refused:
        reserve(accept(labels={"team": "a", "run": "7"}), amounts=Amounts(1, 6, 0))
    assert refused.value.unit == "shots"
    reserve(accept(labels={"team": "a", "run": "8"}), amounts=Amounts(1, 6, 0))
    with pytest.raises(BudgetExceeded, match="label team=a in"):
        reserve(accept(labels={"team": "a", "run": "8"}), amounts=Amounts(1, 1, 0))


def test_a_label_within_a_project_limits_that_project_only(
    rich: Store, accept: Make, reserve: Make, tenant: str
) -> None:
    rich.budgets.set_limit(tenant, "north", MONTH, Amounts(), "team=a")
    job_id = accept(labels={"team": "a"})
    reserve(job_id)
    with pytest.raises(BudgetExceeded, match="project north, label team=a"):
        reserve(job_id, project="north")


def test_a_label_without_a_limit_limits_nothing_but_is_counted(
    rich: Store, accept: Make, reserve: Make, tenant: str
) -> None:
    held = [reserve(accept(labels={"team": "a"})) for _ in range(3)]
    rich.budgets.settle(held[0], usd(0.25))
    rich.budgets.release(held[1])
    found = rich.budgets.budget(tenant, "", MONTH, "team=a")
    assert (found.label, found.reserved, found.settled, found.free) == ("team=a", usd(1), usd(0.25), Amounts())
    usage = rich.budgets.usage(tenant, "", MONTH, page_size=2, label="team=a")
    rest = rich.budgets.usage(tenant, "", MONTH, page_size=2, page_token=usage.next_page_token, label="team=a")
    assert [one.id for one in (*usage.items, *rest.items)] == held[::-1]
    assert rich.budgets.usage(tenant, "", MONTH, label="team=b").items == ()
    assert rich.budgets.recount(tenant)


@pytest.mark.parametrize("label", ["team", "=a", "k" * 64 + "=a", "team=" + "v" * 64])
def test_a_label_is_key_and_value(store: Store, tenant: str, label: str) -> None:
    for ask in (
        lambda: store.budgets.set_limit(tenant, "", MONTH, usd(1), label),
        lambda: store.budgets.budget(tenant, "", MONTH, label),
        lambda: store.budgets.usage(tenant, "", MONTH, label=label),
    ):
        with pytest.raises(InvalidProblem) as caught:
            ask()
        assert [one.path for one in caught.value.violations] == ["label"]


def _reserve_many(url: str, folder: str, tenant: str, job_ids: list[str], barrier: object, results: object) -> None:
    store = Store.open(url, folder + "/artifacts", folder + "/state")
    barrier.wait()  # type: ignore[attr-defined]
    for job_id in job_ids:
        try:
            store.budgets.reserve(
                tenant=tenant,
                project="north",
                period=MONTH,
                job_id=job_id,
                backend="metered",
                idempotency_key=job_id,
                amounts=Amounts(1_000_000, 100, 50),
                now=datetime(2026, 11, 20, tzinfo=UTC),
            )
            results.put("held")  # type: ignore[attr-defined]
        except BudgetExceeded as error:
            results.put(error.scope)  # type: ignore[attr-defined]
    store.close()


def test_reservations_of_two_labels_from_three_processes_never_overspend_either(
    rich: Store, accept: Make, tenant: str, database_url: str, tmp_path: object
) -> None:
    rich.budgets.set_limit(tenant, "", MONTH, Amounts(6_000_000, 10**6, 10**6), "team=a")
    rich.budgets.set_limit(tenant, "north", MONTH, Amounts(9_000_000, 10**6, 10**6), "run=7")
    labels = ({"team": "a", "run": "7"}, {"run": "7"}, {"team": "a"})
    job_ids = [accept(labels=labels[i % 3]) for i in range(60)]
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(3)
    shares = [[*job_ids[i * 20 :], *job_ids[: i * 20]][:20] for i in range(3)]
    processes = [
        context.Process(target=_reserve_many, args=(database_url, str(tmp_path), tenant, share, barrier, results))
        for share in shares
    ]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=60) for _ in job_ids]
    for process in processes:
        process.join(60)
    team, run = (
        rich.budgets.budget(tenant, project, MONTH, label) for project, label in (("", "team=a"), ("north", "run=7"))
    )
    assert (team.reserved.usd_micros, run.reserved.usd_micros) == (6_000_000, 9_000_000)
    assert 9 <= outcomes.count("held") <= 15  # a job with both labels counts in both
    assert {outcome for outcome in outcomes if outcome != "held"} == {
        f"tenant {tenant}, label team=a in {MONTH}",
        f"tenant {tenant}, project north, label run=7 in {MONTH}",
    }
