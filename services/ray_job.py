"""Submit a command as a Ray job and follow its log: ``python -m services.ray_job DASHBOARD ID COMMAND``.

A process of its own, in the environment of the service, since Ray takes its authentication from the environment that it
is imported in. Exit code: 0 when the job succeeded, 1 when it failed or was stopped, 3 when it was not accepted.
"""

from __future__ import annotations

import asyncio
import sys
import time

from ray.job_submission import JobStatus, JobSubmissionClient

SUBMIT_S = 60.0
"""A cluster that has just started takes jobs a little later than it answers (s)."""
_PAUSE_S = 1.0
_ENDED_S = 30.0


def main(dashboard: str, name: str, command: str) -> int:
    """Submit and follow."""
    client = _submitted(dashboard, name, command)
    if client is None:
        return 3
    asyncio.run(_follow(client, name))
    give_up_s = time.monotonic() + _ENDED_S
    while not (status := client.get_job_status(name)).is_terminal() and time.monotonic() < give_up_s:
        time.sleep(0.2)  # the log ends a moment before the status
    sys.stderr.write(f"isinglass: Ray job {name} {status.value.lower()}\n")
    return 0 if status is JobStatus.SUCCEEDED else 1


def _submitted(dashboard: str, name: str, command: str) -> JobSubmissionClient | None:
    give_up_s = time.monotonic() + SUBMIT_S
    while True:
        try:
            client = JobSubmissionClient(dashboard)
            client.submit_job(entrypoint=command, submission_id=name)
        except (RuntimeError, ConnectionError) as error:  # what the client makes of every refusal
            if time.monotonic() >= give_up_s:
                sys.stderr.write(f"isinglass: {dashboard} takes no job: {str(error).strip().splitlines()[0]}\n")
                return None
            time.sleep(_PAUSE_S)
        else:
            return client


async def _follow(client: JobSubmissionClient, name: str) -> None:
    """Give the job's log on as it comes."""
    async for lines in client.tail_job_logs(name):
        sys.stdout.write(lines)
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
