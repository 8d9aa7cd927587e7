"""Which backends to race: the set with the best expected best-of gain for its cost, as a small binary model.

Gains are known by scenarios. The expected best of a set is not a quadratic function, so the model uses its expansion to
pairs, E[max] >= sum E[G_i] - sum E[min(G_i, G_j)] (Bonferroni), exact for sets of at most two and a lower bound beyond;
what it prices too low is made good by adding and swapping on the true expectation. Money is a constraint with slack
bits, rounded against us, so that no set over the budget is ever a solution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.binary.problem import BinaryProblem, Vartype, quadratic_problem
from solvers.strategy import Context

MOST_ENTRANTS = 12
"""The model takes so many backends, the best ones by themselves: with slack bits, 20 variables are enumerated."""

BUDGET_STEPS = 15
"""Money is counted in this many parts of the budget: four slack bits."""


@dataclass(frozen=True)
class RacePlan:
    """The chosen set: indices in the order of their worth, the expected best-of gain and its price."""

    chosen: tuple[int, ...]
    expected_gain: float
    price: float


def expected_best(gains: NDArray[np.float64], chosen: Sequence[int]) -> float:
    """Mean over scenarios of the best gain of a set; 0 for the empty set (the incumbent stays)."""
    if not chosen:
        return 0.0
    return float(np.maximum(gains[:, list(chosen)].max(axis=1), 0.0).mean())


def race_model(
    gains: NDArray[np.float64], prices: NDArray[np.float64], money: Sequence[int], budget: int, most: int
) -> BinaryProblem:
    """The binary model whose least-energy assignment is the set to race.

    Parameters
    ----------
    gains
        Gain of each backend in each scenario, shape ``(scenarios, n)``.
    prices
        What taking part costs, in the unit of gains, shape ``(n,)``.
    money
        Worst-case cost of each, in millionths of a US dollar (>= 0).
    budget
        Of the request, in millionths of a US dollar (>= 0).
    most
        Most backends in the set (>= 1).

    Returns
    -------
    BinaryProblem
        Variables 0 .. n - 1 are the backends; slack bits follow. Energy is price less gain, in units of gain.
    """
    gains = np.maximum(gains, 0.0)
    n = gains.shape[1]
    linear = prices - gains.mean(axis=0)
    quadratic = np.zeros((n, n))
    for i in range(n):
        quadratic[i, i + 1 :] = np.minimum(gains[:, i : i + 1], gains[:, i + 1 :]).mean(axis=0)
    # More than all there is to win, so that no broken constraint ever pays.
    penalty = 1.0 + float(np.abs(linear).sum() + quadratic.sum())

    blocks: list[tuple[list[int], int]] = []
    if any(money):
        steps = [math.ceil(BUDGET_STEPS * cost / budget) if budget else BUDGET_STEPS + 1 for cost in money]
        blocks.append(([min(step, BUDGET_STEPS + 1) if money[i] else 0 for i, step in enumerate(steps)], BUDGET_STEPS))
    if most < n:
        blocks.append(([1] * n, most))
    width = n + sum(len(_slack_bits(limit)) for _, limit in blocks)
    full = np.zeros((width, width))
    full[:n, :n] = quadratic
    diagonal = np.zeros(width)
    diagonal[:n] = linear
    offset, first = 0.0, n
    for weights, limit in blocks:
        row = np.zeros(width)
        row[:n] = weights
        bits = _slack_bits(limit)
        row[first : first + len(bits)] = bits
        first += len(bits)
        diagonal += penalty * (row**2 - 2 * limit * row)
        full += penalty * 2 * np.triu(np.outer(row, row), 1)
        offset += penalty * limit**2
    rows, columns = np.nonzero(full)
    return quadratic_problem(
        Vartype.BINARY, diagonal, rows, columns, full[rows, columns], offset=offset, num_variables=width, num_samples=1
    )


def plan_race(
    gains: NDArray[np.float64],
    prices: Sequence[float],
    money: Sequence[int],
    budget: int,
    most: int,
    seed: int = 0,
) -> RacePlan:
    """The set of backends to race; arguments as in `race_model`. Empty when none is worth its price."""
    n = gains.shape[1]
    if gains.ndim != 2 or gains.shape[0] == 0 or len(prices) != n or len(money) != n or most < 1:
        raise ValueError(f"gains {gains.shape}, {len(prices)} prices, {len(money)} costs, most {most}: do not fit")
    if n == 0:
        return RacePlan((), 0.0, 0.0)
    price = np.asarray(prices, dtype=np.float64)
    singles = np.maximum(gains, 0.0).mean(axis=0) - price
    entrants = sorted(np.argsort(-singles, kind="stable")[:MOST_ENTRANTS].tolist())
    model = race_model(gains[:, entrants], price[entrants], [money[i] for i in entrants], budget, most)
    bits = _solve(model, seed)
    chosen = [entrant for entrant, bit in zip(entrants, bits, strict=False) if bit]
    if sum(money[i] for i in chosen) > budget or len(chosen) > most:
        raise ArithmeticError(f"the engine's set {chosen} breaks a limit")
    chosen = _improve(chosen, gains, price, money, budget, most)
    ordered = _by_worth(chosen, gains, price)
    return RacePlan(ordered, expected_best(gains, ordered), float(price[list(ordered)].sum()) if ordered else 0.0)


def _slack_bits(limit: int) -> tuple[int, ...]:
    """Weights of slack bits that add up to every number from 0 to ``limit`` and to no more."""
    bits, left, power = [], limit, 1
    while left > 0:
        bits.append(min(power, left))
        left -= bits[-1]
        power *= 2
    return tuple(bits)


def _solve(model: BinaryProblem, seed: int) -> list[int]:
    """Best assignment, proved by our own engine."""
    # Found when a race is planned: the engine's compiler takes a second to load.
    from solvers.binary.exact import Enumeration

    best = min(
        Enumeration().candidates(model, Context(seed=seed)),
        key=lambda candidate: candidate.claimed_objective,
        default=None,
    )
    if best is None:
        raise ArithmeticError(f"the engine found no assignment of {model.num_variables} variables")
    return [int(bit) for bit in best.plan.best]


def _improve(
    chosen: list[int],
    gains: NDArray[np.float64],
    price: NDArray[np.float64],
    money: Sequence[int],
    budget: int,
    most: int,
) -> list[int]:
    """Add, drop or swap one backend at a time while the true worth grows."""

    def worth(members: Sequence[int]) -> float:
        return expected_best(gains, members) - float(price[list(members)].sum())

    n = gains.shape[1]
    current = worth(chosen)
    while True:
        rest = [i for i in range(n) if i not in chosen]
        moves = [[*chosen, i] for i in rest]
        moves += [[j for j in chosen if j != out] for out in chosen]
        moves += [[j for j in chosen if j != out] + [i] for out in chosen for i in rest]
        allowed = [move for move in moves if len(move) <= most and sum(money[i] for i in move) <= budget]
        if not allowed:
            return chosen
        best = max(allowed, key=worth)
        if worth(best) <= current + 1e-12:
            return chosen
        chosen, current = best, worth(best)


def _by_worth(chosen: Sequence[int], gains: NDArray[np.float64], price: NDArray[np.float64]) -> tuple[int, ...]:
    """In the order in which each adds most to those before it."""
    order: list[int] = []
    left = list(chosen)
    while left:
        base = expected_best(gains, order)
        best = max(left, key=lambda i: (expected_best(gains, [*order, i]) - base - price[i], -i))
        order.append(best)
        left.remove(best)
    return tuple(order)
