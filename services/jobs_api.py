"""JobService: accepted jobs, looked at through the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from actors.names import actor, coordinator_name
from actors.settings import Settings
from protos import jobs_pb2
from services.convert.times import timestamp
from services.solving import Solving
from solvers.errors import FieldViolation, InvalidProblem
from store.jobs import Job
from store.keys import Principal
from store.leases import JobState
from store.store import Store

_WATCH_POLL_S = 0.1
_EVENTS_A_LOOK = 1000
_KINDS = ("routing", "invoices", "binary")


class JobsApi:
    """Handlers of the JobService; authentication and errors are the gateway's."""

    def __init__(self, settings: Settings, store: Store, solving: Solving) -> None:
        self._settings, self._store, self._solving = settings, store, solving

    async def submit(self, principal: Principal, request: jobs_pb2.SubmitJobRequest, correlation_id: str) -> Any:
        """Accept a job and answer at once."""
        kind = request.WhichOneof("problem")
        if kind is None:
            raise InvalidProblem([FieldViolation("problem", "is not set", " or ".join(_KINDS))])
        accepted = await self._solving.accept(principal, kind, getattr(request, kind), correlation_id, awaited=False)
        await self._solving.submit(accepted)
        return await self.get(principal, accepted.job_id)

    async def get(self, principal: Principal, job_id: str) -> jobs_pb2.Job:
        """The job with its result, when it has one."""
        return await asyncio.to_thread(self._get, principal.tenant, job_id)

    async def list(self, principal: Principal, request: jobs_pb2.ListJobsRequest) -> jobs_pb2.ListJobsResponse:
        """A page of the tenant's jobs."""
        states = [JobState[jobs_pb2.JobState.Name(state)] for state in request.states if state]
        page = await asyncio.to_thread(
            self._store.jobs.list, principal.tenant, states, request.page_size, request.page_token
        )
        return jobs_pb2.ListJobsResponse(
            jobs=[job_message(job) for job in page.items], next_page_token=page.next_page_token
        )

    async def watch(self, principal: Principal, request: jobs_pb2.WatchJobRequest) -> AsyncIterator[jobs_pb2.JobEvent]:
        """Stored events, then new ones until the job is finished."""
        after = request.after_sequence
        await asyncio.to_thread(self._store.jobs.get, request.job_id, principal.tenant)
        while True:
            job = await asyncio.to_thread(self._store.jobs.get, request.job_id, principal.tenant)
            events = await asyncio.to_thread(self._store.jobs.events, request.job_id, after, _EVENTS_A_LOOK)
            for event in events:
                after = event.sequence
                message = jobs_pb2.JobEvent(
                    sequence=event.sequence,
                    at=timestamp(event.at),
                    state=jobs_pb2.JobState.Value(event.state),
                    found_by=event.found_by,
                )
                if event.objective is not None:
                    message.objective = event.objective
                if event.bound is not None:
                    message.bound = event.bound
                if JobState(event.state).is_terminal:
                    message.job.CopyFrom(await self.get(principal, request.job_id))
                yield message
            if len(events) == _EVENTS_A_LOOK:
                continue
            if job.state.is_terminal:
                return
            await asyncio.sleep(_WATCH_POLL_S)

    async def cancel(self, principal: Principal, job_id: str) -> jobs_pb2.Job:
        """Ask for the end of a job and wait a moment for it."""
        job = await asyncio.to_thread(self._store.jobs.get, job_id, principal.tenant)  # refuses what is not theirs
        if not job.state.is_terminal:
            # Beside the store, whose disk no worker need wait for; what is written there is seen when this is lost.
            for index in range(self._settings.coordinators):
                self._solving.spawn(_ask(coordinator_name(index), job_id))
            job = await asyncio.to_thread(self._store.jobs.request_cancel, job_id, datetime.now(UTC), principal.tenant)
        for _ in range(10):
            if job.state.is_terminal:
                break
            await asyncio.sleep(0.05)
            job = await asyncio.to_thread(self._store.jobs.get, job_id, principal.tenant)
        return await self.get(principal, job_id)

    def _get(self, tenant: str, job_id: str) -> jobs_pb2.Job:
        job = self._store.jobs.get(job_id, tenant)
        message = job_message(job)
        if job.decision_id is not None and job.kind in _KINDS:
            getattr(message, job.kind).CopyFrom(self._solving.stored_response(job))
        return message


async def _ask(coordinator: str, job_id: str) -> None:
    await actor(coordinator).cancel.remote(job_id)


def job_message(job: Job) -> jobs_pb2.Job:
    """The job without its result."""
    return jobs_pb2.Job(
        id=job.id,
        kind=job.kind,
        state=jobs_pb2.JobState.Value(job.state.name),
        accepted_at=timestamp(job.accepted_at),
        deadline_at=timestamp(job.deadline_at),
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        error=job.error or "",
        request_digest=job.request_digest,
        labels=dict(job.labels),
    )
