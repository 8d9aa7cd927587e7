"""``isinglass keys``: who may call. Works on the store itself, so it needs the service's configuration, not a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.cli.output import EXIT_OK, print_json, print_table
from services.cli.session import Session

if TYPE_CHECKING:
    from store.keys import ApiKey
    from store.store import Store

ROLES = ("submitter", "viewer", "operator", "auditor")


@click.group()
def keys() -> None:
    """API keys: make, list, revoke. For who has the state folder and the database."""


@keys.command("create")
@click.option("--tenant", required=True, help="Whose jobs, budgets and decisions the key opens.")
@click.option(
    "--role", "roles", type=click.Choice(ROLES), multiple=True, required=True, help="What it may do; repeatable."
)
@click.option("--label", default="", help="For people.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def create(session: Session, tenant: str, roles: tuple[str, ...], label: str, as_json: bool) -> int:
    """Make a key and print it. It is not to be had again: the store keeps its hash alone."""
    from store.keys import Role

    if not tenant:
        raise click.BadParameter("is empty", param_hint="--tenant")
    with _store(session) as store:
        key_id, token = store.keys.create(tenant, [Role(role) for role in roles], datetime.now(UTC), label)
    if as_json:
        print_json({"id": key_id, "tenant": tenant, "roles": sorted(set(roles)), "key": token})
    else:
        click.echo(token)
    return EXIT_OK


@keys.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def list_keys(session: Session, tenant: str | None, as_json: bool) -> int:
    """Keys, oldest first, revoked ones too; never the keys themselves."""
    with _store(session) as store:
        found = store.keys.list(tenant)
    if as_json:
        print_json({"keys": [_json(key) for key in found]})
        return EXIT_OK
    rows = ([str(value or "") for value in _json(key).values()] for key in found)
    print_table("", ("id", "tenant", "roles", "label", "created", "revoked"), rows)
    return EXIT_OK


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(session: Session, key_id: str) -> int:
    """Refuse a key from now on; a running service does so within five seconds."""
    with _store(session) as store:
        store.keys.revoke(key_id, datetime.now(UTC))
    click.echo(f"{key_id} is revoked")
    return EXIT_OK


@contextmanager
def _store(session: Session) -> Iterator[Store]:
    from store.store import Store

    settings = session.config().settings()
    store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
    try:
        yield store
    finally:
        store.close()


def _json(key: ApiKey) -> dict[str, str | None]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "roles": " ".join(sorted(role.value for role in key.roles)),
        "label": key.label,
        "created_at": key.created_at.isoformat(timespec="seconds"),
        "revoked_at": key.revoked_at.isoformat(timespec="seconds") if key.revoked_at else None,
    }
