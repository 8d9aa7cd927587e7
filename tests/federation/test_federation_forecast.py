import numpy as np
import pytest

from federation.forecast import forecast


def test_even_days_go_on_evenly():
    found = forecast([10.0] * 10, 1.0, 20, limit=1000)
    assert found.expected == pytest.approx(300)
    assert found.low <= 300 <= found.high
    assert found.exhausted_in_days is None


def test_intervals_hold_as_often_as_they_say():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        days = rng.gamma(2.0, 5.0, 30)
        found = forecast(days[:12].tolist(), 1.0, 18, limit=1e9, confidence=0.8, half_life_days=1e6)
        inside += found.low <= days.sum() <= found.high
    assert 0.72 <= inside / 400 <= 0.92


def test_recent_days_count_more():
    rising = forecast([0.0] * 10 + [20.0] * 10, 1.0, 10, limit=1e9)
    assert rising.expected > 200 + 10 * 12


def test_half_a_day_is_not_taken_for_a_slow_one():
    assert forecast([10.0] * 9 + [5.0], 0.5, 10, limit=1e9).expected == pytest.approx(195)


def test_it_says_when_the_limit_will_be_reached():
    assert forecast([10.0] * 10, 1.0, 20, limit=150).exhausted_in_days == pytest.approx(5)
    assert forecast([10.0] * 10, 1.0, 20, limit=90).exhausted_in_days == 0


def test_what_is_reserved_counts_as_spent():
    assert forecast([10.0], 1.0, 0, limit=100, reserved=7).expected == 17


def test_one_day_alone_is_uncertain_and_no_spending_forecasts_none():
    one = forecast([10.0], 1.0, 29, limit=1e9)
    assert one.high > 2 * one.expected
    none = forecast([0.0] * 5, 1.0, 25, limit=10)
    assert (none.expected, none.high, none.exhausted_in_days) == (0, 0, None)


@pytest.mark.parametrize(
    "bad",
    [
        {"daily": []},
        {"daily": [-1.0]},
        {"today_share": 2.0},
        {"days_left": -1},
        {"limit": -1},
        {"reserved": -1},
        {"confidence": 1.0},
        {"half_life_days": 0},
    ],
)
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match=r"\w"):
        forecast(**({"daily": [1.0], "today_share": 1.0, "days_left": 1, "limit": 1} | bad))
