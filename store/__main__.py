"""Operators' tools for the store: ``python -m store COMMAND``. The runbook is docs/runbook-store.md."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import click

from store.amounts import Amounts
from store.audit import Audit
from store.budgets import Budgets
from store.database import open_database
from store.decisions import Decisions
from store.errors import NotFound, TerminalState
from store.measure import measure
from store.signing import PublicKeys, Signer
from store.transfer import copy_database


@click.group()
def main() -> None:
    """Look after the durable state of Isinglass."""


@main.command()
@click.argument("url")
def migrate(url: str) -> None:
    """Bring the schema of the database at URL to this release's."""
    database = open_database(url)
    click.echo(f"{database!r} is at {database.version()}")
    database.close()


@main.command()
@click.argument("source")
@click.argument("target")
def copy(source: str, target: str) -> None:
    """Copy everything from the database at SOURCE to the empty one at TARGET. Stop the service first."""
    reading, writing = open_database(source), open_database(target)
    try:
        for table, rows in copy_database(reading, writing).items():
            click.echo(f"{rows:>10} {table}")
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    finally:
        reading.close()
        writing.close()


@main.command()
@click.argument("url")
@click.argument("state_dir")
def verify(url: str, state_dir: str) -> None:
    """Check the decision and audit logs at URL with the public keys in STATE_DIR; fails when any entry does."""
    database = open_database(url)
    keys = PublicKeys(state_dir)
    failed = Decisions(database, keys).verify_log() + Audit(database, keys).verify()
    database.close()
    for check in failed:
        click.echo(f"{check.name}: {check.detail}")
    click.echo("the log does not verify" if failed else "the log is whole")
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("state_dir")
def rotate(state_dir: str) -> None:
    """Make a new signing key in STATE_DIR. Earlier decisions stay verifiable; restart the service to sign with it."""
    signer = Signer(state_dir)
    before = signer.key_id
    click.echo(f"{before} -> {signer.rotate()}")


@main.command()
@click.argument("url")
@click.option("--hours", default=24.0, show_default=True, help="Leave out what was reserved later than so long ago.")
def leaked(url: str, hours: float) -> None:
    """List reservations that finished jobs left held, with the key to look each up by at its backend."""
    database = open_database(url)
    for one in Budgets(database).leaked(datetime.now(UTC) - timedelta(hours=hours)):
        usd = one.reserved.usd_micros / 1e6
        click.echo(f"{one.id} {one.at.isoformat()} {one.tenant} {one.backend} {one.idempotency_key} {usd:.6f} USD")
    database.close()


@main.command()
@click.argument("url")
@click.argument("reservation_ids", nargs=-1, required=True)
def release(url: str, reservation_ids: tuple[str, ...]) -> None:
    """Give reservations back for which the backend knows no charge."""
    database = open_database(url)
    budgets = Budgets(database)
    try:
        for reservation_id in reservation_ids:
            budgets.release(reservation_id)
            click.echo(f"{reservation_id} released")
    except (NotFound, TerminalState) as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.close()


@main.command()
@click.argument("url")
@click.argument("reservation_id")
@click.option("--usd", default="0", show_default=True, help="US dollars charged, to the millionth.")
@click.option("--shots", default=0, show_default=True, help="Shots charged.")
@click.option("--device-seconds", default="0", show_default=True, help="Device time charged, to the millisecond.")
def settle(url: str, reservation_id: str, usd: str, shots: int, device_seconds: str) -> None:
    """Record what the backend charged for a reservation. This is final."""
    try:
        amounts = Amounts(whole(usd, 1_000_000), shots, whole(device_seconds, 1000))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    database = open_database(url)
    try:
        Budgets(database).settle(reservation_id, amounts)
    except (NotFound, TerminalState) as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.close()
    click.echo(f"{reservation_id} settled")


def whole(text: str, parts: int) -> int:
    """``text`` in ``parts`` of one, exactly: no float comes near money.

    Raises
    ------
    ValueError
        When it is not a number or finer than one part.
    """
    try:
        value = Decimal(text) * parts
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number of 1/{parts}")
    return int(value)


@main.command("measure")
@click.argument("url")
@click.option("--processes", default=1, show_default=True, help="How many work at once.")
@click.option("--jobs", default=200, show_default=True, help="How many jobs each takes through.")
def measure_command(url: str, processes: int, jobs: int) -> None:
    """Time the store on the empty database at URL. What it writes stays there: drop that database afterwards."""
    try:
        measured = measure(url, processes, jobs)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for line in measured.lines():
        click.echo(line)


if __name__ == "__main__":
    main(prog_name="python -m store")
