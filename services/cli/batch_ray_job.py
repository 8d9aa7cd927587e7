"""A batch as a Ray job on the service's own cluster: it goes on when the terminal is closed, and Ray keeps its log."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.cli.output import EXIT_INTERRUPTED, note
from services.environment import environment
from solvers.errors import PolicyUnmet

if TYPE_CHECKING:
    from services.cli.session import Session

_ARGUMENTS = "isinglass.arguments"


class KeepsArguments(click.Command):
    """A command that remembers what it was given, to give it on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


def run_as_ray_job(session: Session, context: click.Context) -> int:
    """Submit the batch of ``context`` to the cluster and follow its log to the end.

    The exit code is that of `services.ray_job`: 0 done, 1 when the job failed, 3 when the cluster took none.

    Raises
    ------
    PolicyUnmet
        When no service runs here, or its cluster takes no jobs.

    """
    from services import host

    state_dir = session.config().state_dir.resolve()
    info = host.status(state_dir)
    if info is None:
        raise PolicyUnmet(
            f"no service runs on {state_dir}, and a Ray job needs its cluster; start it with isinglass up"
        )
    dashboard = info.dashboard_url or _dashboard_of_cluster()
    if not dashboard:
        raise PolicyUnmet(
            "the cluster takes jobs through its dashboard, which is off; start the service with --dashboard-port, or "
            "set RAY_API_SERVER_ADDRESS to the dashboard of the cluster that it joined"
        )
    name = f"isinglass-batch-{secrets.token_hex(4)}"
    command = [sys.executable, "-m", "services.ray_job", dashboard, name]
    command.append(entrypoint(session, state_dir, context.meta[_ARGUMENTS]))
    note(f"isinglass: Ray job {name}; it goes on without this program, and is ended by: ray job stop {name}")
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, env={**os.environ, **environment(state_dir)}, check=False
        )
    except KeyboardInterrupt:
        note(f"isinglass: the Ray job {name} goes on")
        return EXIT_INTERRUPTED
    return done.returncode


def entrypoint(session: Session, state_dir: Path, arguments: tuple[str, ...]) -> str:
    """The job's command line: this batch, in this folder. It holds no key: the job reads that from the state folder."""
    program = [sys.executable, "-m", "services.cli.main", "--state-dir", str(state_dir)]
    if session.config_path is not None:
        program += ["--config", str(session.config_path.resolve())]
    if session.address:
        program += ["--address", session.address]
    if session.certificate_authority is not None:
        program += ["--ca", str(session.certificate_authority.resolve())]
    rest = [argument for argument in arguments if argument != "--ray-job"]
    return f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join([*program, 'batch', *rest])}"


def _dashboard_of_cluster() -> str:
    found: list[Any] = [os.environ.get(name, "") for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")]
    return next((address for address in found if address.startswith(("http://", "https://"))), "")
