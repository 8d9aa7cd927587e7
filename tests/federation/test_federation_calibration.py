from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backends.backend import BackendFacts, CalibratedValue, Price, Technology
from federation.calibration import (
    CalibrationDesk,
    Errors,
    circuit_success,
    freshness,
    median_errors,
    success_prior,
    value_weight,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def value(name, where, number, age_days=0.0):
    return CalibratedValue(name, where, number, NOW - timedelta(days=age_days))


def device(*values, local=False, qubits=7):
    return BackendFacts("d", Technology.GATE, qubits, ((0, 1),), values, "sha256:1", 0, Price(), 1000, local)


VALUES = (
    value("T1_s", "q0", 1e-4),
    value("readout_error", "q0", 0.02),
    value("readout_error", "q1", 0.03),
    value("readout_error", "q2", 1.0),
    value("gate_error", "cx(q0,q1)", 0.01),
    value("gate_error", "cx(q1,q2)", 1.0),
    value("gate_error", "sx(q0)", 0.0003),
    value("gate_error", "rz(q0)", 0.0),
)


def test_a_value_counts_in_full_then_less_then_not_at_all():
    assert [value_weight(days, 2) for days in (0, 2, 4, 6, 100)] == [1, 1, 0.5, 0, 0]


def test_one_old_value_in_a_fresh_snapshot_is_named_and_costs_its_share():
    values = [value("readout_error", f"q{i}", 0.02) for i in range(9)] + [value("gate_error", "cx(q0,q1)", 0.01, 60)]
    fresh = freshness(values, NOW)
    assert fresh.stale == ("gate_error cx(q0,q1)",)
    assert fresh.oldest_s == pytest.approx(60 * 86_400)
    assert fresh.weight == pytest.approx(0.9)
    assert not fresh.excluded


def test_a_device_is_weighed_down_then_excluded_as_its_values_age():
    weights = []
    for days in (1, 3, 4, 5, 7):
        fresh = freshness([replace(v, date=NOW - timedelta(days=days)) for v in VALUES], NOW)
        weights.append(fresh.weight)
        assert fresh.excluded == (days >= 6)
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 1
    assert weights[-1] == 0


def test_a_calibration_without_ages_is_fresh():
    assert freshness([], NOW).weight == 1
    assert freshness([value("gate_length_s", "x", 1, 900)], NOW).stale == ()


def test_dead_parts_and_virtual_gates_do_not_count_in_medians():
    assert median_errors(VALUES) == Errors(two_qubit=0.01, one_qubit=0.0003, readout=pytest.approx(0.025))
    assert median_errors([]) == Errors(0.0, 0.0, 0.0)


def test_success_falls_with_size_layers_and_errors():
    by_size = [success_prior(device(*VALUES), n, 1) for n in (2, 4, 7)]
    assert by_size == sorted(by_size, reverse=True)
    assert success_prior(device(*VALUES), 7, 2) < success_prior(device(*VALUES), 7, 1)
    assert success_prior(device(), 7, 2) == 1
    assert success_prior(replace(device(*VALUES), technology=Technology.ANNEALER), 7, 2) == 1
    # 3 pairs, three two-qubit gates each, one layer; 3 one-qubit gates and readouts.
    expected = 0.99**9 * (0.9997 * 0.975) ** 3
    assert circuit_success(Errors(0.01, 0.0003, 0.025), False, 3, 1) == pytest.approx(expected)


def test_the_desk_discounts_age_and_drift_and_leaves_simulators_alone():
    desk, now_s = CalibrationDesk(), NOW.timestamp()
    old = device(*(replace(v, date=NOW - timedelta(days=4)) for v in VALUES))
    full = success_prior(old, 5, 1)
    assert desk.quality(old, 5, 1, now_s) == pytest.approx(full / 2)
    assert desk.quality(replace(old, is_local=True, name="sim"), 5, 1, now_s) == pytest.approx(full)
    desk.drifted("d", 0.5)
    assert desk.quality(old, 5, 1, now_s) == pytest.approx(full / 4)
    with pytest.raises(ValueError, match="factor"):
        desk.drifted("d", 2)


def test_the_desk_notices_a_new_calibration_and_the_passing_of_time():
    desk, now_s = CalibrationDesk(), NOW.timestamp()
    assert desk.quality(device(*VALUES), 5, 1, now_s) == pytest.approx(success_prior(device(*VALUES), 5, 1))
    better = device(*(replace(v, value=v.value / 2 if v.value < 0.5 else v.value) for v in VALUES))
    assert desk.quality(replace(better, calibration_id="2"), 5, 1, now_s) > success_prior(device(*VALUES), 5, 1)
    assert desk.freshness(device(*VALUES), now_s + 10 * 86_400).excluded
