from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from backends.backend import CalibratedValue
from benchmarks.device_trace import data_folder, read_daily
from federation.drift_watch import DISCOUNT, HELD, DriftWatch

START = datetime(2026, 1, 1, tzinfo=UTC)


def values(two_qubit, readout=0.02):
    entries = (("gate_error", "cx(q0,q1)", two_qubit), ("gate_error", "sx(q0)", 3e-4), ("readout_error", "q0", readout))
    return [CalibratedValue(name, where, value, START) for name, where, value in entries]


def feed(watch, series, since=0):
    found = []
    for day, error in enumerate(series, since):
        found += [(day, name) for name in watch.observe("d", values(error), START + timedelta(days=day))]
    return found


def steady(count, level=0.008, seed=1):
    return [float(error) for error in np.random.default_rng(seed).normal(level, 0.0002, count)]


def test_a_jump_of_errors_discounts_the_device_for_some_snapshots():
    watch = DriftWatch()
    assert feed(watch, steady(40)) == []
    assert watch.factor("d") == 1.0
    [(day, name)] = feed(watch, steady(4, 0.02), 40)
    assert (name, day <= 43) == ("two_qubit", True)
    assert watch.factor("d") == DISCOUNT
    feed(watch, steady(HELD + 1, 0.02), 44)
    assert watch.factor("d") == 1.0


def test_errors_that_fall_are_no_reason_for_a_discount():
    watch = DriftWatch()
    feed(watch, steady(40))
    assert feed(watch, steady(6, 0.003), 40)
    assert watch.factor("d") == 1.0


def test_snapshots_within_a_day_are_charted_once():
    watch = DriftWatch()
    feed(watch, steady(40))
    at = START + timedelta(days=40)
    for hour in range(12):
        assert watch.observe("d", values(0.05), at + timedelta(hours=hour)) == {} or hour == 0
    assert watch.factor("d") in (1.0, DISCOUNT)


def test_a_device_never_seen_counts_in_full():
    assert DriftWatch().factor("other") == 1.0


@pytest.mark.skipif(data_folder() is None, reason="the real series are not there")
def test_half_a_year_of_a_real_device_has_a_few_changes_not_many():
    watch, changes = DriftWatch(), 0
    for day, snapshot in enumerate(read_daily(data_folder())):
        changes += bool(watch.observe("perth", snapshot, START + timedelta(days=day)))
    assert 1 <= changes <= 18
