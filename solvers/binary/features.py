"""What selection learns from a binary model: size, density, weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import Features

if TYPE_CHECKING:
    from solvers.binary.problem import BinaryProblem


def features(problem: BinaryProblem) -> Features:
    """Size, density and weight range, all finite.

    ``tightness`` is the share of variables whose couplings can overrule their own field (|h_i| < sum_j |J_ij|): at 0
    every variable decides alone.
    """
    model = problem.ising
    n, m = problem.num_variables, problem.num_terms
    degree = np.diff(model.indptr)
    own = np.abs(model.field)
    undecided = own < model.reach - own
    sizes = np.abs(model.weights)
    return Features(
        "binary",
        {
            "size": float(n),
            "density": 2.0 * m / (n * (n - 1)) if n > 1 else 0.0,
            "tightness": float(undecided.mean()) if n else 0.0,
            "terms": float(m),
            "mean_degree": float(degree.mean()) if n else 0.0,
            "max_degree": float(degree.max()) if n else 0.0,
            "weight_decades": math.log10(sizes.max() / sizes.min()) if m else 0.0,
            "negative_share": float((model.weights < 0).mean()) if m else 0.0,
            "field_share": float(own.sum() / model.reach.sum()) if model.reach.sum() > 0 else 0.0,
            "integral": float(model.is_integral),
            "spin": float(problem.vartype.value == "SPIN"),
            "temperature": problem.temperature or 0.0,
        },
    )
