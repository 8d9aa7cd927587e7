"""``isinglass jobs``: list, show, watch, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from services.cli.answer import response_of
from services.cli.output import EXIT_OK, EXIT_REFUSED, message_json, number_text, print_json, print_table, time_text
from services.cli.session import Session
from services.cli.show import show_answer

if TYPE_CHECKING:
    from protos.jobs_pb2 import Job

STATES = ("accepted", "running", "succeeded", "failed", "cancelled")
WATCH_TIMEOUT_S = 3700.0
"""A watch lasts as long as the longest deadline, an hour, and some (s)."""


def state_name(state: int) -> str:
    """Name of a job state."""
    from protos.jobs_pb2 import JobState

    return JobState.Name(JobState.ValueType(state))


@click.group(invoke_without_command=True)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only jobs in this state; repeatable."
)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
@click.option("--page", "page_token", default="", help="Where the last list ended (next_page_token).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def jobs(context: click.Context, states: tuple[str, ...], limit: int, page_token: str, as_json: bool) -> int | None:
    """Jobs, newest first."""
    if context.invoked_subcommand is not None:
        return None
    with context.ensure_object(Session).client() as client:
        from protos.jobs_pb2 import JobState, ListJobsRequest

        wanted = [JobState.Value(state.upper()) for state in states]
        request = ListJobsRequest(states=wanted, page_size=limit, page_token=page_token)
        answer = client.call(client.jobs.ListJobs, request)
    if as_json:
        print_json(message_json(answer))
        return EXIT_OK
    rows = (
        (time_text(j.accepted_at), j.id, j.kind, state_name(j.state), time_text(j.finished_at)) for j in answer.jobs
    )
    print_table("", ("accepted (UTC)", "job", "kind", "state", "finished (UTC)"), rows)
    if answer.next_page_token:
        click.echo(f"more: --page {answer.next_page_token}")
    return EXIT_OK


@jobs.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output: the job with its result.")
@click.pass_obj
def show(session: Session, job_id: str, as_json: bool) -> int:
    """One job with its result."""
    with session.client() as client:
        from protos.jobs_pb2 import GetJobRequest

        job = client.call(client.jobs.GetJob, GetJobRequest(job_id=job_id))
    if as_json:
        print_json(message_json(job))
    else:
        show_job(job)
    return EXIT_OK


@jobs.command("watch")
@click.argument("job_id", metavar="ID")
@click.option("--after", "after_sequence", type=click.IntRange(0, 2**53 - 1), default=0, help="Only later events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event, one a line.")
@click.pass_obj
def watch(session: Session, job_id: str, after_sequence: int, as_json: bool) -> int:
    """Events of a job as they come, until it is finished. Exit code 1 unless it succeeded."""
    from protos.jobs_pb2 import JobState, WatchJobRequest

    state: int = JobState.JOB_STATE_UNSPECIFIED
    with session.client() as client:
        request = WatchJobRequest(job_id=job_id, after_sequence=after_sequence)
        for event in client.stream(client.jobs.WatchJob, request, WATCH_TIMEOUT_S):
            state = event.state
            if as_json:
                print_json(message_json(event))
                continue
            objective = number_text(event.objective) if event.HasField("objective") else "-"
            bound = number_text(event.bound) if event.HasField("bound") else "-"
            found_by = f"  {event.found_by}" if event.found_by else ""
            click.echo(
                f"{event.sequence:5} {time_text(event.at)} {state_name(state):10} {objective:>16} {bound:>16}{found_by}"
            )
            if event.HasField("job"):
                show_job(event.job)
    return EXIT_OK if state == JobState.SUCCEEDED else EXIT_REFUSED


@jobs.command("cancel")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def cancel(session: Session, job_id: str, as_json: bool) -> int:
    """Stop a job; it keeps the best plan found so far. A finished job is left as it is."""
    with session.client() as client:
        from protos.jobs_pb2 import CancelJobRequest

        job = client.call(client.jobs.CancelJob, CancelJobRequest(job_id=job_id))
    if as_json:
        print_json(message_json(job))
    else:
        click.echo(f"{job.id} is {state_name(job.state).lower()}")
    return EXIT_OK


def show_job(job: Job) -> None:
    """A job and its result for people."""
    click.echo(f"job {job.id}  {job.kind}  {state_name(job.state)}  accepted {time_text(job.accepted_at)} UTC")
    if job.error:
        click.echo(f"  {job.error}")
    response = response_of(job)
    if response is not None:
        show_answer(job.kind, response)
