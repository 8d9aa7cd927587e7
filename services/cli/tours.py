"""``isinglass tours``: check a routing problem, judge a plan, place one more visit, explain why no plan serves all."""

from __future__ import annotations

from pathlib import Path

import click

from services.cli.output import EXIT_OK, EXIT_REFUSED, message_json, number_text, print_json, print_table
from services.cli.parameters import Duration
from services.cli.read import Question, read_file
from services.cli.route_files import read_routes
from services.cli.session import Session
from services.cli.tables import CsvOptions

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object.")


@click.group()
def tours() -> None:
    """Check a routing problem, judge a plan, place one more visit, explain what is impossible. Nothing is solved.

    FILE is a routing problem (.vrp, .json, .txt). PLAN is a .sol file, or JSON with routes as in the contract
    ({"routes": [{"vehicle": ..., "stops": [...]}]}).
    """


@tours.command("validate")
@click.argument("file", type=_FILE)
@_JSON
@click.pass_obj
def validate(session: Session, file: Path, as_json: bool) -> int:
    """Whether FILE would be accepted, what cannot be served at all, who would solve it. Exit code 1 with faults."""
    from protos.routing_pb2 import UnassignedVisit, ValidateToursRequest

    with session.client() as client:
        answer = client.call(
            client.routing.ValidateTours, ValidateToursRequest(problem=_question(file).request.problem)
        )
    code = EXIT_OK if answer.valid else EXIT_REFUSED
    if as_json:
        print_json(message_json(answer))
        return code
    if not answer.valid:
        print_table("Faults", ("field", "what"), [(fault.field, fault.description) for fault in answer.faults])
        return code
    click.echo(
        f"valid: {answer.stops} stops, {answer.mandatory_stops} of them mandatory, {answer.vehicles} vehicles; "
        f"solved by {', '.join(answer.strategies) or 'the quick heuristic alone'}"
    )
    rows = [(v.id, UnassignedVisit.Reason.Name(v.reason), v.detail) for v in answer.impossible]
    if rows:
        print_table("No vehicle can serve", ("visit", "reason", "why"), rows)
    return code


@tours.command("analyze")
@click.argument("file", type=_FILE)
@click.argument("plan", type=_FILE)
@_JSON
@click.pass_obj
def analyze(session: Session, file: Path, plan: Path, as_json: bool) -> int:
    """What PLAN costs and which limits it breaks. Exit code 1 when it breaks any."""
    from protos.routing_pb2 import AnalyzeToursRequest

    question = _question(file)
    request = AnalyzeToursRequest(problem=question.request.problem, routes=read_routes(plan, question))
    with session.client() as client:
        answer = client.call(client.routing.AnalyzeTours, request)
    code = EXIT_OK if answer.feasible else EXIT_REFUSED
    if as_json:
        print_json(message_json(answer))
        return code
    terms = ", ".join(f"{name} {number_text(value)}" for name, value in sorted(answer.terms.items()) if value)
    state = "feasible" if answer.feasible else "infeasible"
    click.echo(f"{state}, objective {number_text(answer.objective)} ({terms})")
    rows = [
        (r.vehicle, str(len(r.stops)), number_text(r.distance), number_text(r.duration_s), number_text(r.cost))
        for r in answer.plan.routes
    ]
    headers = ("vehicle", "stops", "distance", "duration s", "cost")
    print_table("Routes", headers, rows, numeric=headers[1:])
    if answer.violations:
        broken = [(v.constraint, v.entity, number_text(v.amount, 6)) for v in answer.violations]
        print_table("Broken limits", ("constraint", "where", "by"), broken, numeric=("by",))
    return code


@tours.command("insert")
@click.argument("file", type=_FILE)
@click.argument("plan", type=_FILE)
@click.argument("visit", metavar="ID")
@click.option("--places", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most this many.")
@_JSON
@click.pass_obj
def insert(session: Session, file: Path, plan: Path, visit: str, places: int, as_json: bool) -> int:
    """Where ID, a visit or shipment of FILE, fits on PLAN, the cheapest places first. Exit code 1 when nowhere."""
    from protos.routing_pb2 import RecommendInsertionRequest, UnassignedVisit

    question = _question(file)
    request = RecommendInsertionRequest(
        problem=question.request.problem, routes=read_routes(plan, question), id=visit, max_places=places
    )
    with session.client() as client:
        answer = client.call(client.routing.RecommendInsertion, request)
    code = EXIT_OK if answer.places else EXIT_REFUSED
    if as_json:
        print_json(message_json(answer))
        return code
    if not answer.places:
        click.echo(f"{visit} fits nowhere: {UnassignedVisit.Reason.Name(answer.reason.reason)}: {answer.reason.detail}")
        return code
    rows = [
        (
            str(p.route + 1) if p.HasField("route") else "new",
            p.vehicle,
            ", ".join(str(position + 1) for position in p.positions),
            number_text(p.extra_cost),
            ", ".join(number_text(start) for start in p.start_s),
            number_text(p.delay_s),
        )
        for p in answer.places
    ]
    headers = ("route", "vehicle", "stop no.", "extra cost", "service starts s", "delays others s")
    print_table(f"Places for {visit}", headers, rows, numeric=headers[2:])
    return code


@tours.command("explain")
@click.argument("file", type=_FILE)
@click.option("--time", "max_time_s", type=Duration(), default=5.0, help="Longest search (default 5s; 100ms - 60s).")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, help="Of the quick heuristic. Default: 0.")
@_JSON
@click.pass_obj
def explain(session: Session, file: Path, max_time_s: float, seed: int, as_json: bool) -> int:
    """Why no plan serves all of FILE that must be served. Exit code 1 when it finds no plan."""
    from protos.routing_pb2 import ExplainInfeasibilityRequest
    from protos.routing_pb2 import ExplainInfeasibilityResponse as Response

    request = ExplainInfeasibilityRequest(problem=_question(file).request.problem, seed=seed)
    request.max_time.FromNanoseconds(round(max_time_s * 1e9))
    with session.client() as client:
        answer = client.call(client.routing.ExplainInfeasibility, request, timeout_s=max_time_s + 30.0)
    code = EXIT_REFUSED if answer.conflicts else EXIT_OK
    if as_json:
        print_json(message_json(answer))
        return code
    if not answer.conflicts:
        click.echo(
            f"feasible: the quick heuristic serves all that must be served with {len(answer.plan.routes)} routes"
        )
    for conflict in answer.conflicts:
        certain = "proved" if conflict.proved else "not proved"
        click.echo(f"{Response.Cause.Name(conflict.cause)} ({certain}): {', '.join(conflict.ids)}")
        click.echo(f"  {conflict.detail}")
        for remedy in conflict.remedies:
            one_more = f": one more {remedy.vehicle}" if remedy.vehicle else ""
            click.echo(f"  it would do without {Response.Limits.Name(remedy.limits)}{one_more}")
    return code


def _question(file: Path) -> Question:
    return read_file(file, "routing", CsvOptions())
