from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from backends.backend import BackendFacts, CalibratedValue, Price, Technology
from federation.attack import BackendView, plan_attack
from federation.evidence import Seen
from federation.policy import Policy, Profile, Residency
from federation.reasons import Reason
from federation.selection import Prospect, Selection, SelectionConfig, gain_scenarios
from solvers.problem import Features

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NOW_S = NOW.timestamp()
FEATURES = Features("routing", {"size": 50.0, "density": 0.5, "tightness": 0.5})
POLICY = Policy(profile=Profile.HYBRID, residency=Residency.EXTERNAL_ALLOWED, budget_usd_micros=5_000_000)


def values(error, age_days=0.0):
    date = NOW - timedelta(days=age_days)
    return (
        CalibratedValue("readout_error", "q0", error, date),
        CalibratedValue("gate_error", "cx(q0,q1)", error, date),
        CalibratedValue("gate_error", "sx(q0)", error / 20, date),
    )


FREE = BackendFacts("free", Technology.ANNEALER, 200, None, (), "", 0, Price(), 10_000, True)
GOOD = BackendFacts("good", Technology.GATE, 7, ((0, 1),), values(0.002), "a", 0, Price(50_000, 10), 5000, False)
BAD = replace(GOOD, name="bad", calibration=values(0.05), calibration_id="b")
STALE = replace(GOOD, name="stale", calibration=values(0.002, age_days=30), calibration_id="c")


def choose(selection, backends, policy=POLICY, now_s=NOW_S):
    views = [BackendView(facts) for facts in backends]
    return plan_attack("routing", FEATURES, ("savings", "pyvrp"), views, policy, 60.0, selection.at(now_s))


def feed(selection, name, gain, runs=40, outcome="OK", facts=None):
    for i in range(runs):
        selection.observe(Seen("routing", FEATURES, "", name, outcome, gain, 1.0, facts), NOW_S - runs + i)


def calm(**changes):
    return Selection(SelectionConfig(exploration_share=0.0, **changes))


def test_before_any_run_calibration_decides_between_devices():
    prospects = {
        facts.name: calm().prospect("routing", FEATURES, facts, 500, 60.0, NOW_S, 0.0) for facts in (GOOD, BAD, STALE)
    }
    assert prospects["good"].gain > 2 * prospects["bad"].gain
    assert prospects["good"].gain > 2 * prospects["stale"].gain


def test_a_stale_device_is_excluded_with_its_reason():
    attack = choose(calm(), [FREE, STALE])
    (skipped,) = attack.skipped
    assert (skipped.backend, skipped.reason, skipped.wanted) == ("stale", Reason.CALIBRATION_STALE, True)


def test_what_helped_before_is_chosen_and_what_did_not_is_left_out():
    selection = calm(most_racing=1)
    feed(selection, "free", 0.001)
    feed(selection, "good", 0.03, facts=GOOD)
    attack = choose(selection, [FREE, GOOD])
    assert [choice.name for choice in attack.backends] == ["good"]
    assert attack.skipped[0].reason is Reason.NOT_SELECTED
    assert not attack.skipped[0].wanted
    assert "40 runs" in attack.backends[0].reason or "39 runs" in attack.backends[0].reason


def test_a_device_must_be_worth_its_price():
    selection = calm(usd_per_gain=1.0)
    feed(selection, "free", 0.01)
    feed(selection, "good", 0.02, facts=GOOD)
    attack = choose(selection, [FREE, GOOD])
    assert [choice.name for choice in attack.backends] == ["free"]


def test_a_backend_that_keeps_failing_is_dropped():
    selection = calm(most_racing=1)
    feed(selection, "good", 0.03, facts=GOOD)
    feed(selection, "free", 0.01)
    feed(selection, "good", 0.0, outcome="FAILED", runs=200)
    assert [choice.name for choice in choose(selection, [FREE, GOOD]).backends] == ["free"]


def test_a_long_queue_is_not_waited_for():
    selection = calm(most_racing=1)
    feed(selection, "good", 0.03, facts=GOOD)
    feed(selection, "free", 0.01)
    for _ in range(20):
        selection.waits("good").observe_wait(10, 300.0, NOW_S)
    busy = replace(GOOD, queue_length=8)
    assert [choice.name for choice in choose(selection, [FREE, busy]).backends] == ["free"]


