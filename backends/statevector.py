"""QAOA without noise on this machine: exact statevector, all-to-all coupling, free of charge."""

from __future__ import annotations

import time
from collections.abc import Callable

import dimod

from backends.backend import BackendFacts, Estimate, Price, Program, RemoteJob, RemoteStatus, Technology
from backends.gate import check_program
from backends.local_jobs import LocalJobs
from solvers.errors import BackendTimeout
from solvers.quantum.qaoa import QaoaSettings, run_qaoa
from solvers.quantum.statevector import memory_bytes
from solvers.quantum.warm import warm_simulator
from solvers.stop import AnyOf, Cancelled, Deadline

SECONDS_PER_AMPLITUDE_LAYER = 9e-9
SECONDS_PER_AMPLITUDE_READ = 5e-9
_OVERHEAD_S = 0.01


def evaluation_seconds(variables: int, layers: int) -> float:
    """Time of one run of the simulator and its CVaR on one core, seconds; measured, generous."""
    return (1 << variables) * (layers * SECONDS_PER_AMPLITUDE_LAYER + SECONDS_PER_AMPLITUDE_READ) + 2e-4


def search_evaluations(variables: int, layers: int, search_s: float) -> int:
    """How many evaluations fit into ``search_s``, 6 - 80. From a formula, not a clock: the same on every machine."""
    return int(min(80, max(6, search_s / evaluation_seconds(variables, layers))))


class StatevectorSimulator:
    """Finds angles by CVaR on the exact state, then samples it. The seed of a program decides its samples.

    A program with one-hot groups gets XY mixers over them, so that every sample sets exactly one variable of a group.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Free by default.
    max_variables
        Larger programs are refused (1 - 28); 20 take 16 MiB, each more doubles that.
    max_shots
        Most shots of one task.
    search_s
        Time that the search of angles may take by the estimate (> 0), seconds.
    alpha
        Tail of the CVaR objective, (0, 1].
    regularisation
        Distance of a warm start from certainty, (0, 0.5].
    time_limit_s
        A job that runs longer fails with `BackendTimeout` (> 0).
    max_parallel
        Jobs that run at once, each in one thread.
    threads
        Threads that share each pass of one simulation.
    """

    def __init__(
        self,
        name: str = "statevector",
        *,
        price: Price | None = None,
        max_variables: int = 20,
        max_shots: int = 100_000,
        search_s: float = 1.0,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        time_limit_s: float = 60.0,
        max_parallel: int = 1,
        threads: int = 1,
    ) -> None:
        if not 1 <= max_variables <= 28:
            raise ValueError(f"max_variables is {max_variables}; allowed: 1 - 28")
        if search_s <= 0 or time_limit_s <= 0 or max_shots < 1:
            raise ValueError("search_s, time_limit_s and max_shots need to be > 0")
        self.name, self._price = name, price or Price()
        self._max_variables, self._max_shots, self._time_limit_s = max_variables, max_shots, time_limit_s
        self._search_s = search_s
        self._settings = QaoaSettings(alpha=alpha, regularisation=regularisation, threads=threads)
        self._jobs = LocalJobs(name, max_parallel)

    def facts(self) -> BackendFacts:
        """An exact simulator: no calibration, no coupling, its own queue."""
        return BackendFacts(
            name=self.name,
            technology=Technology.GATE,
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
        """Seconds of search and sampling; success is certain as far as noise goes."""
        check_program(self.name, program, shots, self._max_variables, self._max_shots)
        size, layers = program.bqm.num_variables, program.layers
        evaluations = search_evaluations(size, layers, self._search_s)
        seconds = _OVERHEAD_S + (evaluations + 1) * evaluation_seconds(size, layers) + memory_bytes(size) * 1e-8
        return Estimate(min(seconds, self._time_limit_s), self._price.charge_usd_micros(shots, self._time_limit_s), 1.0)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Queue it; the same key is the same job."""
        check_program(self.name, program, shots, self._max_variables, self._max_shots)
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

    def _run(self, program: Program, shots: int, cancelled: Callable[[], bool]) -> dimod.SampleSet:
        warm_simulator()  # a process compiles once, here at the latest: not part of the job's time limit
        begun_s = time.monotonic()
        deadline = Deadline(begun_s + self._time_limit_s, time.monotonic)
        size = program.bqm.num_variables
        settings = QaoaSettings(
            layers=program.layers,
            alpha=self._settings.alpha,
            evaluations=search_evaluations(size, program.layers, self._search_s),
            regularisation=self._settings.regularisation,
            threads=self._settings.threads,
        )
        stop = AnyOf((Cancelled(cancelled), deadline))
        samples, found = run_qaoa(
            program.bqm, shots, program.seed, settings, program.warm_start, stop, program.one_hot_groups
        )
        if deadline():  # angles cut short by a clock would break "same seed, same samples"
            raise BackendTimeout(self.name, f"no samples within {self._time_limit_s:g} s")
        seconds = time.monotonic() - begun_s
        samples.info.update(
            seconds=seconds,
            cost_usd_micros=self._price.charge_usd_micros(shots, seconds),
            angles={"gammas": found.angles.gammas, "betas": found.angles.betas},
            evaluations=found.evaluations,
            mixer=found.mixer,
            expectation=found.expectation,
            cvar=found.objective,
        )
        return samples
