"""Subset-row cuts with a limited memory: of three nodes, routes that serve two or more can be used once in all.

For nodes ``T``, ``|T| = 3``, ``sum over routes of floor(visits to T / 2) x <= 1`` (Jepsen, Petersen, Spoorendonk and
Pisinger 2008). A route's coefficient is counted only within stretches that stay inside a memory ``M`` containing ``T``
(Pecin, Pessoa, Poggi and Uchoa 2017): that lowers coefficients, so the cut stays valid, and keeps labels few.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from solvers.routing.bounds.compile import compiled
from solvers.routing.bounds.labels import Fees
from solvers.routing.data import FloatArray, IntArray
from solvers.routing.problem import BoolArray

ACTIVE_MOST = 60
"""Cuts with a price that pricing can take: one bit each."""

_VIOLATION = 0.04
_FOUND_MOST = 5_000


@dataclass
class Subsets:
    """A list of cuts in the order of their rows.

    Parameters
    ----------
    n
        Visits.

    Attributes
    ----------
    members, memory
        (cuts, n + 1) the three nodes, and those within which visits to them are counted together.
    """

    n: int
    members: BoolArray = field(init=False)
    memory: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        self.members = np.zeros((0, self.n + 1), np.bool_)
        self.memory = np.zeros((0, self.n + 1), np.bool_)

    def __len__(self) -> int:
        return len(self.members)

    def keep(self, kept: BoolArray) -> None:
        """Forget the others."""
        self.members, self.memory = self.members[kept], self.memory[kept]

    def separate(self, routes: list[IntArray], use: FloatArray, most: int) -> tuple[list[int], int]:
        """Cuts broken by ``routes`` used ``use`` (> 0) times: which old ones have grown, and how many are new.

        At most ``most`` of both.
        """
        offsets = np.cumsum([0, *(len(nodes) for nodes in routes)])
        triples = np.zeros((_FOUND_MOST, 3), np.int64)
        weight = np.zeros(_FOUND_MOST)
        count = broken_triples(self.n, np.concatenate(routes), offsets, use, _VIOLATION, triples, weight)
        known = {tuple(np.flatnonzero(row).tolist()): k for k, row in enumerate(self.members)}
        grown: list[int] = []
        fresh: list[tuple[BoolArray, BoolArray]] = []
        often = np.zeros(self.n + 1, np.int64)
        for at in np.argsort(-weight[:count], kind="stable"):
            triple = triples[at]
            if (often[triple] >= 3).any():
                continue
            memory = np.zeros(self.n + 1, np.bool_)
            memory[triple] = True
            member = memory.copy()
            for nodes in routes:
                _remember(nodes, member, memory)
            k = known.get(tuple(triple.tolist()))
            if k is None:
                fresh.append((member, memory))
            elif (memory & ~self.memory[k]).any():
                self.memory[k] |= memory
                grown.append(k)
            else:
                continue
            often[triple] += 1
            if len(fresh) + len(grown) >= most:
                break
        if fresh:
            self.members = np.vstack([self.members, *(member for member, _ in fresh)])
            self.memory = np.vstack([self.memory, *(memory for _, memory in fresh)])
        return grown, len(fresh)

    def fees(self, price: IntArray) -> Fees:
        """What pricing needs to know of the cuts with a ``price``, (cuts,) integers >= 0, at most `ACTIVE_MOST` > 0."""
        active = np.flatnonzero(price)
        bits = np.int64(1) << np.arange(len(active))
        member = (self.members[active].astype(np.int64) * bits[:, None]).sum(axis=0)
        keeper = (self.memory[active].astype(np.int64) * bits[:, None]).sum(axis=0)
        table = np.zeros((8, 256), np.int64)
        for k, cut in enumerate(active):
            table[k // 8, (np.arange(256) >> (k % 8)) & 1 == 1] += price[cut]
        return Fees(member, keeper, table)


def _remember(nodes: IntArray, member: BoolArray, memory: BoolArray) -> None:
    """Extend ``memory`` so that a route's visits to ``member`` count in pairs: by the nodes within every other gap."""
    at = np.flatnonzero(member[nodes])
    for first, second in zip(at[0::2], at[1::2], strict=False):
        memory[nodes[first : second + 1]] = True


@compiled
def subset_counts(members, memory, nodes, offsets):  # type: ignore[no-untyped-def]
    """(cuts, routes) coefficient of each route in each cut."""
    counts = np.zeros((len(members), len(offsets) - 1))
    for c in range(len(members)):
        for r in range(len(offsets) - 1):
            odd = False
            total = 0
            for k in range(offsets[r], offsets[r + 1]):
                if not memory[c, nodes[k]]:
                    odd = False
                elif members[c, nodes[k]]:
                    total += odd
                    odd = not odd
            counts[c, r] = total
    return counts


@compiled
def broken_triples(n, nodes, offsets, use, violation, triples, weight):  # type: ignore[no-untyped-def]
    """Triples whose full-memory cut is broken by more than ``violation``; returns how many were written."""
    routes = len(offsets) - 1
    visits = np.zeros((n + 1, routes))
    together = np.zeros((n + 1, n + 1))
    for r in range(routes):
        for a in range(offsets[r], offsets[r + 1]):
            visits[nodes[a], r] += 1.0
    for r in range(routes):
        for a in range(offsets[r], offsets[r + 1]):
            for b in range(a + 1, offsets[r + 1]):
                together[nodes[a], nodes[b]] += use[r]
                if nodes[a] != nodes[b]:
                    together[nodes[b], nodes[a]] += use[r]
    count = 0
    for i in range(1, n + 1):
        for j in range(i + 1, n + 1):
            for k in range(j + 1, n + 1):
                if together[i, j] + together[j, k] + together[i, k] <= 1.0 + violation:
                    continue
                total = -1.0
                for r in range(routes):
                    seen = visits[i, r] + visits[j, r] + visits[k, r]
                    if seen >= 2.0:
                        total += np.floor(seen / 2.0) * use[r]
                if total > violation and count < len(triples):
                    triples[count, 0] = i
                    triples[count, 1] = j
                    triples[count, 2] = k
                    weight[count] = total
                    count += 1
    return count
