"""The way of a request through gateway, scheduler, coordinator and worker, in one process without Ray.

Calls between actors are what they are on the cluster, copies and all; only the processes are missing.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from actors import names
from actors.coordinator import Coordinator
from actors.scheduler import Scheduler
from actors.settings import Settings
from actors.worker import Worker
from benchmarks.service import invoice_request
from protos.common_pb2 import FULL, INSURANCE, OPTIMAL, SIMULATE
from services.audit import verify_decision
from services.insurance import Insured
from services.solving import Solving
from solvers import canonical
from solvers.registry import problem_kind
from store.errors import TooBusy
from store.keys import Principal, Role
from store.leases import JobState
from store.store import Store

_END = object()


class _Handle:
    """Stands for an actor's handle: every call is a copy of its arguments, answered by a copy of the result."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self.dead = False

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, getattr(self._instance, name))


class _Method:
    def __init__(self, handle: _Handle, function: Callable[..., Any], streaming: bool = False) -> None:
        self._handle, self._function, self._streaming = handle, function, streaming

    def options(self, num_returns: str) -> _Method:
        assert num_returns == "streaming"
        return _Method(self._handle, self._function, streaming=True)

    def remote(self, *arguments: Any) -> Any:
        copied = _copy(arguments)
        return self._stream(copied) if self._streaming else asyncio.ensure_future(self._call(copied))

    async def _call(self, arguments: tuple[Any, ...]) -> Any:
        if self._handle.dead:
            raise ConnectionError("the actor is dead")
        if asyncio.iscoroutinefunction(self._function):
            return _copy(await self._function(*arguments))
        return _copy(await asyncio.to_thread(self._function, *arguments))

    async def _stream(self, arguments: tuple[Any, ...]) -> AsyncIterator[Awaitable[Any]]:
        made = self._function(*arguments)
        if isinstance(made, AsyncIterator):
            async for item in made:
                yield asyncio.sleep(0, _copy(item))
            return
        while (item := await asyncio.to_thread(next, made, _END)) is not _END:
            yield asyncio.sleep(0, _copy(item))


