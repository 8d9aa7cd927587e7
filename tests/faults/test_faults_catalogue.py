"""The failures the field keeps lists of: each is injected, detected by its own signal, and survived.

Those that need processes to die are in `test_faults_reservations`, `test_faults_service` and `tests/system`; here are
those that a decision must get right.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from backends.backend import BackendFacts, CalibratedValue, Price, Technology
from federation.attack import BackendView, Outcome, plan_attack, service_level
from federation.breaker import CircuitState
from federation.canary import Canary, Verdict
from federation.drift import alarms
from federation.groups import GroupConfig, Groups
from federation.policy import Policy, Profile, Residency
from federation.reasons import Reason
from federation.retry import (
    Attempt,
    FailureClass,
    RetryBudget,
    classify,
    counts_against_health,
    next_attempt,
    reason_of,
)
from federation.selection import Selection, SelectionConfig
from federation.watch import Event, Watch
from solvers.errors import BackendError, BackendTimeout, BackendUnavailable, ProgramRefused
from solvers.problem import Features

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FEATURES = Features("routing", {"size": 50.0})
VALUES = tuple(
    CalibratedValue(name, where, value, NOW)
    for name, where, value in (
        ("gate_error", "cx(q0,q1)", 0.008),
        ("gate_error", "sx(q0)", 0.0003),
        ("readout_error", "q0", 0.02),
        ("T1", "q0", 120.0),
        ("T2", "q0", 90.0),
    )
)
DEVICE = BackendFacts(
    "device", Technology.GATE, 27, ((0, 1),), VALUES, "sha256:1", 0, Price(300_000, 1_450), 8_192, False
)
LOCAL = BackendFacts("local", Technology.ANNEALER, 5_000, None, (), "", 0, Price(), 10_000, True)
RICH = Policy(
    profile=Profile.HYBRID, residency=Residency.EXTERNAL_ALLOWED, budget_usd_micros=5_000_000, max_shots=1_000
)


def plan(device=DEVICE, policy=RICH, remaining_s=600.0, selection=None, **view):
    views = [BackendView(device, **view), BackendView(LOCAL)]
    selector = None if selection is None else selection.at(NOW.timestamp())
    return plan_attack("routing", FEATURES, ("classical",), views, policy, remaining_s, selector)


def left_out(attack):
    return {skipped.backend: skipped.reason for skipped in attack.skipped}


def survived(attack):
    """The others take part and the request has a plan of attack."""
    return attack.strategies == ("classical",) and [c.name for c in attack.backends] == ["local"]


def test_queue_stall():
    attack = plan(replace(DEVICE, queue_length=4_000), remaining_s=60.0)
    assert left_out(attack) == {"device": Reason.NO_TIME}
    assert survived(attack)


def test_calibration_drift():
    rng = np.random.default_rng(1)
    errors = np.concatenate([rng.normal(0.008, 0.0004, 60), rng.normal(0.02, 0.0004, 30)])
    [alarm, *_] = alarms([float(error) for error in errors])
    assert 60 <= alarm.index <= 65
    assert alarm.direction == 1
    selection = Selection(SelectionConfig())
    before = selection.desk.quality(DEVICE, 6, 1, NOW.timestamp())
    selection.desk.drifted("device", 0.0)
    assert selection.desk.quality(DEVICE, 6, 1, NOW.timestamp()) < before
    assert "local" in [choice.name for choice in plan(selection=selection).backends]


def test_stale_provenance():
    old = replace(DEVICE, calibration=tuple(replace(v, date=NOW - timedelta(days=30)) for v in VALUES))
    attack = plan(old, selection=Selection(SelectionConfig(ask_free=True)))
    assert left_out(attack) == {"device": Reason.CALIBRATION_STALE}
    assert survived(attack)


def test_compilation_failure():
    error = ProgramRefused("device", "coupling map has no edge (3, 17)")
    assert classify(error) is FailureClass.RETRY_CHANGED
    assert not counts_against_health(error), "the program is at fault, not the backend"
    assert reason_of(error) is Reason.PROGRAM_REFUSED
    smaller = next_attempt(error, Attempt(1, 1000, 3, 7, 1.0), 60.0, RetryBudget())
    assert smaller.changes == ("shots 1000 -> 500", "layers 3 -> 2")


def test_vendor_contract_change():
    watch = Watch(("device",))
    error = BackendError("device", "field 'counts' is missing from the answer")
    assert counts_against_health(error)
    for _ in range(3):
        assert watch.allow("device", 1.0)
        watch.record("device", False, 1.0)
    assert watch.circuit("device", 1.0) is CircuitState.OPEN
    attack = plan(circuit_open=True)
    assert left_out(attack) == {"device": Reason.CIRCUIT_OPEN}
    assert survived(attack)


def test_vendor_outage():
    attack = plan(replace(DEVICE, available=False))
    assert left_out(attack) == {"device": Reason.BACKEND_UNAVAILABLE}
    assert survived(attack)
    assert service_level(attack, {"local": Outcome("OK")}) == ("REDUCED", "BACKEND_UNAVAILABLE")


def test_cost_overrun_by_runaway_retries():
    budget, retries = RetryBudget(), 0
    for seed in range(200):
        budget.first_attempt()
        for number in (1, 2):
            decision = next_attempt(
                BackendUnavailable("device", "503"), Attempt(number, 100, 1, seed, 0.1), 60.0, budget
            )
            retries += decision.attempt is not None
    assert retries <= 0.1 * 200 + budget.config.budget_burst
    last = next_attempt(BackendUnavailable("device", "503"), Attempt(1, 100, 1, 1, 0.1), 60.0, budget)
    assert last.reason is Reason.RETRY_BUDGET_EXHAUSTED


def test_a_retry_that_cannot_finish_is_not_made():
    decision = next_attempt(BackendTimeout("device", "no samples"), Attempt(1, 100, 1, 1, 5.0), 4.0, RetryBudget())
    assert decision.reason is Reason.NO_TIME


def test_network_latency():
    watch = Watch(("near", "far"))
    for name in watch.names:
        watch.beat(name, 0.0)
    groups = Groups([GroupConfig("g", ("near", "far"))], watch)
    for _ in range(60):
        groups.observe("near", 0.05)
        groups.observe("far", 3.0)
    weights = groups.all[0].weights(0.05, again=True)
    assert weights["near"] > 0.9
    assert not watch.down("far"), "slow is not dead"


def test_missing_telemetry():
    watch = Watch(("quiet", "heard"))
    watch.beat("heard", 0.0)
    for tenth in range(1, 100):
        watch.beat("heard", tenth / 10)
        assert watch.look(tenth / 10) == (), "who was never heard is not dead, it was never there"
    silent = [name for tenth in range(100, 130) for name in watch.look(tenth / 10)]
    assert silent == ["heard"]
    assert [entry.event for entry in watch.log] == [Event.DOWN]


def test_high_output_variance():
    """A candidate that gains less on average, with many times the scatter, is not promoted for its lucky runs."""
    rng, promoted = np.random.default_rng(3), 0
    for _ in range(20):
        canary = Canary("stable", "candidate")
        for _ in range(150):
            canary.record(False, True, float(rng.gamma(4.0, 0.0025)))
            canary.record(True, True, float(rng.gamma(0.16, 0.05)))
        promoted += canary.verdict is Verdict.PROMOTE
    assert promoted <= 1


@pytest.mark.parametrize("profile", [Profile.SIMULATE, Profile.HYBRID, Profile.HARDWARE])
def test_data_that_must_not_leave(profile):
    attack = plan(policy=replace(RICH, profile=profile, residency=Residency.LOCAL_ONLY))
    assert "device" not in [choice.name for choice in attack.backends]
    assert left_out(attack)["device"] in (Reason.RESIDENCY_LOCAL_ONLY, Reason.PROFILE_EXCLUDES)
    assert survived(attack)
