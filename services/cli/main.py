"""``isinglass``: the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from services.cli.backends import backends
from services.cli.batch import batch
from services.cli.bench import bench
from services.cli.budget import budget
from services.cli.decisions import decisions, replay, verify
from services.cli.drill import drill
from services.cli.host import down, status, up
from services.cli.jobs import jobs
from services.cli.keys import keys
from services.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    exit_code,
    note,
    print_json,
    show_error,
    usage_error_json,
)
from services.cli.output import error_json as error_object
from services.cli.session import Session
from services.cli.solve import sample, solve
from services.cli.tours import tours
from solvers.errors import IsinglassError, PolicyUnmet


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="State folder of the service: keys, store, logs. Default: $ISINGLASS_STATE, else ~/.isinglass.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with the service's settings. Default: config.toml in the state folder.",
)
@click.option(
    "--address",
    default="",
    envvar="ISINGLASS_ADDRESS",
    metavar="HOST:PORT",
    help="Service to call; https://HOST:PORT for TLS. Default: the one of the state folder, else one for the call.",
)
@click.option(
    "--ca",
    "certificate_authority",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="ISINGLASS_CA",
    help="PEM file with the roots to trust under TLS.",
)
@click.version_option(package_name="isinglass", prog_name="isinglass")
@click.pass_context
def cli(
    context: click.Context,
    state_dir: Path | None,
    config_path: Path | None,
    address: str,
    certificate_authority: Path | None,
) -> None:
    """Optimize routes, payments and binary models: a verified plan by the deadline.

    The API key is $ISINGLASS_KEY, else the one in the state folder.

    Exit codes: 0 done; 1 refused, infeasible or altered; 2 wrong usage; 3 service unreachable; 130 interrupted.
    """
    context.obj = Session(state_dir, config_path, address, certificate_authority)


for command in (
    up,
    down,
    status,
    solve,
    sample,
    tours,
    jobs,
    backends,
    budget,
    decisions,
    verify,
    replay,
    keys,
    batch,
    bench,
    drill,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (default: the program's own) and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        code = cli.main(args=list(arguments), prog_name="isinglass", standalone_mode=False)
    except click.ClickException as error:
        if as_json:
            print_json(usage_error_json(error))
        else:
            error.show()
        return EXIT_USAGE
    except click.Abort:
        note("isinglass: interrupted")
        return EXIT_INTERRUPTED
    except IsinglassError as error:
        return _fail(error, as_json=as_json)
    except TimeoutError as error:  # a service that was started for the call and does not stop
        return _fail(PolicyUnmet(str(error)), as_json=as_json)
    return code if isinstance(code, int) else EXIT_OK


def _fail(error: IsinglassError, *, as_json: bool) -> int:
    if as_json:
        print_json(error_object(error))
    else:
        show_error(error)
    return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
