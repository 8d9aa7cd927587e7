"""Distances and durations between locations, from coordinates or matrices, exactly as the metric says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.routing.data import FloatArray, IntArray, Metric

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth (IUGG), in metres."""


@dataclass(frozen=True, eq=False)
class Travel:
    """One compiled travel profile.

    Parameters
    ----------
    metric
        Never `Metric.DEFAULT`.
    decimals
        Of the rounding metrics, 0 - 6.
    speed
        Distance per second where durations are not given; > 0.
    x, y
        Coordinates, shape (locations,); longitude and latitude in degrees for `Metric.HAVERSINE`.
    distances, durations_s
        Shape (locations, locations) for `Metric.MATRIX`, else ``None``; ``durations_s`` is ``None`` too where it
        follows from the speed.

    """

    metric: Metric
    decimals: int
    speed: float
    x: FloatArray
    y: FloatArray
    distances: FloatArray | None = None
    durations_s: FloatArray | None = None

    def distance(self, origin: IntArray | int, destination: IntArray | int) -> FloatArray:
        """Distance for each pair of location indices (broadcast against each other)."""
        if self.distances is not None:
            return np.asarray(self.distances[origin, destination], dtype=np.float64)
        if self.metric is Metric.HAVERSINE:
            return self._haversine(origin, destination)
        dx = self.x[origin] - self.x[destination]
        dy = self.y[origin] - self.y[destination]
        exact = np.asarray(np.sqrt(dx * dx + dy * dy), dtype=np.float64)
        if self.metric is Metric.EUCLIDEAN:
            return exact
        scale = 10.0**self.decimals
        if self.metric is Metric.EUCLIDEAN_ROUNDED:
            return np.asarray(np.floor(exact * scale + 0.5) / scale, dtype=np.float64)
        if self.metric is Metric.EUCLIDEAN_CEILED:
            return np.asarray(np.ceil(exact * scale) / scale, dtype=np.float64)
        return np.asarray(np.floor(exact * scale) / scale, dtype=np.float64)

    def _haversine(self, origin: IntArray | int, destination: IntArray | int) -> FloatArray:
        lon1, lat1 = np.radians(self.x[origin]), np.radians(self.y[origin])
        lon2, lat2 = np.radians(self.x[destination]), np.radians(self.y[destination])
        h = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
        return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(h, 1.0))), dtype=np.float64)

    def duration_s(self, origin: IntArray | int, destination: IntArray | int) -> FloatArray:
        """Seconds of driving for each pair of location indices (broadcast against each other)."""
        if self.durations_s is not None:
            return np.asarray(self.durations_s[origin, destination], dtype=np.float64)
        return np.asarray(self.distance(origin, destination) / self.speed, dtype=np.float64)

    def distance_matrix(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """Distances from each of ``rows`` to each of ``columns``, shape (rows, columns). Built anew on each call."""
        return self.distance(rows[:, None], columns[None, :])

    def duration_matrix_s(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """Durations from each of ``rows`` to each of ``columns``, shape (rows, columns). Built anew on each call."""
        return self.duration_s(rows[:, None], columns[None, :])
