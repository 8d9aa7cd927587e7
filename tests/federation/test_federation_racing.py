from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.racing import expected_best, plan_race, race_model


def brute_force(gains, prices, money, budget, most):
    """Worth of the best set by trying all of them."""
    n = gains.shape[1]
    best = 0.0
    for size in range(1, min(most, n) + 1):
        for chosen in combinations(range(n), size):
            if sum(money[i] for i in chosen) <= budget:
                best = max(best, expected_best(gains, chosen) - sum(prices[i] for i in chosen))
    return best


def cases(max_n):
    return st.tuples(st.integers(1, max_n), st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0, 500, 10_000]))


def instance(n, seed):
    rng = np.random.default_rng(seed)
    gains = rng.gamma(1.0, 1.0, (64, n)) * rng.uniform(0, 1, n) * (rng.random((64, n)) < rng.uniform(0.3, 1, n))
    prices = rng.uniform(0, 0.4, n) * (rng.random(n) < 0.6)
    money = [int(c) for c in rng.integers(1, 600, n) * (prices > 0)]
    return gains, prices, money


@settings(deadline=None, max_examples=40)
@given(cases(6))
def test_sets_of_at_most_two_are_exactly_the_best(case):
    n, seed, most, budget = case
    gains, prices, money = instance(n, seed)
    money = [0 if cost * 2 <= budget else cost for cost in money]  # no rounding of money: it has its own test
    race = plan_race(gains, prices, money, budget, min(most, 2))
    exact = brute_force(gains, prices, money, budget, min(most, 2))
    assert race.expected_gain - race.price == pytest.approx(exact, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(cases(7))
def test_larger_sets_are_nearly_the_best_and_never_break_a_limit(case):
    n, seed, most, budget = case
    gains, prices, money = instance(n, seed)
    race = plan_race(gains, prices, money, budget, most)
    assert len(race.chosen) <= most
    assert sum(money[i] for i in race.chosen) <= budget
    assert race.expected_gain == pytest.approx(expected_best(gains, race.chosen))
    exact = brute_force(gains, prices, money, budget, most)
    assert race.expected_gain - race.price <= exact + 1e-9
    assert race.expected_gain - race.price >= 0.97 * exact - 1e-9


@settings(deadline=None, max_examples=25)
@given(cases(5))
def test_the_model_prices_every_allowed_pair_as_it_is_and_forbids_the_rest(case):
    n, seed, most, budget = case
    gains, prices, money = instance(n, seed)
    model = race_model(gains, prices, money, budget, most)
    best = {}
    for code in range(2**model.num_variables):
        bits = [(code >> i) & 1 for i in range(model.num_variables)]
        plan = np.array(bits, dtype=np.float64)
        energy = (
            model.offset
            + float(model.linear @ plan)
            + float(np.sum(model.values * plan[model.rows] * plan[model.columns]))
        )
        chosen = tuple(i for i in range(n) if bits[i])
        best[chosen] = min(best.get(chosen, np.inf), energy)
        if model.num_variables > 13:
            pytest.skip("too many slack bits to enumerate in a property")
    for chosen, energy in best.items():
        spent = sum(money[i] for i in chosen)
        if spent > budget or len(chosen) > most:
            assert energy > 0.99
        elif len(chosen) <= 2 and spent * 2 <= budget:
            assert energy == pytest.approx(sum(prices[i] for i in chosen) - expected_best(gains, chosen), abs=1e-6)


def test_nothing_is_raced_when_nothing_is_worth_its_price():
    race = plan_race(np.full((10, 2), 0.1), [0.5, 0.2], [1, 1], 100, 2)
    assert race.chosen == ()
    assert plan_race(np.zeros((5, 0)), [], [], 0, 1).chosen == ()


def test_a_second_backend_joins_when_it_wins_where_the_first_does_not():
    gains = np.array([[1.0, 0.0, 0.9], [0.0, 1.0, 0.0]] * 10)
    race = plan_race(gains, [0.1, 0.1, 0.1], [0, 0, 0], 0, 3)
    assert set(race.chosen) == {0, 1}


def test_a_backend_that_only_repeats_the_best_is_left_out():
    gains = np.repeat(np.random.default_rng(0).random((20, 1)), 3, axis=1)
    assert len(plan_race(gains, [0.05, 0.04, 0.06], [0, 0, 0], 0, 3).chosen) == 1


def test_more_backends_than_can_be_enumerated_are_still_planned():
    gains, prices, money = instance(24, 3)
    race = plan_race(gains, prices, money, 2000, 3)
    assert 1 <= len(race.chosen) <= 3
    assert race.expected_gain - race.price >= 0.97 * brute_force(gains, prices, money, 2000, 3)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        plan_race(np.ones((3, 2)), [1.0], [0, 0], 0, 1)
