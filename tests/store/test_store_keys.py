from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from store.errors import NotFound
from store.keys import Principal, Role
from store.store import Store


def test_a_key_says_who_is_calling(store: Store, now: datetime) -> None:
    key_id, token = store.keys.create("acme", [Role.SUBMITTER, Role.VIEWER, Role.VIEWER], now)
    assert store.keys.authenticate(token) == Principal(key_id, "acme", frozenset({Role.SUBMITTER, Role.VIEWER}))


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.swapcase(), lambda _: "", "é\udc80".join]
)
def test_a_token_that_nobody_issued_is_nobodys(store: Store, now: datetime, change: object) -> None:
    _, token = store.keys.create("acme", [Role.VIEWER], now)
    assert store.keys.authenticate(change(token)) is None  # type: ignore[operator]


def test_tokens_are_long_and_never_the_same(store: Store, now: datetime) -> None:
    tokens = {store.keys.create("acme", [Role.VIEWER], now)[1] for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == len("isk_") + 43 for token in tokens)


def test_the_token_itself_is_nowhere_in_the_database(store: Store, now: datetime) -> None:
    _, token = store.keys.create("acme", [Role.VIEWER], now)
    with store.database.read() as connection:
        rows = connection.execute(text("SELECT * FROM api_keys")).all()
    assert token.removeprefix("isk_") not in repr(rows)


def test_a_revoked_key_is_refused_from_then_on(store: Store, now: datetime) -> None:
    key_id, token = store.keys.create("acme", [Role.OPERATOR], now, label="night shift")
    store.keys.revoke(key_id, now + timedelta(hours=1))
    store.keys.revoke(key_id, now + timedelta(hours=2))
    assert store.keys.authenticate(token) is None
    (listed,) = store.keys.list("acme")
    assert (listed.id, listed.label, listed.created_at) == (key_id, "night shift", now)
    assert listed.revoked_at == now + timedelta(hours=1)


def test_a_list_is_of_one_tenant_or_of_all(store: Store, now: datetime) -> None:
    ours, _ = store.keys.create("acme", [Role.VIEWER], now)
    theirs, _ = store.keys.create("other", [Role.AUDITOR], now)
    assert [key.id for key in store.keys.list("acme")] == [ours]
    assert [key.id for key in store.keys.list()] == [ours, theirs]


def test_what_makes_no_sense_is_refused(store: Store, now: datetime) -> None:
    for tenant, roles in (("", [Role.VIEWER]), ("acme", []), ("acme", ["king"])):
        with pytest.raises(ValueError, match=r"needs a tenant|king"):
            store.keys.create(tenant, roles, now)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        store.keys.revoke("key-x", now)
