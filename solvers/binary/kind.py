"""Binary models, as the rest of the house sees them."""

from __future__ import annotations

from solvers.binary import canonical
from solvers.binary.annealing import Annealing
from solvers.binary.constrained_highs import ConstrainedHighs
from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.binary.core import hard_core
from solvers.binary.exact import Enumeration
from solvers.binary.insurance import Quick
from solvers.binary.memetic import MemeticTabu
from solvers.binary.ocean import OceanAnnealing, OceanTabu
from solvers.binary.plan import SamplePlan
from solvers.binary.portfolio import Portfolio
from solvers.binary.tempering import ExactTempering, Tempering
from solvers.binary.warm import warm
from solvers.kind import ProblemKind

KIND: ProblemKind[SamplePlan] = ProblemKind(
    name="binary",
    codec=canonical,
    insurance=Quick(),
    strategies=(
        Enumeration(),
        Portfolio(),
        Annealing(),
        MemeticTabu(),
        ConstrainedAnnealing(),
        ConstrainedHighs(),
        ExactTempering(),
        Tempering(),
        OceanAnnealing(),
        OceanTabu(),
    ),
    kernel=hard_core,
    reseeded=("portfolio", "annealing", "memetic-tabu", "constrained-annealing"),
    warm=warm,
)
