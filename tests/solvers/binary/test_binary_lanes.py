"""The replica engine: fields exact, chance fair, temperatures right."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from solvers.binary.annealing import anneal
from solvers.binary.lanes import HEAT_BATH, METROPOLIS, Replicas


def always():
    return True


@pytest.mark.parametrize("rule", [METROPOLIS, HEAT_BATH])
def test_the_engine_samples_the_boltzmann_distribution(rule, make_problem, by_brute_force):
    """Counts of all 32 states of a five-spin model agree with exp(-beta E) by a chi-square test (fixed seeds)."""
    problem, beta = make_problem(3, 5, 8), 0.4
    replicas = Replicas(problem.ising, 64, np.random.default_rng(11))
    replicas.run(np.full(200, beta), always, rule)
    counts = np.zeros(32)
    for _ in range(1500):
        replicas.run(np.full(12, beta), always, rule)
        codes = (replicas.read()[0] > 0) @ (1 << np.arange(4, -1, -1))
        counts += np.bincount(codes, minlength=32)
    weights = np.exp(-beta * np.array(list(by_brute_force(problem).values())))
    expected = counts.sum() * weights / weights.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(0.9999, 31)
    # The test has teeth: a temperature 10 % off would not pass.
    wrong = np.exp(-1.1 * beta * np.array(list(by_brute_force(problem).values())))
    wrong *= counts.sum() / wrong.sum()
    assert ((counts - wrong) ** 2 / wrong).sum() > chi2.ppf(0.9999, 31)


def test_lanes_are_independent_of_each_other(make_problem):
    """At a high temperature, spins of different lanes and of different variables are uncorrelated."""
    problem = make_problem(2, 40, 0)
    problem.ising.field[:] = 0.0
    replicas = Replicas(problem.ising, 32, np.random.default_rng(5))
    total = np.zeros((32, 32))
    across = np.zeros((40, 40))
    rounds = 2000
    for _ in range(rounds):
        replicas.run(np.full(3, 1e-9), always, HEAT_BATH)
        total += replicas.spins.T @ replicas.spins
        across += replicas.spins @ replicas.spins.T
    off = ~np.eye(32, dtype=bool)
    assert np.abs(total[off]).max() / np.sqrt(rounds * 40) < 5
    assert np.abs(across[~np.eye(40, dtype=bool)]).max() / np.sqrt(rounds * 32) < 5


def test_integer_fields_stay_exact(make_problem):
    """After many sweeps the fields of an integer model are those of its spins, to the last bit."""
    problem = make_problem(9, 60, 400, integral=True)
    replicas = Replicas(problem.ising, 16, np.random.default_rng(1))
    replicas.run(np.linspace(0.01, 1.0, 500), always)
    kept = replicas._local.copy()
    replicas.refresh()
    assert np.array_equal(kept, replicas._local)
    spins, energies = replicas.read()
    assert np.array_equal(energies, problem.ising.energies(spins))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_weights_of_any_size_are_annealed(scale, make_problem, by_brute_force):
    """Coefficients beyond the range of float32 make no difference."""
    problem = make_problem(12, 8, 20)
    problem.ising.field[:] *= scale
    problem.ising.weights[:] *= scale
    spins = anneal(problem.ising, 16, 100, np.random.default_rng(2), always)
    best = min(by_brute_force(problem).values())
    energies = problem.ising.energies(spins) - problem.ising.offset
    assert energies.min() == pytest.approx((best - problem.offset) * scale)


def test_a_sweep_in_parts_is_the_same_sweep(make_problem):
    """A model cut into blocks of variables runs as it would in one."""
    problem = make_problem(7, 50, 200)
    whole, parts = (Replicas(problem.ising, 16, np.random.default_rng(3)) for _ in range(2))
    parts._parts, parts._sweeps_per_block = 7, 0
    betas = np.linspace(0.1, 2.0, 40)
    assert whole.run(betas, always) == parts.run(betas, always) == 40
    assert np.array_equal(whole.spins, parts.spins)


def test_a_run_asks_before_each_block_and_ends_when_told(make_problem):
    problem = make_problem(7, 50, 200)
    replicas = Replicas(problem.ising, 16, np.random.default_rng(3))
    replicas._sweeps_per_block = 5
    answers = itertools.chain([True] * 3, itertools.repeat(False))
    assert replicas.run(np.full(100, 1.0), lambda: next(answers)) == 15


def test_reads_are_local_minima_and_as_many_as_asked(make_problem):
    problem = make_problem(1, 30, 120)
    spins = anneal(problem.ising, 37, 50, np.random.default_rng(2), always)
    assert spins.shape == (37, 30)
    base = problem.ising.energies(spins)
    for i in range(30):
        flipped = spins.copy()
        flipped[:, i] *= -1
        assert np.all(problem.ising.energies(flipped) >= base - 1e-9)
    assert anneal(problem.ising, 5, 50, np.random.default_rng(2), lambda: False).shape == (0, 30)
