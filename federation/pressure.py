"""Whether a gateway keeps up: how late its event loop runs, and what a request that comes now is spared for it.

A queue that is served too late is work for nothing, and it keeps the next requests late too: a service that was once
behind stays behind although no more comes than it could carry. So who is behind does less for each request before its
deadline is lost, and refuses those whose deadline is lost already (Brooker, "Metastability and distributed systems",
2021; Huang et al., "Metastable failures in the wild", OSDI 2022).
"""

from __future__ import annotations

import math
from enum import Enum, auto

from solvers.errors import TooBusy

HOPS = 8
"""How often a request has to wait for the loop on its way, about: it takes so many times the lag."""

INSURE_SHARE = 0.2
"""Part of a deadline that may go into waiting for the loop before solvers are left out."""
INSURE_LEAST_S = 0.25
"""Never for less waiting than this: other work of the machine does as much."""
REFUSE_SHARE = 0.8
"""Part of a deadline that may go into it before the request is turned away."""
REFUSE_LEAST_S = 0.5
SMOOTHING_S = 0.3


class Relief(Enum):
    """What a request is spared."""

    NOTHING = auto()
    SOLVERS = auto()
    """The quick heuristic answers at once."""


class Pressure:
    """The lag of one event loop, smoothed over `SMOOTHING_S`: one long step of another task is no pressure."""

    def __init__(self) -> None:
        self.lag_s = 0.0

    def note(self, late_s: float, period_s: float) -> None:
        """A timer of ``period_s`` seconds fired ``late_s`` seconds late (>= 0 both)."""
        weight = -math.expm1(-(late_s + period_s) / SMOOTHING_S)
        self.lag_s += weight * (late_s - self.lag_s)

    def relief(self, deadline_s: float) -> Relief:
        """What a request with ``deadline_s`` seconds (> 0) is spared now.

        Raises
        ------
        TooBusy
            Where even the quick heuristic would come too late.

        """
        wait_s = HOPS * self.lag_s
        if wait_s > max(REFUSE_LEAST_S, REFUSE_SHARE * deadline_s):
            raise TooBusy(f"requests wait {wait_s:.1f} s here; the deadline is {deadline_s:.1f} s", wait_s)
        if wait_s > max(INSURE_LEAST_S, INSURE_SHARE * deadline_s):
            return Relief.SOLVERS
        return Relief.NOTHING
