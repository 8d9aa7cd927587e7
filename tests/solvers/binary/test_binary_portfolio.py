"""The portfolio: proved where presolve and enumeration suffice, elites shared elsewhere, repeatable in parts."""

import itertools

import numpy as np
import pytest

from solvers.binary.annealing import Lengths
from solvers.binary.exact import all_energies
from solvers.binary.ising import to_ising
from solvers.binary.members import decades_of, tabu_share
from solvers.binary.members_table import ROWS
from solvers.binary.pacing import Pacer
from solvers.binary.portfolio import Portfolio, Search
from solvers.binary.problem import quadratic_problem
from solvers.stop import WorkLimit
from solvers.strategy import Context


def blocks_of(*sizes, seed=1):
    """A spin model of dense blocks that nothing joins."""
    rng = np.random.default_rng(seed)
    pairs, first = [], 0
    for size in sizes:
        pairs += itertools.combinations(range(first, first + size), 2)
        first += size
    rows, columns = np.array(pairs).T
    return quadratic_problem("SPIN", np.zeros(first), rows, columns, rng.choice([-1.0, 1.0], rows.shape[0]))


def run(problem, blocks, share=None, **more):
    return list(Portfolio(share=share).candidates(problem, Context(seed=3, stop=WorkLimit(blocks), **more)))


def block_of(problem, place):
    kept = (problem.rows >= place.start) & (problem.rows < place.stop)
    rows, columns = problem.rows[kept] - place.start, problem.columns[kept] - place.start
    return quadratic_problem("SPIN", np.zeros(place.stop - place.start), rows, columns, problem.values[kept])


def test_a_model_of_small_parts_is_proved_and_its_plan_filled_up():
    problem = blocks_of(15, 14, 13)
    found = run(problem, 1000)
    parts = [block_of(problem, place) for place in (slice(0, 15), slice(15, 29), slice(29, 42))]
    best = sum(all_energies(part.ising).min() for part in parts)
    assert found[-1].lower_bound == found[-1].claimed_objective == best
    assert 1 < found[-1].plan.values.shape[0] <= problem.num_samples
    assert problem.verify(found[-1].plan).feasible


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_large_parts_are_searched_apart_and_a_trace_repeats_the_run(share):
    problem = blocks_of(40, 30, 10)
    found = run(problem, 80, share)
    trace = found[-1].control_trace
    assert len(trace["sweeps"]) == 2
    again = list(Portfolio(share=share).candidates(problem, Context(seed=3, control_trace=trace)))
    assert [candidate.plan for candidate in again] == [candidate.plan for candidate in found]
    alone = [
        run(block_of(problem, place), 40)[-1].claimed_objective
        for place in (slice(0, 40), slice(40, 70), slice(70, 80))
    ]
    assert problem.verify(found[-1].plan).objective == sum(alone)


def test_on_a_small_model_walks_get_their_share_by_work_though_each_is_a_fraction_of_a_block():
    problem = blocks_of(40)
    stop = WorkLimit(100_000)
    pacer = Pacer(Context(seed=1, stop=stop))
    search = Search(problem.ising, np.random.default_rng(1), pacer, Lengths(stop, 40, [50]), 0.9)
    assert len(list(search.turn())) > 90


def test_a_run_stopped_at_once_still_answers():
    problem = blocks_of(19, 18)
    for blocks in (0, 3):
        found = run(problem, blocks)
        assert problem.verify(found[-1].plan).feasible
        again = list(Portfolio().candidates(problem, Context(seed=3, control_trace=found[-1].control_trace)))
        assert [candidate.plan for candidate in again] == [candidate.plan for candidate in found]


def test_a_measured_sort_gets_its_own_share():
    for row in ROWS:
        size = round(10 ** row[0])
        model = to_ising(False, np.zeros(size), np.array([0]), np.array([1]), np.array([1.0]), 0.0)
        assert decades_of(model)[0] == pytest.approx(row[0], abs=0.01)
        assert 0.0 <= tabu_share(model) <= 1.0
