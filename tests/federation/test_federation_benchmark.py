import numpy as np
import pytest

from benchmarks.device_trace import data_folder, make_trace
from benchmarks.selection import MUST, queue_decisions, replay, table, values_usd


@pytest.fixture(scope="module")
def trace():
    folder = data_folder()
    if folder is None:
        pytest.skip("the trace needs data/ibm under $ISINGLASS_DATA or ../shared/data")
    return make_trace(folder, 400, 3)


def test_no_backend_is_best_throughout_the_trace(trace):
    best = np.array([values_usd(request).argmax() for request in trace])
    assert np.bincount(best, minlength=5).max() < 0.6 * len(trace)


def test_the_trace_repeats_and_follows_the_real_series(trace):
    again = make_trace(data_folder(), 400, 3)
    assert all(np.array_equal(a.gain, b.gain) for a, b in zip(trace, again, strict=True))
    perth = [request.facts[2] for request in trace]
    assert len({facts.calibration_id for facts in perth}) > 100
    assert any(not facts.available for request in trace for facts in request.facts)


def test_selection_beats_chance_and_the_best_single_before_long(trace):
    regrets = replay(trace, seed=3)
    assert regrets.selection < 0.7 * regrets.random
    assert regrets.selection < regrets.best_single


@pytest.mark.long
def test_over_five_thousand_requests_regret_is_within_its_limits():
    folder = data_folder()
    if folder is None:
        pytest.skip("the trace needs data/ibm under $ISINGLASS_DATA or ../shared/data")
    regrets = replay(make_trace(folder, 5_000, 11), seed=11)
    assert regrets.selection <= MUST["regret_to_random"] * regrets.random
    assert regrets.selection <= MUST["regret_to_best_single"] * regrets.best_single


def test_the_queue_stays_full_while_it_is_measured_and_the_table_says_all():
    queue = queue_decisions(2_000, 0.05)
    assert queue["queued_least"] > 1_800
    assert queue["decisions_per_s"] > 0
    text = table({"queue": queue, "skipped": "no data"})
    assert "2,000 queued" in text
    assert "no data" in text
