"""A shadow run observes what a backend would have brought, and touches nothing of the job that it follows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from actors import shadow
from actors.hybrid import HybridStep
from actors.messages import Incumbent, Trail
from federation.attack import BackendChoice
from federation.evidence import OBJECTIVE
from federation.policy import Policy
from solvers.problem import Features, Verdict

CHOICE = BackendChoice("annealer", 100, 50, 1, 0, "shadow")


class Scene:
    """A finished job with objective 10, and a backend whose sample lifts to a plan of ``objective``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, objective: float | None, hangs: bool = False) -> None:
        self.recorded: list[Any] = []
        self.told: list[Any] = []

        async def ask(step: HybridStep) -> Any:
            if hangs:
                await asyncio.Event().wait()
            improvement = await step._solve.consider(objective, None, "kernel", step._choice.name, "1")
            return step._result("OK", "", improvement)

        monkeypatch.setattr(HybridStep, "_ask", ask)
        fake = SimpleNamespace(observe=SimpleNamespace(remote=self.told.append))
        monkeypatch.setattr(shadow, "actor", lambda name: fake)
        problem = SimpleNamespace(
            features=lambda: Features("routing", {"size": 5.0}),
            verify=lambda plan: Verdict(objective=plan, feasible=True, violations=(), terms={}),
        )
        incumbent = Incumbent(
            "plan", Verdict(objective=10.0, feasible=True, violations=(), terms={}), "engine", None, 0
        )
        self.solve: Any = SimpleNamespace(
            order=SimpleNamespace(policy=Policy(deadline_s=0.3), job_id="job-1", kind="routing"),
            store=SimpleNamespace(observations=SimpleNamespace(record=lambda *seen: self.recorded.extend(seen))),
            log=SimpleNamespace(warning=lambda *_, **__: None, info=lambda *_, **__: None),
            seat=None,
            incumbent=incumbent,
            pool=[],
            problem=problem,
            trail=Trail(),
        )


async def test_what_it_would_have_gained_is_recorded_and_told_and_the_answer_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, 8.0)
    await shadow.Shadow(scene.solve, CHOICE).run()
    [seen] = scene.recorded
    assert (seen.strategy, seen.backend, seen.outcome, seen.improvement) == ("shadow", "annealer", "OK", 2.0)
    assert seen.features == {"size": 5.0, OBJECTIVE: 10.0}
    assert scene.told == [(seen,)]
    assert scene.solve.trail.contributions == []
    assert scene.solve.incumbent.verdict.objective == 10.0


async def test_a_worse_plan_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 12.0)
    await shadow.Shadow(scene.solve, CHOICE).run()
    assert scene.recorded[0].improvement == 0.0


async def test_one_that_hangs_ends_with_the_time_its_request_had(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 8.0, hangs=True)
    await asyncio.wait_for(shadow.Shadow(scene.solve, CHOICE).run(), 2.0)
    assert scene.recorded[0].outcome == "CANCELLED"


async def test_without_a_plan_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, None)
    scene.solve.incumbent = None
    await shadow.Shadow(scene.solve, CHOICE).run()
    assert scene.recorded == scene.told == []
