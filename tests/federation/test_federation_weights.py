import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.breaker import Breaker, BreakerConfig, CircuitState
from federation.domains import FailureDomains
from federation.health import HealthConfig
from federation.weights import WeightsConfig, traffic_weights


def scenarios(up_probability, count=1000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, len(up_probability))) < np.array(up_probability)


def loss(weights, latency_s, up, config):
    """The objective, recomputed without the linear program."""
    w = np.array([weights[name] for name in latency_s])
    latency = np.array(list(latency_s.values()))
    losses = np.sort(np.where(up, latency, config.failure_s + latency) @ w)
    tail = round(len(losses) * (1 - config.alpha))
    return losses.mean() + config.risk * losses[len(losses) - tail :].mean()


def test_the_healthy_and_fast_one_gets_the_traffic():
    weights = traffic_weights({"a": 0.1, "b": 0.1}, scenarios([0.999, 0.5]))
    assert weights["a"] > 0.9
    weights = traffic_weights({"a": 0.1, "b": 0.9}, scenarios([0.99, 0.99]), config=WeightsConfig(risk=0))
    assert weights["a"] > 0.9


def test_risk_spreads_traffic_over_independent_backends():
    up = scenarios([0.93, 0.92], 2000)
    calm = traffic_weights({"a": 0.1, "b": 0.1}, up, config=WeightsConfig(risk=0))
    wary = traffic_weights({"a": 0.1, "b": 0.1}, up, config=WeightsConfig(risk=2))
    assert max(calm.values()) > 0.95
    assert max(wary.values()) < 0.75


def test_backends_that_fail_together_count_as_one():
    domains = {"a1": ("acme",), "a2": ("acme",), "b": ("best",)}
    shaky = HealthConfig(prior_successes=90, prior_failures=10, half_life_s=1e9)
    sound = HealthConfig(prior_successes=999, prior_failures=1, half_life_s=1e9)
    up = FailureDomains(domains, scenarios=1000, own=sound, shared=shaky).sample(0)
    config = WeightsConfig(risk=5, floor=0, inertia=0)
    weights = traffic_weights({"a1": 0.1, "a2": 0.1, "b": 0.1}, up, config=config)
    assert weights["b"] == pytest.approx(0.5, abs=0.1)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0.5, 1), st.floats(0, 1)), min_size=2, max_size=4), st.floats(0, 3))
def test_no_other_split_is_better(specs, risk):
    config = WeightsConfig(risk=risk, floor=0.0, alpha=0.9)
    latency_s = {f"b{i}": latency for i, (_, latency) in enumerate(specs)}
    up = scenarios([p for p, _ in specs], 200)
    weights = traffic_weights(latency_s, up, config=config)
    assert sum(weights.values()) == pytest.approx(1)
    best = loss(weights, latency_s, up, config)
    for split in np.random.default_rng(0).dirichlet(np.ones(len(specs)) * 0.5, 200):
        other = dict(zip(latency_s, split, strict=True))
        assert best <= loss(other, latency_s, up, config) + 1e-6


def test_every_backend_stays_observed():
    weights = traffic_weights({"a": 0.1, "b": 0.1, "c": 5.0}, scenarios([1.0, 1.0, 0.1]))
    assert min(weights.values()) >= 0.01 - 1e-9


def replay(truth, seed, latency_s, step_s=0.2):
    """Traffic over a trace of (seconds, success probability of a): changes by breaker, and weights over time."""
    rng = np.random.default_rng(seed)
    domains = FailureDomains({"a": (), "b": ()}, seed=1)
    breaker = Breaker(BreakerConfig(consecutive_failures=3, open_s=2.0, max_open_s=2.0))
    weights, history, flips, was_open = {}, [], 0, False
    for i, p in enumerate(truth):
        now_s = i * step_s
        a_ok = bool(rng.random() < p)
        domains.record("a", a_ok, now_s)
        domains.record("b", bool(rng.random() < 0.97), now_s)
        if breaker.allow(now_s):
            breaker.record(a_ok, now_s)
        is_open = breaker.state(now_s) is not CircuitState.CLOSED
        flips += is_open != was_open
        was_open = is_open
        if i % 10 == 0:
            weights = traffic_weights(latency_s, domains.sample(now_s), weights)
            history.append(weights["a"])
    return flips, np.array(history)


def reversals(history, least=0.05):
    """How often the direction changed, counting moves of at least ``least``."""
    turns, direction, anchor = 0, 0, history[0]
    for value in history:
        if abs(value - anchor) >= least:
            new = 1 if value > anchor else -1
            turns += direction not in (0, new)
            direction, anchor = new, value
        elif direction and (value - anchor) * direction > 0:
            anchor = value
    return turns


@pytest.mark.parametrize(("success", "seed"), [(0.6, 1), (0.72, 5), (0.8, 8)])
def test_a_shaky_backend_makes_a_breaker_flap_and_weights_settle(success, seed):
    truth = np.full(1200, success)
    flips, history = replay(truth, seed, latency_s={"a": 0.1, "b": 0.15})
    assert flips >= 10
    assert reversals(history) <= 1
    assert np.abs(np.diff(history)).sum() <= 1.5


def test_weights_still_follow_a_real_outage_and_its_end():
    truth = np.concatenate([np.full(500, 0.99), np.zeros(300), np.full(1000, 0.99)])
    _, history = replay(truth, seed=2, latency_s={"a": 0.05, "b": 0.4})
    per_step = len(history) / len(truth)
    assert history[int(499 * per_step)] > 0.8
    assert history[int(600 * per_step)] < 0.2
    assert history[-1] > 0.8


@pytest.mark.parametrize(
    ("latency_s", "up"),
    [
        ({}, np.ones((3, 0), dtype=bool)),
        ({"a": 1.0}, np.ones((3, 2), dtype=bool)),
        ({"a": 1.0}, np.ones((0, 1), dtype=bool)),
        ({"a": -1.0, "b": 1.0}, np.ones((3, 2), dtype=bool)),
        ({"a": float("nan"), "b": 1.0}, np.ones((3, 2), dtype=bool)),
    ],
)
def test_nonsense_is_refused(latency_s, up):
    with pytest.raises(ValueError, match="allowed"):
        traffic_weights(latency_s, up)


@pytest.mark.parametrize("bad", [{"alpha": 1.0}, {"risk": -1.0}, {"failure_s": 0.0}, {"floor": 2.0}, {"inertia": -1.0}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        WeightsConfig(**bad)
