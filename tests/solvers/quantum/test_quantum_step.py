from __future__ import annotations

import itertools
import pickle
from dataclasses import dataclass

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.kernel import Kernel
from solvers.problem import Verdict
from solvers.quantum.arms import compare
from solvers.quantum.cost import CostModel
from solvers.quantum.descent import descend
from solvers.quantum.step import MAX_LIFTS, lift_samples
from solvers.stop import WorkLimit


@dataclass(frozen=True)
class Bits:
    """A toy problem: plans are bit tuples, priced by a model; a plan with ``forbidden`` first bits is infeasible."""

    bqm: dimod.BinaryQuadraticModel
    forbidden: tuple[int, ...] = (2,)

    def verify(self, plan):
        sample = dict(zip(self.bqm.variables, plan, strict=True))
        return Verdict(self.bqm.energy(sample), plan[: len(self.forbidden)] != self.forbidden)


@dataclass(frozen=True)
class AsItIs:
    variables: tuple

    def __call__(self, sample):
        return tuple(sample[v] for v in self.variables)


def glass(size, seed=0):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(size):
        bqm.add_linear(f"v{i}", 0.1 * rng.normal())
        for j in range(i):
            bqm.add_quadratic(f"v{i}", f"v{j}", rng.normal())
    return bqm.change_vartype("BINARY", inplace=False)


def kernel_of(bqm):
    return Kernel(bqm, AsItIs(tuple(bqm.variables)), label="a toy")


def samples_of(bqm, rows, counts=None):
    return dimod.SampleSet.from_samples_bqm(
        (np.asarray(rows, dtype=np.int8), list(bqm.variables)), bqm, num_occurrences=counts
    )


def random_samples(bqm, shots, seed):
    return samples_of(bqm, np.random.default_rng(seed).integers(0, 2, (shots, len(bqm.variables))))


def best_of(bqm):
    return dimod.ExactSolver().sample(bqm).first


def values_of(best, bqm):
    return [int(best.sample[v]) for v in bqm.variables]


def test_best_sample_becomes_the_plan_and_its_improvement_is_told():
    bqm = glass(10)
    best = best_of(bqm)
    incumbent = (0,) * 10
    outcome = lift_samples(Bits(bqm), kernel_of(bqm), samples_of(bqm, [values_of(best, bqm)]), incumbent, 1)
    assert outcome.plan == tuple(values_of(best, bqm))
    assert outcome.objective == pytest.approx(best.energy)
    assert outcome.improvement == pytest.approx(Bits(bqm).verify(incumbent).objective - best.energy)


def test_optimal_samples_beat_the_control_arm():
    bqm = glass(14, 3)
    best = best_of(bqm)
    outcome = lift_samples(
        Bits(bqm), kernel_of(bqm), samples_of(bqm, [values_of(best, bqm)], [200]), None, 1, origin="test"
    )
    lift = outcome.quantum_lift
    assert lift.mean_low > 0
    assert lift.mean_low <= lift.mean_difference <= lift.mean_high
    assert lift.samples == 200
    assert lift.control_samples > 0
    assert (lift.kernel_variables, lift.kernel, outcome.origin) == (14, "a toy", "test")


def test_random_samples_show_no_lift_beyond_chance():
    """Of 40 comparisons of random with random, the 95 % interval leaves out zero in few."""
    missed = 0
    for seed in range(40):
        bqm = glass(12, seed)
        lift = lift_samples(Bits(bqm), kernel_of(bqm), random_samples(bqm, 100, 10_000 + seed), None, seed).quantum_lift
        missed += not lift.mean_low <= 0.0 <= lift.mean_high
    assert missed <= 8  # 2 are expected; 9 or more has a chance below 1 in 1,000


def test_infeasible_lifts_are_counted_and_never_used():
    bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": -1.0, "c": 0.0}, {}, 0.0, "BINARY")
    problem = Bits(bqm, forbidden=(1,))  # every local optimum has a = 1
    outcome = lift_samples(problem, kernel_of(bqm), samples_of(bqm, [[1, 1, 1], [0, 0, 0]], [3, 2]), (0, 0, 0), 1)
    assert outcome.plan is None
    assert outcome.improvement == 0.0
    assert outcome.infeasible == 5
    assert outcome.quantum_lift.samples == 0
    assert outcome.quantum_lift.mean_difference == 0.0


def test_worse_samples_never_claim_an_improvement():
    bqm = glass(8, 1)
    best = tuple(values_of(best_of(bqm), bqm))
    outcome = lift_samples(Bits(bqm), kernel_of(bqm), random_samples(bqm, 20, 3), best, 1)
    assert outcome.improvement == 0.0
    assert outcome.objective >= Bits(bqm).verify(best).objective - 1e-9


