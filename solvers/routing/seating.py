"""Places that visits are pinned to: routes in an order that keeps them, filled up with as many stops as they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.routing.arrays import Arrays
from solvers.routing.compiled import borrowing, compiled
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.evaluation import detour, route_cost, seated

if TYPE_CHECKING:
    from solvers.routing.draft import Draft

_ROWS, _FEW_ROWS, _LARGE = 30, 5, 2_000_000
"""Routes tried for one stop at most, beside an idle vehicle of each type; and for drafts of so many cells."""

_FILLERS = 60
"""Other stops tried to fill a route with at most, the nearest ones."""


def seat(A: Arrays, draft: Draft, stops: IntArray, near: IntArray) -> int:
    """Serve those of ``stops`` that insertion one by one found no place for; returns how many.

    Which stops a route has decides where its pinned ones are; the others keep their order around them. Where there are
    too few, others come over from other routes, unserved ones first, each one that costs least, until the pinned ones
    have their places. Legs of shipments stay on their routes.
    """
    waiting = stops[(draft.route_of[stops] < 0) & ~A.optional[stops] & (A.partner[stops] < 0)].tolist()
    waiting.sort(key=lambda s: (not seated(A, s), int(A.before[s, 0] + A.after[s, 0]), s))
    return sum(_seat_one(A, draft, stop, near) for stop in waiting)


def _seat_one(A: Arrays, draft: Draft, stop: int, near: IntArray) -> bool:
    if draft.route_of[stop] >= 0:  # it filled the route of one before it
        return True
    rows = [int(r) for r in np.flatnonzero(draft.size > 0) if A.compatible[stop, draft.vehicle[r]]]
    close = {int(draft.route_of[s]): k for k, s in reversed(list(enumerate(near[stop])))}
    rows.sort(key=lambda r: (close.get(r, len(near)), r))
    options = [(r, int(draft.vehicle[r])) for r in rows[: _ROWS if draft.routes.size < _LARGE else _FEW_ROWS]]
    empty = np.flatnonzero(draft.size == 0)
    if len(empty):
        idle = draft.used(len(A.available)) < A.available
        options += [(int(empty[0]), int(t)) for t in np.flatnonzero(idle & A.compatible[stop])]
    rank = np.full(len(A.location), len(A.location), dtype=np.int64)
    rank[near[stop]] = np.arange(near.shape[1])
    best, best_draft = np.inf, None
    for row, t in options:
        trial = draft.copy()
        trial.vehicle[row] = t
        movable = (A.partner < 0) & A.compatible[:, t] & (trial.route_of != row)
        movable[stop] = False
        fillers = np.flatnonzero(movable)
        fillers = fillers[np.lexsort((fillers, rank[fillers], trial.route_of[fillers] >= 0))][:_FILLERS]
        if _fill(A, row, stop, fillers, trial.routes, trial.size, trial.vehicle, trial.cost, trial.route_of):
            change = float(trial.cost.sum() - draft.cost.sum())
            if change < best:
                best, best_draft = change, trial
    if best_draft is None:
        return False
    draft.routes[:], draft.size[:], draft.vehicle[:] = best_draft.routes, best_draft.size, best_draft.vehicle
    draft.cost[:], draft.route_of[:] = best_draft.cost, best_draft.route_of
    return True


@borrowing
def _arrange(A: Arrays, stops: IntArray, m: int, out: IntArray) -> bool:
    """Write the first ``m`` of ``stops`` so that pinned ones have their places, the others in order around them."""
    for k in range(m):
        out[k] = -1
    for k in range(m):
        i = stops[k]
        if not seated(A, i):
            continue
        first = max(A.before[i, 0], m - 1 - A.after[i, 1])
        at = min(A.before[i, 1], m - 1 - A.after[i, 0], m - 1)
        while at >= first and at >= 0 and out[at] >= 0:
            at -= 1
        if at < first or at < 0:
            return False
        out[at] = i
    at = 0
    for k in range(m):
        if not seated(A, stops[k]):
            while out[at] >= 0:
                at += 1
            out[at] = stops[k]
    return True


@borrowing
def _insert_best(
    A: Arrays, t: int, row: IntArray, m: int, stop: int, mixed: IntArray, out: IntArray
) -> tuple[float, int]:
    """Least cost of a route with ``stop`` among the first ``m`` of ``row``, and the place among the free ones."""
    best, best_at = np.inf, -1
    for p in range(m + 1):
        for q in range(p):
            mixed[q] = row[q]
        mixed[p] = stop
        for q in range(p, m):
            mixed[q + 1] = row[q]
        if _arrange(A, mixed, m + 1, out):
            cost = route_cost(A, t, out, m + 1)
            if cost < best:
                best, best_at = cost, p
        if seated(A, stop):  # its place does not depend on where it stood
            break
    return best, best_at


@borrowing
def _without(row: IntArray, m: int, stop: int, mixed: IntArray) -> int:
    """Write ``row`` without ``stop``; returns its length."""
    n = 0
    for k in range(m):
        if row[k] != stop:
            mixed[n] = row[k]
            n += 1
    return n


@borrowing
def _stretch(A: Arrays, t: int, row: IntArray, m: int, stop: int) -> float:
    """Least distance that ``stop`` adds to a route, wherever its pinned places end up."""
    best = np.inf
    for p in range(m + 1):
        before = A.location[row[p - 1]] if p > 0 else A.start[t]
        after = A.location[row[p]] if p < m else A.end[t]
        best = min(best, detour(A, t, before, A.location[stop], after))
    return best


@compiled
def _fill(
    A: Arrays,
    row: int,
    stop: int,
    fillers: IntArray,
    routes: IntArray,
    size: IntArray,
    vehicle: IntArray,
    cost: FloatArray,
    route_of: IntArray,
) -> bool:
    """Put ``stop`` on ``row``, with ``fillers`` while its pinned places are not all taken; whether it worked."""
    t, longest = vehicle[row], routes.shape[1]
    mixed, out = np.empty(longest + 2, np.int64), np.empty(longest + 2, np.int64)
    # enough for any pinned place on the route
    needed = A.before[stop, 0] + A.after[stop, 0] + 1
    for k in range(size[row]):
        needed = max(needed, A.before[routes[row, k], 0] + A.after[routes[row, k], 0] + 1)
    while size[row] + 1 <= longest:
        m = size[row]
        c, p = _insert_best(A, t, routes[row], m, stop, mixed, out)
        if p >= 0:
            _settle(A, row, p, stop, routes, size, mixed, out)
            cost[row], route_of[stop] = c, row
            return True
        if m + 1 >= needed + 2 or m + 2 > longest:
            return False
        best, best_filler, best_kept = np.inf, -1, 0.0
        for k in range(fillers.shape[0]):
            filler, donor = fillers[k], route_of[fillers[k]]
            if donor == row or (donor >= 0 and seated(A, filler)):
                continue
            kept, saved = 0.0, 0.0
            if donor >= 0:
                n = _without(routes[donor], size[donor], filler, mixed)
                kept = route_cost(A, vehicle[donor], out, n) if _arrange(A, mixed, n, out) else np.inf
                if kept == np.inf:
                    continue
                saved = cost[donor] - kept
            elif A.optional[filler]:
                saved = A.prize[filler]
            else:
                saved = 1e12  # it has to be served anyway
            change = _stretch(A, t, routes[row], m, filler) - saved
            if change < best:
                best, best_filler, best_kept = change, filler, kept
        if best_filler < 0:
            return False
        donor = route_of[best_filler]
        if donor >= 0:
            size[donor] = _without(routes[donor], size[donor], best_filler, mixed)
            _arrange(A, mixed, size[donor], out)
            for k in range(size[donor]):
                routes[donor, k] = out[k]
            cost[donor] = best_kept
        # for now at the end of the others: only once the pinned stops have their places does its own place count
        routes[row, m] = best_filler
        size[row], route_of[best_filler] = m + 1, row
    return False


@borrowing
def _settle(
    A: Arrays, row: int, p: int, stop: int, routes: IntArray, size: IntArray, mixed: IntArray, out: IntArray
) -> None:
    """Write ``row`` with ``stop`` put in at ``p`` and the pinned stops at their places."""
    m = size[row]
    for q in range(p):
        mixed[q] = routes[row, q]
    mixed[p] = stop
    for q in range(p, m):
        mixed[q + 1] = routes[row, q]
    _arrange(A, mixed, m + 1, out)
    for q in range(m + 1):
        routes[row, q] = out[q]
    size[row] = m + 1
