"""A noisy device on this machine: a real calibration snapshot, real circuits, and a price that budgets must cover."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import dimod
import numpy as np
from numpy.typing import NDArray

from backends.ansatz import Ansatz, Prepared, no_bits
from backends.backend import BackendFacts, Estimate, Price, Program, RemoteJob, RemoteStatus, Technology
from backends.calibration import bundled_snapshot, read_snapshot
from backends.circuits import Compiled
from backends.gate import check_program
from backends.local_jobs import LocalJobs
from backends.noise import noisy_circuit, read
from backends.statevector import evaluation_seconds
from solvers.errors import BackendError, BackendTimeout, ProgramRefused
from solvers.quantum.cost import CostModel
from solvers.quantum.mitigation import mitigated_mean
from solvers.quantum.qaoa import aggregate
from solvers.quantum.warm import warm_simulator, warm_trajectories
from solvers.stop import AnyOf, Cancelled, Deadline, Stop

_SECONDS_PER_AMPLITUDE_GATE = 3e-10
_SHOTS_AT_ONCE = 500


class NoisySimulator:
    """QAOA under a device's calibrated noise. The seed of a program decides its samples.

    Angles are found on the exact simulator, the circuit is transpiled for the device's live couplers, and every shot is
    an exact trajectory under the noise of the qubits in use. Unless ``mixer`` says otherwise, one-hot groups are left
    to the model's own penalties: preparing and mixing groups takes two-qubit gates, which noise charges for.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Free unless configured; a charge is reported as ``cost_usd_micros`` of a finished job, once a key. Cancelled and
        failed jobs are not charged.
    snapshot
        A snapshot bundled with qiskit-ibm-runtime (``"fez"``), or the path of a BackendProperties ``.json`` or
        ``.json.gz`` file.
    max_variables
        Larger programs are refused (1 - 18).
    max_shots
        Most shots of one task.
    transpiler_seeds
        Circuits tried for each shape (>= 1); the one most likely to run without error is kept.
    search_s
        Time that the search of angles may take by the estimate (> 0), seconds.
    alpha, regularisation
        As of `solvers.quantum.qaoa.QaoaSettings`.
    mixer
        As of `backends.ansatz.Ansatz`.
    time_limit_s
        A job that runs longer fails with `BackendTimeout` and is not charged (> 0).
    max_parallel
        Jobs that run at once, each in one thread.
    """

    def __init__(
        self,
        name: str = "noisy",
        *,
        price: Price | None = None,
        snapshot: str = "fez",
        max_variables: int = 14,
        max_shots: int = 20_000,
        transpiler_seeds: int = 3,
        search_s: float = 0.3,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        mixer: str = "x",
        time_limit_s: float = 60.0,
        max_parallel: int = 1,
    ) -> None:
        if not 1 <= max_variables <= 18:
            raise ValueError(f"max_variables is {max_variables}; allowed: 1 - 18")
        if time_limit_s <= 0 or max_shots < 1:
            raise ValueError(f"time_limit_s is {time_limit_s} and max_shots {max_shots}; allowed: > 0")
        is_file = snapshot.endswith((".json", ".json.gz"))
        self.name, self._price = name, price or Price()
        self._snapshot = read_snapshot(Path(snapshot)) if is_file else bundled_snapshot(snapshot)
        self._max_variables = min(max_variables, len(self._snapshot.usable))
        self._max_shots, self._time_limit_s = max_shots, time_limit_s
        self._ansatz = Ansatz(name, self._snapshot, transpiler_seeds, search_s, alpha, regularisation, mixer)
        self._jobs = LocalJobs(name, max_parallel)

    def facts(self) -> BackendFacts:
        """The device's live couplers and every calibrated value with its date."""
        return BackendFacts(
            name=self.name,
            technology=Technology.GATE,
            qubits=self._max_variables,
            coupling=self._snapshot.coupling,
            calibration=self._snapshot.values,
            calibration_id=self._snapshot.id,
            queue_length=self._jobs.queue_length(),
            price=self._price,
            max_shots=self._max_shots,
            is_local=True,
            available=self._max_variables > 0,
        )

    def estimate(self, program: Program, shots: int) -> Estimate:
        """Transpiles (once a shape), so that success is that of the circuit that will run."""
        compiled = self._check(program, shots)
        amplitudes = 1 << max(4, len(compiled.physical) if compiled else 4)
        gates = compiled.two_qubit_gates + 1 if compiled else 1
        size = program.bqm.num_variables
        seconds = 0.02 + self._ansatz.evaluations(program) * evaluation_seconds(size, program.layers)
        seconds += (shots + 50) * gates * (amplitudes * _SECONDS_PER_AMPLITUDE_GATE + 2e-7)
        worst = self._price.charge_usd_micros(shots, self._time_limit_s)
        return Estimate(min(seconds, self._time_limit_s), worst, compiled.success_probability if compiled else 1.0)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Queue it; the same key is the same job and is charged once."""
        self._check(program, shots)
        return self._jobs.submit(idempotency_key, shots, lambda cancelled: self._run(program, shots, cancelled))

    def poll(self, job: RemoteJob) -> RemoteStatus:
        return self._jobs.poll(job)

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        return self._jobs.fetch(job)

    def cancel(self, job: RemoteJob) -> None:
        self._jobs.cancel(job)

    def close(self) -> None:
        """Cancel what runs and let the threads end."""
        self._jobs.close()

    def _check(self, program: Program, shots: int) -> Compiled | None:
        """Refuse what the device cannot run; the circuit, or ``None`` for a model without variables."""
        if self._max_variables < 1:
            raise ProgramRefused(self.name, "no two live qubits are coupled in this calibration")
        check_program(self.name, program, shots, self._max_variables, self._max_shots)
        return self._ansatz.compile(program) if program.bqm.num_variables else None

    def _run(self, program: Program, shots: int, cancelled: Callable[[], bool]) -> dimod.SampleSet:
        warm_simulator()  # a process compiles once, here at the latest: not part of the job's time limit
        warm_trajectories()
        begun_s = time.monotonic()
        deadline = Deadline(begun_s + self._time_limit_s, time.monotonic)
        stop = AnyOf((Cancelled(cancelled), deadline))
        if program.bqm.num_variables == 0:
            samples = aggregate(CostModel.of(program.bqm), no_bits(shots))
        else:
            prepared = self._ansatz.prepare(program, stop)
            bits = self._shoot(prepared, shots, program.seed, stop)
            if cancelled():
                raise BackendError(self.name, "was cancelled")
            if bits is None or deadline():
                raise BackendTimeout(self.name, f"no samples within {self._time_limit_s:g} s")
            samples = aggregate(prepared.cost, bits)
            qubits = [self._snapshot.qubits[k] for k in prepared.info["physical_qubits"]]
            samples.info.update(prepared.info)
            samples.info["mitigated_mean_energy"] = mitigated_mean(
                prepared.cost, bits, [q.read_1_of_0 for q in qubits], [q.read_0_of_1 for q in qubits]
            )
        seconds = time.monotonic() - begun_s
        samples.info.update(seconds=seconds, cost_usd_micros=self._price.charge_usd_micros(shots, seconds))
        return samples

    def _shoot(self, prepared: Prepared, shots: int, seed: int, stop: Stop) -> NDArray[np.int8] | None:
        """Bits of all shots, or ``None`` when stopped before."""
        run = noisy_circuit(prepared.circuit, prepared.compiled, self._snapshot).prepare()
        rng = np.random.default_rng(seed)
        parts = []
        for done in range(0, shots, _SHOTS_AT_ONCE):
            if stop():
                return None
            states = run.sample(min(_SHOTS_AT_ONCE, shots - done), rng)
            parts.append(read(states, prepared.compiled, self._snapshot, rng))
        return np.concatenate(parts)
