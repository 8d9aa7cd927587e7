"""A routing plan: which vehicle type drives which stops in which order. Times follow from it."""

from __future__ import annotations

from typing import NamedTuple


class Route(NamedTuple):
    """One route.

    Parameters
    ----------
    vehicle_type
        Index into the problem's vehicle types.
    visits
        Stops in order, as indices into the problem's stops: visits first, then for shipment ``k`` of a problem with
        ``v`` visits the pickup ``v + 2 * k`` and the delivery ``v + 2 * k + 1``.

    """

    vehicle_type: int
    visits: tuple[int, ...]


class RoutingPlan(NamedTuple):
    """All routes. Stops on no route are not served. A route without stops uses no vehicle and costs nothing."""

    routes: tuple[Route, ...] = ()
