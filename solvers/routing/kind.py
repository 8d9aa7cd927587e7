"""The routing kind: codec, insurance, strategies and kernel in one record."""

from __future__ import annotations

from solvers.kind import ProblemKind, ScaleOut
from solvers.routing.annealing.parts import accepts, anneal_part
from solvers.routing.annealing.rounds import Rounds
from solvers.routing.annealing.strategy import Annealing
from solvers.routing.bounds.strategy import RoutingBound
from solvers.routing.canonical import RoutingCodec
from solvers.routing.pyvrp_strategy import Pyvrp
from solvers.routing.repair_kernel import routing_kernel
from solvers.routing.savings import Savings
from solvers.routing.warming import warm

KIND = ProblemKind(
    name="routing",
    codec=RoutingCodec(),
    insurance=Savings(),
    strategies=(Annealing(), RoutingBound(), Pyvrp()),
    reseeded=("annealing",),
    provers=("routing-bound",),
    kernel=routing_kernel,
    scale_out=ScaleOut("annealing", accepts, Rounds, anneal_part),
    warm=warm,
)