def test_same_seed_same_outcome_also_after_pickling():
    bqm = glass(10, 2)
    kernel, samples = kernel_of(bqm), random_samples(bqm, 50, 1)
    first = lift_samples(Bits(bqm), kernel, samples, None, 7)
    assert lift_samples(Bits(bqm), pickle.loads(pickle.dumps(kernel)), samples, None, 7) == first
    assert pickle.loads(pickle.dumps(first)) == first


def test_stop_leaves_what_was_lifted_and_both_arms_equally_far():
    bqm = glass(16, 4)
    calls = []

    @dataclass(frozen=True)
    class Counting(AsItIs):
        def __call__(self, sample):
            calls.append(1)
            return super().__call__(sample)

    kernel = Kernel(bqm, Counting(tuple(bqm.variables)))
    outcome = lift_samples(Bits(bqm), kernel, random_samples(bqm, 500, 1), None, 1, WorkLimit(0))
    assert len(calls) == 1
    assert outcome.plan is not None
    calls.clear()
    lift_samples(Bits(bqm), kernel, random_samples(bqm, 500, 1), None, 1, WorkLimit(5))
    assert len(calls) <= 11


def test_lifts_are_capped():
    bqm = dimod.BinaryQuadraticModel(
        dict.fromkeys(range(20), 0.0), {}, 0.0, "BINARY"
    )  # every string is a local optimum
    calls = []

    @dataclass(frozen=True)
    class Counting(AsItIs):
        def __call__(self, sample):
            calls.append(1)
            return super().__call__(sample)

    kernel = Kernel(bqm, Counting(tuple(bqm.variables)))
    lift_samples(Bits(bqm), kernel, random_samples(bqm, 2000, 1), None, 1)
    assert len(calls) <= 2 * MAX_LIFTS


def test_samples_over_other_variables_are_refused():
    bqm = glass(4)
    other = dimod.SampleSet.from_samples([{"x": 1}], vartype="BINARY", energy=[0.0])
    with pytest.raises(ValueError, match="1 variables do not fit a kernel of 4"):
        lift_samples(Bits(bqm), kernel_of(bqm), other, None, 1)


def test_no_samples_bring_nothing():
    bqm = glass(4)
    outcome = lift_samples(Bits(bqm), kernel_of(bqm), samples_of(bqm, np.empty((0, 4))), None, 1)
    assert outcome.plan is None
    assert outcome.quantum_lift.samples == 0


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_descent_ends_where_no_flip_helps_and_never_above_its_start(size, seed):
    bqm = glass(size, seed)
    cost = CostModel.of(bqm)
    rows = np.array(list(itertools.product((0, 1), repeat=size)), dtype=np.int8)
    ends = descend(cost, rows)
    energies = cost.energies(ends)
    assert (energies <= cost.energies(rows) + 1e-9).all()
    for k in range(size):
        flipped = ends.copy()
        flipped[:, k] ^= 1
        assert (cost.energies(flipped) >= energies - 1e-9).all()


def test_bootstrap_interval_covers_a_known_difference():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        _, low, high = compare(rng.normal(0, 1, 60), rng.normal(0.5, 2, 60), trial)
        covered += low <= 0.5 <= high
    assert covered >= 86  # 95 are expected; fewer than 86 has a chance below 1 in 1,000


def test_differences_within_rounding_are_none():
    sums = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.6])
    assert compare(1e3 * sums, 1e3 * (sums + 1e-15), 0) == (0.0, 0.0, 0.0)
    assert compare(np.full(5, 1.0), np.full(5, 1.0 + 1e-6), 0)[0] == pytest.approx(1e-6, rel=1e-2)


def test_warm_control_begins_near_the_warm_start():
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(range(12), 0.0), {}, 0.0, "BINARY")  # no descent anywhere
    price = dimod.BinaryQuadraticModel(dict.fromkeys(range(12), 1.0), {}, 0.0, "BINARY")
    kernel = Kernel(bqm, AsItIs(tuple(range(12))), warm_start=dict.fromkeys(range(12), 0))
    samples = random_samples(bqm, 400, 1)
    uniform = lift_samples(Bits(price), kernel, samples, None, 1, max_lifts=400)
    warm = lift_samples(Bits(price), kernel, samples, None, 1, max_lifts=400, control="warm")
    assert np.mean(uniform.control_objectives) == pytest.approx(6.0, abs=0.5)
    assert np.mean(warm.control_objectives) == pytest.approx(3.0, abs=0.5)
    with pytest.raises(ValueError, match="control is 'none'"):
        lift_samples(Bits(price), kernel, samples, None, 1, control="none")


def test_one_value_in_each_arm_gives_an_interval_of_no_width():
    assert compare(np.array([1.0]), np.array([3.0]), 0) == (2.0, 2.0, 2.0)
