"""The step that asks a backend: cut a kernel, reserve, sample, lift, compare with the control arm, account."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import dimod
import ray
from ray.exceptions import RayError, RayTaskError

from actors.messages import KernelOrder, LiftOrder
from actors.names import SCHEDULER, actor, device_name, worker_name
from backends.backend import BackendFacts, Estimate, Program
from federation.attack import BackendChoice
from federation.attempts import AttemptRecord, persist
from federation.batches import batch_shots, together
from federation.reasons import Reason
from federation.report import Contribution
from federation.retry import Attempt, FailureClass, RetryDecision, reason_of
from solvers.errors import (
    BackendDenied,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ProgramRefused,
    ResultCorrupt,
)
from solvers.kernel import Kernel
from solvers.quantum.adaptive import ShotPlan
from solvers.quantum.step import KernelOutcome
from store.amounts import MAX_AMOUNT, Amounts
from store.errors import BudgetExceeded

if TYPE_CHECKING:
    from actors.solve import Solve

_CUT_AFTER_SHARE = 0.25
"""Share of the solving time given to classical strategies before a kernel is cut from what they found."""
_LIFT_SHARE = 0.3
"""Share of the time left that is kept for lifting when a backend is asked."""
_FEWEST_SHOTS = 32
"""Shots below which a backend is not asked at all for want of time."""
_FILL = 0.8
"""Share of the time left that shots which had to be cut down are estimated to take."""


class CircuitOpen(BackendError):
    """The backend rests after failures; nothing was sent."""


class HybridStep:
    """One backend's part in one job. Whatever goes wrong in it ends up as its contribution's outcome."""

    def __init__(self, solve: Solve, choice: BackendChoice) -> None:
        self._solve, self._choice = solve, choice
        self._started = time.perf_counter()
        self._reservations: dict[str, str] = {}
        """By idempotency key."""
        self._attempts: list[AttemptRecord] = []
        self.kernel: Kernel[Any] | None = None
        """What was cut, or what another step left to this one."""
        self._shots_used = 0
        """Shots of batches that answered, and of failed attempts that may have run."""

    async def run(self) -> None:
        """Ask the backend once and report what it brought, also when that is nothing."""
        try:
            outcome = await self._ask()
        except BudgetExceeded as error:
            outcome = replace(self._result("REFUSED", _budget_reason(error)), detail=_budget_detail(error))
        except BackendTimeout as error:
            self._solve.log.warning("backend_timeout", backend=self._choice.name, error=str(error))
            outcome = self._result("FAILED", Reason.BACKEND_TIMEOUT)
        except ProgramRefused:
            outcome = self._result("REFUSED", Reason.PROGRAM_REFUSED)
        except CircuitOpen:
            outcome = self._result("SKIPPED", Reason.CIRCUIT_OPEN)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job goes on without this backend
            cause = error.cause if isinstance(error, RayTaskError) else error
            self._solve.log.warning(
                "backend_failed", backend=self._choice.name, error=f"{type(cause).__name__}: {cause}"
            )
            outcome = self._result(
                "FAILED", reason_of(cause) if isinstance(cause, Exception) else Reason.BACKEND_FAILED
            )
        except asyncio.CancelledError:
            self._note(self._result("CANCELLED", self._solve.reason or self._solve.ended_by))
            raise
        self._note(outcome)

    async def _ask(self) -> Contribution:
        solve, choice = self._solve, self._choice
        await self._until_ripe()
        if solve.incumbent is None:
            return self._result("SKIPPED", Reason.NO_FEASIBLE_CANDIDATE)
        worker = actor(next(iter(solve.lanes), worker_name(0)))
        if self.kernel is None:
            self.kernel = await self._cut(worker, solve.incumbent.plan)
        kernel = self.kernel
        if kernel is None:
            return self._result("SKIPPED", Reason.NO_KERNEL)
        program = Program(
            bqm=kernel.bqm,
            one_hot_groups=kernel.one_hot_groups,
            warm_start=kernel.warm_start,
            layers=choice.layers,
            seed=solve.order.policy.seed,
        )
        samples, attempt = await self._sample(program)
        await self._keep(kernel, samples, attempt)
        lifted: KernelOutcome[Any] = await worker.lift.remote(
            LiftOrder(
                solve.order.job_id,
                solve.order.kind,
                solve.order.problem,
                kernel,
                samples,
                solve.incumbent.plan,
                solve.order.policy.seed,
                solve.solve_until_s,
            )
        )
        improvement = await solve.consider(lifted.plan, None, "kernel", choice.name, "1")
        return self._result("OK", "", improvement, samples, asdict(lifted.quantum_lift))

    async def _cut(self, worker: Any, plan: Any) -> Kernel[Any] | None:
        """The kernel of the problem around ``plan``."""
        solve, choice = self._solve, self._choice
        kernel: Kernel[Any] | None = await worker.cut_kernel.remote(
            KernelOrder(
                solve.order.job_id,
                solve.order.kind,
                solve.order.problem,
                plan,
                tuple(solve.pool),
                choice.max_variables,
                solve.order.policy.seed,
                solve.solve_until_s,
            )
        )
        return kernel

    async def _until_ripe(self) -> None:
        """Wait until classical strategies have ended or had their share of the time."""
        solve = self._solve
        share_s = _CUT_AFTER_SHARE * (solve.solve_until_s - time.time())
        try:
            await asyncio.wait_for(solve.solved.wait(), max(0.0, share_s))
        except TimeoutError:
            await solve.first.wait()

    async def _sample(self, program: Program) -> tuple[dimod.SampleSet, Attempt]:
        """Samples, and the attempt that brought the first of them: batches until another is not worth its price."""
        solve, device = self._solve, actor(device_name(self._choice.name))
        estimate = await self._fit(device, program)
        choice = self._choice
        facts: BackendFacts = await device.facts.remote()
        plan = ShotPlan(choice.shots, batch_shots(facts.price, choice.shots))
        key = f"{solve.order.job_id}:{choice.name}"
        size, seed = plan.next_batch(None), solve.order.policy.seed
        first = Attempt(1, size, choice.layers, seed, estimate.seconds)
        samples, attempt = await self._persist(device, program, estimate, first, key)
        batches = 1
        while (size := plan.next_batch(samples)) and estimate.seconds <= self._left_s():
            batches += 1
            more = Attempt(1, size, attempt.layers, (seed + batches) % 2**53, estimate.seconds)
            try:
                found, _ = await self._persist(device, program, estimate, more, f"{key}:batch{batches}")
            except (BackendError, BudgetExceeded, RayError) as error:  # what is there already counts
                solve.log.warning("batch_failed", backend=choice.name, batch=batches, error=str(error))
                break
            samples = together(samples, found)
        return samples, attempt

    async def _fit(self, device: Any, program: Program) -> Estimate:
        """The estimate of the shots chosen or, where these take longer than the time left, of as many as fit.

        Raises `BackendTimeout` when too few do.
        """
        estimate: Estimate = await device.estimate.remote(program, self._choice.shots)
        left_s = self._left_s()
        if estimate.seconds <= left_s:
            return estimate
        shots = int(_FILL * self._choice.shots * left_s / estimate.seconds)
        if shots >= _FEWEST_SHOTS:
            fewer: Estimate = await device.estimate.remote(program, shots)
            if fewer.seconds <= left_s:
                self._solve.log.warning("fewer_shots", backend=self._choice.name, asked=self._choice.shots, shots=shots)
                self._choice = replace(self._choice, shots=shots)
                return fewer
        raise BackendTimeout(self._choice.name, f"needs about {estimate.seconds:.1f} s of {left_s:.1f} s left")

    async def _persist(
        self, device: Any, program: Program, estimate: Estimate, first: Attempt, key: str
    ) -> tuple[dimod.SampleSet, Attempt]:
        """One batch, after as many attempts as time, money and the backend's state allow."""

        async def send(attempt: Attempt, sent_under: str) -> dimod.SampleSet:
            try:
                return await self._attempt(device, program, estimate, attempt, sent_under)
            except RayTaskError as error:
                cause = error.cause
                raise cause if isinstance(cause, BackendError) else error from None

        async def decide(error: Exception, failed: Attempt, remaining_s: float) -> RetryDecision:
            return await self._decide(device, error, failed, remaining_s)

        return await persist(send, first, key, self._left_s, decide, self._attempts.append)

    def _left_s(self) -> float:
        """Time that a backend may take, what lifting needs kept back."""
        return (self._solve.solve_until_s - time.time()) * (1 - _LIFT_SHARE)

    async def _attempt(
        self, device: Any, program: Program, estimate: Estimate, attempt: Attempt, key: str
    ) -> dimod.SampleSet:
        """Reserve, submit once, settle; nothing is spent before the reservation stands."""
        program = replace(program, layers=attempt.layers, seed=attempt.seed)
        if (attempt.shots, attempt.layers) != (self._choice.shots, self._choice.layers):
            estimate = await device.estimate.remote(program, attempt.shots)
        worst = Amounts(estimate.cost_usd_micros, attempt.shots, round(estimate.seconds * 1000))
        if estimate.cost_usd_micros > 0 and key not in self._reservations:
            policy = self._solve.order.policy
            limit = Amounts(policy.budget_usd_micros, policy.max_shots, MAX_AMOUNT)
            self._reservations[key] = await self._reserve(key, worst, limit)
            self._settle(key, Amounts(0, 0, 0))
        samples = await self._submit(device, program, attempt, key, worst)
        self._shots_used += attempt.shots
        if estimate.cost_usd_micros > 0:
            seconds = float(samples.info["seconds"])
            cost = int(samples.info["cost_usd_micros"])
            self._settle(key, Amounts(cost, attempt.shots, round(seconds * 1000)))
        return samples

    async def _decide(self, device: Any, error: Exception, failed: Attempt, remaining_s: float) -> RetryDecision:
        """What to do after ``failed``: the backend's own answer, within the shots that the request allows."""
        if isinstance(error, CircuitOpen):
            return RetryDecision(FailureClass.FALL_BACK, 0.0, None, (), Reason.CIRCUIT_OPEN)
        if not isinstance(error, (ProgramRefused, BackendUnavailable, BackendDenied)):
            self._shots_used += failed.shots  # it may have run
        decision: RetryDecision = await device.next_attempt.remote(error, failed, remaining_s)
        if decision.action is not FailureClass.RETRY_CHANGED or decision.attempt is None:
            return decision
        attack, most = self._solve.attack, self._choice.shots
        if attack is not None:
            most += max(0, self._solve.order.policy.max_shots - sum(choice.shots for choice in attack.backends))
        if self._shots_used + decision.attempt.shots > most:
            return RetryDecision(FailureClass.FALL_BACK, 0.0, None, (), Reason.SHOTS_LIMIT)
        return decision

    async def _reserve(self, key: str, worst: Amounts, limit: Amounts) -> str:
        """The reservation's id. A job that ends while the scheduler is at it gives the reservation back."""
        solve = self._solve
        reserving = asyncio.ensure_future(
            _result(
                actor(SCHEDULER).reserve.remote(
                    solve.order.tenant, solve.order.project, solve.order.job_id, self._choice.name, key, worst, limit
                )
            )
        )
        try:
            reservation: str = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            reserving.add_done_callback(_give_back)
            raise
        return reservation

    async def _submit(
        self, device: Any, program: Program, attempt: Attempt, key: str, worst: Amounts
    ) -> dimod.SampleSet:
        choice, job_id = self._choice, self._solve.order.job_id
        if not await actor(SCHEDULER).allow.remote(choice.name, job_id):
            raise CircuitOpen(choice.name, "rests after failures")
        # From here until the bill is known the worst case stands: a job that ends now settles that.
        self._settle(key, worst)
        reference = device.sample.remote(program, attempt.shots, key, self._left_s(), attempt.number > 1)
        try:
            samples: dimod.SampleSet = await reference
        except (ProgramRefused, BackendUnavailable, BackendDenied) as error:  # refused before anything was spent
            self._settle(key, Amounts(0, 0, 0))
            if isinstance(error, ProgramRefused):
                actor(SCHEDULER).withdraw.remote(choice.name, job_id)
            else:
                actor(SCHEDULER).report.remote(choice.name, False, job_id)
            raise
        except asyncio.CancelledError:
            ray.cancel(reference)  # the device then cancels at the vendor
            actor(SCHEDULER).withdraw.remote(choice.name, job_id)
            raise
        except (BackendError, RayError):  # what it cost is unknown: the worst case stays settled
            actor(SCHEDULER).report.remote(choice.name, False, job_id)
            raise
        if set(samples.variables) != set(program.bqm.variables):
            actor(SCHEDULER).report.remote(choice.name, False, job_id)
            raise ResultCorrupt(choice.name, "answered with samples over other variables")
        actor(SCHEDULER).report.remote(choice.name, True, job_id)
        return samples

    def _settle(self, key: str, amounts: Amounts) -> None:
        """What the commit of the job settles for one attempt's reservation, as far as is known by now."""
        reservation = self._reservations.get(key)
        if reservation is not None:
            self._solve.trail.settle(reservation, amounts)

    async def _keep(self, kernel: Kernel[Any], samples: dimod.SampleSet, attempt: Attempt) -> None:
        """Raw samples go to the artifacts: they never repeat, and everything after them must be checkable."""
        solve, choice = self._solve, self._choice
        raw = json.dumps(samples.to_serializable(), default=str).encode()
        digest = await asyncio.to_thread(solve.store.artifacts.put, raw)
        facts: BackendFacts = await actor(device_name(choice.name)).facts.remote()
        info = {name: value for name, value in samples.info.items() if isinstance(value, (int, float, str))}
        solve.trail.backends.append(
            {
                "backend": choice.name,
                "reason": choice.reason,
                "kernel": kernel.label,
                "kernel_variables": len(kernel.bqm.variables),
                "shots": int(samples.record.num_occurrences.sum()),
                "shots_allowed": choice.shots,
                "layers": attempt.layers,
                "seed": attempt.seed,
                "attempts": [asdict(record) for record in self._attempts],
                "samples_digest": digest,
                "calibration_id": facts.calibration_id,
                "price": asdict(facts.price),
                "info": info,
            }
        )

    def _result(
        self,
        outcome: str,
        reason: str,
        improvement: float = 0.0,
        samples: dimod.SampleSet | None = None,
        quantum_lift: dict[str, Any] | None = None,
    ) -> Contribution:
        trail = self._solve.trail
        reservations: list[str | None] = [*self._reservations.values()] or [None]
        cost_micros = sum(trail.settled_usd_micros(reservation) for reservation in reservations)
        shots = int(samples.record.num_occurrences.sum()) if samples is not None else 0
        return Contribution(
            "kernel",
            "1",
            backend=self._choice.name,
            improvement=improvement,
            seconds=time.perf_counter() - self._started,
            cost_usd=cost_micros / 1e6,
            shots=shots,
            quantum_lift=quantum_lift,
            outcome=outcome,
            reason=str(reason),
        )

    def _note(self, contribution: Contribution) -> None:
        self._solve.trail.contributions.append(contribution)
        if contribution.outcome != "OK" and self._attempts:  # a failure's attempts belong in the record as well
            attempts = [asdict(record) for record in self._attempts]
            about = {"backend": self._choice.name, "reason": self._choice.reason, "outcome": contribution.outcome}
            self._solve.trail.backends.append({**about, "samples_digest": None, "attempts": attempts})


async def _result(reference: Any) -> Any:
    return await reference


def _give_back(reserving: asyncio.Future[str]) -> None:
    if not reserving.cancelled() and reserving.exception() is None:
        actor(SCHEDULER).unreserve.remote(reserving.result())


def _budget_detail(error: BudgetExceeded) -> str:
    """Which budget refused, in units that people use."""
    if error.unit == "usd_micros":
        return f"budget of {error.scope}: ${error.asked / 1e6:.6g} asked, ${error.free / 1e6:.6g} free"
    if error.unit == "device_ms":
        return f"budget of {error.scope}: {error.asked / 1e3:.6g} s of device time asked, {error.free / 1e3:.6g} s free"
    return f"budget of {error.scope}: {error.asked} {error.unit} asked, {error.free} free"


def _budget_reason(error: BudgetExceeded) -> Reason:
    if error.scope.startswith("request"):
        return Reason.SHOTS_LIMIT if error.unit == "shots" else Reason.BUDGET_REQUEST_LIMIT
    return Reason.BUDGET_EXHAUSTED
