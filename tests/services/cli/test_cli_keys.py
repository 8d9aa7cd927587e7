"""`isinglass keys` on a store of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_fake_service import FakeService, Run

from services.config import ServiceConfig
from store.keys import Principal, Role
from store.store import Store


def authenticate(folder: Path, token: str) -> Principal | None:
    settings = ServiceConfig.load(None, state_dir=folder).settings()
    store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
    try:
        return store.keys.authenticate(token)
    finally:
        store.close()


def test_a_key_works_until_it_is_revoked(run: Run, service: FakeService, tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = ("keys", "create", "--tenant", "north", "--role", "submitter", "--role", "viewer", "--label", "desk 4")
    made = run(*arguments, "--json").json
    principal = authenticate(state, made["key"])
    assert principal is not None
    assert (principal.tenant, principal.roles) == ("north", {Role.SUBMITTER, Role.VIEWER})
    (listed,) = run("keys", "list", "--json").json["keys"]
    assert (listed["id"], listed["label"], listed["revoked_at"]) == (made["id"], "desk 4", None)
    assert run("keys", "revoke", made["id"]).code == 0
    assert authenticate(state, made["key"]) is None
    assert run("keys", "list", "--tenant", "north", "--json").json["keys"][0]["revoked_at"] is not None
    assert service.asked == [], "keys need the store alone"


def test_a_key_is_shown_once_and_never_again(run: Run) -> None:
    token = run("keys", "create", "--tenant", "north", "--role", "viewer").out.strip()
    assert token not in run("keys", "list").out
    assert token not in run("keys", "list", "--json").out


def test_revoking_a_key_that_does_not_exist_is_refused(run: Run) -> None:
    outcome = run("keys", "revoke", "key-none")
    assert outcome.code == 1
    assert "key-none" in outcome.err


@pytest.mark.parametrize(
    "options",
    [("--role", "viewer"), ("--tenant", "t"), ("--tenant", "", "--role", "viewer"), ("--tenant", "t", "--role", "god")],
)
def test_a_key_needs_a_tenant_and_a_role(run: Run, options: tuple[str, ...]) -> None:
    assert run("keys", "create", *options).code == 2
