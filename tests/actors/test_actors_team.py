"""Workers that share one large problem, round by round."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError

import actors.team as module
from actors.team import Team
from solvers.kind import ScaleOut


@dataclass(frozen=True)
class Part:
    """What a worker gets in these tests."""

    number: int
    turn: int
    seconds: float = 0.01


class Rounds:
    """Three rounds, then none; remembers what came of them."""

    def __init__(self) -> None:
        self.cut: list[int] = []
        self.done: list[list[Any]] = []

    def begin(self, workers: int, elapsed_s: float) -> list[Part]:
        assert elapsed_s >= 0
        if len(self.cut) == 3:
            return []
        self.cut.append(workers)
        return [Part(k, len(self.cut)) for k in range(workers)]

    def end(self, done: list[Any]) -> str:
        self.done.append(list(done))
        return f"plan {len(self.done)}"


class Stage:
    """A job, its rounds, and workers that answer as they are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds, self.considered, self.overs = Rounds(), [], 0
        self.cancelled: list[str] = []
        self.dead: set[str] = set()
        self.on_part: Any = lambda worker: None
        first = asyncio.Event()
        first.set()

        async def consider(plan: str, *_: Any) -> float:
            self.considered.append(plan)
            return 0.0

        solve: Any = SimpleNamespace(
            first=first,
            incumbent=SimpleNamespace(plan="insurance"),
            done=asyncio.Event(),
            solve_until_s=time.time() + 60.0,
            problem=SimpleNamespace(features=lambda: SimpleNamespace(values={"size": 10.0})),
            order=SimpleNamespace(
                policy=SimpleNamespace(seed=1), job_id="job", tenant="t", kind="routing", problem=None
            ),
            kind=SimpleNamespace(strategies=(SimpleNamespace(name="annealing", version="1"),)),
            trail=SimpleNamespace(runs=[]),
            candidates=SimpleNamespace(credit=lambda *_, **__: None),
            coordinator="c",
            seat=SimpleNamespace(name="job#c/1"),
            consider=consider,
            log=SimpleNamespace(warning=lambda *_, **__: None, error=self._failed),
        )
        self.solve = solve
        scale_out: Any = ScaleOut("annealing", lambda _: True, lambda *_: self.rounds, lambda *_: None)
        self.live: dict[str, str] = {}
        self.team = Team(solve, scale_out, self.live, self._over)
        monkeypatch.setattr(module, "actor", self._actor)

    def _failed(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the conductor failed")

    def _over(self) -> None:
        self.overs += 1

    def _actor(self, worker: str) -> Any:
        async def run_part(order: Any) -> Any:
            await asyncio.sleep(0.001)
            self.on_part(worker)
            if worker in self.dead:
                raise RayActorError
            return (worker, order.part.number)

        return SimpleNamespace(
            run_part=SimpleNamespace(remote=run_part),
            cancel=SimpleNamespace(remote=self.cancelled.append),
        )


async def test_every_worker_gets_a_part_each_round_and_the_merged_plans_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two workers share three rounds, and then the team is over, once."""
    stage = Stage(monkeypatch)
    assert await asyncio.gather(stage.team.lane("a"), stage.team.lane("b")) == [True, True]
    assert stage.rounds.cut == [2, 2, 2]
    assert stage.rounds.done[0] == [("a", 0), ("b", 1)]
    assert stage.considered == ["plan 1", "plan 2", "plan 3"]
    assert stage.overs == 1
    assert [record["worker"] for record in stage.solve.trail.runs] == ["a", "b"]
    assert not stage.live


async def test_a_part_whose_worker_dies_is_lost_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead worker's lane says so, and later rounds are cut for those that live."""
    stage = Stage(monkeypatch)
    stage.dead = {"b"}
    assert await asyncio.gather(stage.team.lane("a"), stage.team.lane("b")) == [True, False]
    assert stage.rounds.done[0] == [("a", 0), None]
    assert stage.rounds.cut == [2, 1, 1]
    assert stage.solve.trail.runs[1]["error"] == "RayActorError"


async def test_a_recalled_worker_ends_its_part_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its part is cancelled, what it had counts, and it gets no other."""
    stage = Stage(monkeypatch)

    def on_part(worker: str) -> None:
        if worker == "b":
            stage.team.recalled("b")

    stage.on_part = on_part
    assert await asyncio.gather(stage.team.lane("a"), stage.team.lane("b")) == [True, True]
    assert len(stage.cancelled) == 1
    assert stage.rounds.done[0] == [("a", 0), ("b", 1)]
    assert stage.rounds.cut == [2, 1, 1]


async def test_a_worker_that_comes_too_late_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the rounds are over a lane ends at once."""
    stage = Stage(monkeypatch)
    await stage.team.lane("a")
    assert await asyncio.wait_for(stage.team.lane("b"), 1.0)
