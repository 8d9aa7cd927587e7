"""The way of a request through the gateway: accept, hand over, answer in time."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ray.exceptions import RayError

from actors import logs
from actors.messages import Outcome, SolveOrder, Stored
from actors.names import actor, coordinator_name
from actors.settings import Settings
from federation.pressure import Pressure, Relief
from federation.reasons import Reason
from services.acceptance import Acceptance, Accepted
from services.background import Background, result_of
from services.fallback import Fallback
from services.lag import deadline_s, watch_lag
from services.responses import Draft, built, drafted, partial, stored_response
from solvers.errors import JobError
from store.jobs import Job
from store.keys import Principal
from store.store import Store

_RETRY_LEFT_S = 0.3
"""Another coordinator is tried only with at least this much time left."""
_STORED_POLL_S = 0.05
_PREPARE_AFTER_S = 0.005


class Solving:
    """What all solving RPCs share."""

    def __init__(self, settings: Settings, store: Store, known_backends: frozenset[str]) -> None:
        self._settings, self._store = settings, store
        self._background = Background()
        self._acceptance = Acceptance(settings, store, known_backends, self._background)
        self._fallback = Fallback(settings, store, self._background)
        self._pressure = Pressure()
        self._turn = itertools.count()

    async def accept(
        self,
        principal: Principal,
        kind_name: str,
        request: Any,
        correlation_id: str,
        awaited: bool = True,
        streamed: bool = False,
    ) -> Accepted:
        """As `Acceptance.accept`, for the coordinator whose turn it is where the caller waits (``awaited``).

        An answer that is not ``streamed`` is asked for while the job is being stored, where that can be.

        Raises
        ------
        TooBusy
            Also where the caller waits and this process is too far behind to answer by the deadline.

        """
        relief = self._pressure.relief(deadline_s(request)) if awaited else Relief.NOTHING
        coordinator = self._next_coordinator() if awaited else ""

        handed: list[str] = []

        def hand_over(order: SolveOrder) -> Any:
            handed.append(order.job_id)
            try:
                return actor(coordinator).solve.remote(order)
            except (RayError, ValueError):  # no such actor just now: asked again once the job is stored
                return None

        early = hand_over if awaited and not streamed and relief is Relief.NOTHING else None
        try:
            accepted = await self._acceptance.accept(principal, kind_name, request, correlation_id, coordinator, early)
        except asyncio.CancelledError:  # the client went away at once: nobody tells the coordinator any more
            for job_id in handed:
                actor(coordinator).cancel.remote(job_id)
            raise
        if accepted.call is not None:
            self._tell_stored(accepted)
        return replace(accepted, relief=relief)

    def _tell_stored(self, accepted: Accepted) -> None:
        """Tell the coordinator that a pending order's job is stored, or, where the store failed, to give it up."""
        order = self._with_insurance(accepted)
        try:
            if accepted.job_id:
                news = Stored(order.job_id, order.request_digest, order.insurance, order.insurance_bound)
                actor(accepted.coordinator).stored.remote(news)
                if order.insurance is None:
                    self._background.spawn(self._offer(accepted, accepted.coordinator))
            else:
                actor(accepted.coordinator).cancel.remote(accepted.drawn_id)
        except (RayError, ValueError) as error:
            logs.logger().warning("coordinator_unreachable", job_id=order.job_id, error=type(error).__name__)

    def find_coordinators(self) -> None:
        """Look them up before anybody asks: the first look in a process takes 60 ms, which its first callers lack."""
        for index in range(self._settings.coordinators):
            try:
                actor(coordinator_name(index))
            except (RayError, ValueError):  # looked up again when it is needed
                logs.logger().warning("coordinator_not_found", coordinator=coordinator_name(index))

    def upkeep(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs as long as the gateway does."""
        return self._acceptance.watch_scheduler(), self._fallback.end_abandoned(), watch_lag(self._pressure)

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """As `Background.spawn`."""
        return self._background.spawn(work)

    def stored_response(self, job: Job) -> Any:
        """The response of a finished job from the store alone."""
        return stored_response(self._store, job)

    async def answer(self, accepted: Accepted) -> Any:
        """The response message, before the deadline."""
        if not accepted.job_id:
            return await self._fallback.answer(accepted, Reason.STORE_UNREACHABLE)
        if not accepted.is_new:
            return await self._stored_answer(accepted)
        self._acceptance.in_flight += 1
        try:
            return await self._fresh_answer(accepted)
        finally:
            self._acceptance.in_flight -= 1
            accepted.insurance.cancel()

    async def _fresh_answer(self, accepted: Accepted) -> Any:
        try:
            if accepted.relief is Relief.SOLVERS and await self._fallback.has_plan(accepted):
                outcome, reason, draft = None, Reason.GATEWAY_OVERLOADED, None
            else:
                outcome, reason, draft = await self._coordinated(accepted)
        except asyncio.CancelledError:  # the client went away: a synchronous job ends with it
            self._background.spawn(self._cancel(accepted.job_id))
            raise
        if outcome is not None:
            return await built(accepted, outcome, draft)
        if reason is Reason.CANCELLED:  # somebody else has it, or has finished it
            return await self._stored_answer(accepted)
        return await self._fallback.answer(accepted, reason)

    async def stream(self, accepted: Accepted) -> AsyncIterator[Any]:
        """Improving responses; the last one is the answer."""
        if not accepted.is_new or not accepted.job_id or accepted.relief is not Relief.NOTHING:
            yield await self.answer(accepted)
            return
        stream = actor(accepted.coordinator).stream
        items = stream.options(num_returns="streaming").remote(self._with_insurance(accepted))
        iterator = aiter(items)
        try:
            while True:
                left_s = accepted.guard_at_s - time.monotonic()
                item = await asyncio.wait_for(_next(iterator), max(0.0, left_s))
                if isinstance(item, Outcome):
                    yield await built(accepted, item)
                    return
                yield partial(accepted, item)
        except (RayError, TimeoutError, StopAsyncIteration, JobError) as error:
            logs.logger().warning("stream_lost", job_id=accepted.job_id, error=type(error).__name__)
        except (asyncio.CancelledError, GeneratorExit):
            self._background.spawn(self._cancel(accepted.job_id))
            raise
        if self._time_to_retry(accepted):
            another = self._coordinators(accepted.coordinator)[-1]
            yield await self.answer(replace(accepted, order=_taken_over(accepted.order), coordinator=another))
        else:
            yield await self._fallback.answer(accepted, Reason.DEADLINE)

    async def submit(self, accepted: Accepted) -> None:
        """Hand an accepted job over and return; recovery picks it up when no coordinator takes it."""
        if not accepted.is_new:
            return
        for _ in range(self._settings.coordinators):
            try:
                await asyncio.wait_for(actor(self._next_coordinator()).submit.remote(accepted.order), 1.0)
            except (RayError, TimeoutError, ValueError) as error:
                logs.logger().warning("coordinator_unreachable", job_id=accepted.job_id, error=type(error).__name__)
            else:
                return

    async def _coordinated(self, accepted: Accepted) -> tuple[Outcome | None, Reason, Draft | None]:
        """The committed outcome and its draft; ``None`` and why when no coordinator brought one in time.

        ``CANCELLED``: the job is somebody else's by now.
        """
        order = self._with_insurance(accepted)
        for name in self._coordinators(accepted.coordinator):
            if name != accepted.coordinator:
                order = _taken_over(self._with_insurance(accepted))
            offering: asyncio.Task[None] | None = None
            drafting: asyncio.Task[Draft | None] | None = None
            try:
                early = accepted.call if name == accepted.coordinator else None
                call = early if early is not None else actor(name).solve.remote(order)
                drafting = self._background.spawn(self._draft(accepted, name))
                self._background.spawn(self._prepare(accepted))
                if order.insurance is None and early is None:
                    offering = self._background.spawn(self._offer(accepted, name))
                outcome: Outcome = await asyncio.wait_for(result_of(call), accepted.guard_at_s - time.monotonic())
            except TimeoutError:
                return None, Reason.DEADLINE, None
            except JobError:
                return None, Reason.CANCELLED, None
            except Exception as error:  # noqa: BLE001 - whatever broke there, the insurance stands
                logs.logger().warning(
                    "coordinator_lost", job_id=accepted.job_id, coordinator=name, error=str(error).splitlines()[0]
                )
                if not self._time_to_retry(accepted):
                    break
            else:
                return outcome, Reason.DEADLINE, drafting.result() if drafting.done() else None
            finally:
                for beside in (offering, drafting):
                    if beside is not None:
                        beside.cancel()
        return None, Reason.COORDINATOR_UNREACHABLE, None

    def _with_insurance(self, accepted: Accepted) -> SolveOrder:
        if not accepted.insurance.done():
            return accepted.order
        insured = accepted.insurance.result()
        return replace(accepted.order, insurance=insured.plan, insurance_bound=insured.bound)

    async def _prepare(self, accepted: Accepted) -> None:
        """Let a converter that explains plans work out its part while the solvers are at theirs."""
        prepare = getattr(accepted.kind.convert, "prepare", None)
        insured = await asyncio.wrap_future(accepted.insurance)
        if prepare is None or insured.plan is None:
            return
        await asyncio.sleep(_PREPARE_AFTER_S)  # the hand-over first
        await asyncio.to_thread(prepare, accepted.problem, insured.plan)

    async def _draft(self, accepted: Accepted, coordinator: str) -> Draft | None:
        """Make the plan's message while the outcome is being committed; whatever fails here costs time alone."""
        try:
            return drafted(accepted, await result_of(actor(coordinator).draft.remote(accepted.job_id)))
        except Exception as error:  # noqa: BLE001 - the reply is then made from the outcome
            logs.logger().warning("draft_lost", job_id=accepted.job_id, error=type(error).__name__)
            return None

    async def _offer(self, accepted: Accepted, coordinator: str) -> None:
        insured = await asyncio.wrap_future(accepted.insurance)
        if insured.plan is not None:
            await actor(coordinator).offer.remote(accepted.job_id, insured.plan)

    async def _cancel(self, job_id: str) -> None:
        names = [coordinator_name(index) for index in range(self._settings.coordinators)]
        asked = asyncio.gather(*(self._ask_to_cancel(name, job_id) for name in names))  # workers wait for no disk
        await asyncio.to_thread(self._store.jobs.request_cancel, job_id, datetime.now(UTC))
        await asked

    @staticmethod
    async def _ask_to_cancel(coordinator: str, job_id: str) -> None:
        try:
            await asyncio.wait_for(result_of(actor(coordinator).cancel.remote(job_id)), 1.0)
        except (RayError, TimeoutError, ValueError) as error:  # it sees the cancel in the store
            logs.logger().warning("cancel_not_told", job_id=job_id, error=type(error).__name__)

    async def _stored_answer(self, accepted: Accepted) -> Any:
        """A request that came before: its answer, once it is there."""
        while True:
            job = await asyncio.to_thread(self._store.jobs.get, accepted.job_id)
            if job.state.is_terminal:
                return await asyncio.to_thread(stored_response, self._store, job)
            if time.monotonic() >= accepted.guard_at_s:
                return await self._fallback.answer(accepted, Reason.DEADLINE)
            await asyncio.sleep(_STORED_POLL_S)

    def _next_coordinator(self) -> str:
        return coordinator_name(next(self._turn) % self._settings.coordinators)

    def _coordinators(self, first: str) -> list[str]:
        """All of them, from ``first`` on."""
        names = [coordinator_name(index) for index in range(self._settings.coordinators)]
        start = names.index(first)
        return names[start:] + names[:start]

    def _time_to_retry(self, accepted: Accepted) -> bool:
        return accepted.guard_at_s - time.monotonic() > _RETRY_LEFT_S


def _taken_over(order: SolveOrder) -> SolveOrder:
    """The order for another coordinator than the one that the job was leased to."""
    return replace(order, takeover=True, token=None)


async def _next(iterator: Any) -> Any:
    return await (await anext(iterator))
