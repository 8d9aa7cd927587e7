"""What a drill reports follows from what happened, and a figure that is too bad is not called met."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import dimod
import pytest

from federation.watch import Event, Happened
from services.drills.faults import Fault, falsify, heal
from services.drills.findings import Round, findings
from services.drills.load import Answer, LoadConfig, _request
from services.drills.table import met, table
from solvers.errors import PolicyUnmet

GROUPS = {"a": "g", "b": "g", "c": "g"}
ROUND = Round("partition", "a", 100.0, 102.0, 104.0)


def happened() -> list[Happened]:
    return [
        Happened(100.1, "a", Event.SENT, "job-1"),
        Happened(100.2, "a", Event.SENT, "job-2"),
        Happened(100.4, "a", Event.DOWN, "silent"),
        Happened(100.41, "a", Event.MOVED, "job-1"),
        Happened(100.42, "a", Event.MOVED, "job-2"),
        Happened(100.45, "b", Event.SENT, "job-1"),
        Happened(100.50, "c", Event.SENT, "job-2"),
        Happened(102.1, "a", Event.HEARD, ""),
        Happened(102.2, "a", Event.SENT, "job-9"),
        Happened(102.3, "a", Event.OK, "job-9"),
    ]


def answer(sent_s: float, took_s: float = 0.5, objective: float = 10.0, **values: Any) -> Answer:
    entry = SimpleNamespace(backend=values.pop("backend", "b"), outcome="OK", cost_usd=0.0)
    report = SimpleNamespace(
        feasible=True, objective=objective, cost_usd=0.0, service_level=1, contributions=[entry], **values
    )
    return Answer(0, sent_s, took_s, report)


def load(answers: list[Answer], sent: int | None = None) -> Any:
    return SimpleNamespace(config=LoadConfig(), answers=answers, sent=len(answers) if sent is None else sent)


NOTHING = {"limit": 0.0, "settled": 0.0, "reserved": 0.0}


def test_times_and_attempts_are_those_of_the_log() -> None:
    answers = [answer(99.0, backend="a"), answer(101.0)]
    found = findings([ROUND], happened(), load(answers), GROUPS, NOTHING)
    assert found["detect"]["p95_s"] == pytest.approx(0.4)
    assert found["switch"]["max_s"] == pytest.approx(0.02)
    assert found["sent_elsewhere"]["max_s"] == pytest.approx(0.1)
    assert (found["attempts_most"], found["probes"]) == (2, 1)
    assert found["divergence_bits"] == pytest.approx(1.0)
    assert met(found)
    assert "time to detect, p95" in table(found)


def test_work_on_a_backend_that_goes_down_once_more_is_late_only_since_then() -> None:
    again = [
        Happened(103.0, "a", Event.SENT, "job-10"),
        Happened(103.3, "a", Event.DOWN, "silent"),
        Happened(103.35, "a", Event.MOVED, "job-10"),
        Happened(103.5, "a", Event.HEARD, ""),
        Happened(103.6, "a", Event.SENT, "job-11"),  # a probe that nobody answers
        Happened(103.9, "a", Event.MOVED, "job-11"),
    ]
    found = findings([ROUND], happened() + again, load([answer(99.0)]), GROUPS, NOTHING)
    assert found["switch"]["n"] == 4
    assert found["switch"]["max_s"] == pytest.approx(0.3)
    assert found["switch"]["mean_s"] == pytest.approx((0.01 + 0.02 + 0.05 + 0.3) / 4)


@pytest.mark.parametrize(
    ("answers", "sent", "figure"),
    [
        ([answer(99.0)], 2, "answers_lost"),
        ([answer(99.0), Answer(0, 101.0, 0.1, None, "INTERNAL")], None, "answers_lost"),
        ([answer(101.0, took_s=2.001)], None, "deadlines_missed"),
    ],
)
def test_an_answer_that_is_lost_or_late_is_not_met(answers: list[Answer], sent: int | None, figure: str) -> None:
    found = findings([ROUND], happened(), load(answers, sent), GROUPS, NOTHING)
    assert found[figure] == 1
    assert not met(found)


def test_a_fault_that_nobody_noticed_is_not_met() -> None:
    calls = [Happened(100.0 + k / 10, "a", Event.SENT, f"job-{k}") for k in range(7)]
    found = findings([ROUND], calls, load([answer(99.0)]), GROUPS, NOTHING)
    assert (found["undetected"], found["attempts_most"]) == (1, 7)
    assert not met(found)


def test_worse_plans_during_the_fault_are_lost_quality() -> None:
    found = findings([ROUND], happened(), load([answer(99.0), answer(101.0, objective=11.0)]), GROUPS, NOTHING)
    assert found["quality_lost"]["most"] == pytest.approx(0.1)


def test_a_fault_is_never_put_on_a_process_that_is_no_device() -> None:
    with pytest.raises(PolicyUnmet, match="not a device"):
        Fault("outage", lambda: 1)
    with pytest.raises(PolicyUnmet, match="healthy"):
        Fault("partition", lambda: None)


def test_falsified_samples_are_over_other_variables_until_the_device_is_healed() -> None:
    samples = dimod.SampleSet.from_samples([{"x": 1, "y": 0}], "BINARY", energy=[0.0])
    device = SimpleNamespace(_backend=SimpleNamespace(fetch=lambda job: samples, name="b"))
    falsify(device)
    falsify(device)
    assert device._backend.name == "b"
    assert set(device._backend.fetch(None).variables).isdisjoint({"x", "y"})
    heal(device)
    assert set(device._backend.fetch(None).variables) == {"x", "y"}


def test_a_slow_backend_need_not_be_detected() -> None:
    slow = replace(ROUND, kind="latency")
    calls = [Happened(100.0 + k / 10, "a", Event.SENT, f"job-{k}") for k in range(20)]  # it goes on being asked
    assert met(findings([slow], calls, load([answer(99.0), answer(101.0)]), GROUPS, NOTHING))
    assert not met(findings([slow], calls, load([answer(99.0)], sent=2), GROUPS, NOTHING))


def test_the_load_is_made_of_valid_requests_that_a_backend_may_take_part_in() -> None:
    from services.convert.invoices import problem_from_message

    for seed in range(3):
        request = _request(seed, LoadConfig())
        assert problem_from_message(request.problem).features().values["size"] > 0
        assert request.policy.max_shots == 100
