"""One place in the plan: its backend goes down, fails, refuses or is slow, and another takes over or stands by."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from actors import relay
from actors.hybrid import HybridStep
from actors.messages import Trail
from federation.attack import Attack, BackendChoice
from federation.hedge import Hedge
from federation.policy import Policy
from federation.reasons import Reason
from solvers.errors import BackendUnavailable, ProgramRefused

KERNEL: Any = SimpleNamespace(bqm=SimpleNamespace(num_variables=80))
CHOICES = {name: BackendChoice(name, 100, 50, 1, 0, "test") for name in "abc"}


class Scene:
    """A job with one place for backend ``a``; what each backend does is scripted, and who is asked is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **scripts: Any) -> None:
        self.asked: list[str] = []
        self.substitutes: list[tuple[Any, ...]] = []
        self.kernels: list[Any] = []
        scene = self

        async def ask(step: HybridStep) -> Any:
            name = step._choice.name
            scene.asked.append(name)
            scene.kernels.append(step.kernel)
            step.kernel = step.kernel or KERNEL
            script = scripts[name]
            if script == "hang":
                step.sent.set()  # type: ignore[attr-defined]
                await asyncio.Event().wait()
            if isinstance(script, Exception):
                raise script
            return step._result("OK", "")

        async def substitute(*arguments: Any) -> BackendChoice | None:
            scene.substitutes.append(arguments)
            left = [name for name in scripts if name not in arguments[2]]
            return CHOICES[left[0]] if left else None

        monkeypatch.setattr(HybridStep, "_ask", ask)
        fake = SimpleNamespace(substitute=SimpleNamespace(remote=substitute))
        monkeypatch.setattr(relay, "actor", lambda name: fake)
        monkeypatch.setattr(relay, "_hedges", {})
        first = asyncio.Event()
        first.set()
        self.solve: Any = SimpleNamespace(
            trail=Trail(),
            attack=Attack((), (CHOICES["a"],), ()),
            order=SimpleNamespace(policy=Policy(max_shots=50), job_id="job-1"),
            seat=SimpleNamespace(name="job-1#me/1"),
            solve_until_s=time.time() + 5.0,
            log=SimpleNamespace(warning=lambda *_, **__: None),
            reason="",
            ended_by=Reason.DEADLINE,
            first=first,
        )
        self.relay = relay.Relay(self.solve, CHOICES["a"])

    async def run(self) -> list[tuple[str, str, str]]:
        await asyncio.wait_for(self.relay.run(), 5.0)
        return self.noted

    @property
    def noted(self) -> list[tuple[str, str, str]]:
        return [(entry.backend, entry.outcome, entry.reason) for entry in self.solve.trail.contributions]


async def test_a_backend_that_answers_is_the_only_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a="ok", b="ok")
    assert await scene.run() == [("a", "OK", "")]
    assert (scene.asked, scene.solve.trail.stood_in) == (["a"], {})


async def test_one_that_fails_is_followed_by_another_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a=BackendUnavailable("a", "gone"), b=BackendUnavailable("b", "gone"), c="ok")
    noted = await scene.run()
    assert [entry[:2] for entry in noted] == [("a", "FAILED"), ("b", "FAILED"), ("c", "OK")]
    assert scene.solve.trail.stood_in == {"a": "c"}


async def test_work_on_one_that_goes_down_is_handed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a="hang", b="ok")
    running = asyncio.ensure_future(scene.run())
    await asyncio.sleep(0.01)
    scene.relay.backend_down("c")  # none of ours
    await asyncio.sleep(0.01)
    assert scene.asked == ["a"]
    scene.relay.backend_down("a")
    assert await running == [("a", "FAILED", "BACKEND_UNAVAILABLE"), ("b", "OK", "")]


async def test_whoever_takes_over_takes_the_kernel_along_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a=BackendUnavailable("a", "gone"), b="ok")
    await scene.run()
    assert scene.kernels == [None, KERNEL]
    small = BackendChoice("b", 79, 50, 1, 0, "test")
    monkeypatch.setitem(CHOICES, "b", small)
    scene = Scene(monkeypatch, a=BackendUnavailable("a", "gone"), b="ok")
    await scene.run()
    assert scene.kernels == [None, None]


async def test_a_program_that_is_refused_is_not_sent_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a=ProgramRefused("a", "too large"), b="ok")
    assert await scene.run() == [("a", "REFUSED", "PROGRAM_REFUSED")]
    assert scene.asked == ["a"]


async def test_where_nobody_can_take_over_the_failure_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a=BackendUnavailable("a", "gone"))
    assert [entry[:2] for entry in await scene.run()] == [("a", "FAILED")]
    assert scene.solve.trail.stood_in == {}


async def test_a_slow_one_gets_another_beside_it_and_the_first_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a="hang", b="ok")
    hedge = relay._hedges["a"] = Hedge()
    for _ in range(20):
        hedge.sent()
        hedge.answered(0.02)
    started_s = time.monotonic()
    noted = await scene.run()
    assert time.monotonic() - started_s >= 0.02
    assert sorted(noted) == [("a", "CANCELLED", "OVERTAKEN"), ("b", "OK", "")]
    assert scene.substitutes[0][-1] is True
    assert scene.solve.trail.stood_in == {"a": "b"}


async def test_one_that_may_charge_is_never_hedged(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a="hang", b="ok")
    scene.relay._first = BackendChoice("a", 100, 50, 1, 1000, "metered")
    hedge = relay._hedges["a"] = Hedge()
    for _ in range(20):
        hedge.sent()
        hedge.answered(0.001)
    running = asyncio.ensure_future(scene.relay.run())
    await asyncio.sleep(0.1)
    assert scene.asked == ["a"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_job_that_ends_takes_all_its_steps_with_it_and_each_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a="hang")
    running = asyncio.ensure_future(scene.relay.run())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert scene.noted == [("a", "CANCELLED", "DEADLINE")]


async def test_what_a_lost_attempt_may_have_charged_is_not_spent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, a=BackendUnavailable("a", "gone"), b="ok")
    scene.solve.order.policy = Policy(max_shots=50, budget_usd_micros=100)
    scene.relay._first = BackendChoice("a", 100, 50, 1, 100, "metered")
    scene.solve.attack = Attack((), (scene.relay._first,), ())
    monkeypatch.setattr(Trail, "settled_usd_micros", lambda *_: 100)
    assert [entry[:2] for entry in await scene.run()] == [("a", "FAILED")]
    assert scene.substitutes == []
