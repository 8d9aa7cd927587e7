"""Column generation over ng-routes with rounded capacity cuts, then with subset-row cuts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from solvers.routing.bounds.cuts import Cuts
from solvers.routing.bounds.master import Master
from solvers.routing.bounds.prices import Prices
from solvers.routing.bounds.pricing import GaveUp, Pricer
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.bounds.subsets import ACTIVE_MOST, Subsets
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.growing_program import Interrupted
from solvers.stop import Stop

_ROUTES_AT_ONCE = 150
_CUTS_AT_ONCE = 40
_SMOOTHING = 0.7
"""Weight of the prices of the best bound so far (Wentges 1997)."""

_CLOSED = 1e-5
"""Relative distance of bound and program at which columns count as complete."""

_WORTH_DROPPING = 0.25
"""Arcs are looked at again when the slack has shrunk by this share."""


_SUBSETS_AT_ONCE = 12
_LABELS_MOST = 400_000
"""Labels of one side from which no more subset cuts are added: each would make the pricing slower than it is worth."""

_STALLED_ROUNDS = 6
_STALLED_GAIN = 0.02
"""It ends when so many rounds of subset cuts have closed less than this share of the gap."""


class ColumnBound:
    """Bounds from routes. `run` yields ever better ones, in the scaled unit.

    Parameters
    ----------
    relaxed
        With demands >= 1.
    cuts
        Shared; grows.
    stop
        Asked every 20 ms at least.
    routes
        Routes of good plans to begin with.
    seed
        Of the search for cuts.
    """

    def __init__(self, relaxed: Relaxed, cuts: Cuts, stop: Stop, routes: list[IntArray], seed: int) -> None:
        self.relaxed, self._cuts, self._stop, self._seed = relaxed, cuts, stop, seed
        self.pricer = Pricer(relaxed, stop)
        self._subsets = Subsets(relaxed.n)
        self._master = Master(relaxed, cuts, self._subsets, stop)
        self._master.add_routes(routes)
        self.best = -1
        self._centre: FloatArray | None = None
        self._slack_dropped_at = np.inf
        self.exhausted = False
        """Whether it ended for want of columns and cuts."""

    def run(self, cutoff: int) -> Iterator[int]:
        """Better and better scaled bounds, until a plan within ``cutoff`` is ruled out or nothing is left to add."""
        try:
            for bound in self._rounds(cutoff):
                if bound > self.best:
                    self.best = bound
                    yield bound
                if self.best > cutoff:
                    return
            self.exhausted = True
        except (GaveUp, Interrupted):
            return

    def _rounds(self, cutoff: int) -> Iterator[int]:
        master, cuts = self._master, self._cuts
        history: list[int] = []
        while True:
            self._fill()
            if cuts.separate(master.edge_use(), self._seed, _CUTS_AT_ONCE):
                master.add_cuts()
                continue
            complete = False
            while not complete:
                bound, prices, added = self._price_exactly()
                yield bound
                at = master.program.objective * self.relaxed.scale
                complete = not added or at - bound < _CLOSED * abs(at)
                if added:
                    master.solve()
                    self._fill()
                slack = cutoff - bound
                if 0 <= slack < self._slack_dropped_at * (1.0 - _WORTH_DROPPING) and slack < 0.1 * abs(cutoff):
                    self._slack_dropped_at = slack
                    if self._drop_arcs(prices, slack):
                        self._fill()
                        complete = False
            if cuts.separate(master.edge_use(), self._seed, _CUTS_AT_ONCE):
                master.add_cuts()
                continue
            history.append(self.best)
            if len(history) > _STALLED_ROUNDS:
                gained = self.best - history[-1 - _STALLED_ROUNDS]
                if gained < _STALLED_GAIN * max(0, min(cutoff, int(at)) - self.best) + 1:
                    return
            if not self._add_subsets():
                return

    def _add_subsets(self) -> bool:
        """Whether there were broken ones that the pricing can still take; those without a price go."""
        subsets, master = self._subsets, self._master
        if self.pricer.labels_made > _LABELS_MOST:
            return False
        priced = master.subset_prices > 1e-9
        room = min(_SUBSETS_AT_ONCE, ACTIVE_MOST - int(priced.sum()))
        if room <= 0:
            return False
        subsets.keep(priced)
        routes, use = master.routes_used()
        grown, fresh = subsets.separate(routes, use, room)
        master.renew_subsets()
        return bool(grown or fresh)

    def _fill(self) -> None:
        """Solve and add heuristically priced routes until there are none."""
        master = self._master
        while True:
            master.solve()
            prices = self._prices(0.0)
            found = self.pricer.routes(self._reduced(prices), self._subsets.fees(prices.subset), False, _ROUTES_AT_ONCE)
            if not master.add_routes(found.routes):
                return

    def _price_exactly(self) -> tuple[int, Prices, int]:
        """The better bound of smoothed and, where these bring no routes, plain prices; its prices; routes brought."""
        best: tuple[int, Prices] | None = None
        for smoothing in (_SMOOTHING, 0.0):
            prices = self._prices(smoothing)
            found = self.pricer.routes(self._reduced(prices), self._subsets.fees(prices.subset), True, _ROUTES_AT_ONCE)
            assert found.least is not None  # noqa: S101 - exact
            bound = prices.constant(self.relaxed, self._cuts.crossings) + self.relaxed.routes * found.least
            if bound > self.best or self._centre is None:
                self._centre = self._flat(smoothing)
            if best is None or bound > best[0]:
                best = (bound, prices)
            added = self._master.add_routes(found.routes)
            if added:
                break
        assert best is not None  # noqa: S101 - the loop ran
        return *best, added

    def _drop_arcs(self, prices: Prices, slack: int) -> bool:
        """Whether routes went with the arcs."""
        dropped = self.pricer.drop_arcs(self._reduced(prices), self._subsets.fees(prices.subset), slack)
        return dropped > 0 and self._master.keep_allowed(self.pricer.allowed)

    def _flat(self, smoothing: float) -> FloatArray:
        """Prices of the program, drawn towards those of the best bound."""
        master = self._master
        now = np.concatenate([master.visit_prices, [master.vehicle_price], master.cut_prices])
        if self._centre is None or smoothing == 0.0:
            return now
        centre = np.zeros(len(now))
        centre[: len(self._centre)] = self._centre
        return smoothing * centre + (1.0 - smoothing) * now

    def _prices(self, smoothing: float) -> Prices:
        flat, size = self._flat(smoothing), self.relaxed.n + 1
        subset = self._master.subset_prices
        return Prices.rounded(flat[:size], flat[size + 1 :], float(flat[size]), subset, self.relaxed.scale)

    def _reduced(self, prices: Prices) -> IntArray:
        return prices.reduced_costs(self.relaxed, self._cuts.members)
