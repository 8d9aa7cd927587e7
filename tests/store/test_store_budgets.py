import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from store.amounts import MAX_AMOUNT, Amounts, month_of
from store.budgets import ReservationState
from store.errors import BudgetExceeded, IdempotencyConflict, InvalidProblem, NotFound, TerminalState
from store.leases import JobState
from store.store import Store

Make = Callable[..., str]

MONTH = "2026-11"


def usd(amount: float) -> Amounts:
    return Amounts(usd_micros=round(amount * 1e6))


def test_nothing_may_be_spent_until_a_limit_is_set(accept: Make, reserve: Make) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        reserve(accept())
    assert (caught.value.unit, caught.value.asked, caught.value.free) == ("usd_micros", 1_000_000, 0)


def test_work_that_costs_nothing_needs_no_limit(accept: Make, reserve: Make, store: Store) -> None:
    assert store.budgets.get(reserve(accept(), amounts=Amounts())).state is ReservationState.RESERVED


def test_a_reservation_holds_its_amounts_until_it_is_settled(
    store: Store, accept: Make, reserve: Make, tenant: str
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, Amounts(3_000_000, 100, 5000))
    held = reserve(accept(), amounts=Amounts(2_000_000, 60, 5000))
    budget = store.budgets.budget(tenant, "", MONTH)
    assert budget.reserved == Amounts(2_000_000, 60, 5000)
    assert budget.free == Amounts(1_000_000, 40, 0)
    store.budgets.settle(held, Amounts(1_500_000, 60, 100))
    budget = store.budgets.budget(tenant, "", MONTH)
    assert (budget.reserved, budget.settled) == (Amounts(), Amounts(1_500_000, 60, 100))
    assert budget.free == Amounts(1_500_000, 40, 4900)


@pytest.mark.parametrize("unit", ["usd_micros", "shots", "device_ms"])
def test_each_unit_is_guarded_by_itself(store: Store, accept: Make, reserve: Make, tenant: str, unit: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, Amounts(10, 10, 10))
    reserve(accept(), amounts=Amounts(**{unit: 4}))
    with pytest.raises(BudgetExceeded) as caught:
        reserve(accept(), amounts=Amounts(**{unit: 7}))
    assert (caught.value.unit, caught.value.asked, caught.value.free) == (unit, 7, 6)
    reserve(accept(), amounts=Amounts(**{unit: 6}))


