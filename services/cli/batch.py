"""``isinglass batch IN OUT``: many problems as jobs, one line of JSON an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

import click

from services.cli.answer import answer_json, response_of
from services.cli.output import EXIT_OK, EXIT_REFUSED, error_json, note
from services.cli.policy import PolicyOptions, policy_options
from services.cli.read import KINDS, Question, read_file, read_json
from services.cli.session import Session
from services.cli.tables import CsvOptions, csv_options
from services.client import QUICK_CALL_S, Client, ServiceError
from solvers.errors import FieldViolation, InvalidProblem, IsinglassError

SUFFIXES = (".vrp", ".txt", ".json", ".csv")
WATCH_TIMEOUT_S = 4 * 3600.0
"""Longest wait for one job, its time in the queue included (s)."""
BUSY_RETRIES = 1000


@click.command()
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@policy_options
@click.option("--kind", type=click.Choice(KINDS), help="Kind of the problems in .json and .jsonl. Default: by fields.")
@csv_options
@click.option("--parallel", type=click.IntRange(1, 256), default=4, show_default=True, help="Jobs under way at once.")
@click.option("--resume", is_flag=True, help="Keep the answers that OUT holds already, and ask only for the others.")
@click.pass_obj
def batch(
    session: Session, /, source: Path, target: Path, *, kind: str | None, parallel: int, resume: bool, **options: Any
) -> int:
    """Solve every problem of IN and write one JSON object a line to OUT, as each is finished.

    IN is a folder of .vrp, .json and .csv files, or a .jsonl file with one request or problem a line. Each line of OUT
    is what `solve --json` prints, with "input" in front, or "input" and "error". Exit code 1 when any has no plan.
    """
    if target.exists() and not resume:
        raise click.UsageError(f"{target} exists; give --resume to go on with it, or another name")
    policy = PolicyOptions(**{f.name: options[f.name] for f in fields(PolicyOptions)})
    if policy.idempotency_key:
        raise click.UsageError("--idempotency-key names one request; a batch has many")
    if policy.max_age_s is not None:
        raise click.UsageError("--max-age is for a request that is waited for; a batch is made of jobs")
    csv = CsvOptions(**{f.name: options[f.name] for f in fields(CsvOptions)})
    done = _answered(target) if resume else set()
    inputs = [(name, content) for name, content in _inputs(source) if name not in done]
    failed = 0
    with session.client() as client, target.open("a") as out, ThreadPoolExecutor(parallel) as pool:

        def answer(name: str, content: Path | bytes) -> dict[str, Any]:
            try:
                question = read_json(content, kind) if isinstance(content, bytes) else read_file(content, kind, csv)
                return {"input": name, **_solve(client, question, policy)}
            except IsinglassError as error:
                return {"input": name, "error": error_json(error)}

        for line in _finished(pool, answer, inputs, 2 * parallel):
            failed += not line.get("feasible", False)
            _write(out, line)
    note(f"isinglass: {len(inputs)} solved, {failed} of them without a plan, {len(done)} kept")
    return EXIT_REFUSED if failed else EXIT_OK


def _inputs(source: Path) -> Iterator[tuple[str, Path | bytes]]:
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        if not files:
            raise InvalidProblem([FieldViolation(str(source), "holds no problem", f"files in {', '.join(SUFFIXES)}")])
        yield from ((str(path.relative_to(source)), path) for path in files)
        return
    if source.suffix != ".jsonl":
        raise InvalidProblem([FieldViolation(str(source), "is a single file", "a folder or a .jsonl file")])
    with source.open("rb") as lines:
        yield from ((f"line {number}", line) for number, line in enumerate(lines, start=1) if line.strip())


def _answered(target: Path) -> set[str]:
    """Inputs that ``target`` has answers to; those with an error are asked again."""
    if not target.exists():
        return set()
    lines = [json.loads(line) for line in target.read_text().splitlines() if line.strip()]
    return {line["input"] for line in lines if "error" not in line}


def _finished(
    pool: ThreadPoolExecutor, answer: Any, inputs: list[tuple[str, Path | bytes]], ahead: int
) -> Iterator[dict[str, Any]]:
    """Answers as they come, with at most ``ahead`` inputs handed out, so that memory stays bounded."""
    waiting: set[Future[dict[str, Any]]] = set()
    for name, content in inputs:
        waiting.add(pool.submit(answer, name, content))
        if len(waiting) >= ahead:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    yield from (future.result() for future in wait(waiting).done)


def _solve(client: Client, question: Question, policy: PolicyOptions) -> dict[str, Any]:
    from protos.jobs_pb2 import SubmitJobRequest

    policy.apply(question.request.policy)
    if policy.project:
        question.request.project = policy.project
    request = SubmitJobRequest(**{question.kind: question.request})
    job = _submit(client, request)
    response = response_of(_wait(client, job.id))
    if response is None:
        raise ServiceError("INTERNAL", f"job {job.id} ended without a result")
    return answer_json(question.kind, response, question.customer_of)


def _submit(client: Client, request: Any) -> Any:
    """Submit, and come back as often as the service says that it is too busy."""
    for _ in range(BUSY_RETRIES):
        try:
            return client.call(client.jobs.SubmitJob, request, QUICK_CALL_S)
        except ServiceError as error:
            if error.code != "RESOURCE_EXHAUSTED" or error.retry_after_s is None:
                raise
            time.sleep(error.retry_after_s)
    raise ServiceError("RESOURCE_EXHAUSTED", f"the service was too busy {BUSY_RETRIES} times")


def _wait(client: Client, job_id: str) -> Any:
    """The finished job."""
    from protos.jobs_pb2 import JobState, WatchJobRequest

    job = None
    for event in client.stream(client.jobs.WatchJob, WatchJobRequest(job_id=job_id), WATCH_TIMEOUT_S):
        if event.HasField("job"):
            job = event.job
    if job is None:
        raise ServiceError("INTERNAL", f"the events of job {job_id} ended before it was finished")
    if job.state == JobState.FAILED:
        raise ServiceError("INTERNAL", f"job {job_id} failed: {job.error}")
    return job


def _write(out: TextIO, line: dict[str, Any]) -> None:
    out.write(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")
    out.flush()