def test_skipped_and_refused_runs_teach_nothing():
    selection = calm()
    before = selection.prospect("routing", FEATURES, FREE, 500, 60.0, NOW_S, 0.0)
    for outcome in ("SKIPPED", "REFUSED", "CANCELLED"):
        feed(selection, "free", 0.0, outcome=outcome)
    assert selection.prospect("routing", FEATURES, FREE, 500, 60.0, NOW_S, 0.0) == before


def test_exploration_tries_the_uncertain_now_and_then_and_says_so():
    selection = Selection(SelectionConfig(exploration_share=1.0, most_racing=1, usd_per_gain=10_000))
    feed(selection, "free", 0.01, runs=200)
    chosen = [choose(selection, [FREE, BAD]).backends[0] for _ in range(60)]
    names = [choice.name for choice in chosen]
    assert 3 <= names.count("bad") <= 45
    assert all("exploring" in choice.reason for choice in chosen)


def test_without_exploration_decisions_repeat_and_with_it_they_follow_the_seed():
    assert choose(calm(), [FREE, GOOD, BAD]) == choose(calm(), [FREE, GOOD, BAD])
    config = SelectionConfig(exploration_share=1.0, seed=7)
    runs = [
        [choose(selection, [FREE, GOOD, BAD]) for _ in range(10)]
        for selection in (Selection(config), Selection(config))
    ]
    assert runs[0] == runs[1]


def test_unseen_strategies_keep_their_order_and_better_ones_move_up():
    selection = calm()
    assert choose(selection, [FREE]).strategies == ("savings", "pyvrp")
    for i in range(40):
        selection.observe(Seen("routing", FEATURES, "savings", "", "OK", 0.001, 1.0), NOW_S - 40 + i)
        selection.observe(Seen("routing", FEATURES, "pyvrp", "", "OK", 0.05, 1.0), NOW_S - 40 + i)
    assert choose(selection, [FREE]).strategies == ("pyvrp", "savings")


def test_a_strategy_that_ran_alone_does_not_move_up_by_what_any_other_would_have_found():
    selection = calm()
    for i in range(40):
        selection.observe(Seen("routing", FEATURES, "pyvrp", "", "OK", 0.2, 1.0, contested=False), NOW_S - 40 + i)
    assert choose(selection, [FREE]).strategies == ("savings", "pyvrp")


def test_a_race_stays_within_budget_and_size():
    selection = calm(most_racing=2, usd_per_gain=1e6)
    backends = [replace(GOOD, name=f"d{i}", calibration_id=str(i)) for i in range(6)]
    attack = choose(selection, backends)
    assert 1 <= len(attack.backends) <= 2
    assert sum(choice.expected_usd_micros for choice in attack.backends) <= POLICY.budget_usd_micros


def test_scenarios_have_the_expected_gain_and_fail_as_often_as_expected():
    prospect = Prospect("x", 0.01, 0.001, 0.008, 0.01, 0.8, 0.5, 0.0, 10.0)
    gains = gain_scenarios([prospect, replace(prospect, backend="y")], 20_000, np.random.default_rng(0))
    assert gains.mean(axis=0) == pytest.approx([0.004, 0.004], rel=0.05)
    assert (gains == 0).mean() == pytest.approx(0.6, abs=0.02)
    both = (gains > 0).all(axis=1)
    assert 0.2 < np.corrcoef(gains[both].T)[0, 1] < 0.8


@pytest.mark.parametrize(
    "bad", [{"exploration_share": 1.5}, {"usd_per_gain": 0.0}, {"most_racing": 0}, {"scenarios": 0}]
)
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SelectionConfig(**bad)


def test_what_is_free_is_asked_all_the_same_when_an_operator_says_so():
    selection = Selection(SelectionConfig(ask_free=True, most_racing=1))
    eligible = [replace(GOOD, name=name, is_local=True, price=Price(), calibration=()) for name in ("one", "two")]
    picks = selection.at(NOW_S).pick_backends("routing", FEATURES, eligible, POLICY, 60.0)
    assert {pick.backend for pick in picks if pick.take} == {"one", "two"}
