from __future__ import annotations

import dimod
import numpy as np
import pytest

from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import ANGLES, QaoaSettings, aggregate, optimise, run_qaoa, start_probabilities
from solvers.quantum.schedules import linear_ramp, stretch
from solvers.quantum.statevector import Angles, Statevector
from solvers.stop import WorkLimit


def glass(size, seed):
    """A random spin glass: hard enough that uniform samples hardly meet its optimum."""
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(size):
        bqm.add_linear(f"v{i}", rng.normal())
        for j in range(i):
            bqm.add_quadratic(f"v{i}", f"v{j}", rng.normal())
    return bqm.change_vartype("BINARY", inplace=False)


def optimum(bqm):
    return dimod.ExactSolver().sample(bqm).first.energy


@pytest.mark.parametrize("seed", range(4))
def test_optimum_is_sampled_far_more_often_than_by_chance(seed):
    bqm = glass(12, seed)
    samples, _ = run_qaoa(bqm, 1000, seed, QaoaSettings(layers=4))
    best = samples.first
    assert best.energy == pytest.approx(optimum(bqm))
    assert best.num_occurrences >= 20  # by chance: 1000 / 4096


def test_samples_cover_the_variables_count_up_to_shots_and_carry_true_energies():
    bqm = glass(7, 1)
    samples, _ = run_qaoa(bqm, 321, 5)
    assert set(samples.variables) == set(bqm.variables)
    assert samples.record.num_occurrences.sum() == 321
    assert samples.record.energy == pytest.approx(bqm.energies((samples.record.sample, samples.variables)))


def test_same_seed_same_samples_and_angles():
    bqm = glass(6, 2)
    (first, found), (second, again) = run_qaoa(bqm, 200, 9), run_qaoa(bqm, 200, 9)
    assert first == second
    assert found.angles == again.angles
    other = run_qaoa(bqm, 200, 10)[0]
    assert other.record.num_occurrences.tolist() != first.record.num_occurrences.tolist()


def test_more_evaluations_never_end_worse():
    bqm = glass(8, 3)
    objectives = [run_qaoa(bqm, 1, 0, QaoaSettings(layers=3, evaluations=e))[1].objective for e in (1, 9, 30, 90)]
    assert objectives == sorted(objectives, reverse=True)


def test_search_ends_when_it_is_stopped_but_never_without_angles():
    state = Statevector(CostModel.of(glass(8, 3)))
    angles, _, evaluations = optimise(state, QaoaSettings(layers=3), WorkLimit(0))
    assert evaluations == 1
    assert angles.layers == 3
    _, _, evaluations = optimise(state, QaoaSettings(layers=3), WorkLimit(4))
    assert evaluations == 5


def test_given_angles_are_tried_first():
    state = Statevector(CostModel.of(glass(5, 0)))
    start = Angles((0.1, 0.2), (0.3, 0.1))
    angles, _, _ = optimise(state, QaoaSettings(evaluations=1), start=start)
    assert angles == start


def test_warm_start_at_the_optimum_beats_a_cold_one():
    bqm = glass(12, 5)
    best = dimod.ExactSolver().sample(bqm).first
    settings = QaoaSettings(layers=1, evaluations=30)
    warm, _ = run_qaoa(bqm, 1000, 1, settings, best.sample)
    cold, _ = run_qaoa(bqm, 1000, 1, settings)

    def hits(samples):
        at = np.isclose(samples.record.energy, best.energy)
        return int(samples.record.num_occurrences[at].sum())

    assert hits(warm) > hits(cold)


def test_warm_start_keeps_away_from_certainty():
    cost = CostModel.of(dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0, "c": 1.0}, {}, 0.0, "BINARY"))
    assert start_probabilities(cost, {"a": 1, "b": 0}, 0.2).tolist() == [0.8, 0.2, 0.5]


def one_hot_kernel(seed, groups=5, size=4):
    """A random model over 20 variables whose groups are held by penalties, with a random valid warm start."""
    rng = np.random.default_rng(seed)
    names = [[f"g{g}m{m}" for m in range(size)] for g in range(groups)]
    flat = [v for group in names for v in group]
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i, v in enumerate(flat):
        bqm.add_linear(v, rng.normal())
        for w in flat[:i]:
            bqm.add_quadratic(v, w, rng.normal())
    for group in names:
        bqm.add_linear_equality_constraint([(v, 1) for v in group], 20.0, -1)
    warm = dict.fromkeys(flat, 0) | {group[rng.integers(size)]: 1 for group in names}
    return bqm, tuple(tuple(group) for group in names), warm


