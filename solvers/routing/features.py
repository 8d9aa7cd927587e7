"""What selection may learn from of a routing problem."""

from __future__ import annotations

import numpy as np

from solvers.problem import Features
from solvers.routing.problem import UNLIMITED, RoutingProblem


def features(problem: RoutingProblem) -> Features:
    """Size, density, tightness and which parts of the contract are used. All values are finite.

    ``density`` is the share of (stop, vehicle type) pairs that are compatible; ``tightness`` the largest share, over
    load dimensions, of the fleet's capacity that mandatory loads take (0 when unlimited, 1 at most).
    """
    n = problem.n_stops
    finite_windows = np.isfinite(problem.latest_s)
    route_size = 0.0
    loads = np.maximum(problem.delivery.sum(axis=0), problem.pickup.sum(axis=0)).astype(np.float64)
    largest = problem.capacity.max(axis=0, initial=0).astype(np.float64)
    if len(loads):
        vehicles_needed = max(1.0, float(np.max(loads / np.maximum(largest, 1.0))))
        route_size = n / vehicles_needed
    return Features(
        "routing",
        {
            "size": float(n),
            "density": float(problem.compatible.mean()),
            "tightness": _tightness(problem),
            "locations": float(len(problem.data.locations)),
            "vehicle_types": float(len(problem.data.vehicles)),
            "vehicles": float(np.minimum(problem.vehicle_count, n).sum()),
            "dimensions": float(len(problem.dimensions)),
            "stops_per_route": route_size if route_size else float(n),
            "windowed": float(finite_windows.mean()),
            "timed": float(problem.has_time),
            "shipments": float(len(problem.data.shipments)),
            "optional": float(problem.optional.mean()),
            "depots": float(len(set(problem.vehicle_start.tolist()))),
            "matrix": float(any(profile.distances is not None for profile in problem.profiles)),
            "backhauls_last": float(problem.data.backhauls_last),
        },
    )


def _tightness(problem: RoutingProblem) -> float:
    mandatory = ~problem.optional
    vehicles = np.minimum(problem.vehicle_count, problem.n_stops).astype(np.float64)
    tightest = 0.0
    for d in range(len(problem.dimensions)):
        capacity = problem.capacity[:, d]
        if (capacity >= UNLIMITED).any():
            continue
        total = float((capacity * vehicles).sum())
        load = float(max(problem.delivery[mandatory, d].sum(), problem.pickup[mandatory, d].sum()))
        tightest = max(tightest, load / total if total > 0 else float(load > 0))
    return min(1.0, tightest)
