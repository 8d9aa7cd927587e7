"""A sweep gives what single runs give, on any number of threads, and counts its memory first."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.schedules import fixed_angles, linear_ramp
from solvers.quantum.statevector import Angles, Statevector
from solvers.quantum.sweep import sweep, sweep_bytes


def glass(size, seed):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return CostModel.of(bqm)


@pytest.mark.parametrize("alpha", [1.0, 0.25])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_sweep_gives_what_single_runs_give(alpha, threads):
    cost = glass(8, 1)
    ones = np.linspace(0.2, 0.8, 8)
    angles = [linear_ramp(p, 0.3 * p, 0.9, cost.spread()) for p in (1, 2, 3, 4, 5, 6, 7)]
    state = Statevector(cost, ones)
    expected = []
    for one in angles:
        state.run(one)
        expected.append(state.cvar(alpha))
    assert sweep(cost, angles, alpha, ones, threads).tolist() == expected


def test_no_angles_give_no_values():
    assert sweep(glass(4, 0), []).tolist() == []


def test_a_sweep_that_does_not_fit_is_refused_with_the_figure():
    angles = [Angles((0.1,), (0.2,))] * 4
    limit = sweep_bytes(12, 1, with_order=False)
    assert len(sweep(glass(12, 0), angles, limit_bytes=limit + 4096 * 12)) == 4
    with pytest.raises(InvalidProblem, match=r"4 threads takes 0\.00 GiB"):
        sweep(glass(12, 0), angles, threads=4, limit_bytes=limit)


@pytest.mark.parametrize("layers", range(1, 11))
def test_fixed_angles_are_as_good_as_the_best_ramp_of_a_grid_on_spin_glasses(layers):
    cost = glass(10, 5)
    ramps = [linear_ramp(layers, g, b, cost.spread()) for g in (0.6, 1.2, 2.4) for b in (0.4, 0.8, 1.2)]
    values = sweep(cost, [fixed_angles(layers, cost.local_spread()), *ramps])
    assert values[0] <= values[1:].min() + 0.1 * cost.spread()
    assert values[0] < -0.6 * cost.spread()


def test_fixed_angles_do_not_depend_on_the_scale_of_the_model():
    cost = glass(7, 2)
    tenfold = CostModel(cost.variables, 10 * cost.linear, 10 * cost.quadratic, 10 * cost.offset)
    small, large = (fixed_angles(3, c.local_spread()) for c in (cost, tenfold))
    assert np.array(large.gammas) * 10 == pytest.approx(np.array(small.gammas))
    assert large.betas == small.betas
    assert fixed_angles(2, 0.0).gammas == (0.0, 0.0)


def test_a_spin_glass_of_unit_couplings_has_a_local_spread_of_one():
    rng = np.random.default_rng(0)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(40):
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal() / np.sqrt(39))
    assert CostModel.of(bqm).local_spread() == pytest.approx(1.0, abs=0.1)
