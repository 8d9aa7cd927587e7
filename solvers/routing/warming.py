"""Compiles and imports what a first routing request would otherwise wait for."""

from __future__ import annotations

from solvers.routing.annealing import warm as warm_annealing
from solvers.routing.bounds import warm as warm_bounds
from solvers.routing.construction import construct
from solvers.routing.data import (
    Coordinates,
    LegRow,
    LocationRow,
    RoutingData,
    ShipmentRow,
    VehicleRow,
    VisitRow,
    Window,
)
from solvers.routing.injection import repaired
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.repair_kernel import repair_kernel
from solvers.routing.unassigned import unassigned
from solvers.stop import Never
from solvers.strategy import Context


def warm() -> None:
    """Compile the annealing kernels, and solve tiny problems that touch every compiled function of the insurance."""
    import pyvrp  # noqa: F401 - half a second of import

    warm_annealing()
    warm_bounds()
    places = tuple(LocationRow(str(k), Coordinates.POINT, float(k % 3), float(k // 3)) for k in range(9))
    vehicle = VehicleRow("v", 9, "0", "0", (("load", 2),))
    visits = tuple(VisitRow(f"c{k}", str(k), (("load", 1),), time_windows=(Window(0, 99),)) for k in range(1, 7))
    optional = VisitRow("maybe", "7", (("load", 1),), prize=5.0)
    shipment = ShipmentRow("s", LegRow("7"), LegRow("8"), (("load", 1),))
    for data in (
        RoutingData(places, (vehicle,), visits),
        RoutingData(places, (vehicle,), (*visits, optional), (shipment,)),
        RoutingData(places, (vehicle._replace(available=3),), visits),
    ):
        problem = RoutingProblem.of(data)
        plan = construct(problem, 0, Never())
        problem.verify(plan)
        unassigned(problem, RoutingPlan(plan.routes[1:]))
        repaired(problem, RoutingPlan(plan.routes[1:]), 0, Never())
        repair_kernel(problem, plan, (), Context(0), 20)
