import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.drills import Detection, detection, jensen_shannon, quantile

counts = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1).filter(lambda c: sum(c.values()) > 0)


def test_a_quantile_is_one_of_the_values():
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.5).value == 2.0
    assert quantile([5.0], 0.95).value == 5.0
    assert quantile(list(range(1, 101)), 0.95).value == 95


def test_too_few_values_do_not_bound_a_high_quantile():
    assert quantile([1.0] * 10, 0.95).high == math.inf
    assert quantile(np.arange(1000.0).tolist(), 0.95).high < 980


def test_intervals_hold_the_true_quantile_as_often_as_they_say():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(500):
        found = quantile(rng.exponential(1.0, 60).tolist(), 0.8, confidence=0.9)
        inside += found.low <= -math.log(0.2) <= found.high
    assert inside / 500 >= 0.87


@settings(deadline=None, max_examples=100)
@given(counts, counts)
def test_divergence_is_symmetric_bounded_and_zero_only_for_the_same(first, second):
    found = jensen_shannon(first, second)
    assert found == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert 0 <= found <= 1
    same = all(first.get(k, 0) * sum(second.values()) == second.get(k, 0) * sum(first.values()) for k in first | second)
    assert (found < 1e-12) == same


def test_decisions_with_nothing_in_common_differ_by_one_bit():
    assert jensen_shannon({"a": 3}, {"b": 9}) == pytest.approx(1.0)
    # By hand: P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4).
    by_hand = 0.5 * math.log2(4 / 3) + 0.5 * (0.5 * math.log2(2 / 3) + 0.5 * math.log2(2))
    assert jensen_shannon({"a": 1}, {"a": 1, "b": 1}) == pytest.approx(by_hand)


def test_detection_and_switch_are_measured_from_fault_and_opening():
    calls = [(0.5, "x"), (1.0, "x"), (1.2, "x"), (1.35, "y"), (1.5, "y")]
    assert detection(1.0, calls, [0.2, 1.3], "x") == Detection(pytest.approx(0.3), pytest.approx(0.05))
    assert detection(1.0, calls, [], "x") == Detection(None, None)
    assert detection(1.0, calls, [1.4], "y").switched_s is None


@pytest.mark.parametrize("bad", [([], 0.5), ([math.nan], 0.5), ([1.0], 0.0), ([1.0], 1.0)])
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match=r"\w"):
        quantile(*bad)
    with pytest.raises(ValueError, match="allowed"):
        jensen_shannon({"a": 0}, {"a": 1})
