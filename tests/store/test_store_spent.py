from datetime import date, timedelta

import pytest

from store.amounts import Amounts
from store.ledger import Scope
from store.spent import spent_by_day, spent_since


@pytest.fixture
def charged(store, tenant, accept, reserve, now):
    """One charge a day for three days, the last one only reserved, and one of another tenant's project."""
    store.budgets.set_limit(tenant, "", "2026-11", Amounts(10**9))
    store.budgets.set_limit(tenant, "east", "2026-11", Amounts(10**9))
    for days, project, usd in ((2, "", 5), (1, "east", 7), (0, "", 11), (0, "", 13)):
        at = now - timedelta(days=days)
        id = reserve(accept(), project=project, amounts=Amounts(20_000_000), now=at)
        if usd != 13:
            store.budgets.settle(id, Amounts(usd * 1_000_000))
    return store.database


def test_settled_charges_count_on_the_day_they_were_reserved(charged, tenant, now):
    today = now.date()
    found = spent_by_day(charged, tenant, Scope("", "2026-11"))
    assert found == {today - timedelta(days=2): 5_000_000, today - timedelta(days=1): 7_000_000, today: 11_000_000}
    assert spent_by_day(charged, tenant, Scope("east", "2026-11")) == {today - timedelta(days=1): 7_000_000}
    assert spent_by_day(charged, tenant, Scope("", "2026-10")) == {}
    assert all(isinstance(day, date) for day in found)
    assert spent_by_day(charged, tenant, Scope("", "2026-11", "team=north")) == found
    assert spent_by_day(charged, tenant, Scope("", "2026-11", "team=south")) == {}


def test_sums_since_given_times_include_the_time_itself(charged, tenant, now):
    times = [now - timedelta(days=2), now - timedelta(days=1), now, now + timedelta(seconds=1)]
    assert spent_since(charged, tenant, Scope("", "2026-11"), times) == (23_000_000, 18_000_000, 11_000_000, 0)
    assert spent_since(charged, tenant, Scope("east", "total", "team=north"), times)[:2] == (7_000_000, 7_000_000)
    assert spent_since(charged, "nobody", Scope("", "2026-11"), times) == (0, 0, 0, 0)
