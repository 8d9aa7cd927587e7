"""The audit log is append-only, and what was altered in it is found out."""

import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from store.audit import Audit
from store.errors import InvalidProblem
from store.signing import PublicKeys
from store.store import Store


def append(store: Store, count: int, now: datetime) -> None:
    for number in range(count):
        store.audit.append("canary", [{"number": number}], now + timedelta(seconds=number))


def test_entries_come_back_in_order_each_after_its_predecessor(store: Store, now: datetime) -> None:
    append(store, 5, now)
    store.audit.append("other", [{"a": 1}, {"a": 2}], now)
    entries = store.audit.of_event("canary")
    assert [(entry.position, entry.record["number"]) for entry in entries] == [(k + 1, k) for k in range(5)]
    assert all(after.previous_hash == before.hash for before, after in itertools.pairwise(entries))
    first = store.audit.list(page_size=4)
    rest = store.audit.list(page_size=4, page_token=first.next_page_token)
    assert [entry.position for entry in (*first.items, *rest.items)] == [7, 6, 5, 4, 3, 2, 1]
    assert store.audit.verify() == ()
    with pytest.raises(InvalidProblem):
        store.audit.list(page_size=501)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_log SET record = '{}' WHERE position = 2",
        "UPDATE audit_log SET event = 'other' WHERE position = 2",
        "UPDATE audit_log SET at = at + 1 WHERE position = 2",
        "DELETE FROM audit_log WHERE position = 2",
    ],
)
def test_a_change_is_refused_by_the_database_and_found_out_where_it_was_forced(
    store: Store, now: datetime, change: str
) -> None:
    append(store, 3, now)
    with pytest.raises(DBAPIError, match="append-only"), store.database.write() as connection:
        connection.execute(text(change))
    assert store.audit.verify() == ()
    with store.database.write() as connection:
        off = ["ALTER TABLE audit_log DISABLE TRIGGER USER"]
        if store.database.is_sqlite:
            off = [f"DROP TRIGGER audit_log_{name}" for name in ("no_update", "no_delete")]
        for statement in off:
            connection.execute(text(statement))
        connection.execute(text(change))
    assert store.audit.verify() != ()


def test_several_that_append_at_once_make_one_chain(open_store: Callable[[], Store], now: datetime) -> None:
    stores = [open_store() for _ in range(3)]
    threads = [threading.Thread(target=append, args=(store, 5, now)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.position for entry in stores[0].audit.of_event("canary")] == list(range(1, 16))
    assert stores[0].audit.verify() == ()


def test_who_has_public_keys_only_cannot_append(store: Store, now: datetime) -> None:
    reader = Audit(store.database, PublicKeys(store.signer.state_dir))
    with pytest.raises(PermissionError):
        reader.append("canary", [{}], now)
