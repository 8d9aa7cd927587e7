import math

import numpy as np
import pytest

from federation.heartbeat import Heartbeat, HeartbeatConfig


def beating(interval_s=0.2, jitter_s=0.02, beats=100, config=None):
    rng, heart, now_s = np.random.default_rng(0), Heartbeat(config), 0.0
    for _ in range(beats):
        heart.beat(now_s)
        now_s += interval_s + rng.normal(0, jitter_s)
    return heart, now_s


def test_suspicion_grows_with_silence():
    heart, now_s = beating()
    phis = [heart.phi(now_s + silence_s) for silence_s in (0.0, 0.1, 0.2, 0.4, 0.8)]
    assert phis == sorted(phis)
    assert phis[0] < 1 < phis[-1]


def test_a_dead_sender_is_suspected_within_a_second():
    heart, now_s = beating()
    silences = np.arange(0, 2, 0.01)
    detected = next(s for s in silences if heart.suspected(now_s + s))
    assert detected <= 1.0


def test_a_regular_sender_is_never_suspected():
    rng, heart, now_s = np.random.default_rng(3), Heartbeat(), 0.0
    for _ in range(5_000):
        heart.beat(now_s)
        now_s += 0.2 + rng.normal(0, 0.03)
        assert not heart.suspected(now_s)


def test_an_irregular_sender_gets_more_patience():
    regular, at = beating(jitter_s=0.005)
    shaky, then = beating(jitter_s=0.1)
    assert shaky.phi(then + 0.4) < regular.phi(at + 0.4)


def test_phi_is_the_exponent_of_the_chance_of_a_longer_pause():
    heart = Heartbeat(HeartbeatConfig(expected_s=1.0, window=2, least_deviation_s=0.1))
    heart.started(0.0)
    # Intervals 0.75 and 1.25: mean 1, deviation 0.25; a pause of mean + 2 deviations has probability 0.02275.
    assert heart.phi(1.5) == pytest.approx(-math.log10(0.0227501), abs=1e-4)
    assert heart.alive_probability(1.5) == pytest.approx(0.0227501, rel=1e-3)


def test_the_pause_of_an_outage_does_not_make_it_patient():
    heart, now_s = beating()
    before = heart.phi(now_s + 0.6)
    heart.beat(now_s + 3600)
    assert heart.phi(now_s + 3600 + 0.8) >= before * 0.5


def test_nothing_is_suspected_before_the_start():
    heart = Heartbeat()
    assert heart.phi(1e6) == 0
    heart.started(1e6)
    assert heart.suspected(1e6 + 60)


@pytest.mark.parametrize("bad", [{"expected_s": 0.0}, {"threshold": 0.0}, {"window": 1}, {"least_deviation_s": 0.0}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        HeartbeatConfig(**bad)
