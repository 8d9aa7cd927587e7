"""Compiles every kernel of this package, so that the first request does not wait for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solvers.binary.annealing import Annealing
from solvers.binary.constrained import RawExpression, Variable, constrained_problem
from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.binary.descent import Descent
from solvers.binary.exact import Enumeration
from solvers.binary.memetic import MemeticTabu
from solvers.binary.portfolio import Portfolio
from solvers.binary.problem import Vartype, quadratic_problem
from solvers.binary.tempering import ExactTempering, Tempering
from solvers.stop import WorkLimit
from solvers.strategy import Context


def warm() -> None:
    """Run each engine on a model of six variables; some seconds the first time, milliseconds from the cache."""
    ring = np.arange(6)
    problem = quadratic_problem(Vartype.SPIN, np.ones(6), ring, (ring + 1) % 6, np.full(6, -1.0))
    for strategy in (Descent(), Enumeration(), Annealing(), MemeticTabu(), Portfolio()):
        for _ in strategy.candidates(problem, Context(seed=0, stop=WorkLimit(8))):
            pass
    for sampler in (ExactTempering(), Tempering(quick=True)):
        for _ in sampler.candidates(replace(problem, temperature=1.0), Context(seed=0, stop=WorkLimit(64))):
            pass
    variables = [Variable(f"x{k}", "BINARY", 0, 1) for k in range(6)]
    one = ("one", RawExpression(ring, np.ones(6)), "EQUAL", 1.0)
    constrained = constrained_problem(variables, RawExpression(ring, np.ones(6), [0], [1], [1.0]), [one])
    for _ in ConstrainedAnnealing(quick=True).candidates(constrained, Context(seed=0, stop=WorkLimit(8))):
        pass
