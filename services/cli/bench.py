"""``isinglass bench NAME``: Isinglass and its peers on the same work, in one run."""

from __future__ import annotations

import os

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
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every figure, peer and ratio.")
@click.pass_obj
def bench(session: Session, /, name: str, *, quick: bool, as_json: bool) -> int:
    """Measure one part of Isinglass beside its peers; NAME is the part."""
    from importlib import import_module

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
        result = module.run(quick=quick)
    except FileNotFoundError as error:
        raise PolicyUnmet(f"benchmark {name!r} lacks its data: {error}") from error
    if as_json:
        print_json(result)
    else:
        click.echo(module.table(result))
    return EXIT_OK
