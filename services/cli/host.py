"""``isinglass up``, ``down``, ``status``: the service on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from services.cli.output import EXIT_OK, EXIT_UNREACHABLE, print_json
from services.cli.parameters import Duration
from services.cli.session import Session
from services.client import ServiceError
from solvers.errors import PolicyUnmet

if TYPE_CHECKING:
    from services.host import ServiceInfo


@click.command()
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="Port of the gRPC services. Default: 9000.")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of /metrics and health. Default: 8000.")
@click.option(
    "--dashboard-port", type=click.IntRange(0, 65535), help="Port of the Ray dashboard; 0: off. Default: 8265."
)
@click.option("--workers", type=click.IntRange(0, 1024), help="Solver processes; 0: one a core. Default: one a core.")
@click.option("--database-url", help="SQLAlchemy URL of the store. Default: SQLite in the state folder.")
@click.option("--ray-address", help="Join this Ray cluster (auto: the one of this machine). Default: start a node.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def up(session: Session, /, as_json: bool, **overrides: Any) -> int:
    """Start the service in the background; says so when it is up already.

    The first start makes an API key and keeps it in the state folder, readable by its owner alone.
    """
    from services import host

    try:
        info = host.start(session.config(**overrides))
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ServiceError("UNAVAILABLE", f"the service could not be started: {error}") from error
    if as_json:
        print_json({"already_running": info.already_running, **_info_json(info)})
    else:
        click.echo("Isinglass is up already." if info.already_running else "Isinglass is up.")
        _print_info(info)
    return EXIT_OK


@click.command()
@click.option(
    "--timeout", "timeout_s", type=Duration(), default="60s", show_default=True, help="Wait at most this long."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def down(session: Session, timeout_s: float, as_json: bool) -> int:
    """Stop the service. Accepted jobs stay in the store and go on at the next start."""
    from services import host

    try:
        was_running = host.stop(session.config().state_dir, timeout_s)
    except TimeoutError as error:
        raise PolicyUnmet(f"the service was asked to stop, but {error}") from error
    if as_json:
        print_json({"was_running": was_running})
    else:
        click.echo("Isinglass is down." if was_running else "No service was running.")
    return EXIT_OK


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Whether the service runs, and where. Exit code 3 when it does not."""
    from services import host

    info = host.status(session.config().state_dir)
    if as_json:
        print_json({"running": True, **_info_json(info)} if info else {"running": False})
    elif info is None:
        click.echo("No service is running.")
    else:
        click.echo("Isinglass is up.")
        _print_info(info)
    return EXIT_OK if info else EXIT_UNREACHABLE


def _info_json(info: ServiceInfo) -> dict[str, Any]:
    return {
        "pid": info.pid,
        "grpc_address": info.grpc_address,
        "http_address": info.http_address,
        "dashboard_url": info.dashboard_url,
        "state_dir": str(info.state_dir),
        "started_at": str(info.started_at),
    }


def _print_info(info: ServiceInfo) -> None:
    for name, value in _info_json(info).items():
        click.echo(f"  {name.replace('_', ' '):14}{value}")
