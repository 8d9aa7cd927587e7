"""The kernel: an exact piece of the model, whose optimum lifts to a plan no worse than the incumbent."""

import itertools
import pickle

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from solvers.binary.core import RULES, choose_core
from solvers.binary.kind import KIND
from solvers.binary.plan import plan_of_spins, spins_of_plan
from solvers.binary.problem import quadratic_problem
from solvers.strategy import Context


def a_plan(problem, seed):
    rng = np.random.default_rng(seed)
    return plan_of_spins(problem, (2 * rng.integers(0, 2, (1, problem.num_variables)) - 1).astype(np.int8))[0]


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("seed", range(4))
def test_kernel_energy_is_the_whole_energy_and_its_optimum_is_no_worse(vartype, seed, make_problem):
    """By brute force over the kernel: its energies are those of the full plans, and the lift never loses."""
    problem = make_problem(seed, 25, 90, vartype)
    incumbent, others = a_plan(problem, seed), tuple(a_plan(problem, 100 + k) for k in range(3))
    kernel = KIND.kernel(problem, incumbent, others, Context(seed=1), 8)
    assert kernel is not None
    assert kernel.bqm.num_variables == 8
    start = problem.verify(incumbent).objective
    assert kernel.bqm.energy(kernel.warm_start) == pytest.approx(start)
    best = min(
        (dict(zip(range(8), bits, strict=True)) for bits in itertools.product((0, 1), repeat=8)),
        key=kernel.bqm.energy,
    )
    lift = pickle.loads(pickle.dumps(kernel.lift))
    lifted = lift(best)
    assert lifted == kernel.lift(best)
    assert problem.verify(lifted).objective <= kernel.bqm.energy(best) + 1e-9 <= start + 2e-9
    base = spins_of_plan(problem, incumbent)[0]
    core = kernel.lift.core
    for bits in itertools.islice(itertools.product((0, 1), repeat=8), 0, 256, 17):
        spins = base.copy()
        spins[core] = 2 * np.array(bits, dtype=np.int8) - 1
        energy = problem.ising.energies(spins[None, :])[0]
        assert kernel.bqm.energy(dict(enumerate(bits))) == pytest.approx(energy)


def test_warm_start_lifts_to_the_incumbent_or_better(make_problem):
    problem = make_problem(5, 40, 120)
    incumbent = a_plan(problem, 5)
    kernel = KIND.kernel(problem, incumbent, (), Context(seed=1), 10)
    assert kernel is not None
    lifted = problem.verify(kernel.lift(kernel.warm_start)).objective
    assert lifted <= problem.verify(incumbent).objective


def test_variables_that_samples_disagree_on_come_first(make_problem):
    problem = make_problem(6, 30, 60)
    base = spins_of_plan(problem, a_plan(problem, 6))
    other = base.copy()
    doubtful = problem.ising.indices[problem.ising.indptr[4] : problem.ising.indptr[5]][:2]
    other[0, [4, *doubtful]] *= -1
    plans = [plan_of_spins(problem, spins)[0] for spins in (base, other)]
    kernel = KIND.kernel(problem, plans[0], (plans[1],), Context(seed=1), 3)
    assert set(kernel.lift.core.tolist()) == {4, *doubtful.tolist()}


def test_nothing_undecided_gives_no_kernel():
    """A model of fields alone, and one of a single variable, have no kernel."""
    for problem in (quadratic_problem("SPIN", [1.0, 2.0]), quadratic_problem("BINARY", [1.0])):
        assert KIND.kernel(problem, a_plan(problem, 1), (), Context(seed=1), 10) is None


@pytest.mark.parametrize("rule", RULES)
def test_a_core_is_connected_where_the_model_is_and_of_the_size_asked_for(rule, make_problem):
    problem = make_problem(2, 60, 240)
    base = spins_of_plan(problem, a_plan(problem, 2))[0]
    core = choose_core(problem, base, base[None, :], 12, rule)
    assert core.shape == (12,)
    graph = coo_array((np.ones(problem.num_terms), (problem.rows, problem.columns)), shape=(60, 60)).tocsr()
    assert connected_components(graph, directed=False)[0] == 1
    assert connected_components(graph[core][:, core], directed=False)[0] == 1


def test_a_rule_that_is_not_known_is_refused(make_problem):
    problem = make_problem(2, 6, 10)
    with pytest.raises(ValueError, match="doubt"):
        choose_core(problem, np.ones(6, dtype=np.int8), np.ones((1, 6), dtype=np.int8), 3, "luck")
