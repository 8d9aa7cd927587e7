"""A gate device at a vendor: QAOA whose angles come from simulation, one submission a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import dimod

from backends.ansatz import Ansatz, Prepared, no_bits
from backends.backend import BackendFacts, Estimate, Price, Program, RemoteJob, RemoteStatus, Technology
from backends.calibration import Snapshot
from backends.gate import check_program
from backends.gate_session import Availability, GateOrder, GateSession
from backends.ledger import Ledger
from backends.sent import SentJobs
from backends.submissions import Submissions
from solvers.errors import BackendDenied, BackendError, ProgramRefused, ResultCorrupt
from solvers.quantum.cost import CostModel
from solvers.quantum.mitigation import mitigated_mean
from solvers.quantum.qaoa import aggregate
from solvers.stop import Deadline

T = TypeVar("T")


@dataclass(frozen=True)
class GateLimits:
    """What a gate device is asked for at most, and how long it may take to answer.

    Parameters
    ----------
    max_variables, max_shots
        Larger programs are refused (>= 1).
    max_two_qubit_gates
        Longer circuits are refused (>= 1): what the calibration leaves of them would be noise.
    max_execution_s
        Device time of a job (1 - 10,800), seconds: what a price per second is reserved for.
    call_timeout_s
        Limit of every call to the vendor (> 0), seconds.
    listing_lag_s
        As of `backends.submissions.Submissions`.
    calibration_fresh_s
        The calibration is asked for again after so many seconds.
    """

    max_variables: int = 20
    max_shots: int = 10_000
    max_two_qubit_gates: int = 2_000
    max_execution_s: int = 60
    call_timeout_s: float = 30.0
    listing_lag_s: float = 5.0
    calibration_fresh_s: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_execution_s <= 10_800:
            raise ValueError(f"max_execution_s is {self.max_execution_s}; allowed: 1 - 10800")
        for name in ("max_variables", "max_shots", "max_two_qubit_gates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: >= 1")


@dataclass(frozen=True)
class TimeModel:
    """Device seconds of a job: ``task_s + shots * (shot_s + the circuit's own length)``."""

    task_s: float
    shot_s: float


@dataclass(frozen=True)
class _Sent:
    """What was submitted under one idempotency key; ``prepared`` is ``None`` for a model without variables."""

    program: Program
    prepared: Prepared | None


class GateDevice:
    """The adapter behind which IBM's and Braket's devices stand; each brings a `GateSession`.

    Parameters
    ----------
    name, price
        As configured.
    connect
        Opens the session; called once, when it is first needed.
    limits, time_model
        Of the device.
    search
        ``transpiler_seeds, search_s, alpha, regularisation, mixer`` of `backends.ansatz.Ansatz`.
    is_local
        Whether data stays on this machine.
    """

    def __init__(
        self,
        name: str,
        price: Price | None,
        connect: Callable[[], GateSession],
        limits: GateLimits,
        time_model: TimeModel,
        search: tuple[int, float, float, float, str],
        is_local: bool = False,
    ) -> None:
        self.name, self._price, self._limits, self._time = name, price or Price(), limits, time_model
        self._connect, self._search, self._is_local = connect, search, is_local
        self._session: GateSession | None = None
        self._calibrated: tuple[float, Snapshot, Ansatz] | None = None
        self._sent: SentJobs[_Sent] = SentJobs(name)
        self._submissions = Submissions(name, limits.call_timeout_s, limits.listing_lag_s)
        self._lock = threading.RLock()
        self._shots_at_device: int | None = None

    def remember_in(self, ledger: Ledger) -> None:
        """Keep submissions in ``ledger`` from now on, so that another process finds them."""
        self._submissions.ledger = ledger

    def facts(self) -> BackendFacts:
        """The device's live couplers, calibration and queue; unavailable when the vendor does not answer."""
        try:
            snapshot, _ = self._calibration()
            now = self._ask("status", self._connected().availability)
            self._shots_at_device = now.max_shots
        except BackendError:
            if self._calibrated is None:
                raise
            snapshot, now = self._calibrated[1], Availability(False, 0)
        qubits = min(self._limits.max_variables, len(snapshot.usable))
        return BackendFacts(
            name=self.name,
            technology=Technology.GATE,
            qubits=max(1, qubits),
            coupling=snapshot.coupling,
            calibration=snapshot.values,
            calibration_id=snapshot.id,
            queue_length=now.waiting,
            price=self._price,
            max_shots=self._max_shots(),
            is_local=self._is_local,
            available=now.available and qubits > 0,
        )

    def estimate(self, program: Program, shots: int) -> Estimate:
        """Device seconds by the vendor's rule of thumb; the cost is what ``max_execution_s`` allows at most."""
        _, ansatz = self._check(program, shots)
        success, circuit_s = 1.0, 0.0
        if program.bqm.num_variables:
            compiled = ansatz.compile(program)
            success, circuit_s = compiled.success_probability, compiled.seconds
            if compiled.two_qubit_gates > self._limits.max_two_qubit_gates:
                reason = f"{compiled.two_qubit_gates} two-qubit gates; allowed: {self._limits.max_two_qubit_gates}"
                raise ProgramRefused(self.name, reason)
        seconds = self._time.task_s + (self._time.shot_s + circuit_s) * shots
        if seconds > self._limits.max_execution_s:
            reason = f"needs about {seconds:.0f} s of {self._limits.max_execution_s} s allowed"
            raise ProgramRefused(self.name, reason)
        return Estimate(seconds, self._price.charge_usd_micros(shots, self._limits.max_execution_s), success)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Send it unless the key is known here, in the ledger, or by its tag at the vendor."""
        if not idempotency_key:
            raise ValueError("idempotency key is empty; allowed: any other text")
        if known := self._sent.known(idempotency_key):
            return known
        with self._submissions.unless_sent(idempotency_key):
            return self._submit(program, shots, idempotency_key)

    def _submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        self.estimate(program, shots)  # refuses a circuit beyond the device, before anything is sent
        snapshot, ansatz = self._check(program, shots)
        if program.bqm.num_variables == 0:
            job = RemoteJob(self.name, self._submissions.tag(idempotency_key), idempotency_key, shots)
            return self._sent.keep(job, _Sent(program, None))
        session = self._connected()
        stop = Deadline(time.monotonic() + self._limits.call_timeout_s, time.monotonic)
        prepared = ansatz.prepare(program, stop)
        width, seconds = len(snapshot.qubits), self._limits.max_execution_s
        job_id = self._submissions.once(
            idempotency_key,
            shots,
            session.find,
            lambda tag: session.send(GateOrder(prepared, width, shots, tag, program.seed, seconds)),
        )
        return self._sent.keep(RemoteJob(self.name, job_id, idempotency_key, shots), _Sent(program, prepared))

    def poll(self, job: RemoteJob) -> RemoteStatus:
        """The vendor's state of it."""
        return self._state(job)[0]

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        """Samples of a finished job, checked for their number and width."""
        status, why = self._state(job)
        sent = self._sent.of(job)
        if status is not RemoteStatus.DONE:
            raise BackendError(self.name, f"job {job.id} is {status.value}{f': {why}' if why else ''}")
        if sent.prepared is None:
            samples = aggregate(CostModel.of(sent.program.bqm), no_bits(job.shots))
            samples.info.update(seconds=0.0, cost_usd_micros=self._price.charge_usd_micros(job.shots, 0.0))
            return samples
        session, size = self._connected(), sent.prepared.cost.size
        bits = self._ask("result of job", lambda: session.bits(job.id, size), is_result=True)
        if bits.shape != (job.shots, size):
            reason = f"job {job.id} answered {bits.shape[0]} shots of {bits.shape[1]} bits for {job.shots} of {size}"
            raise ResultCorrupt(self.name, reason)
        samples = aggregate(sent.prepared.cost, bits)
        settled = self._ask("usage of job", lambda: session.seconds(job.id))
        seconds = self._limits.max_execution_s if settled is None else settled  # unsettled: the worst case is charged
        samples.info.update(sent.prepared.info)
        samples.info.update(seconds=seconds, cost_usd_micros=self._price.charge_usd_micros(job.shots, seconds))
        if self._calibrated is not None and self._calibrated[1].id == sent.prepared.info["calibration_id"]:
            qubits = [self._calibrated[1].qubits[k] for k in sent.prepared.info["physical_qubits"]]
            samples.info["mitigated_mean_energy"] = mitigated_mean(
                sent.prepared.cost, bits, [q.read_1_of_0 for q in qubits], [q.read_0_of_1 for q in qubits]
            )
        return samples

    def cancel(self, job: RemoteJob) -> None:
        """Ask the vendor to stop it; what it consumed until then may be billed."""
        if self._sent.of(job).prepared is None:
            return
        if self.poll(job) in (RemoteStatus.QUEUED, RemoteStatus.RUNNING):
            session = self._connected()
            self._ask("cancel of job", lambda: session.cancel(job.id))

    def _state(self, job: RemoteJob) -> tuple[RemoteStatus, str]:
        if self._sent.of(job).prepared is None:
            return RemoteStatus.DONE, ""
        session = self._connected()
        return self._ask("status of job", lambda: session.state(job.id))

    def _ask(self, what: str, work: Callable[[], T], *, is_result: bool = False) -> T:
        """A limited call. After a refused key the next call connects anew, with the key as it is then."""
        try:
            return self._submissions.call(what, work, is_result=is_result)
        except BackendDenied:
            self._session = None
            raise

    def _max_shots(self) -> int:
        return min(self._limits.max_shots, self._shots_at_device or self._limits.max_shots)

    def _check(self, program: Program, shots: int) -> tuple[Snapshot, Ansatz]:
        if self._calibrated is None:
            check_program(self.name, program, shots, self._limits.max_variables, self._max_shots())
        snapshot, ansatz = self._calibration()
        most = min(self._limits.max_variables, len(snapshot.usable))
        check_program(self.name, program, shots, most, self._max_shots())
        return snapshot, ansatz

    def _calibration(self) -> tuple[Snapshot, Ansatz]:
        """The calibration, asked for again when it is stale; a new one compiles circuits anew."""
        with self._lock:
            now_s = time.monotonic()
            if self._calibrated is None or now_s - self._calibrated[0] > self._limits.calibration_fresh_s:
                snapshot = self._ask("calibration", self._connected().snapshot)
                if self._calibrated is not None and self._calibrated[1].id == snapshot.id:
                    self._calibrated = (now_s, *self._calibrated[1:])
                else:
                    self._calibrated = (now_s, snapshot, Ansatz(self.name, snapshot, *self._search))
            return self._calibrated[1], self._calibrated[2]

    def _connected(self) -> GateSession:
        with self._lock:
            if self._session is None:
                self._session = self._ask("connect", self._connect)
            return self._session
