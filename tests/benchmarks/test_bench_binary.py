"""The benchmark of binary models: both sides are measured alike, and the summary says what was met."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import (
    binary,
    binary_constrained,
    binary_data,
    binary_members,
    binary_ours,
    binary_peers,
    binary_summary,
)
from benchmarks.data import data_folder
from solvers.binary.portfolio import Portfolio
from solvers.binary.problem import quadratic_problem
from solvers.registry import problem_kind
from solvers.stop import WorkLimit
from solvers.strategy import Context


def a_model(tmp_path):
    rng = np.random.default_rng(1)
    rows, columns = np.triu_indices(12, 1)
    problem = quadratic_problem("SPIN", rng.normal(size=12), rows, columns, rng.normal(size=rows.shape[0]))
    signs = 2 * ((np.arange(4096)[:, None] >> np.arange(12)) & 1) - 1
    path = tmp_path / "model.npz"
    names = ("linear", "rows", "columns", "values", "offset")
    np.savez(path, vartype=problem.vartype.value, **{name: getattr(problem, name) for name in names})
    return problem, str(path), float(problem.ising.energies(signs.astype(np.int8)).min())


def test_every_racer_installed_finds_the_least_energy_and_says_when(tmp_path):
    problem, path, best = a_model(tmp_path)
    task = {
        "id": "t",
        "what": "race",
        "model": path,
        "seconds": 0.5,
        "best": best + 1e-6,
        "near": best + 0.5,
        "seed": 1,
    }
    (tmp_path / "tasks.json").write_text(json.dumps([task | {"peers": list(binary_peers.RACERS)}]))
    script = [sys.executable, binary_peers.__file__, str(tmp_path / "tasks.json")]
    told = [json.loads(line) for line in subprocess.check_output(script, text=True).splitlines()]
    racers = [name for name in told[0]["versions"] if name in binary_peers.RACERS]
    assert [row["solver"] for row in told[1:]] == racers
    assert "dwave_sa" in racers
    ours = binary_ours.race(problem, 0.5, best + 1e-6, best + 0.5, 1)
    for row in [ours, *told[1:]]:
        assert row["energy"] == pytest.approx(best)
        assert 0 < row["near_s"] <= row["seconds"]


def test_a_racer_that_outlasts_its_time_is_ended_without_an_answer(monkeypatch):
    def endless(bqm, seconds, best, near, seed):
        yield 0.0, -1.0
        time.sleep(600)

    monkeypatch.setitem(binary_peers.RACES, "dwave_tabu", endless)
    monkeypatch.setitem(binary_peers.RACES, "dwave_sa", lambda *_: iter([(0.01, -2.0)]))
    task = {"seconds": 0.02, "best": -3.0, "near": -3.0, "seed": 1}
    found = dict(binary_peers.races(task, None, ("dwave_tabu", "dwave_sa")))
    assert {solver: row["energy"] for solver, row in found.items()} == {"dwave_sa": -2.0}


def test_a_racer_to_a_target_ends_at_twice_the_time_of_another(monkeypatch):
    given = []

    def racer(at_s):
        def run(bqm, seconds, best, near, seed):
            given.append(seconds)
            return iter([(at_s, -2.0)] if at_s < seconds else [])

        return run

    monkeypatch.setitem(binary_peers.RACES, "dwave_sa", racer(0.3))
    monkeypatch.setitem(binary_peers.RACES, "openjij", racer(0.7))
    task = {"part": "targets", "seconds": 5.0, "best": -2.0, "near": -2.0, "seed": 1}
    found = dict(binary_peers.races(task, None, ("dwave_sa", "openjij")))
    assert given == [5.0, pytest.approx(0.6)]
    assert found["openjij"]["near_s"] is None
    assert found["openjij"]["limit_s"] == pytest.approx(0.6)


def test_a_model_in_a_file_is_the_model(tmp_path):
    problem, path, _ = a_model(tmp_path)
    assert binary_ours.problem_of(path) == problem


def test_absent_data_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ISINGLASS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="ISINGLASS_DATA"):
        data_folder("gset")


def test_an_independent_set_is_worth_its_size_and_an_edge_inside_costs_a_node():
    problem = binary_data.independent_set("c path of 3\np edge 3 2\ne 1 2\ne 2 3\n")
    values = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 0]])
    assert problem.ising.energies((2 * values - 1).astype(np.int8)).tolist() == [-2.0, -1.0, 0.0]


def test_a_market_split_is_worth_the_square_of_its_distance():
    problem = binary_data.market_split("# comment\n2 3\n1 2 3 4\n5 0 1 6\n")
    values = np.array([[1, 0, 1], [1, 1, 1]])
    assert problem.ising.energies((2 * values - 1).astype(np.int8)).tolist() == [0.0, 4.0]


def a_result(gap, ratio):
    gaps = {"isinglass": gap, "dwave_sa": 0.004, "dwave_tabu": 0.01, "mqlib": 0.003}
    times = {"isinglass": 0.1, "dwave_sa": 1.0, "dwave_tabu": 0.5}
    row = {"instance": "bqp1000-1", "family": "beasley1000", "best": -10.0, "gaps": gaps, "seconds": times}
    per_s = {"isinglass": ratio * 1e7, "dwave_sa": 1e7}
    result = {
        "load_before": 0.5,
        "took_s": 60.0,
        "side_by_side": True,
        "versions": {"dwave_sa": "1.0", "dwave_tabu": "1.0", "highs": "1.0"},
        "seconds": {"graphs": 10.0, "qubo": 2.0, "classes": 2.0, "targets": 5.0, "constrained": 10.0},
        "rates": [{"instance": "G1", "per_s": per_s, "mean": {"isinglass": -5.0, "dwave_sa": -4.0}}],
        "graphs": [row | {"instance": "G1", "family": "gset", "near_s": times}],
        "qubo": [row],
        "classes": [row | {"instance": "karate", "family": "independent"}],
        "constrained": [{"instance": "linear", "best": -9.0, "gaps": {"isinglass": 10 * gap, "highs": None}}],
        "targets": [{"instance": "G1", "near_s": {"isinglass": 0.1, "dwave_sa": 1.0}}],
    }
    return result | {"summary": binary_summary.summary(result)}


def test_the_summary_says_what_was_met_and_what_was_not():
    assert all(line["met"] for line in a_result(0.0, 6.0)["summary"].values())
    missed = [name for name, line in a_result(0.002, 4.0)["summary"].items() if not line["met"]]
    assert [name.split(",")[0] for name in missed] == [
        "spin updates a second",
        "G graphs",
        "G graphs",
        "bqp1000",
        "independent sets",
        "constrained",
    ]


def test_a_time_to_target_is_compared_with_the_fastest_peer():
    assert binary_summary.target_ratios(a_result(0.0, 6.0)) == {"G1": pytest.approx(0.2)}


def test_the_table_names_every_instance_solver_and_absent_peer():
    text = binary.table(a_result(0.0, 6.0))
    for word in ("G1", "bqp1000-1", "karate", "Isinglass", "dwave SA", "MQLib", "not installed: OpenJij, CP-SAT"):
        assert word in text


@pytest.mark.parametrize("products", [0, 15])
def test_every_solver_installed_reaches_the_optimum_of_a_small_constrained_model(tmp_path, products):
    problem_kind("binary").warm()  # the second below is for solving, not for the compiler
    problem = binary_constrained.model(3, variables=20, constraints=8, products=products)
    binary_constrained.save(problem, tmp_path / "model.npz")
    assert binary_constrained.load(tmp_path / "model.npz").objective == problem.objective
    values = {"isinglass": binary_constrained.solve(problem, 1.0, 1)}
    with np.load(tmp_path / "model.npz") as data:
        values["highs"] = binary_peers.highs(dict(data), 4.0)
    found = {name: binary_constrained.worth(problem, row) for name, row in values.items()}
    assert found["isinglass"] is not None
    assert len(set(found.values())) == 1
    assert binary_constrained.worth(problem, [0] * 20) is None


def test_a_share_of_tabu_search_is_taken_only_where_it_never_lost_and_gained_more_than_luck():
    def winner(*distances, seconds=(1.0, 1.0, 1.0)):
        shares = (0.0, 0.3, 0.7)[: len(distances)]
        times = {share: [at_s] * 2 for share, at_s in zip(shares, seconds, strict=False)}
        return binary_members.winner(dict(zip(shares, distances, strict=True)), times)

    assert winner([1e-3, 0.0], [0.0, 0.0], [0.0, 1e-6]) == 0.3
    assert winner([1e-5, 0.0], [0.0, 0.0]) == 0.0
    assert winner([1e-3, 0.0], [0.0, 1e-4]) == 0.0
    assert winner([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], seconds=(1.0, 0.4, 0.1)) == 0.7
    assert winner([0.0, 0.0], [0.0, 1e-6], seconds=(1.0, 0.1)) == 0.0
    assert winner([0.0, 0.0], [0.0, 0.0], seconds=(1.0, 0.6)) == 0.0


def test_a_hidden_set_is_found_though_degrees_do_not_give_it_away():
    problem = binary_members.hidden_set(200, 0.5, np.random.default_rng(1))
    assert set(problem.linear) == {-1.0}
    degrees = np.bincount(np.concatenate([problem.rows, problem.columns]), minlength=200)
    assert abs(degrees.mean() - 100) < 3
    found = list(Portfolio().candidates(problem, Context(seed=1, stop=WorkLimit(400))))[-1]
    inside = found.plan.values[0] > 0
    assert inside.sum() == 12
    assert not (inside[problem.rows] & inside[problem.columns]).any()
    assert abs(degrees[inside].mean() - degrees.mean()) < 3 * degrees.std() / np.sqrt(12)


def test_every_race_is_timed_to_99_percent_of_the_best_known(tmp_path):
    graph = tmp_path / "G1.txt"
    graph.write_text("3 3\n1 2 100\n2 3 100\n1 3 100\n")
    work = binary_data.Work("G1", "gset", graph, -200.0)
    seconds = {"graphs": 1.0, "targets": 1.0}
    tasks, _ = binary._tasks(tmp_path, {"graphs": [work]}, seconds, True, ("graphs", "targets"))
    assert [(task["part"], task["near"]) for task in tasks] == [("graphs", -198.0), ("targets", -198.0)]
    assert [round(task["best"], 3) for task in tasks] == [-200.0, -198.0]
