from __future__ import annotations

import dimod
import numpy as np
import pytest

from solvers.quantum.adaptive import ShotPlan, chance_of_better
from solvers.quantum.cost import CostModel
from solvers.quantum.mitigation import mitigated_mean


def sampleset(energies, counts):
    rows = np.zeros((len(energies), 1), dtype=np.int8)
    return dimod.SampleSet.from_samples((rows, ["a"]), vartype="BINARY", energy=energies, num_occurrences=counts)


def model(size, seed):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return CostModel.of(bqm)


@pytest.mark.parametrize("seed", range(5))
def test_mitigated_mean_is_that_before_the_errors(seed):
    rng = np.random.default_rng(seed)
    cost = model(6, seed)
    shots = 200_000
    true = (rng.random((shots, 6)) < rng.uniform(0.1, 0.9, 6)).astype(np.int8)
    true[:, 1] ^= true[:, 0] & (rng.random(shots) < 0.7)  # some correlation
    zero, one = rng.uniform(0.0, 0.1, 6), rng.uniform(0.0, 0.2, 6)
    flips = rng.random(true.shape) < np.where(true == 1, one, zero)
    read = true ^ flips
    mean, raw = cost.energies(true).mean(), cost.energies(read).mean()
    mitigated = mitigated_mean(cost, read, zero, one)
    assert abs(mitigated - mean) < 0.02 + 0.1 * abs(raw - mean)


def test_perfect_readout_changes_nothing():
    cost = model(5, 1)
    bits = np.random.default_rng(0).integers(0, 2, (100, 5), dtype=np.int8)
    assert mitigated_mean(cost, bits, [0.0] * 5, [0.0] * 5) == pytest.approx(cost.energies(bits).mean())


def test_reading_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="variable 1 add up"):
        mitigated_mean(model(2, 0), np.zeros((1, 2), dtype=np.int8), [0.1, 0.5], [0.1, 0.5])


def test_batches_go_on_while_all_is_new_and_end_when_the_best_comes_again_and_again():
    plan = ShotPlan(allowed=2000, batch=100)
    assert plan.next_batch(None) == 100
    assert plan.next_batch(sampleset(np.arange(100.0), np.ones(100, dtype=int))) == 100
    assert plan.next_batch(sampleset([0.0, 1.0], [60, 40])) == 0


def test_allowed_shots_are_never_exceeded():
    plan = ShotPlan(allowed=250, batch=100)
    assert plan.next_batch(sampleset(np.arange(200.0), np.ones(200, dtype=int))) == 50
    assert plan.next_batch(sampleset(np.arange(250.0), np.ones(250, dtype=int))) == 0
    assert ShotPlan(allowed=30, batch=100).next_batch(None) == 30


def test_price_ends_it_when_the_chance_is_worth_less():
    plan = ShotPlan(allowed=2000, batch=100)
    samples = sampleset(np.arange(100.0), np.ones(100, dtype=int))  # chance 1/2
    assert plan.next_batch(samples, gain_usd_micros=1000.0, cost_usd_micros=400.0) == 100
    assert plan.next_batch(samples, gain_usd_micros=1000.0, cost_usd_micros=600.0) == 0


def test_chance_is_about_what_happens():
    """Shots from a distribution with a long tail: of batches said to help with chance c, a share of about c does."""
    rng = np.random.default_rng(3)
    weights = 1.0 / np.arange(1, 2001) ** 1.2
    weights /= weights.sum()
    said, came = [], []
    for _ in range(400):
        energies = rng.permutation(2000).astype(float)
        seen = rng.choice(2000, 200, p=weights)
        distinct, counts = np.unique(seen, return_counts=True)
        said.append(chance_of_better(sampleset(energies[distinct], counts), 100))
        came.append(energies[rng.choice(2000, 100, p=weights)].min() < energies[distinct].min())
    assert np.mean(came) == pytest.approx(np.mean(said), abs=0.08)


@pytest.mark.parametrize("wrong", [{"allowed": 0}, {"allowed": 1, "batch": 0}, {"allowed": 1, "least_chance": 2.0}])
def test_plans_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="out of range"):
        ShotPlan(**wrong)