def test_a_released_reservation_gives_everything_back(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    held = reserve(accept())
    store.budgets.release(held)
    store.budgets.release(held)
    assert store.budgets.budget(tenant, "", MONTH).free == usd(1)
    reserve(accept())


def test_the_same_key_holds_once(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    job_id = accept()
    held = reserve(job_id, idempotency_key="k")
    assert reserve(job_id, idempotency_key="k") == held
    assert reserve(job_id, idempotency_key="k", period="2026-12") == held  # a retry just after the month's end
    assert store.budgets.budget(tenant, "", MONTH).reserved == usd(1)
    store.budgets.settle(held, usd(0.5))
    assert reserve(job_id, idempotency_key="k") == held
    assert store.budgets.get(held).state is ReservationState.SETTLED


@pytest.mark.parametrize("other", [{"amounts": usd(0.5)}, {"backend": "another"}, {"project": "p"}])
def test_the_same_key_for_something_else_is_refused(
    store: Store, accept: Make, reserve: Make, tenant: str, other: dict[str, object]
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(9))
    store.budgets.set_limit(tenant, "p", MONTH, usd(9))
    job_id = accept()
    reserve(job_id, idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as caught:
        reserve(job_id, idempotency_key="k", **other)
    assert caught.value.job_id == job_id


def test_a_released_key_holds_again_only_what_fits(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    job_id = accept()
    held = reserve(job_id, idempotency_key="k")
    store.budgets.release(held)
    other = reserve(accept())
    with pytest.raises(BudgetExceeded):
        reserve(job_id, idempotency_key="k")
    assert store.budgets.get(held).state is ReservationState.RELEASED
    store.budgets.release(other)
    assert reserve(job_id, idempotency_key="k") == held
    assert store.budgets.get(held).state is ReservationState.RESERVED
    assert store.budgets.budget(tenant, "", MONTH).free == Amounts()


def test_a_settlement_is_final(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    held = reserve(accept())
    store.budgets.settle(held, usd(0.25))
    store.budgets.settle(held, usd(0.25))
    with pytest.raises(TerminalState):
        store.budgets.settle(held, usd(0.3))
    with pytest.raises(TerminalState):
        store.budgets.release(held)
    assert store.budgets.budget(tenant, "", MONTH).settled == usd(0.25)


def test_a_charge_is_recorded_even_when_nothing_was_held_for_it(
    store: Store, accept: Make, reserve: Make, tenant: str
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    held = reserve(accept())
    store.budgets.release(held)
    store.budgets.settle(held, usd(3))
    budget = store.budgets.budget(tenant, "", MONTH)
    assert (budget.settled, budget.free) == (usd(3), Amounts())


def test_a_project_must_fit_its_own_limit_and_the_tenants(
    store: Store, accept: Make, reserve: Make, tenant: str
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(3))
    store.budgets.set_limit(tenant, "north", MONTH, usd(2))
    store.budgets.set_limit(tenant, "south", MONTH, usd(2))
    reserve(accept(), project="north", amounts=usd(2))
    with pytest.raises(BudgetExceeded, match="north"):
        reserve(accept(), project="north", amounts=usd(0.5))
    with pytest.raises(BudgetExceeded, match=f"tenant {tenant} in"):
        reserve(accept(), project="south", amounts=usd(1.5))
    reserve(accept(), project="south", amounts=usd(1))
    with pytest.raises(BudgetExceeded):
        reserve(accept(), project="", amounts=usd(0.1))
    assert store.budgets.budget(tenant, "north", MONTH).reserved == usd(2)
    assert store.budgets.budget(tenant, "south", MONTH).free == usd(1)
    assert store.budgets.budget(tenant, "", MONTH).reserved == usd(3)


def test_a_project_without_a_limit_has_nothing(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(3))
    with pytest.raises(BudgetExceeded, match="project west"):
        reserve(accept(), project="west")


def test_a_total_limit_counts_every_month(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    for month in ("2026-11", "2026-12"):
        store.budgets.set_limit(tenant, "", month, usd(2))
    store.budgets.set_limit(tenant, "", "total", usd(3))
    reserve(accept(), amounts=usd(2))
    with pytest.raises(BudgetExceeded, match="total"):
        reserve(accept(), period="2026-12", amounts=usd(1.5))
    reserve(accept(), period="2026-12", amounts=usd(1))
    assert store.budgets.budget(tenant, "", "total").reserved == usd(3)
    assert store.budgets.budget(tenant, "", "2026-12").reserved == usd(1)


def test_a_request_is_held_to_its_own_budget(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(10))
    job_id = accept()
    first = reserve(job_id, amounts=usd(0.6), request_limit=usd(1))
    with pytest.raises(BudgetExceeded, match=f"request {job_id}"):
        reserve(job_id, amounts=usd(0.6), request_limit=usd(1))
    store.budgets.settle(first, usd(0.2))
    reserve(job_id, amounts=usd(0.8), request_limit=usd(1))
    reserve(accept(), amounts=usd(1), request_limit=usd(1))


def test_tenants_do_not_share(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(1))
    with pytest.raises(BudgetExceeded):
        reserve(accept(), tenant=tenant + "-b")


def test_a_limit_may_be_set_below_what_is_spent(store: Store, accept: Make, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(5))
    reserve(accept(), amounts=usd(4))
    store.budgets.set_limit(tenant, "", MONTH, usd(2))
    budget = store.budgets.budget(tenant, "", MONTH)
    assert (budget.limit, budget.reserved, budget.free) == (usd(2), usd(4), Amounts())
    with pytest.raises(BudgetExceeded):
        reserve(accept(), amounts=Amounts(usd_micros=1))


def test_a_reservation_is_for_a_job_that_exists(store: Store, reserve: Make, tenant: str) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(5))
    with pytest.raises(NotFound):
        reserve("job-x")
    for ask in (store.budgets.get, store.budgets.release, lambda one: store.budgets.settle(one, Amounts())):
        with pytest.raises(NotFound):
            ask("res-x")


@pytest.mark.parametrize("period", ["", "2026", "2026-13", "2026-1", "november", "2026-11-01", "TOTAL"])
def test_a_period_is_a_month_or_total(store: Store, accept: Make, reserve: Make, tenant: str, period: str) -> None:
    job_id = accept()
    for ask in (
        lambda: store.budgets.set_limit(tenant, "", period, usd(1)),
        lambda: store.budgets.budget(tenant, "", period),
        lambda: store.budgets.usage(tenant, "", period),
        lambda: reserve(job_id, period=period),
    ):
        with pytest.raises(InvalidProblem) as caught:
            ask()
        assert [one.path for one in caught.value.violations] == ["period"]


def test_a_month_begins_in_utc() -> None:
    assert month_of(datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))) == "2026-11"
    assert month_of(datetime(2026, 12, 1, tzinfo=UTC)) == "2026-12"


@pytest.mark.parametrize("value", [-1, 1.5, True, MAX_AMOUNT + 1])
def test_amounts_are_whole_and_not_negative(value: object) -> None:
    with pytest.raises(ValueError, match="usd_micros"):
        Amounts(usd_micros=value)  # type: ignore[arg-type]


def test_usage_is_paged_newest_first(store: Store, accept: Make, reserve: Make, tenant: str, now: datetime) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(10))
    store.budgets.set_limit(tenant, "north", MONTH, usd(10))
    ids = [reserve(accept(), project="north" if i % 2 else "") for i in range(5)]
    store.budgets.settle(ids[4], usd(0.75))
    first = store.budgets.usage(tenant, "", MONTH, page_size=3)
    rest = store.budgets.usage(tenant, "", MONTH, page_size=3, page_token=first.next_page_token)
    assert [one.id for one in (*first.items, *rest.items)] == ids[::-1]
    assert rest.next_page_token == ""
    newest = first.items[0]
    assert (newest.state, newest.reserved, newest.settled) == (ReservationState.SETTLED, usd(1), usd(0.75))
    assert (newest.backend, newest.at) == ("metered", now)
    assert [one.id for one in store.budgets.usage(tenant, "north", MONTH).items] == [ids[3], ids[1]]
    assert store.budgets.usage(tenant, "", "2026-10").items == ()
    with pytest.raises(InvalidProblem):
        store.budgets.usage(tenant, "north", MONTH, page_token=first.next_page_token)


def test_what_is_held_for_long_is_found(store: Store, accept: Make, reserve: Make, tenant: str, now: datetime) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(10))
    job_id = accept()
    old, young, settled = reserve(job_id), reserve(job_id, now=now + timedelta(hours=1)), reserve(job_id)
    store.budgets.settle(settled, usd(1))
    mine = [one.id for one in store.budgets.open_reservations(now + timedelta(minutes=1)) if one.tenant == tenant]
    assert mine == [old]
    assert [one.id for one in store.budgets.of_job(job_id)] == [old, young, settled]


def test_what_finished_jobs_left_held_is_found_and_given_back(
    store: Store, accept: Make, reserve: Make, tenant: str, now: datetime
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(10))
    dead, running = accept(), accept()
    token = store.jobs.lease(dead, "a", 10, now)
    store.jobs.lease(running, "a", 10, now)
    leaked, settled, young = reserve(dead), reserve(dead), reserve(dead, now=now + timedelta(hours=1))
    reserve(running)
    store.budgets.settle(settled, usd(1))
    assert store.budgets.leaked(now + timedelta(minutes=1)) == ()
    store.jobs.finish(dead, token, JobState.FAILED, result_digest=None, error="killed", now=now)
    assert [one.id for one in store.budgets.leaked(now + timedelta(minutes=1))] == [leaked]
    store.budgets.release(leaked)
    assert store.budgets.leaked(now + timedelta(minutes=1)) == ()
    assert [one.id for one in store.budgets.leaked(now + timedelta(days=1))] == [young]
    assert store.budgets.budget(tenant, "", MONTH).free == usd(7)


def test_a_sum_that_was_meddled_with_is_found_out(
    store: Store, accept: Make, reserve: Make, tenant: str, now: datetime
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, usd(10))
    store.budgets.settle(reserve(accept()), usd(1))
    assert store.budgets.recount(tenant)
    with store.database.write() as connection:
        connection.execute(text("UPDATE budget_settled SET usd_micros = 0"))
    assert not store.budgets.recount(tenant)


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
                request_limit=Amounts(1_000_000, 100, 50),
            )
            results.put("held")  # type: ignore[attr-defined]
        except BudgetExceeded as error:
            results.put(error.unit)  # type: ignore[attr-defined]
    store.close()


def test_two_hundred_reservations_from_four_processes_against_room_for_ten(
    store: Store, accept: Make, tenant: str, database_url: str, tmp_path: object
) -> None:
    store.budgets.set_limit(tenant, "", MONTH, Amounts(10_500_000, 10_000, 10_000))
    store.budgets.set_limit(tenant, "north", MONTH, Amounts(50_000_000, 10_000, 10_000))
    job_ids = [accept() for _ in range(200)]
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(4)
    processes = [
        context.Process(
            target=_reserve_many, args=(database_url, str(tmp_path), tenant, job_ids[i::4], barrier, results)
        )
        for i in range(4)
    ]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=60) for _ in job_ids]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert outcomes.count("held") == 10
    assert outcomes.count("usd_micros") == 190
    budget = store.budgets.budget(tenant, "", MONTH)
    assert budget.reserved == Amounts(10_000_000, 1000, 500)
    assert budget.free == Amounts(500_000, 9000, 9500)
