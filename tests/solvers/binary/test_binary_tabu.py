"""Tabu search: gains stay true in both forms, walks find optima, paths lead where they should."""

import numpy as np
import pytest

from solvers.binary.exact import all_energies
from solvers.binary.memetic import POPULATION, Memetic
from solvers.binary.tabu import flip, relink, tabu_form, walk
from tests.solvers.binary.binary_models import random_problem


def state(seed):
    return np.array([seed + 1], dtype=np.uint32)


def random_spins(rng, n):
    return (2 * rng.integers(0, 2, n) - 1).astype(np.int8)


@pytest.mark.parametrize(("n", "m", "integral", "dense", "dtype"), [
    (40, 780, True, True, np.float32),
    (40, 780, False, True, np.float64),
    (40, 60, True, False, np.float32),
    (40, 60, False, False, np.float64),
])  # fmt: skip
def test_gains_stay_those_of_the_spins(n, m, integral, dense, dtype):
    model = random_problem(1, n, m, integral=integral).ising
    form = tabu_form(model)
    assert (form.matrix.shape[0] > 0, form.dtype) == (dense, dtype)
    rng = np.random.default_rng(2)
    spins, gain = form.start(random_spins(rng, n))
    for i in rng.integers(0, n, 200).tolist():
        flip(i, spins, gain, form.matrix, model.indptr, model.indices, model.weights)
    again = form.start(spins.astype(np.int8))[1]
    assert np.allclose(gain, again, atol=0 if integral else 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_keeps_the_lowest_it_met_and_finds_the_optimum_of_a_small_model(seed):
    model = random_problem(seed, 14, 60, integral=True).ising
    form = tabu_form(model)
    start = random_spins(np.random.default_rng(seed), 14)
    spins, gain = form.start(start)
    best, until, energies = spins.copy(), np.zeros(14, dtype=np.int64), np.zeros(2)
    tick, _ = walk(
        500, spins, gain, until, best, energies, form.matrix, model.indptr, model.indices, model.weights, 3, 3, 0.0, 0,
        state(seed),
    )  # fmt: skip
    assert tick == 500
    begun, now, lowest = model.energies(np.array([start, spins, best], dtype=np.int8))
    assert (now - begun, lowest - begun) == tuple(energies)
    assert lowest == all_energies(model).min()


def test_a_path_ends_at_its_guide_and_begins_a_child_in_its_middle():
    model = random_problem(7, 60, 400).ising
    form = tabu_form(model)
    rng = np.random.default_rng(1)
    first, guide = random_spins(rng, 60), random_spins(rng, 60)
    spins, gain = form.start(first)
    child = np.empty_like(spins)
    length = relink(
        spins, gain, guide.astype(form.dtype), child, form.matrix, model.indptr, model.indices, model.weights
    )  # fmt: skip
    assert length == np.count_nonzero(first != guide)
    assert np.array_equal(spins, guide)
    walked = np.count_nonzero(child != first)
    assert length <= 3 * walked <= 2 * length
    assert walked + np.count_nonzero(child != guide) == length


def test_a_population_holds_distinct_members_and_takes_what_is_better():
    model = random_problem(3, 60, 900, integral=True).ising
    search = Memetic(model, np.random.default_rng(1), lambda: True)
    for _ in range(3 * POPULATION):
        search.step()
        assert len({row.tobytes() for row in search.rows}) == len(search.rows) <= POPULATION
        assert search.energies == model.energies(np.array(search.rows)).tolist()
    worst = max(search.energies)
    best = search.rows[search.best].copy()
    search.offer(best[None, :])
    assert max(search.energies) == worst
    assert not search.stopped
