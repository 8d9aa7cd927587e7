"""Dual prices in whole numbers, and the bound that they prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.bounds.subsets import ACTIVE_MOST
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.problem import BoolArray

PRICE_MOST = 2**38
"""Scaled prices beyond it are cut off: any prices prove a bound, and sums must not overflow."""


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of a relaxation, scaled like its costs. Any integers of the right signs prove a bound.

    Parameters
    ----------
    visit
        (n + 1,) even integers, what serving a node is worth; 0 at the depot.
    cut
        (cuts,) integers >= 0, per crossing.
    vehicle
        Even integer <= 0, per route.
    subset
        (subset cuts,) integers >= 0, what a route pays for each time that it uses one.
    """

    visit: IntArray
    cut: IntArray
    vehicle: int
    subset: IntArray

    @classmethod
    def rounded(cls, visit: FloatArray, cut: FloatArray, vehicle: float, subset: FloatArray, scale: int) -> Prices:
        """From prices in units of the objective, whatever rounding has made of them."""

        def whole(values: FloatArray) -> IntArray:
            return np.clip(np.rint(np.nan_to_num(values) * scale), -PRICE_MOST, PRICE_MOST).astype(np.int64)

        own = whole(visit)
        own -= own % 2
        own[0] = 0
        most = int(whole(np.array([min(0.0, vehicle)]))[0])
        paid = np.maximum(0, whole(subset))
        if np.count_nonzero(paid) > ACTIVE_MOST:  # any prices are true ones: without the smallest
            paid[np.argsort(paid, kind="stable")[:-ACTIVE_MOST]] = 0
        return cls(own, np.maximum(0, whole(cut)), most - most % 2, paid)

    def reduced_costs(self, relaxed: Relaxed, members: BoolArray) -> IntArray:
        """(n + 1, n + 1) cost of each arc less half the prices of its ends and the prices of the borders it crosses."""
        half = self.visit // 2
        reduced = relaxed.cost - half[:, None] - half[None, :]
        active = np.flatnonzero(self.cut)
        if len(active):
            price = self.cut[active]
            inside = members[active].astype(np.float64)
            # Exact in floating point: all sums are integers below 2**53.
            both = ((inside.T * price) @ inside).astype(np.int64)
            own = np.diag(both)
            reduced = reduced - (own[:, None] + own[None, :] - 2 * both)
        reduced[0, 1:] -= self.vehicle // 2
        reduced[1:, 0] -= self.vehicle // 2
        return np.asarray(reduced, dtype=np.int64)

    def constant(self, relaxed: Relaxed, crossings: IntArray) -> int:
        """What the prices promise for serving all nodes and keeping all cuts; a subset cut allows one use."""
        return (
            int(self.visit.sum())
            + sum(int(price) * int(need) for price, need in zip(self.cut, crossings, strict=True) if price)
            + self.vehicle * relaxed.vehicles
            - int(self.subset.sum())
        )