def _copy(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


class House:
    """All actors of a small service and the part of its gateway that solves."""

    def __init__(self, settings: Settings, handles: dict[str, _Handle]) -> None:
        self.settings, self.handles = settings, handles
        self.store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
        self.solving = Solving(settings, self.store, frozenset())
        self.principal = Principal("key", "acme", frozenset(Role))

    def jobs(self) -> set[str]:
        """Ids of the jobs that coordinators work on."""
        coordinators = (handle._instance for name, handle in self.handles.items() if name.startswith("coordinator"))
        return {job_id for coordinator in coordinators for job_id in coordinator._jobs}

    async def ask(self, request: Any, **options: Any) -> Any:
        accepted = await self.solving.accept(self.principal, "invoices", request, "c-1", **options)
        return await self.solving.answer(accepted)


@pytest_asyncio.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    problem_kind("invoices").warm()
    monkeypatch.setattr(os, "nice", lambda step: 0)
    settings = Settings(
        state_dir=str(tmp_path),
        database_url=f"sqlite:///{tmp_path}/isinglass.db",
        artifacts_url=str(tmp_path / "artifacts"),
        workers=1,
        coordinators=2,
        max_queued_jobs=100,
        max_message_bytes=10**7,
        log_level="error",
        backends=(),
    )
    before = asyncio.all_tasks()
    handles: dict[str, _Handle] = {}
    monkeypatch.setattr(names, "_handles", handles)
    monkeypatch.setattr("actors.worker._warm", lambda: None)
    monkeypatch.setattr("actors.coordinator.KINDS", ())
    handles["worker-0"] = _Handle(_plain(Worker)(settings, "worker-0"))
    handles["scheduler"] = _Handle(_plain(Scheduler)(settings))
    for name in ("coordinator-0", "coordinator-1"):
        handles[name] = _Handle(_plain(Coordinator)(settings, name))
    made = House(settings, handles)
    yield made
    tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    made.store.close()


def _plain(remote: Any) -> Any:
    """The class that Ray made an actor of."""
    return remote.__ray_metadata__.modified_class


async def test_a_request_is_proved_stored_and_recorded(house: House) -> None:
    """The answer is what the store holds: plan, report and record, under a lease that was taken as it was accepted."""
    response = await house.ask(invoice_request(1))
    report = response.report
    assert (report.status, report.service_level) == (OPTIMAL, FULL)
    job = house.store.jobs.get(report.job_id)
    assert (job.state, job.fencing_token, job.decision_id) == (JobState.SUCCEEDED, 1, report.decision_id)
    assert job.holder in {"coordinator-0", "coordinator-1"}
    states = [event.state for event in house.store.jobs.events(job.id)]
    assert states[:2] == ["ACCEPTED", "RUNNING"]
    assert states[-1] == "SUCCEEDED"
    again = house.solving.stored_response(job)
    assert again.plan == response.plan
    assert again.report.objective == report.objective
    assert verify_decision(house.store, report.decision_id, "acme").valid
    record = house.store.decisions.get(report.decision_id).record
    assert record["request_digest"] == job.request_digest
    assert canonical.loads(house.store.artifacts.get(job.request_digest))["kind"] == "invoices"


async def test_solving_begins_while_the_job_is_being_stored(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the store, a classical job is at work before, and nothing of it is written until it is stored."""
    accept = house.store.jobs.accept
    begun: list[bool] = []

    def slowly(**values: Any) -> Any:
        time.sleep(0.5)
        begun.append(values["job_id"] in house.jobs() and house.store.jobs.list("acme").items == ())
        return accept(**values)

    monkeypatch.setattr(house.store.jobs, "accept", slowly)
    report = (await house.ask(invoice_request(9))).report
    assert begun == [True]
    assert (report.status, report.service_level) == (OPTIMAL, FULL)
    job = house.store.jobs.get(report.job_id)
    assert house.store.decisions.get(report.decision_id).record["request_digest"] == job.request_digest
    assert verify_decision(house.store, report.decision_id, "acme").valid


@pytest.mark.parametrize("change", [{"idempotency_key": "k"}, {"replayable": True}, {"profile": SIMULATE}])
async def test_what_may_not_be_new_or_may_spend_waits_for_the_store(
    house: House, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """Work on a job that may be a repetition, must be repeatable, or asks backends begins once it is stored."""
    accept = house.store.jobs.accept
    begun: list[bool] = []

    def slowly(**values: Any) -> Any:
        time.sleep(0.2)
        begun.append(values["job_id"] in house.jobs())
        return accept(**values)

    monkeypatch.setattr(house.store.jobs, "accept", slowly)
    request = invoice_request(10)
    for name, value in change.items():
        setattr(request.policy, name, value)
    report = (await house.ask(request)).report
    assert begun == [False]
    assert report.feasible
    assert house.store.jobs.get(report.job_id).decision_id == report.decision_id


async def test_a_client_that_leaves_at_once_leaves_nothing_running(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes away while the job is being stored takes the work on it with him."""
    accept = house.store.jobs.accept

    def slowly(**values: Any) -> Any:
        time.sleep(0.3)
        return accept(**values)

    monkeypatch.setattr(house.store.jobs, "accept", slowly)
    asking = asyncio.create_task(house.ask(invoice_request(11)))
    await asyncio.sleep(0.1)
    assert house.jobs()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for _ in range(100):
        if not house.jobs():
            break
        await asyncio.sleep(0.02)
    assert not house.jobs()


async def test_solver_time_is_within_the_time_of_the_call(house: House) -> None:
    """What is said to be solver time is a worker's own, and every part is within the whole."""
    timings = (await house.ask(invoice_request(2))).report.timings
    assert 0.0 < timings.solver_s < timings.total_s
    assert 0.0 < timings.store_s < timings.total_s
    assert timings.queue_s + timings.solver_s < timings.total_s


async def test_the_same_key_brings_the_same_answer(house: House) -> None:
    """A repeated request is answered from the store, by the same job."""
    request = invoice_request(3)
    request.policy.idempotency_key = "k"
    first, second = await house.ask(request), await house.ask(request)
    assert first.report.job_id == second.report.job_id
    assert first.plan == second.plan


async def test_another_coordinator_takes_over_from_a_dead_one(house: House) -> None:
    """A coordinator that cannot be reached costs its lease, not the answer."""
    house.handles["coordinator-0"].dead = True
    for seed in (4, 5):
        report = (await house.ask(invoice_request(seed))).report
        assert report.service_level == FULL
        job = house.store.jobs.get(report.job_id)
        assert (job.holder, job.state) == ("coordinator-1", JobState.SUCCEEDED)


async def test_coordinators_are_found_before_anybody_asks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is away just now does not keep the gateway from starting."""
    asked = []

    def find(name: str) -> Any:
        asked.append(name)
        if name == "coordinator-0":
            raise ValueError(name)

    with monkeypatch.context() as patch:
        patch.setattr("services.solving.actor", find)
        house.solving.find_coordinators()
    assert asked == ["coordinator-0", "coordinator-1"]
    assert (await house.ask(invoice_request(16))).report.service_level == FULL


async def test_without_coordinators_the_insurance_is_committed(house: House) -> None:
    """With nobody to solve, the gateway takes the lease and stores what it answers."""
    house.handles["coordinator-0"].dead = house.handles["coordinator-1"].dead = True
    report = (await house.ask(invoice_request(6))).report
    assert (report.service_level, report.feasible) == (INSURANCE, True)
    job = house.store.jobs.get(report.job_id)
    assert (job.holder, job.state, job.decision_id) == ("gateway", JobState.SUCCEEDED, report.decision_id)


async def test_while_the_store_is_away_the_insurance_answers_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is accepted, so the answer has no job; and the coordinators forget what they have begun."""

    def away(**values: Any) -> None:
        raise TooBusy("the database is away", 1.0)

    monkeypatch.setattr(house.store.jobs, "accept", away)
    report = (await house.ask(invoice_request(7))).report
    assert (report.job_id, report.feasible, report.service_level) == ("", True, INSURANCE)
    assert house.store.jobs.list("acme").items == ()
    for _ in range(100):
        if not house.jobs():
            break
        await asyncio.sleep(0.02)
    assert not house.jobs()


async def test_a_submitted_job_is_leased_by_who_takes_it(house: House) -> None:
    """Nobody waits for it: the job is accepted without a lease, and finished all the same."""
    request = invoice_request(8)
    accepted = await house.solving.accept(house.principal, "invoices", request, "c-1", awaited=False)
    assert house.store.jobs.get(accepted.job_id).state is JobState.ACCEPTED
    await house.solving.submit(accepted)
    for _ in range(200):
        if house.store.jobs.get(accepted.job_id).state.is_terminal:
            break
        await asyncio.sleep(0.05)
    job = house.store.jobs.get(accepted.job_id)
    assert (job.state, job.fencing_token) == (JobState.SUCCEEDED, 1)


async def test_a_flood_of_one_tenant_is_refused_before_the_next_pulse_and_leaves_another_room(house: House) -> None:
    """What was submitted since the scheduler last told its queue counts; a full queue is full for who fills it."""
    acceptance = house.solving._acceptance
    acceptance._settings = replace(acceptance._settings, max_queued_jobs=4)
    for seed in range(4):
        await house.solving.accept(house.principal, "invoices", invoice_request(seed), "c-1", awaited=False)
    with pytest.raises(TooBusy) as refused:
        await house.solving.accept(house.principal, "invoices", invoice_request(9), "c-1", awaited=False)
    assert refused.value.retry_after_s is not None
    other = replace(house.principal, tenant="other")
    accepted = await house.solving.accept(other, "invoices", invoice_request(9), "c-1", awaited=False)
    assert accepted.is_new
    assert len(house.store.jobs.list("acme").items) == 4, "what was refused is not stored"


async def test_a_gateway_that_lags_answers_by_the_quick_heuristic_at_once(house: House) -> None:
    """Solvers are left out, and the answer is stored and recorded as any other."""
    house.solving._pressure.lag_s = 0.5
    request = invoice_request(12)
    report = (await house.ask(request)).report
    assert (report.service_level, report.service_level_reason) == (INSURANCE, "GATEWAY_OVERLOADED")
    assert report.feasible
    job = house.store.jobs.get(report.job_id)
    assert (job.holder, job.state, job.decision_id) == ("gateway", JobState.SUCCEEDED, report.decision_id)
    assert verify_decision(house.store, report.decision_id, "acme").valid
    house.solving._pressure.lag_s = 0.0
    assert (await house.ask(invoice_request(13))).report.service_level == FULL


async def test_where_the_quick_heuristic_finds_no_plan_the_solvers_are_asked_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being spared is no reason to answer nothing."""

    def nothing(*_: Any) -> Insured:
        return Insured(None, None, None, 0.0)

    monkeypatch.setattr("services.insurance.insure", nothing)
    house.solving._pressure.lag_s = 0.5
    report = (await house.ask(invoice_request(14))).report
    assert (report.status, report.service_level) == (OPTIMAL, FULL)


async def test_a_gateway_too_far_behind_refuses_before_anything_is_stored(house: House) -> None:
    """An answer after its deadline is work for nothing; who only submits does not wait and is taken."""
    house.solving._pressure.lag_s = 60.0
    with pytest.raises(TooBusy, match="the deadline is"):
        await house.ask(invoice_request(15))
    assert house.store.jobs.list("acme").items == ()
    accepted = await house.solving.accept(house.principal, "invoices", invoice_request(15), "c-1", awaited=False)
    assert accepted.is_new
