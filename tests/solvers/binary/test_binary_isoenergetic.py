"""Cluster moves: the energy of the pair stays, the way back is as likely, the distribution is that asked for."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from solvers.binary.isoenergetic import LEAST_TRIES, ClusterMoves
from solvers.binary.lanes import Replicas
from solvers.binary.problem import quadratic_problem
from solvers.binary.tempering import Tempering, effective_samples
from solvers.stop import WorkLimit
from solvers.strategy import Context


def a_torus(side, seed, field):
    """+-1 couplings on a square lattice that closes on itself."""
    rng = np.random.default_rng(seed)
    place = np.arange(side * side).reshape(side, side)
    rows = np.tile(place.ravel(), 2)
    columns = np.concatenate([np.roll(place, -1, axis).ravel() for axis in (0, 1)])
    fields = field * rng.integers(-3, 4, side * side)
    return quadratic_problem("SPIN", fields, rows, columns, rng.choice([-1.0, 1.0], rows.shape[0]))


@pytest.mark.parametrize("field", [0.0, 0.5], ids=["without fields", "with fields"])
def test_a_move_keeps_the_energy_of_the_pair_and_where_the_two_differ(field):
    problem = a_torus(6, 3, field)
    replicas = Replicas(problem.ising, 2, np.random.default_rng(1))
    moves = ClusterMoves(replicas, 1, np.random.default_rng(2))
    changed = 0
    for _ in range(40):
        before, energies = replicas.spins.copy(), replicas.energies()
        moves.make(np.array([[0], [1]]))
        assert np.allclose(replicas.energies(), problem.ising.energies(replicas.spins.T.astype(np.int8)))
        assert replicas.energies().sum() == pytest.approx(energies.sum())
        assert (replicas.spins.prod(axis=1) == before.prod(axis=1)).all()
        changed += not np.array_equal(replicas.spins, before)
    assert changed == 40


@pytest.mark.parametrize("field", [0.0, 0.5], ids=["without fields", "with fields"])
def test_moves_alone_keep_the_boltzmann_distribution_of_a_pair(field):
    """Pairs drawn exactly and moved once are still drawn exactly: a chi-square test over all assignments."""
    problem = a_torus(3, 5, field)
    codes = np.arange(2**9)
    spins = (2 * ((codes[:, None] >> np.arange(9)) & 1) - 1).astype(np.int8)
    weights = np.exp(-problem.ising.energies(spins) / 2.5)
    weights /= weights.sum()
    rng = np.random.default_rng(7)
    counts = np.zeros(codes.shape[0])
    replicas = Replicas(problem.ising, 2, rng)
    moves = ClusterMoves(replicas, 1, rng)
    draws = 6000
    for _ in range(draws):
        replicas.start(spins[rng.choice(codes, 2, p=weights)])
        moves.make(np.array([[0], [1]]))
        np.add.at(counts, ((replicas.spins.T > 0) * (1 << np.arange(9))).sum(axis=1), 1)
    assert moves.useful[0] > draws / 10
    # Expected counts below five are put together.
    order = np.argsort(weights)
    expected = 2 * draws * weights[order]
    rare = expected < 5
    groups = [
        (counts[order][rare].sum(), expected[rare].sum()),
        *zip(counts[order][~rare], expected[~rare], strict=True),
    ]
    statistic = sum((seen - asked) ** 2 / asked for seen, asked in groups if asked > 0)
    assert statistic < chi2.ppf(0.9999, len(groups) - 1)


@pytest.mark.parametrize("field", [0.0, 0.5], ids=["without fields", "with fields"])
def test_tempering_with_moves_draws_from_the_distribution(field):
    """Counts over all assignments of a small torus pass a chi-square test at the worth that is claimed."""
    problem = replace(a_torus(3, 5, field), temperature=2.5, num_samples=6000)
    plan = list(Tempering().candidates(problem, Context(seed=3, stop=WorkLimit(200_000))))[-1].plan
    codes = np.arange(2**9)
    spins = (2 * ((codes[:, None] >> np.arange(9)) & 1) - 1).astype(np.int8)
    weights = np.exp(-problem.ising.energies(spins) / 2.5)
    weights /= weights.sum()
    counts = np.zeros(codes.shape[0])
    counts[((plan.values > 0) * (1 << np.arange(9))).sum(axis=1)] = plan.occurrences
    rare = 6000 * weights < 5
    groups = [(counts[rare].sum(), 6000 * weights[rare].sum()), *zip(counts[~rare], 6000 * weights[~rare], strict=True)]
    statistic = sum((seen - asked) ** 2 / asked for seen, asked in groups if asked > 0)
    assert statistic * plan.boltzmann.effective_samples / 6000 < chi2.ppf(0.9999, len(groups) - 1)


def test_no_moves_where_replicas_would_only_trade_places():
    """On a dense model none is tried; rungs whose moves turn out to be trades are dropped after the burn-in."""
    rows, columns = np.triu_indices(30, 1)
    dense = quadratic_problem("SPIN", np.zeros(30), rows, columns, np.ones(rows.shape[0]))
    assert (
        ClusterMoves(Replicas(dense.ising, 16, np.random.default_rng(1)), 3, np.random.default_rng(1)).rungs.size == 0
    )
    moves = ClusterMoves(Replicas(a_torus(6, 1, 0.0).ising, 16, np.random.default_rng(1)), 3, np.random.default_rng(1))
    moves.tries[:] = (LEAST_TRIES, LEAST_TRIES, 1)
    moves.useful[:] = (LEAST_TRIES, 0, 0)
    moves.settle()
    assert moves.rungs.tolist() == [0, 2]


def test_what_chains_pass_to_each_other_does_not_count_as_news():
    """Two chains that trade places at random look like noise each, but their mean remembers."""
    rng = np.random.default_rng(1)
    slow = np.zeros((20_000, 2))
    for t in range(1, 20_000):
        slow[t] = 0.98 * slow[t - 1] + rng.normal(size=2)
    worth = effective_samples(slow)
    traded = slow + np.array([300.0, -300.0])
    swap = rng.random(20_000) < 0.5
    traded[swap] = traded[swap][:, ::-1]
    assert effective_samples(traded) < 1.5 * worth
