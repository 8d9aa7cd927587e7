"""Lower bounds that cost one pass over the terms and are never above the optimum."""

from __future__ import annotations

import math

import numpy as np

from solvers.binary.ising import Ising
from solvers.binary.problem import BinaryProblem

ROUNDING = 1e-12
"""Relative slack for sums of floats; exact sums of quarters need none."""


def terms_bound(model: Ising) -> float:
    """Every term at its least: ``offset - sum |h| - sum |J|``, below it by what rounding may have done."""
    size = float(np.abs(model.field).sum()) + float(np.abs(model.weights).sum()) / 2.0
    bound = model.offset - size
    return bound if model.is_integral else math.nextafter(bound - ROUNDING * (abs(model.offset) + size), -math.inf)


def lower_bound(problem: BinaryProblem) -> float:
    """The higher of two bounds: every spin term at its least, and every 0/1 term at its least.

    Over spins that is ``offset - sum |h| - sum |J|``. For 0/1 variables the sum of the negative coefficients is
    another; neither is always the better one.
    """
    model = problem.ising
    size = float(np.abs(model.field).sum()) + float(np.abs(model.weights).sum()) / 2.0
    bound = model.offset - size
    if problem.vartype.value == "BINARY":
        low = float(np.minimum(problem.linear, 0.0).sum() + np.minimum(problem.values, 0.0).sum())
        bound = max(bound, problem.offset + low)
    if model.is_integral:
        return bound
    slack = ROUNDING * (abs(problem.offset) + abs(model.offset) + size)
    total = float(np.abs(problem.linear).sum() + np.abs(problem.values).sum())
    return math.nextafter(bound - slack - ROUNDING * total, -math.inf)
