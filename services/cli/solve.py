"""``isinglass solve`` and ``isinglass sample``: a file in, a verified plan out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from services.cli import progress
from services.cli.answer import answer_json
from services.cli.output import EXIT_OK, EXIT_REFUSED, note, print_json
from services.cli.payments import PaymentOptions, payment_options, write_payments
from services.cli.plot import Picture, discounts, gantt, svg, write_plot
from services.cli.policy import PolicyOptions, policy_options
from services.cli.read import KINDS, Question, read_file
from services.cli.route_files import answer, check_outputs, geojson, read_routes, sol
from services.cli.session import Session
from services.cli.show import show_answer
from services.cli.tables import CsvOptions, csv_options
from services.client import Client, ServiceError, solve_timeout_s

if TYPE_CHECKING:
    from collections.abc import Iterator

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_FILE = click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, and nothing else.")


def _output(option: str, text: str) -> Callable[[Decorated], Decorated]:
    """An option that names a file to write."""
    target = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.option(option, f"{option[2:]}_path", type=target, help=text)


@click.command()
@_FILE
@policy_options
@click.option("--kind", type=click.Choice(KINDS), help="Kind of problem in a .json file. Default: by its fields.")
@csv_options
@payment_options
@click.option(
    "--plot",
    "plot_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the route map or the cash curve as SVG.",
)
@click.option(
    "--gantt",
    "gantt_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write who is where when, of routes, as SVG.",
)
@_output("--sol", "Write the routes as VRPLIB's .sol text.")
@_output("--geojson", "Write the routes as GeoJSON, of locations with latitude and longitude.")
@_output("--answer", "Write the whole answer as JSON with the contract's field names: each stop's times and loads.")
@click.option(
    "--initial",
    "initial_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A plan to improve, of routes: .sol, or .json with routes, as --answer or --json write it.",
)
@click.option("--stops", is_flag=True, help="Show each stop of the routes: arrival, wait, load, slack.")
@click.option(
    "--discounts",
    "discounts_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the discounts taken and missed, of invoices, as SVG.",
)
@_JSON
@click.pass_obj
def solve(
    session: Session,
    /,
    path: Path,
    *,
    kind: str | None,
    plot_path: Path | None,
    gantt_path: Path | None,
    sol_path: Path | None,
    geojson_path: Path | None,
    answer_path: Path | None,
    initial_path: Path | None,
    stops: bool,
    discounts_path: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Solve FILE by the deadline.

    FILE is .vrp (VRPLIB), .txt (Solomon), .json (a request or a bare problem as in protos/, isinglass's own canonical
    JSON, or VROOM's input), .csv (invoices), or one electronic invoice (.xml) or many (.zip), with --set for the rest.

    Options win over the policy in the file. Exit code 1 when no feasible plan was found.
    """
    from protos.routing_pb2 import InitialPlan

    question = read_file(path, kind, _csv(options))
    if plot_path is not None and question.kind == "binary":
        raise click.UsageError("samples of a binary model have no picture; leave --plot out")
    check_outputs(question, path, gantt=gantt_path, sol=sol_path, geojson=geojson_path, initial=initial_path)
    if initial_path is not None:
        routes = read_routes(initial_path, question)
        question.request.problem.initial_plan.CopyFrom(InitialPlan(routes=routes))
    if discounts_path is not None and question.kind != "invoices":
        raise click.UsageError(
            f"--discounts draws invoices, and {path} holds a problem of kind {question.kind}; leave it out"
        )
    payments = PaymentOptions(**{f.name: options[f.name] for f in fields(PaymentOptions)})
    payments.check(question.kind)
    pictures = ((svg, plot_path), (gantt, gantt_path), (discounts, discounts_path))
    files = (*pictures, (sol, sol_path), (geojson, geojson_path), (answer, answer_path))
    return _run(session, question, _policy(options), files, payments, as_json=as_json, stops=stops)


@click.command()
@_FILE
@policy_options
@click.option("--num-samples", type=click.IntRange(1, 10_000), help="Most distinct samples in the answer. Default: 10.")
@click.option("--temperature", type=click.FloatRange(0, min_open=True), help="Sample the Boltzmann distribution at it.")
@_JSON
@click.pass_obj
def sample(
    session: Session,
    /,
    path: Path,
    *,
    num_samples: int | None,
    temperature: float | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Sample the binary or constrained quadratic model in FILE (.json): least energies, or at a temperature."""
    question = read_file(path, "binary", CsvOptions())
    if num_samples is not None:
        question.request.problem.options.num_samples = num_samples
    if temperature is not None:
        question.request.problem.options.temperature = temperature
    return _run(session, question, _policy(options), (), PaymentOptions(), as_json=as_json)


def _policy(options: dict[str, Any]) -> PolicyOptions:
    return PolicyOptions(**{f.name: options[f.name] for f in fields(PolicyOptions)})


def _csv(options: dict[str, Any]) -> CsvOptions:
    return CsvOptions(**{f.name: options[f.name] for f in fields(CsvOptions)})


def _run(
    session: Session,
    question: Question,
    policy: PolicyOptions,
    pictures: Sequence[tuple[Picture, Path | None]],
    payments: PaymentOptions,
    *,
    as_json: bool,
    stops: bool = False,
) -> int:
    started = time.monotonic()
    policy.apply(question.request.policy)
    if policy.project:
        question.request.project = policy.project
    with session.client() as client:
        response = ask(client, question, show_progress=not as_json and progress.wanted())
    report = response.report
    if as_json:
        print_json(answer_json(question.kind, response, question.customer_of))
    else:
        show_answer(question.kind, response, question.customer_of, stops=stops)
    if session.started_s is not None:
        wall_s = time.monotonic() - started
        note(
            f"isinglass: {wall_s:.1f} s in all: {session.started_s:.1f} s to start the service, "
            f"{report.timings.total_s:.3f} s from the request's receipt to its reply"
        )
    drawn = [write_plot(question, response, draw, path) for draw, path in pictures if path is not None]
    drawn.append(write_payments(question.request, response, payments))
    return EXIT_OK if report.feasible and all(drawn) else EXIT_REFUSED


def ask(client: Client, question: Question, *, show_progress: bool = False) -> Any:
    """The service's answer to ``question``.

    Raises
    ------
    ServiceError
        When the service refuses, fails or cannot be reached.

    """
    timeout_s = solve_timeout_s(question.request.policy)
    if question.kind == "binary":
        return client.call(client.sampling.Sample, question.request, timeout_s)
    if not show_progress:
        unary = client.routing.OptimizeTours if question.kind == "routing" else client.invoices.PrioritizeInvoices
        return client.call(unary, question.request, timeout_s)
    stream: Any = client.routing.StreamTours if question.kind == "routing" else client.invoices.StreamPriorities
    responses: Iterator[Any] = client.stream(stream, question.request, timeout_s)
    last = progress.follow(responses)
    if last is None:
        raise ServiceError("INTERNAL", "the stream ended without an answer")
    return last
