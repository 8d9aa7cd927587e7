"""One backend: its session, its jobs in flight, its facts. Waiting at a vendor holds no thread and no slot."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from urllib.parse import quote

import dimod
import ray

from actors import logs
from actors.settings import Settings
from actors.worker import STEP_BACK
from backends.backend import BackendFacts, Estimate, Program, RemoteJob
from backends.errand import run_errand
from backends.ledger import FileLedger, Remembers
from federation.retry import Attempt, RetryBudget, RetryDecision, next_attempt
from solvers.errors import BackendError

FACTS_FRESH_S = 5.0
_WARM_S = 90.0


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, max_concurrency=256)
class Device:
    """Async, so that hundreds of queued submissions wait at once."""

    def __init__(self, settings: Settings, backend: str, name: str) -> None:
        os.nice(STEP_BACK)
        logs.configure(name, settings.log_level)
        from backends.config import backends_from_tables, make_backend

        config = next(c for c in backends_from_tables(settings.backends).backends if c.name == backend)
        self._name = backend
        self._backend = make_backend(config)
        if isinstance(self._backend, Remembers):  # so that a restarted device finds its paid jobs
            file = Path(settings.state_dir) / "submissions" / f"{quote(backend, safe='')}.jsonl"
            self._backend.remember_in(FileLedger(file))
        self._retries = RetryBudget()
        self._facts: BackendFacts | None = None
        self._facts_at_s = 0.0

    async def pid(self) -> int:
        return os.getpid()

    async def warm(self) -> None:
        """Run one tiny program, so that no request waits for compilation; only where that costs nobody anything.

        A simulator's charge is made in the store, by the coordinator that reserved it: here nothing is reserved.
        """
        if (await self.facts()).is_local:
            model = dimod.BinaryQuadraticModel({"a": -1.0, "b": 1.0}, {("a", "b"): 2.0}, 0.0, "BINARY")
            program = Program(model, warm_start={"a": 1, "b": 0}, layers=1, sweeps=10)
            await self.sample(program, 16, f"warm-{os.getpid()}-{time.time_ns()}", _WARM_S)

    async def facts(self) -> BackendFacts:
        """What is known of the backend, at most `FACTS_FRESH_S` seconds old."""
        facts = self._facts
        if facts is None or time.monotonic() - self._facts_at_s > FACTS_FRESH_S:
            facts = self._facts = await asyncio.to_thread(self._backend.facts)
            self._facts_at_s = time.monotonic()
        return facts

    async def estimate(self, program: Program, shots: int) -> Estimate:
        return await asyncio.to_thread(self._backend.estimate, program, shots)

    async def sample(
        self, program: Program, shots: int, idempotency_key: str, timeout_s: float, retries: bool = False
    ) -> dimod.SampleSet:
        """Submit once under ``idempotency_key``, wait at most ``timeout_s``, return the samples.

        ``retries``: it is no first attempt, and `next_attempt` has allowed it.

        Raises
        ------
        BackendTimeout
            When it takes longer; the job is cancelled, and what it cost so far is unknown (settle the worst case).
        BackendError
            As the backend says; `backends.errand.run_errand` tells what that means for the bill.

        """
        if not retries:
            self._retries.first_attempt()
        return await run_errand(self._backend, program, shots, idempotency_key, timeout_s, self._uncancelled)

    async def next_attempt(self, error: Exception, failed: Attempt, remaining_s: float) -> RetryDecision:
        """What to do after ``failed`` ended in ``error``; all requests share what this backend can bear of retries."""
        return next_attempt(error, failed, remaining_s, self._retries)

    def _uncancelled(self, job: RemoteJob, error: BackendError) -> None:
        logs.logger().warning("cancel_failed", backend=self._name, remote_job=job.id, error=str(error))
