"""Decomposition: a small device helps on a large model, and never loses what was there."""

import dimod
import numpy as np
import pytest

from solvers.binary.decompose import Decomposed
from solvers.binary.descent import Descent
from solvers.binary.problem import quadratic_problem
from solvers.stop import WorkLimit
from solvers.strategy import Context
from tests.solvers.binary.binary_models import random_problem


def exactly(bqm, seed):
    del seed
    return dimod.ExactSolver().sample(bqm).first.sample


def worst(bqm, seed):
    """A device that answers at random."""
    rng = np.random.default_rng(seed)
    return {label: int(rng.integers(0, 2)) for label in bqm.variables}


@pytest.mark.parametrize("device", [exactly, worst])
def test_every_candidate_is_no_worse_than_the_last_and_as_claimed(device):
    problem = random_problem(1, 120, 400, "BINARY", integral=True)
    found = list(Decomposed(device, 8).candidates(problem, Context(seed=1, stop=WorkLimit(60))))
    claimed = [candidate.claimed_objective for candidate in found]
    assert claimed == sorted(claimed, reverse=True)
    assert problem.verify(found[-1].plan).objective == claimed[-1]
    descent = next(iter(Descent().candidates(problem, Context(seed=1))))
    assert claimed[-1] <= descent.claimed_objective


def test_the_device_sees_at_most_its_variables_and_every_rule_is_tried():
    problem = random_problem(2, 80, 300)
    sizes = []

    def device(bqm, seed):
        sizes.append(bqm.num_variables)
        return worst(bqm, seed)

    list(Decomposed(device, 10).candidates(problem, Context(seed=1, stop=WorkLimit(200))))
    assert set(sizes) == {10}
    assert len(sizes) > 3


def test_a_model_that_fits_is_answered_by_the_device_alone():
    problem = random_problem(3, 10, 30)
    found = list(Decomposed(exactly, 12).candidates(problem, Context(seed=1)))
    values = 2 * ((np.arange(1024)[:, None] >> np.arange(10)) & 1) - 1
    assert found[-1].claimed_objective == pytest.approx(problem.ising.energies(values.astype(np.int8)).min())


def test_a_device_of_one_variable_is_refused():
    with pytest.raises(ValueError, match="max_variables is 1"):
        Decomposed(exactly, 1)
    assert not Decomposed(exactly, 2).accepts(quadratic_problem("SPIN"))
