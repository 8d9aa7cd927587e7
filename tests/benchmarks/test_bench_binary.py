"""The benchmark of binary models: every solver in it is measured alike, and the summary says what was met."""

import numpy as np
import pytest

from benchmarks import binary, binary_constrained
from solvers.binary.problem import quadratic_problem


@pytest.mark.parametrize("name", sorted(binary.SOLVERS))
def test_each_solver_finds_the_least_energy_and_says_when(name):
    rng = np.random.default_rng(1)
    rows, columns = np.triu_indices(12, 1)
    problem = quadratic_problem("SPIN", rng.normal(size=12), rows, columns, rng.normal(size=rows.shape[0]))
    signs = 2 * ((np.arange(4096)[:, None] >> np.arange(12)) & 1) - 1
    best = problem.ising.energies(signs.astype(np.int8)).min()
    energy, seconds = binary.SOLVERS[name](problem, 0.5, best + 1e-6)
    assert energy == pytest.approx(best)
    assert seconds > 0


def test_absent_data_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ISINGLASS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="ISINGLASS_DATA"):
        binary.data_folder()


def a_result(gap, ratio):
    gaps = {"isinglass": gap, "dwave_sa": 0.004, "dwave_tabu": 0.01, "mqlib": 0.003}
    row = {"instance": "bqp1000-1", "family": "beasley1000", "best": -10.0, "gaps": gaps}
    rate = {"instance": "G1", "isinglass_per_s": 2e8, "dwave_sa_per_s": 3e7, "ratio": ratio}
    result = {
        "load_before": 0.5,
        "graph_seconds": 10.0,
        "qubo_seconds": 2.0,
        "rates": [rate | {"isinglass_mean": -5.0, "dwave_sa_mean": -4.0}],
        "graphs": [row | {"instance": "G1"}],
        "qubo": [row],
        "constrained": [{"instance": "linear", "best": -9.0, "gaps": {"isinglass": 10 * gap, "highs": None}}],
        "targets": [{"instance": "G1", "isinglass_s": 0.1, "peer_s": 1.0, "ratio": 0.1}],
    }
    return result | {"summary": binary._summary(result)}


def test_the_summary_says_what_was_met_and_what_was_not():
    met = a_result(0.0, 6.0)["summary"]["met"]
    assert all(met.values())
    missed = a_result(0.002, 4.0)["summary"]["met"]
    assert missed == {"speed": False, "graphs": False, "qubo": False, "constrained": False, "time_to_target": True}


def test_the_table_names_every_instance_and_solver():
    text = binary.table(a_result(0.0, 6.0))
    for word in ("G1", "bqp1000-1", "Isinglass", "dwave SA", "dwave tabu", "MQLib", "met"):
        assert word in text


@pytest.mark.parametrize("products", [0, 15])
def test_every_solver_reaches_the_optimum_of_a_small_constrained_model(products):
    """They read the same model: all agree on its least objective."""
    problem = binary_constrained.model(3, variables=20, constraints=8, products=products)
    found = {name: run(problem, 4.0) for name, run in binary_constrained.solvers().items()}
    assert len(set(found.values())) == 1
    assert np.isfinite(found["isinglass"])
