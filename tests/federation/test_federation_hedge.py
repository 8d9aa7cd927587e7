import math

import numpy as np
import pytest

from federation.hedge import Hedge


def warm(hedge, runs=100, seconds=1.0):
    for i in range(runs):
        hedge.sent()
        hedge.answered(seconds * (1 + i / runs))


def test_nothing_is_hedged_before_runs_are_known():
    hedge = Hedge()
    assert hedge.after_s() == math.inf
    assert not hedge.due(1e9, 1e9)


def test_it_waits_for_the_quantile():
    hedge = Hedge(quantile=0.9)
    warm(hedge)
    assert hedge.after_s() == pytest.approx(1.9, abs=0.02)
    assert not hedge.due(1.8, 100)
    assert hedge.due(1.95, 100)


def test_a_second_send_that_could_not_end_in_time_is_not_made():
    hedge = Hedge()
    warm(hedge)
    assert not hedge.due(5.0, remaining_s=0.5)


def test_hedges_stay_a_small_share_when_everything_is_slow():
    hedge = Hedge(most=0.1)
    warm(hedge)
    hedges = 0
    for _ in range(1000):
        hedge.sent()
        hedges += hedge.due(1000.0, 1000.0)
    assert hedges <= 103


def test_the_tail_is_cut():
    rng, hedge = np.random.default_rng(0), Hedge()
    plain, hedged = [], []
    for _ in range(4000):
        first, second = (float(rng.gamma(4, 0.25) + (10 if rng.random() < 0.03 else 0)) for _ in range(2))
        hedge.sent()
        after_s = hedge.after_s()
        ends = min(first, after_s + second) if first > after_s and hedge.due(after_s, 100) else first
        hedge.answered(ends)
        plain.append(first)
        hedged.append(ends)
    assert np.quantile(hedged, 0.98) < 0.5 * np.quantile(plain, 0.98)


@pytest.mark.parametrize("bad", [{"quantile": 1.0}, {"most": 2.0}, {"window": 1}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="allowed"):
        Hedge(**bad)
    with pytest.raises(ValueError, match="seconds"):
        Hedge().answered(-1)
