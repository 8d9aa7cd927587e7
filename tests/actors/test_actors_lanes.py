"""The order in which workers take the strategies of a job."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actors.lanes import Lanes


def lanes(workers: int, replayable: bool = False) -> Lanes:
    solve: Any = SimpleNamespace(
        kind=SimpleNamespace(provers=("routing-bound",), reseeded=("annealing",), scale_out=None),
        problem=None,
        order=SimpleNamespace(policy=SimpleNamespace(seed=1, replayable=replayable)),
        settings=SimpleNamespace(workers=workers),
    )
    return Lanes(solve)


@pytest.mark.parametrize(
    "learned",
    [
        ("annealing", "routing-bound", "pyvrp"),
        ("annealing", "pyvrp", "routing-bound"),
        ("routing-bound", "annealing", "pyvrp"),
    ],
)
def test_a_prover_runs_second(learned: tuple[str, ...]) -> None:
    """Whatever was learned of a strategy that only proves bounds, the first worker looks for plans, the next proves."""
    assert lanes(2).runs(learned) == [("annealing", 1), ("routing-bound", 2), ("pyvrp", 3)]


def test_a_replayable_job_runs_a_finder() -> None:
    """The one run of a replayable job looks for plans."""
    assert lanes(2, replayable=True).runs(("routing-bound", "annealing")) == [("annealing", 1)]


def test_more_workers_repeat_what_chance_helps() -> None:
    """Workers beyond the number of strategies run those again that are worth other seeds."""
    runs = lanes(5).runs(("annealing", "routing-bound", "pyvrp"))
    assert [name for name, _ in runs] == ["annealing", "routing-bound", "pyvrp", "annealing", "annealing"]
    assert len({seed for _, seed in runs}) == 5
