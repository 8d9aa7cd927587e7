"""Random models and a brute force that shares nothing with the engines."""

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from solvers.binary.problem import BinaryProblem, quadratic_problem


def random_problem(seed, n, m, vartype="SPIN", *, integral=False, **options) -> BinaryProblem:
    """``n`` variables, at most ``m`` random pairs, normal or small integer weights."""
    rng = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(n), 2))
    chosen = rng.permutation(len(pairs))[:m]
    draw = (lambda k: rng.integers(-5, 6, k).astype(float)) if integral else (lambda k: rng.normal(size=k))
    rows = [pairs[k][0] for k in chosen]
    columns = [pairs[k][1] for k in chosen]
    linear = draw(n)
    values = draw(len(chosen))
    return quadratic_problem(vartype, linear, rows, columns, values, offset=float(draw(1)[0]), **options)


def brute_force(problem: BinaryProblem) -> dict[tuple[int, ...], float]:
    """Energy of each assignment by plain sums."""
    low = 0 if problem.vartype.value == "BINARY" else -1
    table = {}
    for x in itertools.product((low, 1), repeat=problem.num_variables):
        terms = [a * v for a, v in zip(problem.linear, x, strict=True)]
        terms += [w * x[i] * x[j] for i, j, w in zip(problem.rows, problem.columns, problem.values, strict=True)]
        table[x] = math.fsum([*terms, problem.offset])
    return table


@st.composite
def problems(draw, max_variables=6):
    """Any small valid problem."""
    n = draw(st.integers(0, max_variables))
    number = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: v + 0.0)
    pairs = list(itertools.combinations(range(n), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=12)) if pairs else []
    flipped = [pair if draw(st.booleans()) else pair[::-1] for pair in chosen]
    named = n > 0 and draw(st.booleans())
    return quadratic_problem(
        draw(st.sampled_from(["BINARY", "SPIN"])),
        draw(st.one_of(st.just([]), st.lists(number, min_size=n, max_size=n))),
        [pair[0] for pair in flipped],
        [pair[1] for pair in flipped],
        draw(st.lists(number, min_size=len(chosen), max_size=len(chosen))),
        offset=draw(number),
        variables=[f"v{k}" for k in range(n)] if named else (),
        num_variables=0 if named else n,
        num_samples=draw(st.integers(1, 20)),
    )
