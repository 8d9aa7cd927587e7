"""The quantum benchmarks: what they count, compare and report, on small work."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks import kernel_cases, kernels, quantum, quantum_expectation, quantum_lift, quantum_noise, quantum_peers
from solvers.quantum.cost import CostModel
from store.observations import Observation


def test_bytes_moved_count_each_pass_once():
    moved = quantum_expectation.bytes_moved
    assert moved(16, 0) == 24 << 16
    assert moved(16, 1) - moved(16, 0) == 20 << 16
    assert moved(20, 1) - moved(20, 0) == 36 << 20


@pytest.mark.parametrize("family", list(kernel_cases.FAMILIES))
def test_cases_are_kernels_of_the_size_asked_for_whose_start_lifts_to_the_incumbent_or_better(family):
    for case in kernel_cases.cases(family, 8, 2):
        kernel = case.kernel
        assert kernel.bqm.num_variables == 8
        lifted = case.problem.verify(kernel.lift(kernel.warm_start))
        assert lifted.feasible
        assert lifted.objective <= case.problem.verify(case.incumbent).objective + 1e-6


def test_a_family_that_makes_no_such_kernels_says_so():
    with pytest.raises(ValueError, match="0 of 1 kernels of 1 variables"):
        list(kernel_cases.cases("invoice cores", 1, 1))


def test_samples_of_one_distribution_pass_and_of_two_fail():
    rng = np.random.default_rng(0)
    cost = quantum_expectation.dense_model(6, 0)
    first, second = (rng.random((2000, 6)) < 0.3).astype(np.int8), (rng.random((1000, 6)) < 0.3).astype(np.int8)
    assert quantum_noise.compare(cost, first, second)["same"]
    other = (rng.random((1000, 6)) < 0.42).astype(np.int8)
    assert not quantum_noise.compare(cost, first, other)["same"]
    paired = second.copy()
    paired[:, 1] = paired[:, 0]  # every bit's own chance is the same, but not that of the pair
    assert not quantum_noise.compare(CostModel((), np.zeros(6), np.zeros((6, 6)), 0.0), first, paired)["same"]


def test_histograms_of_one_distribution_pass_and_of_two_fail():
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(40))
    first, second = rng.multinomial(20_000, chances), rng.multinomial(50_000, chances)
    assert quantum_noise.p_of_counts(first, second) > 1e-3
    other = rng.multinomial(50_000, (chances + rng.dirichlet(np.ones(40)) / 10) / 1.1)
    assert quantum_noise.p_of_counts(first, other) < 1e-3


def test_every_arm_of_a_kernel_is_counted_by_the_shots_that_meet_the_optimum():
    case = next(iter(kernel_cases.cases("route pools", 8, 1)))
    row = kernels._exact(case, kernels.QaoaSettings(layers=2, evaluations=10), 200)
    assert set(row["hits"]) == {*kernels.ARMS, "recursive"}
    assert all(0 <= share <= 1 for share in row["hits"].values())
    cost = CostModel.of(case.kernel.bqm)
    states = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.int8)
    assert row["optimum"] == pytest.approx(cost.energies(states).min())


def observation(backend="statevector", difference=2.0, width=1.0, **changes):
    lift = {
        "mean_difference": difference,
        "mean_low": difference - width,
        "mean_high": difference + width,
        "best_difference": 0.0,
        "samples": 10,
        "control_samples": 10,
        "kernel_variables": 18,
        "kernel": "a core",
    }
    values = {
        "kind": "routing",
        "strategy": "kernel",
        "backend": backend,
        "features": {"size": 20.0, "objective": 400.0},
        "improvement": 0.0,
        "seconds": 0.5,
        "cost_usd_micros": 0,
        "quantum_lift": lift,
        "outcome": "OK",
        "at": datetime.now(UTC),
    }
    return Observation(**(values | changes))


def test_lift_is_told_in_percent_of_the_objective_by_problem_size_and_device():
    seen = [observation(difference=d) for d in (2.0, 2.4, 1.6)] + [observation("noisy", 0.0)] * 2
    rows = [quantum_lift.row_of(one) for one in seen]
    found = {group["device"]: group for group in quantum_lift.grouped(rows)}
    assert found["statevector"]["lift_percent"] == pytest.approx(0.5)
    assert found["statevector"]["better"] == 3
    assert found["statevector"]["verdict"] == "better than random"
    assert found["noisy"]["lift_percent"] == 0.0
    assert found["noisy"]["verdict"] == "no difference shown"
    assert found["noisy"]["size"] == "17-20"
    text = quantum_lift.table({"runs": 5, "source": "run here", "groups": list(found.values())})
    assert "no difference shown" in text


def test_observations_without_both_arms_are_no_comparison():
    assert quantum_lift.row_of(observation(quantum_lift=None)) is None
    lift = dict(observation().quantum_lift) | {"control_samples": 0}
    assert quantum_lift.row_of(observation(quantum_lift=lift)) is None


def test_a_single_run_has_no_interval():
    group = quantum_lift.grouped([quantum_lift.row_of(observation())])[0]
    assert group["low"] is None
    assert group["verdict"] == "too few runs"


def test_nothing_is_read_where_no_service_ever_ran(monkeypatch, tmp_path):
    monkeypatch.setenv("ISINGLASS_STATE", str(tmp_path / "none"))
    assert quantum_lift.recorded() == []
    assert not (tmp_path / "none").exists()


@pytest.mark.long
def test_quick_run_is_one_json_object_with_a_verdict_on_every_target():
    result = quantum.run(quick=True)
    json.dumps(result)
    assert set(result["targets"]) == {*quantum.TARGETS, "noisy_same_distribution"}
    assert result["targets"]["aer_difference"]["met"]
    assert result["targets"]["memory_gib"]["met"]
    assert all(row["aer_difference"] is not None for row in result["expectation"])
    assert "Isinglass" in quantum.table(result)
    assert set(quantum_peers.PEERS) == {"aer", "lightning", "qulacs"}


@pytest.mark.long
def test_kernels_meet_their_optima_in_the_quick_run():
    result = kernels.run(quick=True)
    json.dumps(result)
    assert all(target["met"] for target in result["targets"].values())
    assert "route pools" in kernels.table(result)
