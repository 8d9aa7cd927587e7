"""``isinglass bench NAME``: Isinglass and its peers on the same work, in one run."""

from __future__ import annotations

import os
from pathlib import Path

import click

from services.cli.output import EXIT_OK, print_json
from services.cli.session import Session
from solvers.errors import PolicyUnmet

NAMES = (
    "routing",
    "invoices",
    "binary",
    "quantum",
    "kernels",
    "quantum-lift",
    "qoblib",
    "selection",
    "federation",
    "service",
)


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="Under five minutes.")
@click.option(
    "--instances",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="routing: folder of .vrp files with their .sol.",
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="routing: of each run.")
@click.option("--cores", type=click.IntRange(1), help="routing: runs at a time, each on one core.")
@click.option("--peers", help="routing: pyvrp, ortools, vroom, separated by commas; empty: none. Default: pyvrp.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every figure, peer and ratio.")
@click.pass_obj
def bench(
    session: Session,
    /,
    name: str,
    *,
    quick: bool,
    instances: Path | None,
    seconds: float | None,
    cores: int | None,
    peers: str | None,
    as_json: bool,
) -> int:
    """Measure one part of Isinglass beside its peers; NAME is the part."""
    from importlib import import_module

    given = {
        "instances_dir": instances,
        "seconds": seconds,
        "cores": cores,
        "peers": None if peers is None else tuple(filter(None, peers.split(","))),
    }
    more = {key: value for key, value in given.items() if value is not None}
    if more and name != "routing":
        raise click.UsageError("--instances, --seconds, --cores and --peers are of `bench routing`")
    if session.state_dir is not None:  # benchmarks find the service as any program does
        os.environ["ISINGLASS_STATE"] = str(session.state_dir)
    if session.address:
        os.environ["ISINGLASS_ADDRESS"] = session.address
    module_name = f"benchmarks.{name.replace('-', '_')}"
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name in (module_name, "benchmarks"):
            raise PolicyUnmet(f"benchmark {name!r} is not part of this release") from error
        raise PolicyUnmet(f"benchmark {name!r} needs the package {error.name!r}, which is not installed") from error
    try:
        result = module.run(quick=quick, **more)
    except ValueError as error:
        if not more:
            raise
        raise click.UsageError(str(error)) from error
    except FileNotFoundError as error:
        raise PolicyUnmet(f"benchmark {name!r} lacks its data: {error}") from error
    if as_json:
        print_json(result)
    else:
        click.echo(module.table(result))
    return EXIT_OK
