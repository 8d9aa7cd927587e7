"""What actors send each other: frozen dataclasses, never protobuf."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dimod
import ray

from federation.policy import Policy
from federation.report import Contribution, Report
from solvers.kernel import Kernel
from solvers.problem import Verdict
from store.amounts import Amounts

INLINE_BYTES = 64_000
"""Below this a pickle in the call is cheaper than an object-store reference (Ray inlines up to 100 kB)."""


@dataclass(frozen=True)
class Box:
    """A problem or plan on its way between processes: large ones travel once, by reference."""

    data: bytes | None
    ref: Any = None

    @classmethod
    def pack(cls, value: Any) -> Box:
        data = pickle.dumps(value, protocol=5)
        if len(data) <= INLINE_BYTES:
            return cls(data)
        return cls(None, ray.put(value))

    def open(self) -> Any:
        """The value. Blocks while a large one arrives from another node."""
        return pickle.loads(self.data) if self.data is not None else ray.get(self.ref)  # noqa: S301 - our own bytes


@dataclass(frozen=True)
class SolveOrder:
    """One accepted job, handed to a coordinator.

    Parameters
    ----------
    job_id, tenant, project, kind, correlation_id
        Who and what.
    request_digest
        Digest of the canonical request, in the artifact store.
    policy
        As validated at the door, seed drawn.
    problem
        The problem.
    accepted_at
        Wall clock of acceptance (UTC).
    finish_by_s
        Unix time in seconds by which the answer must be committed.
    insurance
        The insurance plan when it was ready in time.
    insurance_bound
        Proved lower bound that came with it.
    approved
        An operator sent it: it may spend what it asks for.
    takeover
        Take the lease even from a coordinator that seems to hold it: the gateway saw it die.
    token
        Fencing token of the lease when the job was accepted for this coordinator; ``None``: it takes one itself.
    pending
        The job is still being stored: `Stored` follows, and nothing may be written or spent before.

    """

    job_id: str
    tenant: str
    project: str
    kind: str
    correlation_id: str
    request_digest: str
    policy: Policy
    problem: Box
    accepted_at: datetime
    finish_by_s: float
    insurance: Any = None
    insurance_bound: float | None = None
    takeover: bool = False
    token: int | None = None
    pending: bool = False
    approved: bool = False


@dataclass(frozen=True)
class Stored:
    """What follows a pending order once its job is in the store; ``insurance`` as in the order, if ready by then."""

    job_id: str
    request_digest: str
    insurance: Any = None
    insurance_bound: float | None = None


@dataclass(frozen=True)
class Incumbent:
    """A verified plan that is the best so far."""

    plan: Any
    verdict: Verdict
    found_by: str
    bound: float | None
    at_s: float


@dataclass(frozen=True)
class Outcome:
    """How a job ended, already committed to the store. ``verdict`` is the plan's; ``None`` without one."""

    plan: Any
    report: Report
    verdict: Verdict | None = None


@dataclass(frozen=True)
class StrategyOrder:
    """One strategy, to be run by one worker.

    ``asked_limit`` replaces the clock by a number of questions to the stop (a replay); ``hide_clock`` counts them.
    ``seat`` is one attempt at the job, as the scheduler knows it.
    """

    run_id: str
    coordinator: str
    seat: str
    job_id: str
    tenant: str
    correlation_id: str
    kind: str
    strategy: str
    problem: Box
    seed: int
    finish_by_s: float
    target_gap: float | None
    incumbent: Any = None
    hide_clock: bool = False
    asked_limit: int | None = None


@dataclass(frozen=True)
class PartOrder:
    """One part of a large problem, for one worker and the time of a round. See `solvers.kind.ScaleOut`."""

    run_id: str
    coordinator: str
    seat: str
    job_id: str
    tenant: str
    kind: str
    problem: Box
    part: Any
    finish_by_s: float


@dataclass(frozen=True)
class Found:
    """One candidate of a running strategy; bounds may come without a plan that is better.

    ``seconds``: how long the strategy had been running when it sent this.
    """

    plan: Any
    claimed_objective: float
    lower_bound: float | None
    control_trace: Mapping[str, Any] | None
    seconds: float


@dataclass(frozen=True)
class RunEnd:
    """Last item of a strategy's stream.

    ``completed``: it ended by itself, not because it was stopped. ``asked``: questions to the stop, when counted.
    """

    seconds: float
    completed: bool
    asked: int | None
    error: str = ""


@dataclass(frozen=True)
class KernelOrder:
    """Cut a kernel of at most ``max_variables`` out of a problem."""

    job_id: str
    kind: str
    problem: Box
    incumbent: Any
    pool: tuple[Any, ...]
    max_variables: int
    seed: int
    finish_by_s: float


@dataclass(frozen=True)
class LiftOrder:
    """Lift samples of a kernel to full plans, beside their control arm."""

    job_id: str
    kind: str
    problem: Box
    kernel: Kernel[Any]
    samples: dimod.SampleSet
    incumbent: Any
    seed: int
    finish_by_s: float


@dataclass
class Trail:
    """What a decision record says beside the report: gathered while a job is solved."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    backends: list[dict[str, Any]] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    settlements: dict[str, Amounts] = field(default_factory=dict)
    """What to settle when the job is committed, by reservation id."""

    stood_in: dict[str, str] = field(default_factory=dict)
    """Backend -> the interchangeable one that took its place under way."""

    def settle(self, reservation_id: str, amounts: Amounts) -> None:
        """Set what the commit settles; a later figure replaces an earlier one."""
        self.settlements[reservation_id] = amounts

    def settled_usd_micros(self, reservation_id: str | None) -> int:
        """What the commit will settle for a reservation; 0 without one."""
        amounts = self.settlements.get(reservation_id or "")
        return amounts.usd_micros if amounts is not None else 0
