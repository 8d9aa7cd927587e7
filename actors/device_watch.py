"""The scheduler's eyes: facts, heartbeats and outcomes of every backend, and the traffic of interchangeable ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from actors import logs
from actors.metrics import metrics
from actors.names import actor, device_name
from backends.backend import BackendFacts, CalibratedValue
from federation.attack import BackendView
from federation.drift_watch import DriftWatch
from federation.groups import Groups
from federation.selection import Selection
from federation.settings import FederationSettings
from federation.watch import Event, Happened, Watch
from store.store import Store

_LOOK_S = 0.05
_FACTS_S = 5.0
_FACTS_SOON_S = 1.0
_LATE_S = 2.0
"""A call that is out for so many times its usual time counts as slow before it ends."""


class DeviceWatch:
    """State of every backend. All calls come from the scheduler's event loop.

    Parameters
    ----------
    names
        Of the configured backends.
    store
        Where calibrations are kept.
    selection
        Told of queues.
    settings
        What the operator set.
    went_down
        Told of a backend that just went down, so that what it was asked is asked elsewhere.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        store: Store,
        selection: Selection,
        settings: FederationSettings,
        went_down: Callable[[str], None],
    ) -> None:
        self._store, self._selection, self._went_down = store, selection, went_down
        self.facts: dict[str, BackendFacts] = {}
        lone = set(names) - {name for group in settings.groups for name in group.backends}
        self.watch = Watch(names, settings.watch, settings.domains, lone)
        self.groups = Groups(settings.groups, self.watch)
        self._drift = DriftWatch()
        self._unavailable: dict[str, str] = {}
        self._sent: dict[tuple[str, str], float] = {}
        """(backend, job) -> when it was asked (monotonic)."""
        self._beat_s = settings.watch.heartbeat.expected_s

    def loops(self) -> list[Callable[[], Awaitable[float]]]:
        """Steps to be repeated for ever; each returns the pause after it, in seconds."""
        return [self._look, self._look_at_devices, *(self._heart(name) for name in self.watch.names)]

    def views(self, overloaded: bool = False) -> list[BackendView]:
        """What planning sees of each backend that has been seen at all."""
        now_s = time.monotonic()
        return [
            BackendView(
                replace(
                    facts, available=facts.available and name not in self._unavailable and not self.watch.down(name)
                ),
                not self.watch.askable(name, now_s),
                overloaded,
            )
            for name, facts in self.facts.items()
        ]

    def allow(self, backend: str, job_id: str) -> bool:
        """Whether a submission may go out now."""
        now_s = time.monotonic()
        allowed = self.watch.allow(backend, now_s, job_id)
        if allowed and job_id:
            self._sent[backend, job_id] = now_s
        return allowed

    def withdraw(self, backend: str, job_id: str) -> None:
        """A submission that was allowed was not made, or says nothing of the backend's health."""
        self._sent.pop((backend, job_id), None)
        self.watch.withdraw(backend, time.monotonic())

    def report(self, backend: str, ok: bool, job_id: str) -> None:
        """How a submission went."""
        if backend not in self.watch.names:
            return
        now_s = time.monotonic()
        sent_s = self._sent.pop((backend, job_id), None)
        if sent_s is not None and ok:
            self.groups.observe(backend, now_s - sent_s)
        self.watch.record(backend, ok, now_s, job_id)
        metrics().backend_calls.labels(backend, "ok" if ok else "failed").inc()

    def table(self) -> list[dict[str, Any]]:
        """Facts, circuit, reason of unavailability, health and traffic weight of every configured backend."""
        now_s = time.monotonic()
        weights = {name: share for group in self.groups.all for name, share in group.weights(now_s).items()}
        return [
            {
                "name": name,
                "facts": self.facts.get(name),
                "circuit_state": self.watch.circuit(name, now_s).name,
                "unavailable_reason": self.watch.down(name)
                or self._unavailable.get(name, "" if name in self.facts else "not polled yet"),
                "health": self.watch.domains.up(name, now_s),
                "traffic_weight": weights.get(name),
                "group": group.config.name if (group := self.groups.of(name)) else "",
            }
            for name in self.watch.names
        ]

    def since(self, at_s: float) -> tuple[Happened, ...]:
        """What happened at or after ``at_s`` (Unix time), in Unix time: what drills are timed by."""
        shift_s = time.time() - time.monotonic()
        return tuple(replace(entry, at_s=entry.at_s + shift_s) for entry in self.watch.since(at_s - shift_s))

    def moved(self, backend: str, job_id: str) -> None:
        """A job's work was taken from ``backend`` and handed to another."""
        self.watch.note(backend, Event.MOVED, time.monotonic(), job_id)

    async def _look(self) -> float:
        now_s = time.monotonic()
        for name in self.watch.look(now_s):
            self._taken_down(name)
        for (name, _), sent_s in self._sent.items():
            group = self.groups.of(name)
            if group is not None and now_s - sent_s > _LATE_S * group.latency_s(name):
                group.observe(name, now_s - sent_s)
        return _LOOK_S

    def _heart(self, name: str) -> Callable[[], Awaitable[float]]:
        async def beat() -> float:
            started_s = time.monotonic()
            try:
                await actor(device_name(name)).pid.remote()
            except (ActorDiedError, ActorUnavailableError, ValueError) as error:
                if self.watch.gone(name, f"process gone: {type(error).__name__}", time.monotonic()):
                    self._taken_down(name)
            except RayError:
                pass  # the silence speaks
            else:
                was_down = self.watch.down(name)
                self.watch.beat(name, time.monotonic())
                if was_down:
                    logs.logger().info("backend_heard_again", backend=name)
                    self.groups.changed(name, time.monotonic())
            return max(0.0, self._beat_s - (time.monotonic() - started_s))

        return beat

    def _taken_down(self, name: str) -> None:
        logs.logger().warning("backend_down", backend=name, reason=self.watch.down(name))
        for key in [key for key in self._sent if key[0] == name]:
            del self._sent[key]
        self._went_down(name)
        self.groups.changed(name, time.monotonic())

    async def _look_at_devices(self) -> float:
        """Refresh the facts of every backend."""
        await asyncio.gather(*(self._ask_device(name) for name in self.watch.names))
        return _FACTS_S if len(self.facts) == len(self.watch.names) else _FACTS_SOON_S

    async def _ask_device(self, name: str) -> None:
        try:
            facts: BackendFacts = await asyncio.wait_for(actor(device_name(name)).facts.remote(), _FACTS_S)
        except Exception as error:  # noqa: BLE001 - whatever a vendor's client raises, the others go on
            self._unavailable[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return
        self._selection.observe_queue(name, facts.queue_length, time.time())
        earlier = self.facts.get(name)
        self.facts[name] = facts
        if facts.calibration and (earlier is None or earlier.calibration_id != facts.calibration_id):
            if earlier is None:
                await self._chart_known(name)
            self._chart(name, facts.calibration, datetime.now(UTC))
            await asyncio.to_thread(self._keep_calibration, facts)
        if facts.available:
            self._unavailable.pop(name, None)
        else:
            self._unavailable[name] = "the backend says it is offline"

    async def _chart_known(self, name: str) -> None:
        """Chart the snapshots of before a restart."""
        for known in reversed(await asyncio.to_thread(self._store.observations.recent_calibrations, name)):
            values = [
                CalibratedValue(v["name"], v["where"], v["value"], datetime.fromisoformat(v["date"]))
                for v in known.values
            ]
            self._chart(name, values, known.at)

    def _chart(self, name: str, values: Sequence[CalibratedValue], at: datetime) -> None:
        """Look for drift in a new calibration; selection discounts a device that has just got worse."""
        for series, alarm in self._drift.observe(name, values, at).items():
            direction = "worse" if alarm.direction > 0 else "better"
            logs.logger().warning("calibration_drift", backend=name, series=series, direction=direction)
        self._selection.desk.drifted(name, self._drift.factor(name))

    def _keep_calibration(self, facts: BackendFacts) -> None:
        """Snapshots go to the store with a date per value: decision records name them by their id."""
        values = [
            {"name": value.name, "where": value.where, "value": value.value, "date": value.date.isoformat()}
            for value in facts.calibration
        ]
        self._store.observations.record_calibration(facts.name, facts.calibration_id, values, datetime.now(UTC))
