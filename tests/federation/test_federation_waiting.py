import csv
import gzip
import math
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from federation.waiting import WaitConfig, WaitEstimator


def queues():
    root = os.environ.get("ISINGLASS_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    path = Path(root) / "ibm" / "queue_lengths_2023-11.csv.gz"
    if not path.is_file():
        pytest.skip(f"needs the queue-length trace; {path} is absent")
    found = {}
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            at_s = datetime.fromisoformat(row["utc"]).timestamp()
            found.setdefault(row["backend"], []).append((at_s, int(row["pending_jobs"])))
    return found


def test_the_prior_speaks_until_waits_are_seen():
    waits = WaitEstimator(WaitConfig(seconds_per_job=2))
    assert waits.expected_s(10, 0) == pytest.approx(20)
    assert waits.expected_s(0, 0) == 0


def test_it_learns_the_rate_from_our_own_waits():
    rng, waits = np.random.default_rng(0), WaitEstimator(WaitConfig(seconds_per_job=2))
    for i in range(50):
        ahead = int(rng.integers(1, 40))
        waits.observe_wait(ahead, float(rng.gamma(ahead, 7.0)), i)
    assert waits.expected_s(10, 50) == pytest.approx(70, rel=0.1)
    assert waits.quantile_s(10, 0.9, 50) > waits.expected_s(10, 50) > waits.quantile_s(10, 0.1, 50)


def test_a_queue_that_falls_fast_shows_a_fast_backend():
    waits = WaitEstimator(WaitConfig(seconds_per_job=60))
    for minute in range(30):
        waits.observe_queue(3000 - 100 * minute, 60.0 * minute)
    assert waits.expected_s(100, 1800) == pytest.approx(60, rel=0.1)


def test_a_queue_that_grows_or_is_empty_says_nothing_against_the_backend():
    waits = WaitEstimator(WaitConfig(seconds_per_job=5))
    for minute in range(60):
        waits.observe_queue(0 if minute < 30 else 10 * minute, 60.0 * minute)
    assert waits.expected_s(10, 3600) == pytest.approx(50)


def test_old_waits_are_forgotten():
    waits = WaitEstimator(WaitConfig(seconds_per_job=2, half_life_s=100))
    waits.observe_wait(100, 10_000.0, 0)
    assert waits.expected_s(1, 0) > 50
    assert waits.expected_s(1, 5000) == pytest.approx(2, rel=0.01)


def test_the_chance_to_be_in_time_is_the_quantile_read_the_other_way():
    waits = WaitEstimator()
    waits.observe_wait(20, 100.0, 0)
    within_s = waits.quantile_s(8, 0.7, 0)
    assert waits.in_time_probability(8, within_s, 0) == pytest.approx(0.7)
    assert waits.in_time_probability(0, 1.0, 0) == 1
    assert waits.in_time_probability(8, 0.0, 0) == 0


def test_on_the_real_trace_falls_bound_the_wait_better_than_a_constant():
    """A job waits at most until the queue has fallen by its length in all (arrivals hide the rest)."""
    better = total = 0
    for rows in queues().values():
        waits = WaitEstimator()
        times = np.array([at_s for at_s, _ in rows])
        lengths = np.array([length for _, length in rows])
        fallen = np.concatenate([[0], np.cumsum(np.maximum(0, -np.diff(lengths)))])
        for i, (at_s, length) in enumerate(rows):
            waits.observe_queue(length, at_s)
            if i % 100 == 99 and length > 0:
                served = int(np.searchsorted(fallen, fallen[i] + length))
                if served < len(times):
                    truth = math.log(times[served] - at_s)
                    guess = math.log(max(1.0, waits.expected_s(length, at_s)))
                    constant = math.log(WaitConfig().seconds_per_job * length)
                    better += abs(guess - truth) <= abs(constant - truth) + 1e-9
                    total += 1
    assert total > 50
    assert better / total >= 0.9


@pytest.mark.parametrize("bad", [{"seconds_per_job": 0.0}, {"prior_jobs": -1.0}, {"half_life_s": math.inf}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        WaitConfig(**bad)


def test_nonsense_is_refused():
    waits = WaitEstimator()
    with pytest.raises(ValueError, match="queue_length"):
        waits.observe_queue(-1, 0)
    with pytest.raises(ValueError, match="waited_s"):
        waits.observe_wait(1, -1.0, 0)
