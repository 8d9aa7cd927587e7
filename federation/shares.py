"""Shares of traffic by hashing: which requests a canary, a shadow run or an exploration gets.

The same key always falls on the same side, on every node and after every restart, and the shares of different purposes
are independent of each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def position(key: str, purpose: str) -> float:
    """Where ``key`` falls in [0, 1) for ``purpose``."""
    digest = hashlib.sha256(f"{purpose}\x00{key}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def in_share(key: str, purpose: str, share: float) -> bool:
    """Whether ``key`` (a job's id) is in the share (0 - 1) of ``purpose`` (``"shadow:ibm_a"``).

    Who is in a share is in every larger one.

    Raises
    ------
    ValueError
        When ``share`` is not in 0 - 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; allowed: 0 - 1")
    return position(key, purpose) < share


def route(key: str, purpose: str, shares: Mapping[str, float]) -> str:
    """One of ``shares``' names for ``key``, each with its share; shares add up to 1 (within 1e-6).

    Raises
    ------
    ValueError
        When a share is negative or they do not add up to 1.
    """
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"shares are {dict(shares)}; allowed: >= 0, adding up to 1")
    where, reached = position(key, purpose), 0.0
    for name in sorted(shares):
        reached += shares[name]
        if where < reached:
            return name
    return max(shares, key=lambda name: (shares[name], name))
