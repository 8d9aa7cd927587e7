"""Randomness of kernels."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from solvers.routing.annealing.random import below, geometric, next_word, seeded, uniform


@njit
def _draw(rng, bound, number):
    integers, floats, words = np.empty(number, np.int64), np.empty(number), np.empty(number, np.uint64)
    for i in range(number):
        integers[i], floats[i], words[i] = below(rng, bound), uniform(rng), next_word(rng)
    return integers, floats, words


@njit
def _geometric(rng, rate, number):
    drawn = np.empty(number, np.int64)
    for i in range(number):
        drawn[i] = geometric(rng, rate)
    return drawn


@pytest.mark.parametrize("bound", [2, 7, 1000])
def test_integers_below_a_bound_are_uniform(bound):
    integers, _, _ = _draw(seeded(5), bound, 100_000)
    counts = np.bincount(integers, minlength=bound)
    assert len(counts) == bound
    assert stats.chisquare(counts).pvalue > 1e-6


def test_floats_are_uniform_in_the_unit_interval():
    _, floats, _ = _draw(seeded(6), 3, 100_000)
    assert floats.min() >= 0
    assert floats.max() < 1
    assert stats.kstest(floats, "uniform").pvalue > 1e-6


def test_every_bit_of_a_word_is_fair_and_independent_of_the_next_word():
    _, _, words = _draw(seeded(7), 3, 100_000)
    bits = (words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    z = (bits.mean(axis=0) - 0.5) / (0.5 / np.sqrt(len(bits)))
    assert np.abs(z).max() < 5.5
    agreement = (bits[1:] == bits[:-1]).mean(axis=0)
    assert np.abs((agreement - 0.5) / (0.5 / np.sqrt(len(bits)))).max() < 5.5


def test_words_are_those_of_splitmix64():
    # the first outputs for state 0, computed with Python's own integers from the published algorithm
    rng = np.zeros(1, np.uint64)
    state, mask = 0, 2**64 - 1
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        assert _one_word(rng) == z ^ (z >> 31)


@njit
def _one_word(rng):
    return next_word(rng)


def test_waits_for_a_blink_have_the_mean_of_a_geometric_distribution():
    drawn = _geometric(seeded(8), 0.01, 100_000)
    assert drawn.min() == 0
    assert abs(drawn.mean() - 99.0) < 2.0
