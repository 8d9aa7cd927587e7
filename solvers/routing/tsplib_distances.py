"""The two distance rules of TSPLIB 95 that are neither Euclidean nor explicit (Reinelt 1995)."""

from __future__ import annotations

import numpy as np

from solvers.routing.data import FloatArray

_PI = 3.141592
_RADIUS_KM = 6378.388


def att_distances(xy: FloatArray) -> FloatArray:
    """Pseudo-Euclidean distances, shape (n, n), of points ``xy``, shape (n, 2)."""
    difference = xy[:, None, :] - xy[None, :, :]
    real = np.sqrt((difference**2).sum(axis=2) / 10.0)
    return np.asarray(np.ceil(real), dtype=np.float64)


def geo_distances(xy: FloatArray) -> FloatArray:
    """Kilometres on TSPLIB's sphere, shape (n, n); ``xy`` holds latitude and longitude as degrees.minutes, (n, 2)."""
    degrees = np.trunc(xy)
    radians = _PI * (degrees + 5.0 * (xy - degrees) / 3.0) / 180.0
    latitude, longitude = radians[:, 0], radians[:, 1]
    q1 = np.cos(longitude[:, None] - longitude[None, :])
    q2 = np.cos(latitude[:, None] - latitude[None, :])
    q3 = np.cos(latitude[:, None] + latitude[None, :])
    inner = np.clip(0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3), -1.0, 1.0)
    distances = np.trunc(_RADIUS_KM * np.arccos(inner) + 1.0)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances, dtype=np.float64)
