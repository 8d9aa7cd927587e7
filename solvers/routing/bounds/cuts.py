"""Rounded capacity cuts: whoever serves a set of nodes crosses its border at least twice per vehicle it fills."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from solvers.routing.bounds.compile import compiled
from solvers.routing.bounds.relaxed import Relaxed
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.problem import BoolArray

_VIOLATION = 0.02
"""Crossings missing, below which a cut is not worth its row."""

_FOUND_MOST = 4_000


@dataclass
class Cuts:
    """A growing list of cuts ``x(border of S) >= crossings``.

    Parameters
    ----------
    relaxed
        The problem.

    Attributes
    ----------
    members
        (cuts, n + 1) which nodes are in S; never the depot.
    crossings
        (cuts,) twice the vehicles that the demand of S fills at least.
    """

    relaxed: Relaxed
    members: BoolArray = field(init=False)
    crossings: IntArray = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the set of all nodes."""
        everything = np.ones((1, self.relaxed.n + 1), np.bool_)
        everything[0, 0] = False
        self.members = everything
        self.crossings = self._crossings(everything)
        self._known = {everything.tobytes()}

    def __len__(self) -> int:
        return len(self.crossings)

    def _crossings(self, members: BoolArray) -> IntArray:
        return 2 * np.maximum(1, -(-(members @ self.relaxed.demand) // self.relaxed.capacity))

    def adopt(self, members: BoolArray) -> None:
        """Add the sets of another list, (sets, n + 1), that are not here yet."""
        self._append([row for row in members if row.tobytes() not in self._known])

    def _append(self, rows: list[BoolArray]) -> None:
        if rows:
            new = np.array(rows)
            self._known |= {row.tobytes() for row in rows}
            self.members = np.vstack([self.members, new])
            self.crossings = np.concatenate([self.crossings, self._crossings(new)])

    def separate(self, x: FloatArray, seed: int, most: int) -> int:
        """Add at most ``most`` cuts that ``x``, (n + 1, n + 1) symmetric use of the edges, breaks; returns how many.

        Greedily grown sets (Augerat et al. 1998) from every node, by attraction and by violation, and the components of
        the support.
        """
        rows = np.zeros((_FOUND_MOST, len(x)), np.bool_)
        weight = np.zeros(_FOUND_MOST)
        noise = np.random.default_rng((seed, len(self))).random(9_973)
        x = x.copy()
        np.fill_diagonal(x, 0.0)
        count = grown_sets(x, self.relaxed.demand, self.relaxed.capacity, noise, _VIOLATION, rows, weight)
        added: list[BoolArray] = []
        seen = set(self._known)
        for k in np.argsort(-weight[:count], kind="stable"):
            key = rows[k].tobytes()
            if key not in seen:
                seen.add(key)
                added.append(rows[k])
                if len(added) >= most:
                    break
        self._append(added)
        return len(added)


@compiled
def crossing_counts(members, nodes, offsets):  # type: ignore[no-untyped-def]
    """(cuts, routes) how often each route, ``nodes[offsets[r]:offsets[r + 1]]``, crosses the border of each set."""
    counts = np.zeros((len(members), len(offsets) - 1))
    for c in range(len(members)):
        for r in range(len(offsets) - 1):
            inside = False
            total = 0
            for k in range(offsets[r], offsets[r + 1]):
                now = members[c, nodes[k]]
                total += now != inside
                inside = now
            counts[c, r] = total + inside
    return counts


@compiled
def grown_sets(x, demand, capacity, noise, violation, rows, weight):  # type: ignore[no-untyped-def]
    """Write sets whose border is crossed less than their demand asks, and by how much; returns how many.

    ``noise`` are uniform numbers of [0, 1), as many as one likes: two of the four rules draw on them.
    """
    drawn = 0
    size = len(x)
    degree = x.sum(axis=1)
    count = 0
    inside = np.zeros(size, dtype=np.bool_)
    pull = np.zeros(size)
    total = demand.sum()
    for rule in range(4):
        for origin in range(1, size):
            inside[:] = False
            pull[:] = 0.0
            node, border, load, best_at = origin, 0.0, 0, -1
            best = violation
            for _ in range(size - 1):
                border += degree[node] - 2.0 * pull[node]
                load += demand[node]
                inside[node] = True
                for k in range(1, size):
                    pull[k] += x[node, k]
                missing = 2.0 * max(1, (load + capacity - 1) // capacity) - border
                if missing > best and count < len(rows):
                    # Of the sets on one way of growing only ever better ones are kept, the last in place of the others.
                    if best_at < 0:
                        best_at = count
                        count += 1
                    best = missing
                    rows[best_at] = inside
                    weight[best_at] = missing
                if load >= total or (total - load) + capacity <= 0:
                    break
                node = -1
                top = -1e18
                for k in range(1, size):
                    if not inside[k]:
                        if rule == 0:
                            value = pull[k] + 1e-6 * demand[k] / capacity
                        elif rule == 1:
                            value = 2.0 * ((load + demand[k] + capacity - 1) // capacity) - degree[k] + 2.0 * pull[k]
                            value += 1e-3 * pull[k]
                        elif rule == 2:
                            value = pull[k] * (0.8 + 0.4 * noise[drawn % len(noise)])
                            drawn += 1
                        else:
                            value = pull[k] + 0.3 * x[0, k] * noise[drawn % len(noise)] + 0.1 * demand[k] / capacity
                            drawn += 1
                        if value > top:
                            top = value
                            node = k
                if top <= 0.0 and rule != 1:
                    break
    return count
