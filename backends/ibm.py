"""IBM devices through qiskit-ibm-runtime, and the vendor's local testing mode behind the same adapter."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import dimod
import numpy as np

from backends.ansatz import Ansatz, Prepared, no_bits
from backends.backend import BackendFacts, Estimate, Price, Program, RemoteJob, RemoteStatus, Technology
from backends.calibration import Snapshot, parse_snapshot
from backends.gate import check_program
from backends.ibm_session import IbmSession, LocalSession, ServiceSession
from backends.limits import within
from solvers.errors import BackendError, BackendTimeout, BackendUnavailable, ProgramRefused
from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import aggregate
from solvers.stop import Deadline

T = TypeVar("T")

_SUB_JOB_S = 2.0  # IBM's own rule of thumb: per sub-job, and per execution a reset delay beside the circuit
_RESET_S = 250e-6

_STATES = {
    "INITIALIZING": RemoteStatus.QUEUED,
    "QUEUED": RemoteStatus.QUEUED,
    "VALIDATING": RemoteStatus.QUEUED,
    "RUNNING": RemoteStatus.RUNNING,
    "DONE": RemoteStatus.DONE,
    "COMPLETED": RemoteStatus.DONE,
    "CANCELLED": RemoteStatus.CANCELLED,
    "ERROR": RemoteStatus.FAILED,
    "FAILED": RemoteStatus.FAILED,
}


@dataclass
class _Submission:
    """What was sent under one idempotency key; ``remote`` is ``None`` for a model without variables."""

    job: RemoteJob
    program: Program
    prepared: Prepared | None
    remote: Any


class IbmDevice:
    """QAOA on an IBM device; angles come from simulation, one submission a key.

    A key becomes a job tag, and the tag is looked up before every submission and after every one that got no answer:
    a retry finds the job that an earlier try, or an earlier process, has sent.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Per second of device time, from the price list of the account.
    device
        ``"ibm_fez"``; with ``local`` the name of a fake device, ``"perth"``.
    local
        Use the vendor's local testing mode: no account, no charge.
    instance, token_variable, url
        As of `backends.ibm_session.ServiceSession`.
    max_variables, max_shots
        Larger programs are refused.
    max_execution_s
        The vendor ends a job after so many seconds of device time (1 - 10,800): what an estimate charges at most.
    transpiler_seeds, search_s, alpha, regularisation
        As of `backends.ansatz.Ansatz`.
    call_timeout_s
        Limit of every call to the vendor (> 0), seconds.
    calibration_fresh_s
        The calibration is asked for again after so many seconds.
    """

    def __init__(
        self,
        name: str = "ibm",
        *,
        price: Price | None = None,
        device: str = "ibm_fez",
        local: bool = False,
        instance: str | None = None,
        token_variable: str = "QISKIT_IBM_TOKEN",  # noqa: S107 - the name of a variable
        url: str | None = None,
        max_variables: int = 20,
        max_shots: int = 10_000,
        max_execution_s: int = 60,
        transpiler_seeds: int = 5,
        search_s: float = 1.0,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        call_timeout_s: float = 30.0,
        calibration_fresh_s: float = 300.0,
    ) -> None:
        if not 1 <= max_execution_s <= 10_800 or call_timeout_s <= 0 or max_variables < 1 or max_shots < 1:
            raise ValueError("max_execution_s, call_timeout_s, max_variables or max_shots is out of range")
        self.name, self._price, self._local = name, price or Price(), local
        self._max_variables, self._max_shots, self._max_execution_s = max_variables, max_shots, max_execution_s
        self._call_timeout_s, self._fresh_s = call_timeout_s, calibration_fresh_s
        self._search = (transpiler_seeds, search_s, alpha, regularisation)
        self._open: Callable[[], IbmSession] = (
            (lambda: LocalSession(device)) if local else (lambda: ServiceSession(device, instance, token_variable, url))
        )
        self._session: IbmSession | None = None
        self._calibrated: tuple[float, Snapshot, Ansatz] | None = None
        self._submissions: dict[str, _Submission] = {}
        self._lock = threading.RLock()

    def facts(self) -> BackendFacts:
        """The device's live couplers, calibration and queue; unavailable when the vendor does not answer."""
        try:
            snapshot, _ = self._calibration()
            operational, pending = self._call("status", self._connected().pending)
        except BackendError:
            if self._calibrated is None:
                raise
            snapshot, operational, pending = self._calibrated[1], False, 0
        qubits = min(self._max_variables, len(snapshot.usable))
        return BackendFacts(
            name=self.name,
            technology=Technology.GATE,
            qubits=max(1, qubits),
            coupling=snapshot.coupling,
            calibration=snapshot.values,
            calibration_id=snapshot.id,
            queue_length=pending,
            price=self._price,
            max_shots=self._max_shots,
            is_local=self._local,
            available=operational and qubits > 0,
        )

    def estimate(self, program: Program, shots: int) -> Estimate:
        """Device seconds by the vendor's rule of thumb; the cost is what ``max_execution_s`` allows at most."""
        _, ansatz = self._check(program, shots)
        success, circuit_s = 1.0, 0.0
        if program.bqm.num_variables:
            compiled = ansatz.compile(program)
            success, circuit_s = compiled.success_probability, compiled.seconds
        seconds = _SUB_JOB_S + (_RESET_S + circuit_s) * shots
        if seconds > self._max_execution_s:
            raise ProgramRefused(self.name, f"needs about {seconds:.0f} s of {self._max_execution_s} s allowed")
        return Estimate(seconds, self._charge(shots, self._max_execution_s), success)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Send it unless the key's tag is known to this process or to the vendor."""
        if not idempotency_key:
            raise ValueError("idempotency key is empty; allowed: any other text")
        with self._lock:
            known = self._submissions.get(idempotency_key)
            if known is not None:
                return known.job
            snapshot, ansatz = self._check(program, shots)
            tag = "isinglass-" + hashlib.sha256(f"{self.name}\n{idempotency_key}".encode()).hexdigest()[:40]
            if program.bqm.num_variables == 0:
                job = RemoteJob(self.name, tag, idempotency_key, shots)
                self._submissions[idempotency_key] = _Submission(job, program, None, None)
                return job
            session = self._connected()  # outside the limited call: it takes the lock that this thread holds
            remote = self._call("look-up by tag", lambda: session.find(tag))
            stop = Deadline(time.monotonic() + self._call_timeout_s, time.monotonic)
            prepared = ansatz.prepare(program, stop)
            if remote is None:
                remote = self._send(prepared, snapshot, shots, tag, program.seed)
            job = RemoteJob(self.name, str(remote.job_id()), idempotency_key, shots)
            self._submissions[idempotency_key] = _Submission(job, program, prepared, remote)
            return job

    def poll(self, job: RemoteJob) -> RemoteStatus:
        """The vendor's state of it, mapped."""
        submission = self._submission(job)
        if submission.remote is None:
            return RemoteStatus.DONE
        status = self._call("status of job", submission.remote.status)
        text = str(getattr(status, "name", status)).upper()
        if text not in _STATES:
            raise BackendError(self.name, f"job {job.id} has the unknown state {text!r}")
        return _STATES[text]

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        """Samples of a finished job, checked for their number and width."""
        status = self.poll(job)
        submission = self._submission(job)
        if status is not RemoteStatus.DONE:
            raise BackendError(self.name, f"job {job.id} is {status.value}{self._why(submission.remote)}")
        if submission.prepared is None:
            samples = aggregate(CostModel.of(submission.program.bqm), no_bits(job.shots))
            samples.info.update(seconds=0.0, cost_usd_micros=self._charge(job.shots, 0.0))
            return samples
        result = self._call("result of job", submission.remote.result)
        texts = result[0].data.c.get_bitstrings()
        size = submission.prepared.cost.size
        if len(texts) != job.shots or any(len(text) != size for text in texts):
            raise BackendError(self.name, f"job {job.id} answered {len(texts)} shots for {job.shots} of {size} bits")
        bits = np.array([[text[size - 1 - k] == "1" for k in range(size)] for text in texts], dtype=np.int8)
        samples = aggregate(submission.prepared.cost, bits)
        usage = getattr(submission.remote, "usage", None)
        seconds = float(self._call("usage of job", usage)) if usage is not None else 0.0
        samples.info.update(submission.prepared.info)
        samples.info.update(seconds=seconds, cost_usd_micros=self._charge(job.shots, seconds))
        return samples

    def cancel(self, job: RemoteJob) -> None:
        """Ask the vendor to stop it; what it consumed until then is billed."""
        submission = self._submission(job)
        if submission.remote is not None and self.poll(job) in (RemoteStatus.QUEUED, RemoteStatus.RUNNING):
            self._call("cancel of job", submission.remote.cancel)

    def _send(self, prepared: Prepared, snapshot: Snapshot, shots: int, tag: str, seed: int) -> Any:
        """Submit; without an answer, look for the tag before giving up."""
        circuit = prepared.on_device(len(snapshot.qubits))
        session = self._connected()
        try:
            return self._call("submit", lambda: session.run(circuit, shots, tag, self._max_execution_s, seed))
        except BackendError as error:
            try:
                remote = self._call("look-up by tag", lambda: session.find(tag))
            except BackendError:
                remote = None
            if remote is not None:
                return remote
            reason = f"{error.reason}; whether it was accepted is unknown: submit again under the same key"
            kind = BackendTimeout if isinstance(error, BackendTimeout) else BackendError
            raise kind(self.name, reason) from error

    def _check(self, program: Program, shots: int) -> tuple[Snapshot, Ansatz]:
        if self._calibrated is None:
            check_program(self.name, program, shots, self._max_variables, self._max_shots)
        snapshot, ansatz = self._calibration()
        check_program(self.name, program, shots, min(self._max_variables, len(snapshot.usable)), self._max_shots)
        return snapshot, ansatz

    def _calibration(self) -> tuple[Snapshot, Ansatz]:
        """The calibration, asked for again when it is stale; a new one compiles circuits anew."""
        with self._lock:
            now_s = time.monotonic()
            if self._calibrated is None or now_s - self._calibrated[0] > self._fresh_s:
                content = self._call("calibration", self._connected().properties)
                try:
                    snapshot = parse_snapshot(content, f"calibration of {self.name}")
                except ValueError as error:
                    raise BackendUnavailable(self.name, str(error)) from error
                if self._calibrated is not None and self._calibrated[1].id == snapshot.id:
                    self._calibrated = (now_s, *self._calibrated[1:])
                else:
                    self._calibrated = (now_s, snapshot, Ansatz(self.name, snapshot, *self._search))
            return self._calibrated[1], self._calibrated[2]

    def _connected(self) -> IbmSession:
        with self._lock:
            if self._session is None:
                self._session = self._call("connect", self._open)
            return self._session

    def _call(self, what: str, call: Callable[[], T]) -> T:
        """A limited call; the vendor's errors become ours, with their text."""
        try:
            return within(self._call_timeout_s, self.name, what, call)
        except BackendError:
            raise
        except Exception as error:
            text = str(error) or type(error).__name__
            raise BackendUnavailable(self.name, f"{what}: {type(error).__name__}: {text}") from error

    def _submission(self, job: RemoteJob) -> _Submission:
        found = self._submissions.get(job.idempotency_key)
        if found is None or found.job.id != job.id:
            reason = f"job {job.id} is not known to this process: submit again under the same key to pick it up"
            raise BackendError(self.name, reason)
        return found

    def _why(self, remote: Any) -> str:
        message = getattr(remote, "error_message", None)
        text = self._call("error of job", message) if message is not None else None
        return f": {text}" if text else ""

    def _charge(self, shots: int, seconds: float) -> int:
        price = self._price
        charge = price.per_task_usd_micros + shots * price.per_shot_usd_micros
        return charge + math.ceil(seconds * price.per_second_usd_micros)
