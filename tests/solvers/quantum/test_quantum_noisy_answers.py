"""Answers of a noisy device, however bad, never make a plan worse: they are verified suggestions."""

from __future__ import annotations

import time

import dimod
import numpy as np
import pytest

from backends.backend import Program
from backends.noisy import NoisySimulator
from benchmarks.kernel_cases import FAMILIES, cases
from solvers.quantum.step import lift_samples


@pytest.fixture(scope="module")
def device():
    backend = NoisySimulator(snapshot="fez", max_variables=8, transpiler_seeds=1, search_s=0.01)
    yield backend
    backend.close()


def kept(case, samples):
    """The better of the incumbent and what the samples lift to, by the verifier: what a job goes on with."""
    outcome = lift_samples(case.problem, case.kernel, samples, case.incumbent, case.seed)
    before = case.problem.verify(case.incumbent).objective
    if outcome.plan is None:
        assert outcome.improvement == 0.0
        return before, before
    verdict = case.problem.verify(outcome.plan)
    assert verdict.feasible
    assert verdict.objective == pytest.approx(outcome.objective)
    assert outcome.improvement == pytest.approx(max(0.0, before - verdict.objective))
    return before - outcome.improvement, before


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_calibrated_device_never_makes_a_plan_worse(device, family):
    for case in cases(family, 8, 2):
        program = Program(case.kernel.bqm, case.kernel.one_hot_groups, case.kernel.warm_start, 1, seed=case.seed)
        job = device.submit(program, 60, f"{family}-{case.seed}")
        while device.poll(job).value in ("queued", "running"):
            time.sleep(0.002)
        after, before = kept(case, device.fetch(job))
        assert after <= before


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("answer", ["zeros", "ones", "random", "inverted"])
def test_nonsense_never_makes_a_plan_worse(family, answer):
    case = next(iter(cases(family, 8, 1)))
    names = list(case.kernel.bqm.variables)
    warm = np.array([case.kernel.warm_start[v] for v in names])
    rows = {
        "zeros": np.zeros((5, 8)),
        "ones": np.ones((5, 8)),
        "random": np.random.default_rng(1).integers(0, 2, (40, 8)),
        "inverted": np.tile(1 - warm, (5, 1)),
    }[answer].astype(np.int8)
    after, before = kept(case, dimod.SampleSet.from_samples_bqm((rows, names), case.kernel.bqm))
    assert after <= before
