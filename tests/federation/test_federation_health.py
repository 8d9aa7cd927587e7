import numpy as np
import pytest

from federation.health import BetaHealth, HealthConfig


def test_it_starts_at_its_prior_and_learns():
    health = BetaHealth(HealthConfig(prior_successes=9, prior_failures=1, most_calls=90))
    assert health.mean(0) == pytest.approx(0.9)
    for _ in range(90):
        health.record(False, 0)
    assert health.mean(0) == pytest.approx(0.09)
    assert health.quantile(0.05, 0) < health.mean(0) < health.quantile(0.95, 0)


def test_it_forgets_by_half_lives_back_to_its_prior():
    config = HealthConfig(prior_successes=9, prior_failures=1, half_life_s=60)
    health = BetaHealth(config)
    for _ in range(40):
        health.record(False, 0)
    assert health.posterior(60) == pytest.approx((9, 21))
    assert health.posterior(120) == pytest.approx((9, 11))
    assert health.mean(3600) == pytest.approx(0.9, abs=1e-3)


def test_an_outage_of_a_busy_backend_shows_after_tens_of_calls():
    health = BetaHealth()
    for _ in range(10_000):
        health.record(True, 0)
    for _ in range(40):
        health.record(False, 0)
    assert health.mean(0) < 0.5


def test_the_posterior_is_calibrated():
    rng = np.random.default_rng(1)
    inside = 0
    for truth in rng.uniform(0.5, 1, 200):
        health = BetaHealth(HealthConfig(prior_successes=1, prior_failures=1, half_life_s=1e9))
        for ok in rng.random(30) < truth:
            health.record(bool(ok), 0)
        inside += health.quantile(0.05, 0) <= truth <= health.quantile(0.95, 0)
    assert 170 <= inside <= 192


def test_samples_follow_the_posterior():
    health = BetaHealth()
    for ok in (True, False, True):
        health.record(ok, 0)
    draws = health.sample(np.random.default_rng(0), 0, 20_000)
    assert draws.mean() == pytest.approx(health.mean(0), abs=0.005)
    assert np.quantile(draws, 0.1) == pytest.approx(health.quantile(0.1, 0), abs=0.01)


@pytest.mark.parametrize("bad", [{"prior_successes": 0}, {"prior_failures": -1}, {"half_life_s": 0}, {"most_calls": 0}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        HealthConfig(**bad)


def test_a_weight_out_of_range_is_refused():
    with pytest.raises(ValueError, match="weight"):
        BetaHealth().record(True, 0, weight=-1)
