"""Groups of variables that share no product."""

import numpy as np
import pytest

from solvers.binary.colouring import colour_groups


@pytest.mark.parametrize(("n", "m"), [(1, 0), (30, 0), (30, 40), (30, 200), (12, 66)])
def test_groups_hold_each_variable_once_and_no_two_that_are_coupled(n, m, make_problem):
    """And there are at most as many as the largest degree and one."""
    model = make_problem(4, n, m).ising
    groups = colour_groups(model)
    assert sorted(np.concatenate(groups).tolist()) == list(range(n))
    colour = np.empty(n, dtype=int)
    for k, group in enumerate(groups):
        colour[group] = k
        assert np.array_equal(group, np.sort(group))
    degrees = np.diff(model.indptr)
    assert np.all(colour[np.repeat(np.arange(n), degrees)] != colour[model.indices])
    assert len(groups) <= degrees.max() + 1
