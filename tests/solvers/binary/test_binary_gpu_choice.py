"""Whether a GPU is worth it; needs neither a GPU nor PyTorch."""

import numpy as np
import pytest

from solvers.binary import gpu
from solvers.binary.gpu_lanes import MOST_DENSE, Layout, replicas_within
from solvers.binary.problem import quadratic_problem


def ring(n):
    """Two colours."""
    return quadratic_problem("SPIN", np.zeros(n), np.arange(n), (np.arange(n) + 1) % n, np.ones(n)).ising


def complete(n):
    rows, columns = np.triu_indices(n, 1)
    return quadratic_problem("SPIN", np.zeros(n), rows, columns, np.ones(rows.shape[0])).ising


def test_a_sparse_model_with_many_reads_pays_and_is_gone_through_by_colour():
    layout = gpu.pays(ring(1000), 2000, 1000)
    assert layout is not None
    assert layout.by_colour
    assert layout.at_once == 500
    assert layout.form == "by colour"


@pytest.mark.parametrize(
    ("model", "reads", "sweeps"),
    [
        (ring(1000), 1000, 1000),  # half a million spins at once are not there
        (ring(1000), 2000, 100),  # over before PyTorch has started
        (ring(4), 10_000, 1_000_000),  # two variables at once
        (complete(200), 10_000, 1000),  # one variable at once
    ],
)
def test_what_a_cpu_does_as_fast_stays_there(model, reads, sweeps):
    assert gpu.pays(model, reads, sweeps) is None


def test_a_dense_model_pays_from_half_a_million_reads():
    layout = gpu.pays(complete(40), gpu.LEAST_AT_ONCE, 100)
    assert layout is not None
    assert not layout.by_colour
    assert layout.form == "by row"


def test_a_matrix_beyond_memory_is_never_held_in_full(monkeypatch):
    monkeypatch.setattr("solvers.binary.gpu_lanes.MOST_DENSE", 30)
    assert Layout(complete(31)).by_colour
    assert not Layout(complete(30)).by_colour
    assert 4 * MOST_DENSE**2 == 1 << 30


def test_memory_decides_how_many_replicas_run_at_a_time():
    layout = Layout(ring(1000))
    assert layout.bytes_per_replica == 20 * 1000 + 48 * 500
    assert replicas_within(layout, 8 * 2000 + 5000 * layout.bytes_per_replica) == 5000
    assert replicas_within(layout, 0) == 32
