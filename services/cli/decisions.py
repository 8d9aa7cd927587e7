"""``isinglass decisions``, ``verify``, ``replay``: why an answer is what it is, and whether it still holds."""

from __future__ import annotations

import click

from services.cli.output import EXIT_OK, EXIT_REFUSED, message_json, number_text, print_json, print_table, time_text
from services.cli.session import Session

VERIFY_TIMEOUT_S = 300.0
REPLAY_TIMEOUT_S = 3700.0
"""A replay takes as long as the solve did, at most an hour (s)."""


@click.group(invoke_without_command=True)
@click.option("--job", "job_id", default="", help="Decisions of this job only.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
@click.option("--page", "page_token", default="", help="Where the last list ended (next_page_token).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def decisions(context: click.Context, job_id: str, limit: int, page_token: str, as_json: bool) -> int | None:
    """Decision records, newest first."""
    if context.invoked_subcommand is not None:
        return None
    with context.ensure_object(Session).client() as client:
        from protos.decisions_pb2 import ListDecisionsRequest

        request = ListDecisionsRequest(page_size=limit, page_token=page_token, job_id=job_id)
        answer = client.call(client.decisions.ListDecisions, request)
    if as_json:
        print_json(message_json(answer))
        return EXIT_OK
    rows = (
        (str(d.position), time_text(d.at), d.id, d.job_id, d.hash.removeprefix("sha256:")[:12])
        for d in answer.decisions
    )
    print_table("", ("position", "at (UTC)", "decision", "job", "hash"), rows, numeric=("position",))
    if answer.next_page_token:
        click.echo(f"more: --page {answer.next_page_token}")
    return EXIT_OK


@decisions.command("show")
@click.argument("decision_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The record in one line instead of indented.")
@click.pass_obj
def show(session: Session, decision_id: str, as_json: bool) -> int:
    """The whole record of one decision."""
    import json

    with session.client() as client:
        from protos.decisions_pb2 import GetDecisionRequest

        decision = client.call(client.decisions.GetDecision, GetDecisionRequest(decision_id=decision_id))
    if as_json:
        print_json(message_json(decision))
    else:
        click.echo(json.dumps(message_json(decision), indent=2, ensure_ascii=False))
    return EXIT_OK


@decisions.command("audit")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
@click.option("--page", "page_token", default="", help="Where the last list ended (next_page_token).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def audit(session: Session, limit: int, page_token: str, as_json: bool) -> int:
    """What the service decided about itself (canaries), newest first; role auditor or operator.

    The whole log is checked. Exit code 1 when anything was altered.
    """
    with session.client() as client:
        from protos.decisions_pb2 import ListAuditRequest

        request = ListAuditRequest(page_size=limit, page_token=page_token, verify=True)
        answer = client.call(client.decisions.ListAudit, request, VERIFY_TIMEOUT_S)
    code = EXIT_REFUSED if answer.failed else EXIT_OK
    if as_json:
        print_json(message_json(answer))
        return code
    rows = []
    for entry in answer.entries:
        said = message_json(entry)["record"]
        what = f"{said.get('kind') or 'backend'} {said.get('candidate', '')} for {said.get('stable', '')}"
        rows.append(
            (str(entry.position), time_text(entry.at), entry.event, what, said.get("verdict", ""), said.get("why", ""))
        )
    print_table("", ("position", "at (UTC)", "event", "what", "verdict", "why"), rows, numeric=("position",))
    for check in answer.failed:
        click.echo(f"{check.detail}: {check.name} does not hold")
    click.echo("The log is NOT whole." if answer.failed else "The log is whole.")
    if answer.next_page_token:
        click.echo(f"more: --page {answer.next_page_token}")
    return code


@click.command()
@click.argument("decision_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def verify(session: Session, decision_id: str, as_json: bool) -> int:
    """Recompute a decision from the store: feasibility, objective, digests, chain, signature.

    Exit code 1 when anything was altered.
    """
    with session.client() as client:
        from protos.decisions_pb2 import VerifyDecisionRequest

        request = VerifyDecisionRequest(decision_id=decision_id)
        answer = client.call(client.decisions.VerifyDecision, request, VERIFY_TIMEOUT_S)
    if as_json:
        print_json(message_json(answer))
        return EXIT_OK if answer.valid else EXIT_REFUSED
    rows = (("passed" if check.passed else "FAILED", check.name, check.detail) for check in answer.checks)
    print_table("", ("", "check", "detail"), rows)
    if answer.violations:
        broken = ((v.constraint, v.entity, number_text(v.amount, 6)) for v in answer.violations)
        print_table("Violations", ("constraint", "entity", "by"), broken, numeric=("by",))
    if answer.HasField("objective"):
        feasible = "feasible" if answer.feasible else "not feasible"
        click.echo(f"objective {number_text(answer.objective, 6)}, {feasible}")
    click.echo("The decision is valid." if answer.valid else "The decision is NOT valid.")
    return EXIT_OK if answer.valid else EXIT_REFUSED


@click.command()
@click.argument("decision_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def replay(session: Session, decision_id: str, as_json: bool) -> int:
    """Solve again from the record of a replayable job and compare. Exit code 1 when the plans differ."""
    with session.client() as client:
        from protos.decisions_pb2 import ReplayDecisionRequest

        request = ReplayDecisionRequest(decision_id=decision_id)
        answer = client.call(client.decisions.ReplayDecision, request, REPLAY_TIMEOUT_S)
    if as_json:
        print_json(message_json(answer))
    else:
        click.echo(f"recorded plan {answer.recorded_plan_digest}")
        click.echo(f"replayed plan {answer.replayed_plan_digest}")
        if answer.HasField("replayed_objective"):
            click.echo(f"replayed objective {number_text(answer.replayed_objective, 6)}")
        click.echo("The replay is identical." if answer.identical else "The replay is NOT identical.")
    return EXIT_OK if answer.identical else EXIT_REFUSED
