"""Asking a backend through its failures: what is retried and under which key, what is reserved and written down."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import dimod
import pytest

from actors import hybrid
from actors.hybrid import HybridStep
from actors.messages import Trail
from backends.backend import Estimate, Price, Program
from federation.attack import Attack, BackendChoice
from federation.batches import batch_shots
from federation.policy import Policy
from federation.reasons import Reason
from federation.retry import RetryBudget, RetryConfig, next_attempt
from solvers.errors import (
    BackendDenied,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ProgramRefused,
    SubmissionUnknown,
)

CHOICE = BackendChoice("q", 100, 10, 2, 1_000, "test")
PROGRAM = Program(dimod.BinaryQuadraticModel({"a": -1.0}, {}, 0.0, "BINARY"), layers=2)
COST, WORST = 700, 1_000
FREE = Price()


def step_bqm(step: Any) -> dimod.BinaryQuadraticModel:
    return PROGRAM.bqm


class Remote:
    """A method of an actor."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def remote(self, *arguments: Any) -> Any:
        return asyncio.ensure_future(self.work(*arguments))


class Scene:
    """A job with one metered backend that ends each attempt as scripted: an error, or ``"ok"``."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *script: Any,
        left_s: float = 60.0,
        config: RetryConfig | None = None,
        choice: BackendChoice = CHOICE,
        price: Price = FREE,
        fixed_s: float = 0.01,
        shot_s: float = 0.0,
    ) -> None:
        self.script = list(script)
        self.sent: list[tuple[str, int, int, int, bool]] = []
        self.reserved: list[str] = []
        self.reports: list[Any] = []
        self.closed = False
        budget = RetryBudget(config or RetryConfig(base_delay_s=0.0))

        async def estimate(program: Program, shots: int) -> Estimate:
            return Estimate(fixed_s + shots * shot_s, WORST, 1.0)

        async def sample(program: Program, shots: int, key: str, timeout_s: float, retries: bool) -> dimod.SampleSet:
            self.sent.append((key, shots, program.layers, program.seed, retries))
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            samples = dimod.SampleSet.from_samples_bqm([{"a": 1}] * shots, PROGRAM.bqm).aggregate()
            samples.info.update(seconds=0.5, cost_usd_micros=COST)
            return samples

        async def decide(error: Exception, failed: Any, remaining_s: float) -> Any:
            return next_attempt(error, failed, remaining_s, budget)

        async def reserve(*arguments: Any) -> str:
            self.reserved.append(arguments[4])
            return f"r{len(self.reserved)}"

        async def allow(*_: Any) -> bool:
            return not self.closed

        async def report(name: str, ok: bool, job_id: str) -> None:
            self.reports.append(ok)

        async def withdraw(*_: Any) -> None:
            self.reports.append("withdrawn")

        async def facts() -> Any:
            return SimpleNamespace(price=price)

        fake = SimpleNamespace(
            facts=Remote(facts),
            estimate=Remote(estimate),
            sample=Remote(sample),
            next_attempt=Remote(decide),
            reserve=Remote(reserve),
            allow=Remote(allow),
            report=Remote(report),
            withdraw=Remote(withdraw),
        )
        monkeypatch.setattr(hybrid, "actor", lambda name: fake)
        policy = Policy(max_shots=choice.shots + 15, budget_usd_micros=10_000, seed=5)
        self.solve: Any = SimpleNamespace(
            trail=Trail(),
            attack=Attack((), (choice,), ()),
            order=SimpleNamespace(policy=policy, job_id="job-1", tenant="t", project="p"),
            solve_until_s=time.time() + left_s,
            log=SimpleNamespace(warning=lambda *_, **__: None),
            reason="",
            ended_by=Reason.DEADLINE,
        )
        self.step = HybridStep(self.solve, choice)

    async def run(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        async def ask() -> Any:
            samples, _ = await self.step._sample(PROGRAM)
            return self.step._result("OK", "", 0.0, samples)

        monkeypatch.setattr(self.step, "_ask", ask)
        await self.step.run()
        await asyncio.sleep(0)
        (contribution,) = self.solve.trail.contributions
        return contribution

    @property
    def settled(self) -> list[int]:
        return [amounts.usd_micros for amounts in self.solve.trail.settlements.values()]


@pytest.mark.parametrize("error", [BackendUnavailable("q", "busy"), SubmissionUnknown("q", "lost")])
async def test_what_may_have_been_accepted_is_sent_again_under_its_own_key(monkeypatch, error) -> None:
    scene = Scene(monkeypatch, error, "ok")
    told = await scene.run(monkeypatch)
    assert [sent[0] for sent in scene.sent] == ["job-1:q", "job-1:q"]
    assert [sent[4] for sent in scene.sent] == [False, True]
    assert scene.reserved == ["job-1:q"]
    assert (scene.settled, told.outcome, told.shots) == ([COST], "OK", 10)
    assert [record.next for record in scene.step._attempts] == ["retry_same", ""]


async def test_a_failed_job_is_changed_and_paid_from_a_reservation_of_its_own(monkeypatch) -> None:
    scene = Scene(monkeypatch, BackendError("q", "job failed"), "ok")
    told = await scene.run(monkeypatch)
    assert scene.reserved == ["job-1:q", "job-1:q:2"]
    assert scene.settled == [WORST, COST]  # what the failed one cost is not known
    assert told.cost_usd == pytest.approx((WORST + COST) / 1e6)
    seeds = [sent[3] for sent in scene.sent]
    assert seeds[0] == 5 != seeds[1]
    assert scene.step._attempts[1].changes == (f"seed 5 -> {seeds[1]}",)


async def test_a_refused_program_comes_back_smaller_and_costs_nothing(monkeypatch) -> None:
    scene = Scene(monkeypatch, ProgramRefused("q", "too deep"), "ok")
    await scene.run(monkeypatch)
    assert [sent[2] for sent in scene.sent] == [2, 1]
    assert scene.settled == [0, COST]
    assert scene.reports == ["withdrawn", True]


async def test_shots_of_failed_jobs_count_against_what_the_request_allows(monkeypatch) -> None:
    scene = Scene(monkeypatch, BackendError("q", "one"), BackendError("q", "two"), "ok")
    told = await scene.run(monkeypatch)
    assert len(scene.sent) == 2  # 25 shots are allowed, and two tries of 10 may have run
    assert told.outcome == "FAILED"
    assert [entry["next"] for entry in scene.solve.trail.backends[0]["attempts"]] == ["retry_changed", "fall_back"]


@pytest.mark.parametrize(
    ("error", "settled"), [(BackendDenied("q", "401"), 0), (RuntimeError("unknown"), WORST)], ids=["denied", "unknown"]
)
async def test_what_no_retry_can_mend_falls_back(monkeypatch, error, settled) -> None:
    scene = Scene(monkeypatch, error, "ok")
    told = await scene.run(monkeypatch)
    assert len(scene.sent) == 1
    assert told.outcome == "FAILED"
    assert scene.settled == [settled]


async def test_no_retry_starts_that_cannot_finish(monkeypatch) -> None:
    scene = Scene(monkeypatch, BackendUnavailable("q", "busy", retry_after_s=50.0), "ok", left_s=10.0)
    told = await scene.run(monkeypatch)
    assert len(scene.sent) == 1
    assert (told.outcome, told.reason) == ("FAILED", "BACKEND_UNAVAILABLE")


async def test_a_backend_bears_only_so_many_retries(monkeypatch) -> None:
    scene = Scene(
        monkeypatch, BackendTimeout("q", "slow"), "ok", config=RetryConfig(base_delay_s=0.0, budget_burst=0.0)
    )
    told = await scene.run(monkeypatch)
    assert len(scene.sent) == 1
    assert scene.settled == [WORST]
    assert told.reason == "BACKEND_TIMEOUT"


async def test_a_breaker_that_opened_ends_the_retries(monkeypatch) -> None:
    scene = Scene(monkeypatch, BackendUnavailable("q", "busy"), "ok")
    work = scene.step._submit

    async def submit(*arguments: Any) -> Any:
        try:
            return await work(*arguments)
        finally:
            scene.closed = True

    monkeypatch.setattr(scene.step, "_submit", submit)
    told = await scene.run(monkeypatch)
    assert len(scene.sent) == 1
    assert (told.outcome, told.reason) == ("SKIPPED", "CIRCUIT_OPEN")
    assert scene.settled == [0]


async def test_the_attempts_of_a_failure_are_in_the_record(monkeypatch) -> None:
    scene = Scene(monkeypatch, BackendDenied("q", "401: key expired"))
    await scene.run(monkeypatch)
    (entry,) = scene.solve.trail.backends
    assert (entry["backend"], entry["outcome"], entry["samples_digest"]) == ("q", "FAILED", None)
    (attempt,) = entry["attempts"]
    assert (attempt["number"], attempt["idempotency_key"], attempt["next"]) == (1, "job-1:q", "fall_back")
    assert "401: key expired" in attempt["error"]


PER_SHOT = Price(0, 10, 0, "a test", "2026-01-01")


async def test_batches_end_when_another_is_not_worth_its_price(monkeypatch) -> None:
    choice = BackendChoice("q", 100, 1_000, 2, 1_000, "test")
    scene = Scene(monkeypatch, "ok", "ok", "ok", "ok", choice=choice, price=PER_SHOT)
    told = await scene.run(monkeypatch)
    assert [sent[1] for sent in scene.sent] == [250]  # one answer, seen 250 times
    assert (told.shots, told.outcome) == (250, "OK")


async def test_batches_go_on_while_there_is_something_new_and_are_paid_one_by_one(monkeypatch) -> None:
    monkeypatch.setattr("solvers.quantum.adaptive.chance_of_better", lambda samples, batch: 1.0)
    choice = BackendChoice("q", 100, 600, 2, 1_000, "test")
    scene = Scene(monkeypatch, "ok", BackendUnavailable("q", "busy"), "ok", "ok", choice=choice, price=PER_SHOT)
    told = await scene.run(monkeypatch)
    keys = ["job-1:q", "job-1:q:batch2", "job-1:q:batch2", "job-1:q:batch3"]
    assert [sent[0] for sent in scene.sent] == keys
    assert [sent[1] for sent in scene.sent] == [250, 250, 250, 100]
    assert (told.shots, scene.settled) == (600, [COST] * 3)
    assert len({sent[3] for sent in scene.sent}) == 3  # each batch has a seed of its own


async def test_a_batch_that_fails_leaves_what_is_there(monkeypatch) -> None:
    monkeypatch.setattr("solvers.quantum.adaptive.chance_of_better", lambda samples, batch: 1.0)
    choice = BackendChoice("q", 100, 600, 2, 1_000, "test")
    scene = Scene(monkeypatch, "ok", BackendDenied("q", "401"), choice=choice, price=PER_SHOT)
    told = await scene.run(monkeypatch)
    assert (told.outcome, told.shots, scene.settled) == ("OK", 250, [COST, 0])


@pytest.mark.parametrize(
    ("price", "batch"),
    [(Price(), 1_000), (Price(0, 1, 5), 1_000), (Price(0, 1, 0), 250), (Price(300_000, 1_450, 0), 414)],
)
def test_batches_are_for_backends_whose_shots_have_a_price_and_fees_stay_small(price, batch) -> None:
    assert batch_shots(price, 1_000) == batch


async def test_as_many_shots_are_asked_for_as_the_time_left_allows(monkeypatch) -> None:
    choice = BackendChoice("q", 100, 1_000, 2, 1_000, "test")
    scene = Scene(monkeypatch, "ok", left_s=5.0, choice=choice, shot_s=0.01)  # ten seconds for all of them
    told = await scene.run(monkeypatch)
    ((_, shots, *_),) = scene.sent
    assert 250 <= shots <= 350  # of 3.5 s, what lifting needs kept back
    assert (told.outcome, told.shots) == ("OK", shots)


async def test_a_backend_that_cannot_answer_in_time_whatever_the_shots_is_not_asked(monkeypatch) -> None:
    scene = Scene(monkeypatch, "ok", left_s=5.0, fixed_s=4.0)
    told = await scene.run(monkeypatch)
    assert scene.sent == []
    assert (told.outcome, told.reason) == ("FAILED", "BACKEND_TIMEOUT")
