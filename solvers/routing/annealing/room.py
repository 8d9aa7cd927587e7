"""What may go on which vehicle, as far as loads and numbers say, and what another vehicle would cost."""

from __future__ import annotations

import math

import numpy as np

from solvers.routing.annealing.compile import inlined, kernel
from solvers.routing.annealing.rich import BACKHAULS_LAST, SEVERAL_TYPES, log_type, set_type
from solvers.routing.annealing.tour import N_FREE, N_LOG

BLINK_RATE = 0.01
"""Chance that a place is overlooked."""

FEW_ROUTES, FEW_RICH_ROUTES = 100, 20
"""Up to so many routes, all edges to the depot are looked at; beyond, those of ruined routes. Fewer for a visit where
tours are rich and a look takes long."""


@inlined
def has_room(tours, rich, c, r, kind):  # type: ignore[no-untyped-def]
    """Whether visit ``c`` may be on route ``r`` as far as sums say, with a vehicle of type ``kind``."""
    stops = 2 if rich.sites[c].partner >= 0 else 1
    if not rich.pairs[c, kind].compatible or tours.routes[r].size + stops > rich.kinds[kind].most_stops:
        return False
    for d in range(rich.sums.shape[1]):
        limit = rich.capacity[kind, d]
        if (
            rich.sums[r, d].brought + rich.amounts[c, d].brings > limit
            or rich.sums[r, d].taken + rich.amounts[c, d].takes > limit
        ):
            return False
    return not rich.flags[BACKHAULS_LAST] or rich.sites[c].delivers != 0 or rich.runs[r].deliveries > 0


@inlined
def change(rich, r, kind):  # type: ignore[no-untyped-def]
    """What route ``r`` costs more with a vehicle of type ``kind``."""
    own = rich.runs[r].type
    if kind == own:
        return 0.0
    return (
        (rich.kinds[kind].unit_cost - rich.kinds[own].unit_cost) * rich.runs[r].length
        + (rich.kinds[kind].time_cost - rich.kinds[own].time_cost) * rich.runs[r].span
        + rich.kinds[kind].fixed_cost
        - rich.kinds[own].fixed_cost
    )


@inlined
def kind_for(tours, rich, c, r):  # type: ignore[no-untyped-def]
    """Type of vehicle that route ``r`` needs with visit ``c``: its own if that has room, else the cheapest; or -1."""
    own = rich.runs[r].type
    if has_room(tours, rich, c, r, own):
        return own
    found = -1
    if rich.flags[SEVERAL_TYPES]:
        least = math.inf
        for kind in range(rich.kinds.shape[0]):
            if (
                rich.kinds[kind].available > 0
                and rich.kinds[kind].like == rich.kinds[own].like
                and rich.kinds[kind].takes_all
                and kind != own
            ):
                cost = change(rich, r, kind)
                if cost < least and has_room(tours, rich, c, r, kind):
                    least = cost
                    found = kind
    return found


@kernel
def cheapest_alone(tours, rich, c, best):  # type: ignore[no-untyped-def]
    """Vehicle type and cost of a new route for visit or shipment ``c`` alone where below ``best``, else -1 and that."""
    found = -1
    if tours.counts[N_FREE] > 0:
        for kind in range(rich.kinds.shape[0]):
            if rich.kinds[kind].available > 0 and rich.pairs[c, kind].alone < best:
                best = rich.pairs[c, kind].alone
                found = kind
    return found, best


@kernel
def new_route(tours, rich, kind):  # type: ignore[no-untyped-def]
    """Make the next empty route one of type ``kind``; returns its sentinel."""
    r = np.int64(tours.routes[tours.counts[N_FREE] - 1].free)
    sentinel = tours.near.shape[0] + r
    log_type(rich, tours.counts[N_LOG], r)
    set_type(rich, sentinel, r, kind)
    return sentinel
