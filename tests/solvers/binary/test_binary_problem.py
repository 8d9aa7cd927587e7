"""Building, validating, comparing and pickling binary problems."""

import pickle
import tracemalloc

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers.binary import validate
from solvers.binary.interop import from_dimod, ising_to_dimod, to_dimod
from solvers.binary.portfolio import Portfolio
from solvers.binary.problem import quadratic_problem
from solvers.binary.warm import warm
from solvers.errors import InvalidProblem
from solvers.stop import WorkLimit
from solvers.strategy import Context


def violations(**fields):
    arguments = {"vartype": "SPIN", "linear": [0.0, 0.0, 0.0]} | fields
    with pytest.raises(InvalidProblem) as caught:
        quadratic_problem(arguments.pop("vartype"), **arguments)
    return {violation.path: violation for violation in caught.value.violations}


def test_order_of_terms_and_factors_does_not_matter():
    """The same terms in another order make an equal problem."""
    one = quadratic_problem("BINARY", [1, 2, 3], [2, 0], [0, 1], [1.5, -2])
    other = quadratic_problem("BINARY", [1, 2, 3], [1, 0], [0, 2], [-2, 1.5])
    assert one == other
    assert hash(one) == hash(other)
    assert one != quadratic_problem("BINARY", [1, 2, 3], [1, 0], [0, 2], [-2, 1.0])


def test_pickle_keeps_the_problem_and_its_arrays_read_only():
    problem = quadratic_problem("SPIN", [1, 2], [0], [1], [3.0])
    assert problem.ising.size == 2
    again = pickle.loads(pickle.dumps(problem))
    assert again == problem
    assert not again.linear.flags.writeable


def test_every_fault_is_listed_at_once():
    """One answer names all fields at fault, with value and what is allowed."""
    found = violations(
        vartype="INTEGER",
        linear=[1.0, np.nan, np.inf],
        rows=[0, 1],
        columns=[7, 1],
        values=[1.0, -np.inf],
        offset=np.nan,
        num_samples=0,
    )
    assert set(found) == {
        "quadratic.vartype",
        "quadratic.linear[1]",
        "quadratic.linear[2]",
        "quadratic.columns[0]",
        "quadratic.values[1]",
        "quadratic.offset",
        "options.num_samples",
    }
    assert found["quadratic.columns[0]"].problem == "is 7"
    assert found["quadratic.columns[0]"].allowed.endswith("0 to 2")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"rows": [1], "columns": [1], "values": [1.0]}, "quadratic.columns[0]"),
        ({"rows": [0, 1], "columns": [1, 0], "values": [1.0, 2.0]}, "quadratic.rows[1]"),
        ({"rows": [0], "columns": [1], "values": [1.0, 2.0]}, "quadratic.values"),
        ({"rows": [-1], "columns": [1], "values": [1.0]}, "quadratic.rows[0]"),
        ({"linear": [1.0], "num_variables": 3}, "quadratic.linear"),
        ({"num_variables": -1}, "quadratic.num_variables"),
        ({"variables": ["a", "b", "a"]}, "quadratic.variables[2]"),
        ({"variables": ["a", "b", ""]}, "quadratic.variables[2]"),
        ({"variables": ["a", "b", "c"], "num_variables": 4}, "quadratic.num_variables"),
        ({"linear": [1e300, 1e300, 0.0]}, "quadratic"),
    ],
)
def test_a_fault_is_named(fields, path):
    assert path in violations(**fields)


def test_memory_is_estimated_before_it_is_taken():
    """A billion variables are refused with the figure, without arrays of that size."""
    found = violations(linear=[], num_variables=10**9)
    assert "MiB" in found["quadratic"].problem
    assert "1,000,000,000 variables" in found["quadratic"].problem


def test_many_faults_of_a_sort_are_counted():
    found = violations(linear=np.full(1000, np.nan))
    assert len(found) == validate.MOST_LISTED + 1
    assert "800 more" in found["quadratic.linear"].problem


@given(st.integers(0, 2**32), st.integers(0, 6), st.sampled_from(["BINARY", "SPIN"]))
@settings(max_examples=40, deadline=None)
def test_dimod_round_trip_keeps_energies(seed, n, vartype):
    """dimod, the spin form and our own terms agree on every assignment."""
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel(vartype)
    for i in range(n):
        bqm.add_variable(f"x{i}", float(rng.normal()))
        for j in range(i):
            bqm.add_quadratic(f"x{i}", f"x{j}", float(rng.normal()))
    bqm.offset = float(rng.normal())
    problem = from_dimod(bqm)
    assert from_dimod(to_dimod(problem)) == problem
    spins = ising_to_dimod(problem)
    for _ in range(5):
        s = (2 * rng.integers(0, 2, n) - 1).astype(np.int8)
        x = s if vartype == "SPIN" else (s + 1) // 2
        expected = bqm.energy(dict(zip(bqm.variables, x.tolist(), strict=True)))
        assert problem.ising.energies(s[None, :])[0] == pytest.approx(expected, abs=1e-9)
        assert spins.energy(dict(enumerate(s.tolist()))) == pytest.approx(expected, abs=1e-9)


def test_features_are_finite_and_named(make_problem):
    for problem in (make_problem(1, 30, 100), quadratic_problem("SPIN"), quadratic_problem("BINARY", [3.0])):
        values = problem.features().values
        assert {"size", "density", "tightness"} <= set(values)
        assert all(np.isfinite(value) for value in values.values())


def test_a_model_too_large_is_refused_by_its_lengths_before_anything_is_copied(monkeypatch):
    monkeypatch.setattr(validate, "MEMORY_LIMIT_BYTES", 1 << 20)
    many = [0.5] * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidProblem, match="100,000 quadratic terms"):
            quadratic_problem("SPIN", rows=[0] * 100_000, columns=[1] * 100_000, values=many, num_variables=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000 + 8 * 200_000  # the lists given, and nothing of their size beside them


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_solving_takes_no_more_memory_than_was_estimated(share):
    rng = np.random.default_rng(1)
    rows, columns = np.triu_indices(500, 1)
    values = rng.normal(size=rows.shape[0])
    warm()
    tracemalloc.start()
    try:
        problem = quadratic_problem("BINARY", rng.normal(size=500), rows, columns, values)
        for _ in Portfolio(share=share).candidates(problem, Context(seed=1, stop=WorkLimit(40))):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= validate.memory_bytes(500, rows.shape[0], problem.num_samples)