@pytest.mark.parametrize("seed", range(10))
def test_eight_layers_find_the_optimum_of_one_hot_kernels(seed):
    bqm, groups, warm = one_hot_kernel(seed)
    settings = QaoaSettings(layers=8, evaluations=60)
    samples, found = run_qaoa(bqm, 2000, seed, settings, warm, one_hot_groups=groups)
    cost = CostModel.of(bqm)
    diagonal, centre = cost.diagonal(cost.size)
    assert samples.first.energy == pytest.approx(float(diagonal.min()) + centre, abs=1e-3)
    assert found.mixer == "xy"


def test_empty_constant_and_single_models_are_sampled():
    empty, found = run_qaoa(dimod.BinaryQuadraticModel({}, {}, 3.5, "BINARY"), 10, 0)
    assert empty.record.num_occurrences.sum() == 10
    assert empty.first.energy == 3.5
    assert found.evaluations == 0
    constant, _ = run_qaoa(dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0}, {}, -2.0, "BINARY"), 10, 0)
    assert set(constant.record.energy) == {-2.0}
    single, _ = run_qaoa(dimod.BinaryQuadraticModel({"a": -1.0}, {}, 0.0, "BINARY"), 100, 0)
    assert single.first.sample == {"a": 1}


def test_too_large_a_model_is_refused_with_the_figure():
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(range(12), 1.0), {}, 0.0, "BINARY")
    with pytest.raises(InvalidProblem, match="GiB"):
        run_qaoa(bqm, 10, 0, QaoaSettings(limit_bytes=1000))


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"layers": 17}, {"alpha": 0.0}, {"evaluations": 0}, {"regularisation": 0.6}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QaoaSettings(**wrong)


def test_ramp_rises_in_phase_falls_in_mixing_and_scales_with_the_model():
    ramp = linear_ramp(4, 1.0, 0.8, 2.0)
    assert ramp.gammas == pytest.approx((0.0625, 0.1875, 0.3125, 0.4375))
    assert ramp.betas == pytest.approx((0.7, 0.5, 0.3, 0.1))
    assert linear_ramp(2, 1.0, 0.8, 0.0).gammas == (0.0, 0.0)


def test_stretching_keeps_the_schedule():
    ramp = linear_ramp(2, 1.0, 0.8, 1.0)
    stretched = stretch(ramp, 5)
    assert stretched.layers == 5
    assert list(stretched.gammas) == sorted(stretched.gammas)
    assert stretch(ramp, 2) == ramp
    assert stretch(Angles((), ()), 3) == Angles((0.0,) * 3, (0.0,) * 3)


def test_equal_rows_are_counted_together_cheapest_first():
    cost = CostModel.of(dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {}, 0.0, "BINARY"))
    samples = aggregate(cost, np.array([[0, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int8))
    assert samples.record.num_occurrences.tolist() == [1, 1, 2]
    assert samples.record.energy.tolist() == [-1.0, 0.0, 2.0]


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("evaluations", [1, 2, 25])
def test_every_way_to_angles_keeps_to_its_count_and_layers(angles, evaluations):
    for groups in ((), (("v0", "v1"), ("v2", "v3"))):
        settings = QaoaSettings(layers=5, evaluations=evaluations, angles=angles)
        _, found = run_qaoa(glass(6, 4), 10, 0, settings, one_hot_groups=groups)
        assert 1 <= found.evaluations <= evaluations
        assert found.angles.layers == 5
        assert found.evaluations == 1 or angles != "table"


def test_a_search_never_ends_above_the_table():
    for seed in range(4):
        table, searched = (
            run_qaoa(glass(8, seed), 1, 0, QaoaSettings(layers=4, angles=way))[1].objective
            for way in ("table", "search")
        )
        assert searched <= table


def test_unknown_ways_to_angles_are_refused():
    with pytest.raises(ValueError, match="search, transfer, ramp, table"):
        QaoaSettings(angles="guess")
