import numpy as np
import pytest

from federation.learning import ArmBelief, LearningConfig, feature_vector
from solvers.problem import Features

WEEK_S = 7 * 86_400.0


def features(size=100.0, density=0.5, tightness=0.5):
    return Features("routing", {"size": size, "density": density, "tightness": tightness})


def test_without_observations_the_prior_stands():
    belief = ArmBelief().belief(feature_vector(features(), 1.0), 0.004, 0)
    assert belief.mean == pytest.approx(0.004)
    assert belief.deviation > 0.005
    assert belief.weight == 0


def test_gains_are_learned_with_their_dependence_on_features():
    rng, arm = np.random.default_rng(0), ArmBelief(LearningConfig(half_life_s=1e9))
    for i in range(400):
        density = rng.uniform(0, 1)
        gain = 0.002 + 0.02 * density + rng.normal(0, 0.002)
        arm.record_gain(feature_vector(features(density=density), 1.0), gain, 0.01, 1.0, i)
    for density in (0.1, 0.5, 0.9):
        belief = arm.belief(feature_vector(features(density=density), 1.0), 0.01, 400)
        assert belief.mean == pytest.approx(0.002 + 0.02 * density, abs=0.001)
        assert belief.deviation < 0.001
    assert belief.noise == pytest.approx(0.002, rel=0.3)


def test_recent_runs_count_more():
    arm = ArmBelief(LearningConfig(half_life_s=WEEK_S))
    row = feature_vector(features(), 1.0)
    for day in range(28):
        arm.record_gain(row, 0.02, 0.01, 1.0, day * 86_400.0)
    for day in range(28, 56):
        arm.record_gain(row, 0.002, 0.01, 1.0, day * 86_400.0)
    assert arm.belief(row, 0.01, 56 * 86_400.0).mean < 0.006


def test_an_arm_that_is_not_tried_becomes_uncertain_and_follows_its_prior():
    arm, row = ArmBelief(LearningConfig(half_life_s=WEEK_S)), feature_vector(features(), 1.0)
    for i in range(50):
        arm.record_gain(row, 0.0, 0.01, 1.0, i)
    before = arm.belief(row, 0.01, 50)
    after = arm.belief(row, 0.01, 50 + 20 * WEEK_S)
    assert before.mean < 0.002
    assert after.mean == pytest.approx(0.01, abs=0.001)
    assert after.deviation > 5 * before.deviation


def test_draws_spread_by_the_deviation():
    arm, row = ArmBelief(), feature_vector(features(), 1.0)
    belief = arm.belief(row, 0.01, 0, draw=2.0)
    assert belief.sampled == pytest.approx(belief.mean + 2 * belief.deviation)


def test_one_freak_gain_does_not_swing_an_arm():
    arm, row = ArmBelief(), feature_vector(features(), 1.0)
    for i in range(50):
        arm.record_gain(row, 0.01, 0.01, 1.0, i)
    arm.record_gain(row, 1e6, 0.01, 1.0, 51)
    assert arm.belief(row, 0.01, 52).mean < 0.05


def test_run_times_are_learned_on_a_log_scale():
    rng, arm = np.random.default_rng(0), ArmBelief()
    row = feature_vector(features(), 1.0)
    for i in range(200):
        arm.record_gain(row, 0.01, 0.01, float(np.exp(rng.normal(np.log(3), 0.5))), i)
    median_s, spread = arm.seconds(60.0)
    assert median_s == pytest.approx(3, rel=0.15)
    assert spread == pytest.approx(0.5, rel=0.2)


def test_failures_lower_health_not_gain():
    arm, row = ArmBelief(), feature_vector(features(), 1.0)
    before = arm.belief(row, 0.01, 0).mean
    for i in range(20):
        arm.record_failure(i)
    assert arm.belief(row, 0.01, 20).mean == pytest.approx(before)
    assert arm.health.mean(20) < 0.4


def test_features_are_bounded_whatever_comes():
    row = feature_vector(Features("x", {"size": 1e30, "density": -5.0, "tightness": 99.0}), 0.0)
    assert row.shape == (5,)
    assert np.all(np.abs(row) <= 2)
    assert np.all(np.isfinite(feature_vector(Features("x", {}), 1.0)))


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="finite"):
        ArmBelief().record_gain(feature_vector(features(), 1.0), float("nan"), 0.0, 1.0, 0)
    with pytest.raises(ValueError, match="half_life_s"):
        LearningConfig(half_life_s=0)
