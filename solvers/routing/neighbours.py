"""Near stops of each stop, without a matrix where there are coordinates."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from solvers.routing.data import IntArray, Metric
from solvers.routing.problem import RoutingProblem


def nearest_stops(problem: RoutingProblem, k: int) -> IntArray:
    """The ``k`` nearest other stops of each stop, shape (stops, min(k, stops - 1)), by the first profile's distance.

    Near means near to drive to; ties break by index. Coordinates are searched by a k-d tree, matrices by their rows.
    """
    n = problem.n_stops
    k = min(k, n - 1)
    if k <= 0:
        return np.zeros((n, 0), dtype=np.int64)
    travel = problem.profiles[int(problem.vehicle_profile[0])]
    stops = problem.stop_location
    if travel.distances is not None:
        matrix = travel.distances[np.ix_(stops, stops)].copy()
        np.fill_diagonal(matrix, np.inf)
        if k < n - 1:
            near = np.argpartition(matrix, k - 1, axis=1)[:, :k]
        else:
            near = np.argsort(matrix, axis=1, kind="stable")[:, :k]
        order = np.argsort(np.take_along_axis(matrix, near, axis=1), axis=1, kind="stable")
        return np.take_along_axis(near, order, axis=1).astype(np.int64)
    x, y = travel.x[stops], travel.y[stops]
    points = np.column_stack((x, y))
    if travel.metric is Metric.HAVERSINE:
        lon, lat = np.radians(x), np.radians(y)
        points = np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    found = np.asarray(cKDTree(points).query(points, k=k + 1)[1])
    # a stop is not its own neighbour; with many stops at one place it need not come first, or be there at all
    own = found == np.arange(n)[:, None]
    own[~own.any(axis=1), k] = True
    return np.asarray(found[~own].reshape(n, k), dtype=np.int64)
