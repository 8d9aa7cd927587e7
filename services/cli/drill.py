"""``isinglass drill``: put a fault upon a running service under load, and see what comes of it."""

from __future__ import annotations

import math

import click

from services.cli.output import EXIT_OK, EXIT_REFUSED, print_json
from services.cli.parameters import Duration
from services.cli.session import Session
from solvers.errors import PolicyUnmet

_MOST_S = 3600.0


@click.command()
@click.argument("kind", type=click.Choice(("outage", "latency", "corrupt", "partition")))
@click.option("--backend", required=True, help="Which one; another of its [[federation.groups]] takes over.")
@click.option(
    "--seconds", type=Duration(), default="30s", show_default=True, help="How long the faults last, all together."
)
@click.option("--rounds", type=click.IntRange(1, 100), default=1, show_default=True, help="Faults, one after another.")
@click.option("--per-second", type=click.FloatRange(0.1, 1000), default=20.0, show_default=True, help="Requests sent.")
@click.option("--deadline", "deadline_s", type=Duration(), default="2s", show_default=True, help="Of each request.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def drill(
    session: Session,
    kind: str,
    backend: str,
    *,
    seconds: float,
    rounds: int,
    per_second: float,
    deadline_s: float,
    as_json: bool,
) -> int:
    """Kill (outage), slow down (latency), falsify (corrupt) or cut off (partition) a backend of the service here.

    Small invoice plans are sent all the while. Exit code 1 when a figure is not what it must be.
    """
    from services import host
    from services.drills.load import LoadConfig
    from services.drills.start import start_drill
    from services.drills.table import met, table

    if not math.isfinite(seconds) or not 0.5 * rounds <= seconds <= _MOST_S:
        raise click.UsageError(f"--seconds is {seconds:g}; allowed: {0.5 * rounds:g} - {_MOST_S:g} for {rounds} rounds")
    if session.address:
        raise PolicyUnmet("a drill kills processes: it runs on the machine of the service, not through --address")
    info = host.status(session.config().state_dir)
    if info is None:
        raise PolicyUnmet("no service is running here; start one with `isinglass up`")
    load = LoadConfig(per_s=per_second, deadline_s=deadline_s)
    found = start_drill(info, [(kind, backend)] * rounds, seconds / rounds, load)
    if as_json:
        print_json(found)
    else:
        click.echo(table(found))
    return EXIT_OK if met(found) else EXIT_REFUSED
