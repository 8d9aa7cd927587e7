"""What the scheduler decides about backends: plans of attack, substitutes, shadows; and what it learns from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from actors import rollout_log
from actors.device_watch import DeviceWatch
from actors.settings import Settings
from backends.config import backends_from_tables
from federation.approval import explained, unapproved
from federation.attack import Attack, BackendChoice, BackendView, plan_attack
from federation.casting import cast_of
from federation.evidence import seen_from_observation
from federation.flags import Flags
from federation.policy import Policy, Profile
from federation.rollouts import Rollouts
from federation.selection import Selection
from federation.settings import FederationSettings, settings_from_table
from federation.shares import in_share
from solvers.problem import Features
from solvers.registry import KINDS
from store.amounts import Amounts
from store.observations import Observation
from store.store import Store

_REMEMBERED = 1000
"""Observations of each kind that a restarted scheduler learns from again."""


@dataclass(frozen=True)
class JobCard:
    """What the scheduler has to know of a job.

    ``job_id`` is the job's seat: its id with who attempts it and since when, so that a holder that lost the lease
    cannot give away what the next one holds. ``want``: most workers it can use. ``finish_by_s``: Unix time.
    ``approved``: an operator sent it.
    """

    job_id: str
    tenant: str
    coordinator: str
    kind: str
    features: Features
    strategies: tuple[str, ...]
    policy: Policy
    want: int
    finish_by_s: float
    approved: bool = False


class Planner:
    """Decides by `federation/`, from what `DeviceWatch` sees and what jobs showed.

    Parameters
    ----------
    settings, store
        Of the scheduler.
    went_down
        Told of a backend that just went down.
    """

    def __init__(self, settings: Settings, store: Store, went_down: Callable[[str], None]) -> None:
        names, federation = configured(settings)
        self._store = store
        self._selection = Selection(federation.selection)
        self._approval_micros = federation.approval_above_usd_micros
        self._flags = Flags(federation.flags)
        self._rollouts = Rollouts(federation.canaries, rollout_log.entries(store) if federation.canaries else ())
        begun = self._rollouts.begin(time.time())
        if begun:
            rollout_log.append(store, begun)
        self._shadow_share = federation.shadow_share
        self.fairness = federation.fairness
        self._approved: set[str] = set()
        """Jobs that an operator sent."""
        self.devices = DeviceWatch(names, store, self._selection, federation, went_down)

    def attack(self, card: JobCard, waiting: int, workers: int) -> Attack:
        """The plan for a job that opens while ``waiting`` others wait for one of ``workers``.

        While any waits, nothing runs in its shadow; while more wait than there are workers, nothing runs on their cores
        that is not a worker.
        """
        now_s = time.time()
        if card.approved:
            self._approved.add(job_of(card.job_id))
        views = self.devices.views(overloaded=waiting >= max(1, workers))
        attack = self._plan(card, card.policy, views, now_s)
        return replace(attack, shadow=None if waiting else self._shadow(card, now_s))

    def over(self, seat: str) -> None:
        """A job is over."""
        self._approved.discard(job_of(seat))

    def request_limit(self, job_id: str, asked: Amounts) -> Amounts:
        """Most that a job may hold and spend: what it asks for, or less without an approval."""
        if self._approval_micros is None or job_id in self._approved:
            return asked
        return replace(asked, usd_micros=min(asked.usd_micros, self._approval_micros))

    def substitute(
        self, card: JobCard, failed: str, tried: tuple[str, ...], usd_micros: int, shots: int, hedges: bool
    ) -> BackendChoice | None:
        """As `actors.scheduler.Scheduler.substitute`."""
        group = self.devices.groups.of(failed)
        if group is None:
            return None
        able = set(group.config.backends) - set(tried)
        views = [view for view in self.devices.views() if view.facts.name in able]
        policy = replace(card.policy, budget_usd_micros=usd_micros, max_shots=shots)
        attack = self._plan(card, policy, views, time.time())
        if not attack.backends:
            return None
        choice = attack.backends[0]
        if not hedges:
            self.devices.moved(failed, job_of(card.job_id))
        return replace(choice, reason=f"{'beside' if hedges else 'in place of'} {failed}; {choice.reason}")

    async def learn_from_store(self) -> None:
        """Rebuild what selection knows, oldest first."""
        for kind in KINDS:
            known = await asyncio.to_thread(self._store.observations.recent, kind, _REMEMBERED)
            for observation in reversed(known):
                self.learn(observation)

    def learn(self, seen: Observation) -> None:
        """Learn from what one strategy or backend did."""
        evidence = seen_from_observation(
            seen.kind,
            seen.features,
            seen.strategy,
            seen.backend,
            seen.outcome,
            seen.improvement,
            seen.seconds,
            self.devices.facts.get(seen.backend),
            seen.version,
        )
        if evidence is not None:
            self._selection.observe(evidence, seen.at.timestamp())
            verdicts = self._rollouts.observe(evidence, seen.at.timestamp())
            if verdicts:
                rollout_log.append(self._store, verdicts)

    def _plan(self, card: JobCard, policy: Policy, views: list[BackendView], now_s: float) -> Attack:
        named, job_id = bool(policy.allowed_backends), job_of(card.job_id)
        allowed = unapproved(policy, self._approval_micros, card.approved)
        off = self._flags.backends_off(job_id, policy.allowed_backends)
        views = [replace(view, switched_off=view.facts.name in off) for view in views]
        casting = cast_of(self._flags, self._rollouts, card.kind, job_id, card.strategies)
        attack = plan_attack(
            card.kind,
            card.features,
            casting.names,
            views,
            allowed,
            max(0.0, card.finish_by_s - now_s),
            # Who names backends gets those backends; otherwise experience decides what is worth its time and money.
            None if named else self._selection.at(now_s),
            None if named else partial(self._gives_way, job_id),
        )
        attack = casting.applied(attack)
        return explained(attack, policy, allowed)

    def _shadow(self, card: JobCard, now_s: float) -> BackendChoice | None:
        """A free local backend for a share of classical requests."""
        policy = card.policy
        if policy.profile is not Profile.CLASSICAL or policy.replayable:
            return None
        if not in_share(job_of(card.job_id), "shadow", self._shadow_share):
            return None
        simulated = replace(policy, profile=Profile.SIMULATE, budget_usd_micros=0, allowed_backends=())
        chosen = self._plan(card, simulated, self.devices.views(), now_s).backends
        return chosen[0] if chosen else None

    def _gives_way(self, job_id: str, backends: Collection[str]) -> dict[str, str]:
        """Canaries first, then the traffic of groups among who is left."""
        replaced = self._rollouts.gives_way(job_id, backends)
        left = [name for name in backends if name not in replaced]
        return self.devices.groups.preferred(job_id, left, time.monotonic()) | replaced


def configured(settings: Settings) -> tuple[tuple[str, ...], FederationSettings]:
    """Names of the configured backends, and what the operator set of the federation."""
    names = tuple(config.name for config in backends_from_tables(settings.backends).backends)
    return names, settings_from_table(settings.federation, names)


def job_of(seat: str) -> str:
    """The job of a seat."""
    return seat.rsplit("#", 1)[0]
