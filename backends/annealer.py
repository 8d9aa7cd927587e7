"""An annealer on this machine's own cores, behind the same Protocol as a remote one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import dimod
import numpy as np

from backends.backend import (
    BackendFacts,
    Estimate,
    Price,
    Program,
    RemoteJob,
    RemoteStatus,
    Technology,
)
from backends.local_jobs import LocalJobs
from solvers.binary import gpu
from solvers.binary.annealing import anneal, lanes_for
from solvers.binary.gpu_lanes import Layout
from solvers.binary.interop import from_dimod
from solvers.binary.problem import BinaryProblem
from solvers.errors import BackendTimeout, BackendUnavailable, InvalidProblem, ProgramRefused

SECONDS_PER_UPDATE = 2.5e-9
SECONDS_PER_NEIGHBOUR_UPDATE = 0.3e-9
MOST_SWEEPS = 1_000_000


class LocalAnnealer:
    """Simulated annealing by replicas in SIMD lanes (`solvers.binary.annealing`), in threads of its own.

    On a machine with a GPU and PyTorch, programs large enough run there (`solvers.binary.gpu`); ``info["device"]`` of
    the samples, and with it the decision record, says what ran.

    The seed of a program decides its samples on a device. ``layers``, ``one_hot_groups`` and ``warm_start`` of a
    program are hints that an annealer from random starts has no use for.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        What a task is charged; free by default. A price per second is charged for at most ``time_limit_s``.
    max_variables, max_shots
        Larger programs are refused.
    time_limit_s
        A job that runs longer fails with `BackendTimeout` (> 0).
    max_parallel
        Jobs that run at once, each in one thread.
    device
        ``"cpu"``; ``"cuda"``: a GPU for every program, whatever its size; ``"auto"``: a GPU where there is one and the
        program is large enough to gain by it.

    Raises
    ------
    ValueError
        When an option is out of its range, or ``device`` is ``"cuda"`` and PyTorch finds no GPU.

    """

    def __init__(
        self,
        name: str = "local-annealer",
        *,
        price: Price | None = None,
        max_variables: int = 5_000,
        max_shots: int = 10_000,
        time_limit_s: float = 60.0,
        max_parallel: int = 1,
        device: str = "auto",
    ) -> None:
        if not (time_limit_s > 0 and math.isfinite(time_limit_s)) or max_variables < 1 or max_shots < 1:
            raise ValueError(
                f"time_limit_s is {time_limit_s}, max_variables {max_variables}, max_shots {max_shots}; allowed: > 0"
            )
        if device not in gpu.DEVICES:
            raise ValueError(f"device is {device!r}; allowed: {', '.join(gpu.DEVICES)}")
        if device == "cuda" and gpu.find_gpu() is None:
            raise ValueError(f"device is 'cuda', but {gpu.why_no_gpu()}; allowed here: auto, cpu")
        self._device = device
        self._name, self._price = name, price or Price()
        self._max_variables, self._max_shots, self._time_limit_s = max_variables, max_shots, time_limit_s
        self._jobs = LocalJobs(name, max_parallel)

    def facts(self) -> BackendFacts:
        return BackendFacts(
            name=self._name,
            technology=Technology.ANNEALER,
            qubits=self._max_variables,
            coupling=None,
            calibration=(),
            calibration_id="",
            queue_length=self._jobs.queue_length(),
            price=self._price,
            max_shots=self._max_shots,
            is_local=True,
        )

    def estimate(self, program: Program, shots: int) -> Estimate:
        """Seconds by the size of the program on one CPU core, and the most that it can be charged."""
        problem = self._checked(program, shots)
        per_read = problem.num_variables * SECONDS_PER_UPDATE + 2 * problem.num_terms * SECONDS_PER_NEIGHBOUR_UPDATE
        reads = -(-shots // 16) * 16
        seconds = min(self._time_limit_s, 0.01 + reads * program.sweeps * per_read)
        return Estimate(seconds, self._price.charge_usd_micros(shots, self._time_limit_s), 1.0)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        problem = self._checked(program, shots)
        labels = list(program.bqm.variables)

        def work(is_cancelled: Callable[[], bool]) -> dimod.SampleSet:
            return self._run(problem, labels, program, shots, is_cancelled)

        return self._jobs.submit(idempotency_key, shots, work)

    def poll(self, job: RemoteJob) -> RemoteStatus:
        return self._jobs.poll(job)

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        return self._jobs.fetch(job)

    def cancel(self, job: RemoteJob) -> None:
        self._jobs.cancel(job)

    def wait(self, job: RemoteJob, timeout_s: float) -> RemoteStatus:
        """Wait until ``job`` is over, at most ``timeout_s`` seconds; raises `BackendTimeout` beyond."""
        return self._jobs.wait(job, timeout_s)

    def close(self) -> None:
        """Cancel what runs; nothing more is accepted."""
        self._jobs.close()

    def _run(
        self, problem: BinaryProblem, labels: list[object], program: Program, shots: int, stop: Callable[[], bool]
    ) -> dimod.SampleSet:
        begun_s = time.monotonic()
        end_s = begun_s + self._time_limit_s
        ran: dict[str, object] = {"device": "cpu", "lanes": lanes_for(problem.num_variables)}
        if problem.num_variables == 0:
            spins = np.empty((1, 0), dtype=np.int8)
            counts = np.array([shots])
        else:
            rng = np.random.default_rng([program.seed, 0])

            def more() -> bool:
                return not stop() and time.monotonic() < end_s

            chosen = self._gpu_for(problem, program, shots)
            if chosen is None:
                reads = anneal(problem.ising, shots, program.sweeps, rng, more)
            else:
                found, layout = chosen
                reads = gpu.anneal_on(found, layout, shots, program.sweeps, rng, more)
                ran = {"device": f"{found.device} ({found.name})", "torch": found.torch_version, "form": layout.form}
            if reads.shape[0] < shots and not stop():
                raise BackendTimeout(self._name, f"{shots} reads took longer than {self._time_limit_s:g} s")
            spins, counts = np.unique(reads, axis=0, return_counts=True)
        seconds = time.monotonic() - begun_s
        return dimod.SampleSet.from_samples_bqm(
            ((spins > 0).astype(np.int8), labels),
            program.bqm,
            num_occurrences=counts,
            info={
                "seconds": seconds,
                "cost_usd_micros": self._price.charge_usd_micros(shots, min(seconds, self._time_limit_s)),
                "sweeps": program.sweeps,
                **ran,
            },
        )

    def _gpu_for(self, problem: BinaryProblem, program: Program, shots: int) -> tuple[gpu.Gpu, Layout] | None:
        """The GPU for this program and how to go through it, or ``None``: the CPU."""
        if self._device == "cpu":
            return None
        layout = gpu.pays(problem.ising, shots, program.sweeps)
        if layout is None and self._device == "auto":
            return None
        found = gpu.find_gpu()
        if found is None and self._device == "cuda":
            raise BackendUnavailable(self._name, f"the GPU is gone: {gpu.why_no_gpu()}")
        return None if found is None else (found, layout or Layout(problem.ising))

    def _checked(self, program: Program, shots: int) -> BinaryProblem:
        """The program as a problem, or `ProgramRefused`."""
        faults = []
        if program.bqm.vartype is not dimod.BINARY:
            faults.append(f"vartype is {program.bqm.vartype.name}; allowed: BINARY")
        if program.bqm.num_variables > self._max_variables:
            faults.append(f"{program.bqm.num_variables} variables; allowed: at most {self._max_variables}")
        if not 1 <= shots <= self._max_shots:
            faults.append(f"{shots} shots; allowed: 1 to {self._max_shots}")
        if not 1 <= program.sweeps <= MOST_SWEEPS:
            faults.append(f"{program.sweeps} sweeps; allowed: 1 to {MOST_SWEEPS}")
        if not 0 <= program.seed < 2**63:
            faults.append(f"seed {program.seed}; allowed: 0 to 2**63 - 1")
        if faults:
            raise ProgramRefused(self._name, "; ".join(faults))
        try:
            return from_dimod(program.bqm)
        except InvalidProblem as error:
            raise ProgramRefused(self._name, str(error)) from error
