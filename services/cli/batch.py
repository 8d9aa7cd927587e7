"""``isinglass batch IN OUT``: many problems as jobs, each answered once, with progress; resumable after any end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from services.cli.answer import answer_json, response_of
from services.cli.batch_answers import Answers
from services.cli.batch_inputs import Input, count_inputs, read_inputs, write_policy
from services.cli.batch_progress import Progress
from services.cli.batch_ray_job import KeepsArguments, run_as_ray_job
from services.cli.output import EXIT_OK, EXIT_REFUSED, EXIT_UNREACHABLE, error_json, note, show_error
from services.cli.policy import PolicyOptions, policy_options
from services.cli.read import KINDS, Question
from services.cli.session import Session
from services.cli.tables import CsvOptions, csv_options
from services.client import QUICK_CALL_S, Client, ServiceError
from solvers.errors import IsinglassError

WATCH_TIMEOUT_S = 4 * 3600.0
"""Longest wait for one job, its time in the queue included (s)."""
BUSY_RETRIES = 1000
AWAY_S = 60.0
"""How long a service that does not answer is asked again before the batch stops (s)."""
_AWAY_PAUSE_S = 1.0


@click.command(cls=KeepsArguments)
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@policy_options
@click.option("--kind", type=click.Choice(KINDS), help="Kind of the problems where they say none. Default: by fields.")
@csv_options
@click.option("--parallel", type=click.IntRange(1, 256), default=4, show_default=True, help="Jobs under way at once.")
@click.option("--resume", is_flag=True, help="Keep the answers that OUT holds already, and ask only for the others.")
@click.option("--ray-job", is_flag=True, help="Run it as a Ray job on the service's cluster, and follow its log.")
@click.pass_obj
def batch(
    session: Session,
    /,
    source: Path,
    target: Path,
    *,
    kind: str | None,
    parallel: int,
    resume: bool,
    ray_job: bool,
    **options: Any,
) -> int:
    """Solve every problem of IN and write an answer for each to OUT, as each is finished.

    IN is a folder of .vrp, .json and .csv files, a .jsonl file with one request or problem a line, or a .parquet file
    with one a row. OUT is .parquet, or else a file of JSON lines: what `solve --json` prints, with "input" in front, or
    "input" and "error". With --resume a batch goes on where it ended, killed or not: no problem is solved or answered
    twice. Exit code 1 when any has no plan, 3 when the service stayed away.
    """
    policy = PolicyOptions(**{f.name: options[f.name] for f in fields(PolicyOptions)})
    if policy.idempotency_key:
        raise click.UsageError("--idempotency-key names one request; a batch has many")
    if policy.max_age_s is not None:
        raise click.UsageError("--max-age is for a request that is waited for; a batch is made of jobs")
    if ray_job:
        return run_as_ray_job(session, click.get_current_context())
    csv = CsvOptions(**{f.name: options[f.name] for f in fields(CsvOptions)})
    total = count_inputs(source)
    with Answers(target, resume) as answers:
        kept = len(answers.done)
        progress = Progress(total, kept)
        todo = (each for each in read_inputs(source, kind) if each.name not in answers.done)
        with session.client() as client, ThreadPoolExecutor(parallel) as pool:
            asking = _Asking(client, policy, csv, answers)
            try:
                for line in _finished(pool, asking.answer, todo, 2 * parallel):
                    answers.write(line)
                    progress.add(line)
            except ServiceError as error:  # not of one input: nobody answers any more
                asking.stop()
                progress.end()
                show_error(error)
                note(f"isinglass: stopped with {len(answers.done)} of {total} answered; go on with --resume")
                return EXIT_UNREACHABLE
            except BaseException:
                asking.stop()
                progress.end()
                note(f"isinglass: stopped with {len(answers.done)} of {total} answered; go on with --resume")
                raise
        progress.end()
        answers.finish()
    note(f"isinglass: {progress.answered} solved, {progress.without_plan} of them without a plan, {kept} kept")
    return EXIT_REFUSED if progress.without_plan else EXIT_OK


class _Asking:
    """Asks the service for one input after another, from several threads."""

    def __init__(self, client: Client, policy: PolicyOptions, csv: CsvOptions, answers: Answers) -> None:
        self._client, self._policy, self._csv, self._answers = client, policy, csv, answers
        self._stopped = False

    def stop(self) -> None:
        """Nobody reads the answers any more: calls under way end, and their jobs are found again the next time."""
        self._stopped = True
        self._client.close()

    def answer(self, each: Input) -> dict[str, Any]:
        """The line of one input. Raises `ServiceError` when the service stays away."""
        try:
            return {"input": each.name, **self._solve(each.name, each.read(self._csv))}
        except IsinglassError as error:
            if isinstance(error, ServiceError) and error.unreachable:
                raise
            return {"input": each.name, "error": error_json(error)}

    def _solve(self, name: str, question: Question) -> dict[str, Any]:
        from protos.jobs_pb2 import SubmitJobRequest

        request = question.request
        write_policy(request, self._policy)
        if not request.policy.idempotency_key:
            request.policy.idempotency_key = self._answers.key(name, request.SerializeToString(deterministic=True))
        order = SubmitJobRequest(**{question.kind: request})
        client = self._client
        job = self._patiently(lambda: client.call(client.jobs.SubmitJob, order, QUICK_CALL_S))
        response = response_of(self._patiently(lambda: _wait(client, job.id)))
        if response is None:
            raise ServiceError("INTERNAL", f"job {job.id} ended without a result")
        return answer_json(question.kind, response, question.customer_of)

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Come back as often as the service says that it is too busy, and for a while when it does not answer."""
        away_since_s: float | None = None
        for _ in range(BUSY_RETRIES):
            try:
                return call()
            except ServiceError as error:
                now_s = time.monotonic()
                if error.code == "RESOURCE_EXHAUSTED" and error.retry_after_s is not None:
                    pause_s = error.retry_after_s
                elif error.unreachable:
                    away_since_s = now_s if away_since_s is None else away_since_s
                    pause_s = _AWAY_PAUSE_S
                    if now_s - away_since_s >= AWAY_S:
                        raise
                else:
                    raise
                if self._stopped:
                    raise
            time.sleep(pause_s)
        raise ServiceError("RESOURCE_EXHAUSTED", f"the service was too busy {BUSY_RETRIES} times")


def _finished(
    pool: ThreadPoolExecutor, answer: Callable[[Input], dict[str, Any]], inputs: Iterator[Input], ahead: int
) -> Iterator[dict[str, Any]]:
    """Answers as they come, with at most ``ahead`` inputs handed out, so that memory stays bounded.

    What fails ends all: those that have not begun are taken back.
    """
    waiting: set[Future[dict[str, Any]]] = set()
    try:
        for each in inputs:
            waiting.add(pool.submit(answer, each))
            if len(waiting) >= ahead:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    finally:
        for future in waiting:
            future.cancel()


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
