"""Recombining assignments: never worse than either, and best of all mixtures of clusters."""

import itertools

import numpy as np
import pytest

from solvers.binary.problem import quadratic_problem
from solvers.binary.recombine import Recombiner


def spins(rng, k, n):
    return (2 * rng.integers(0, 2, (k, n)) - 1).astype(np.int8)


def chain(n, seed, *, fields=True):
    rng = np.random.default_rng(seed)
    linear = rng.normal(size=n) if fields else np.zeros(n)
    return quadratic_problem("SPIN", linear, np.arange(n - 1), np.arange(1, n), rng.normal(size=n - 1))


@pytest.mark.parametrize("seed", range(6))
def test_a_child_is_the_best_mixture_of_its_parents_clusters(seed):
    """By brute force over all choices of clusters of a chain; fields break the global flip."""
    problem, rng = chain(14, seed), np.random.default_rng(seed)
    one, other = spins(rng, 2, 14)
    differ = np.flatnonzero(one != other)
    clusters = np.split(differ, np.flatnonzero(np.diff(differ) > 1) + 1)
    best = np.inf
    for choice in itertools.product((False, True), repeat=len(clusters)):
        mixed = one.copy()
        for take, cluster in zip(choice, clusters, strict=True):
            if take:
                mixed[cluster] *= -1
        best = min(best, problem.ising.energies(mixed[None, :])[0])
    child, energies = Recombiner(problem.ising, rng).improve(one[None, :], other[None, :], 0, lambda: True)
    assert problem.ising.energies(child)[0] == pytest.approx(best)
    assert energies[0] == pytest.approx(best)


@pytest.mark.parametrize("fields", [True, False])
def test_no_row_is_worse_than_itself_or_its_parent(make_problem, fields):
    for seed in range(5):
        problem = chain(30, seed, fields=fields) if seed % 2 else make_problem(seed, 30, 60)
        rng = np.random.default_rng(seed)
        rows, parents = spins(rng, 8, 30), spins(rng, 8, 30)
        better, claimed = Recombiner(problem.ising, rng).improve(rows, parents, 4, lambda: True)
        found = problem.ising.energies(better)
        assert np.allclose(claimed, found)
        assert np.all(found <= problem.ising.energies(rows) + 1e-9)
        assert np.all(found <= problem.ising.energies(parents) + 1e-9)


def test_mirror_images_are_one_without_fields():
    """Without fields an assignment and its mirror image have no cluster between them."""
    problem, rng = chain(10, 1, fields=False), np.random.default_rng(1)
    row = spins(rng, 1, 10)
    recombiner = Recombiner(problem.ising, rng)
    assert np.array_equal(recombiner.improve(row, -row, 0, lambda: True)[0], row)


def test_dense_models_are_given_up_after_one_population(make_problem):
    """Where pairs have one cluster each, further partners are not tried."""
    problem, rng = make_problem(3, 40, 780), np.random.default_rng(3)
    recombiner = Recombiner(problem.ising, rng)
    recombiner.improve(spins(rng, 8, 40), None, 7, lambda: True)
    assert not recombiner.worthwhile


def test_rows_left_when_time_is_up_stay_as_they_are(monkeypatch):
    problem, rng = chain(20, 4), np.random.default_rng(4)
    monkeypatch.setattr("solvers.binary.recombine.WORK_PER_BLOCK", 0)
    rows = spins(rng, 4, 20)
    left, energies = Recombiner(problem.ising, rng).improve(rows, None, 3, lambda: False)
    assert np.array_equal(left, rows)
    assert np.all(energies == np.inf)
