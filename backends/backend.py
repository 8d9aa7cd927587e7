"""The one Protocol behind which every simulator, annealer and device stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

import dimod

from solvers.kernel import CarriesBqm, Variable


class Technology(Enum):
    """How a backend computes."""

    ANNEALER = "annealer"
    GATE = "gate"


class RemoteStatus(Enum):
    """State of a submitted program at its backend."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Price:
    """What a backend charges. Configuration, never a constant in code.

    Amounts are integer millionths of a US dollar. ``source`` and ``as_of`` (ISO date) say where the figures come from.
    """

    per_task_usd_micros: int = 0
    per_shot_usd_micros: int = 0
    per_second_usd_micros: int = 0
    source: str = "local, free of charge"
    as_of: str = ""

    def charge_usd_micros(self, shots: int, seconds: float) -> int:
        """The price of one task of ``shots`` that takes ``seconds`` of the device, rounded up."""
        fixed = self.per_task_usd_micros + shots * self.per_shot_usd_micros
        return fixed + math.ceil(seconds * self.per_second_usd_micros)


@dataclass(frozen=True)
class CalibratedValue:
    """One calibrated figure with its own date: ``("readout_error", "q17", 0.0077, date)``."""

    name: str
    where: str
    value: float
    date: datetime


@dataclass(frozen=True)
class BackendFacts:
    """What is known of a backend now.

    Parameters
    ----------
    name
        Unique in the configuration.
    technology
        How it computes.
    qubits
        Variables (annealer) or qubits (gate) at most.
    coupling
        Undirected edges between qubit indices; ``None`` is all-to-all.
    calibration
        Values with a date each; empty for an exact simulator.
    calibration_id
        Digest that names this calibration in decision records; ``""`` without one.
    queue_length
        Jobs ahead.
    price
        What a task costs.
    max_shots
        Most shots in one task.
    is_local
        Whether data stays in this process's machine (data residency).
    available
        Whether it takes submissions now.
    """

    name: str
    technology: Technology
    qubits: int
    coupling: tuple[tuple[int, int], ...] | None
    calibration: tuple[CalibratedValue, ...]
    calibration_id: str
    queue_length: int
    price: Price
    max_shots: int
    is_local: bool
    available: bool = True


@dataclass(frozen=True)
class Program(CarriesBqm):
    """What a backend is asked to run: a binary model and how to treat it.

    Parameters
    ----------
    bqm
        BINARY vartype, minimised.
    one_hot_groups, warm_start
        As in `solvers.kernel.Kernel`.
    layers
        QAOA layers p (gate backends), 1 - 16.
    sweeps
        Annealing sweeps a read (annealers).
    seed
        Same program and seed on a simulator give the same samples.
    """

    bqm: dimod.BinaryQuadraticModel
    one_hot_groups: tuple[tuple[Variable, ...], ...] = ()
    warm_start: Mapping[Variable, int] = field(default_factory=dict)
    layers: int = 2
    sweeps: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Estimate:
    """Expected cost of a program before it is submitted.

    ``cost_usd_micros`` is the worst case that a reservation must cover.
    """

    seconds: float
    cost_usd_micros: int
    success_probability: float


@dataclass(frozen=True)
class RemoteJob:
    """A submitted program. ``id`` is the vendor's; ``idempotency_key`` is ours."""

    backend: str
    id: str
    idempotency_key: str
    shots: int


class Backend(Protocol):
    """A place that samples programs. All calls are blocking and thread-safe; none waits without a limit.

    Errors are the ``BackendError`` family of `solvers.errors`.
    """

    def facts(self) -> BackendFacts:
        """What is known now; cheap, at most one request to the vendor."""
        ...

    def estimate(self, program: Program, shots: int) -> Estimate:
        """Seconds, cost and success probability. Raises `ProgramRefused` when the program exceeds the device."""
        ...

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Send it once. The same key returns the same job and is charged once.

        Raises `ProgramRefused` before anything is spent when the program or ``shots`` exceed the device.
        """
        ...

    def poll(self, job: RemoteJob) -> RemoteStatus:
        """Its state now; does not wait."""
        ...

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        """Samples of a finished job, over the program's variables, ``shots`` occurrences in all.

        ``info`` carries ``seconds`` (device time), ``cost_usd_micros`` (charged), and what the backend recorded
        (gate backends: ``depth``, ``two_qubit_gates``, ``angles``). Raises `BackendError` unless the job is done.
        """
        ...

    def cancel(self, job: RemoteJob) -> None:
        """Stop it if it still runs; finished jobs are left as they are."""
        ...
