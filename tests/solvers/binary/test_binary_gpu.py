"""The annealer on PyTorch, here on its CPU device: the lanes' own spins, temperatures right, reads as asked."""

import itertools

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chi2

from solvers.binary.annealing import anneal
from solvers.binary.gpu import Gpu, anneal_on
from solvers.binary.gpu_lanes import Layout, TorchReplicas, replicas_within
from solvers.binary.ising import Ising
from solvers.binary.lanes import HEAT_BATH, METROPOLIS, Replicas, random_spins, random_states, sweep

torch = pytest.importorskip("torch")

CPU = Gpu("cpu", "the CPU", torch.__version__)


@pytest.fixture(autouse=True)
def _one_thread():
    """Arrays this small are slower shared among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def always():
    return True


@pytest.fixture(scope="module")
def plain_sweep():
    """The kernel of the lanes with each operation rounded by itself: no fused multiply-adds."""
    return numba.njit(boundscheck=False)(sweep.py_func)


def ordered(model, order):
    """``model`` with its variables in another order."""
    square = csr_array((model.weights, model.indices, model.indptr), shape=(model.size, model.size))
    square = square[order][:, order].tocsr()
    square.sort_indices()
    indptr, indices = square.indptr.astype(np.int64), square.indices.astype(np.int32)
    return Ising(model.field[order], indptr, indices, square.data, model.offset)


def on_both(model, by_colour, rule, kernel, betas, lanes=48, seed=5):
    """Spins of the lanes and of PyTorch after the same sweeps in the same order, shape ``(lanes, n)``."""
    layout = Layout(model, by_colour)
    rng = np.random.default_rng(seed)
    starts, states = random_spins(model.size, lanes, rng), random_states(lanes, rng)
    theirs = TorchReplicas(layout, starts, states, "cpu")
    assert theirs.run(betas, always, rule)
    ours = Replicas(ordered(model, layout.order), lanes, rng)
    ours.spins[:], ours._state[:] = starts[layout.order], states
    ours.refresh()
    kernel(
        ours.model.indptr, ours.model.indices, ours._weights, ours.spins, ours._local, ours._state, ours.factors,
        betas / ours._scale, 0, model.size, rule,
    )  # fmt: skip
    spins = np.empty((lanes, model.size), dtype=np.int8)
    spins[:, layout.order] = ours.spins.T
    return spins, theirs.read()


@pytest.mark.parametrize("rule", [METROPOLIS, HEAT_BATH])
@pytest.mark.parametrize(("n", "m", "by_colour"), [(60, 150, True), (90, 900, True), (90, 900, False), (1, 0, True)])
def test_integer_models_end_with_the_spins_of_the_lanes(n, m, by_colour, rule, make_problem, plain_sweep):
    """Many sweeps from the same starts and states give the same spins to the last one, in either form."""
    model = make_problem(9, n, m, integral=True).ising
    betas = np.linspace(0.02, 1.0, 60)
    ours, theirs = on_both(model, by_colour, rule, plain_sweep, betas)
    assert np.array_equal(ours, theirs)
    # The test has teeth: other chance, other spins.
    assert n == 1 or not np.array_equal(on_both(model, by_colour, rule, plain_sweep, betas, seed=6)[0], theirs)


@pytest.mark.parametrize("by_colour", [True, False])
def test_other_models_end_at_the_energies_of_the_lanes_within_their_chance(by_colour, make_problem):
    """Weights that float32 rounds: few replicas part ways, and the mean energy stays within its standard error."""
    model = make_problem(8, 80, 600).ising
    ours, theirs = on_both(model, by_colour, METROPOLIS, sweep, np.linspace(0.02, 0.6, 40), lanes=128)
    assert (ours == theirs).all(axis=1).mean() > 0.9
    one, other = model.energies(ours), model.energies(theirs)
    assert abs(one.mean() - other.mean()) < 4 * np.hypot(one.std(), other.std()) / 128**0.5


@pytest.mark.parametrize("by_colour", [True, False])
@pytest.mark.parametrize("rule", [METROPOLIS, HEAT_BATH])
def test_it_samples_the_boltzmann_distribution(by_colour, rule, make_problem, by_brute_force):
    """Counts of all 32 states of a five-spin model agree with exp(-beta E) by a chi-square test (fixed seeds)."""
    problem, beta, lanes = make_problem(3, 5, 5), 0.4, 4096
    rng = np.random.default_rng(2)
    layout = Layout(problem.ising, by_colour)
    assert layout.edges.shape[0] > (2 if by_colour else 1)
    replicas = TorchReplicas(layout, random_spins(5, lanes, rng), random_states(lanes, rng), "cpu")
    replicas.run(np.full(100, beta), always, rule)
    counts = np.zeros(32)
    for _ in range(20):
        replicas.run(np.full(12, beta), always, rule)
        counts += np.bincount((replicas.read() > 0) @ (1 << np.arange(4, -1, -1)), minlength=32)
    energies = np.array(list(by_brute_force(problem).values()))

    def statistic(beta):
        expected = np.exp(-beta * energies)
        expected *= counts.sum() / expected.sum()
        return ((counts - expected) ** 2 / expected).sum()

    limit = chi2.ppf(0.9999, 31)
    assert statistic(beta) < limit
    assert statistic(1.1 * beta) > limit  # a temperature 10 % off would not pass


@pytest.mark.parametrize("by_colour", [True, False])
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_weights_of_any_size_are_annealed(scale, by_colour, make_problem, by_brute_force):
    problem = make_problem(12, 8, 20)
    problem.ising.field[:] *= scale
    problem.ising.weights[:] *= scale
    layout = Layout(problem.ising, by_colour)
    spins = anneal_on(CPU, layout, 16, 60, np.random.default_rng(2), always)
    best = min(by_brute_force(problem).values()) - problem.offset
    assert (problem.ising.energies(spins) - problem.ising.offset).min() == pytest.approx(best * scale)


def test_reads_are_those_of_the_cpu_from_the_same_seed(make_problem):
    """Row by row the order is the model's own: reads of an integer model are the CPU's, over several batches."""
    model = make_problem(5, 40, 780, integral=True).ising
    layout = Layout(model)
    assert not layout.by_colour
    reads = anneal_on(CPU, layout, 75, 40, np.random.default_rng(7), always)
    expected = anneal(model, 75, 40, np.random.default_rng(7), always)
    assert reads.shape == expected.shape == (75, 40)
    # Starts, states and sweeps are equal; a fused multiply-add can decide a flip another way once in a great many.
    assert (reads == expected).all(axis=1).sum() >= 73
    other = anneal(model, 75, 40, np.random.default_rng(8), always)
    assert (reads == other).all(axis=1).sum() < 73


@pytest.mark.parametrize("m", [90, 435])
def test_reads_are_local_minima_as_many_as_asked_and_the_seeds(m, make_problem, monkeypatch):
    """However many fit at a time."""
    model = make_problem(1, 30, m).ising
    layout = Layout(model)
    spins = anneal_on(CPU, layout, 77, 20, np.random.default_rng(2), always)
    assert spins.shape == (77, 30)
    base = model.energies(spins)
    for i in range(30):
        flipped = spins.copy()
        flipped[:, i] *= -1
        assert np.all(model.energies(flipped) >= base - 1e-9)
    monkeypatch.setattr("solvers.binary.gpu.CPU_BYTES", 1)
    assert replicas_within(layout, 1) == 32
    assert np.array_equal(anneal_on(CPU, layout, 77, 20, np.random.default_rng(2), always), spins)


def test_a_run_ends_when_told_with_the_parts_that_were_finished(make_problem, monkeypatch):
    model = make_problem(1, 30, 90).ising
    layout = Layout(model)
    assert anneal_on(CPU, layout, 40, 50, np.random.default_rng(2), lambda: False).shape == (0, 30)
    monkeypatch.setattr("solvers.binary.gpu.CPU_BYTES", 1)
    answers = itertools.chain([True], itertools.repeat(False))  # asked once a part, as small as these are
    assert anneal_on(CPU, layout, 64, 50, np.random.default_rng(2), lambda: next(answers)).shape == (32, 30)


def test_a_long_run_is_asked_time_and_again(make_problem, monkeypatch):
    """After so many decisions, whatever the form."""
    monkeypatch.setattr("solvers.binary.gpu_lanes.ASK_UPDATES", 16 * 30)
    for m in (60, 435):
        model = make_problem(1, 30, m).ising
        rng = np.random.default_rng(0)
        replicas = TorchReplicas(Layout(model), random_spins(30, 16, rng), random_states(16, rng), "cpu")
        asked = []
        assert not replicas.run(np.full(20, 1.0), lambda asked=asked: asked.append(1) or len(asked) < 7)
        assert len(asked) == 7
