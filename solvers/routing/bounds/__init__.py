"""Proved lower bounds on the cost of routing plans."""

from __future__ import annotations


def warm() -> None:
    """Compile every kernel or load it from numba's cache, and prove two tiny bounds."""
    import numpy as np

    from solvers.routing.bounds.strategy import RoutingBound
    from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
    from solvers.routing.problem import RoutingProblem
    from solvers.stop import WorkLimit
    from solvers.strategy import Context

    places = tuple(LocationRow(str(k), Coordinates.POINT, float(k * k % 7), float(k % 5)) for k in range(9))
    vehicle = VehicleRow("v", 9, "0", "0", (("load", 3),))
    visits = tuple(VisitRow(str(k), str(k), (("load", 1),)) for k in range(1, 9))
    matrix = np.array([[float((3 * i + 5 * j) % 11 + 1) for j in range(9)] for i in range(9)])
    np.fill_diagonal(matrix, 0.0)
    for profile in (ProfileRow(), ProfileRow(metric=Metric.MATRIX, distances=matrix.ravel())):
        for limit in (3, 8):
            fleet = (vehicle._replace(load_limits=(("load", limit),)),)
            problem = RoutingProblem.of(RoutingData(places, fleet, visits, profiles=(profile,)))
            for _ in RoutingBound().candidates(problem, Context(1, stop=WorkLimit(2_000))):
                pass
