"""Traffic weights over interchangeable backends: expected latency plus its conditional value at risk, smoothly.

A small linear program (Rockafellar and Uryasev, Journal of Risk 2(3), 2000) over failure scenarios: each share w_i of
the traffic meets latency l_i where backend i is up and ``failure_s`` where it is down.

    minimise   E[L] + risk * CVaR_alpha[L] + inertia * sum_i |w_i - w_i before|,     L_s = sum_i w_i l_si

The last term is what keeps noise from moving traffic: a shift must win more than it costs. As a share between two
backends moves only while that holds, one bad call moves nothing and a real outage moves everything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog


@dataclass(frozen=True)
class WeightsConfig:
    """What is minimised.

    Parameters
    ----------
    alpha
        CVaR is the mean of the worst ``1 - alpha`` share of scenarios (0 <= alpha < 1).
    risk
        Weight of CVaR beside the mean (>= 0).
    inertia
        Price of moving all traffic from one backend to another, as a share of ``failure_s`` (>= 0).
    failure_s
        What a failed call costs, in seconds: the time until its fallback answers (> 0).
    floor
        Least share of each backend, so that it stays observed (0 <= floor, floor x backends <= 1).
    """

    alpha: float = 0.9
    risk: float = 0.5
    inertia: float = 0.4
    failure_s: float = 1.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.alpha < 1 and 0 <= self.risk < math.inf and 0 <= self.inertia < math.inf):
            raise ValueError(f"{self}: alpha 0 - 1, risk >= 0, inertia >= 0")
        if not (0 < self.failure_s < math.inf and 0 <= self.floor <= 1):
            raise ValueError(f"{self}: failure_s > 0, floor 0 - 1")


def traffic_weights(
    latency_s: Mapping[str, float],
    up: NDArray[np.bool_],
    before: Mapping[str, float] | None = None,
    config: WeightsConfig | None = None,
) -> dict[str, float]:
    """Share of the traffic that each backend should get; they add up to 1.

    Parameters
    ----------
    latency_s
        Expected latency of each backend when it is up, in seconds (>= 0), in the order of ``up``'s columns.
    up
        Scenarios of equal probability, shape ``(scenarios, len(latency_s))``.
    before
        Weights in force; ``None`` or empty at the start.
    config
        What is minimised.

    Raises
    ------
    ValueError
        When there is no backend, a latency is not a number >= 0, or shapes do not fit.
    """
    config = config or WeightsConfig()
    names = list(latency_s)
    n, scenarios = len(names), up.shape[0]
    if n == 0 or up.shape != (scenarios, n) or scenarios == 0:
        raise ValueError(f"{n} backends, scenarios of shape {up.shape}; allowed: (at least 1, number of backends >= 1)")
    latency = np.array([latency_s[name] for name in names], dtype=np.float64)
    if not np.all((latency >= 0) & np.isfinite(latency)):
        raise ValueError(f"latency_s is {dict(latency_s)}; allowed: >= 0")
    if n == 1:
        return {names[0]: 1.0}
    floor = min(config.floor, 1.0 / n)

    # Scenarios repeat: one row per distinct pattern, with its probability.
    patterns, counts = np.unique(up, axis=0, return_counts=True)
    probability = counts / scenarios
    loss = np.where(patterns, latency, config.failure_s + latency)
    rows = len(patterns)

    # Variables: w (n), t, z (rows), and |w - before| (n) where there is a before.
    inertia = config.inertia * config.failure_s / 2 if before else 0.0
    width = n + 1 + rows + n
    cost = np.zeros(width)
    cost[:n] = probability @ loss
    cost[n] = config.risk
    cost[n + 1 : n + 1 + rows] = config.risk * probability / (1 - config.alpha)
    cost[n + 1 + rows :] = inertia
    tail = np.zeros((rows, width))
    tail[:, :n] = loss
    tail[:, n] = -1
    tail[np.arange(rows), n + 1 + np.arange(rows)] = -1
    matrix, bound = [tail], [np.zeros(rows)]
    if before:
        old = np.array([before.get(name, 0.0) for name in names])
        for sign in (1.0, -1.0):
            moved = np.zeros((n, width))
            moved[np.arange(n), np.arange(n)] = sign
            moved[np.arange(n), n + 1 + rows + np.arange(n)] = -1
            matrix.append(moved)
            bound.append(sign * old)
    whole = np.zeros((1, width))
    whole[0, :n] = 1
    bounds = [(floor, 1.0)] * n + [(None, None)] + [(0.0, None)] * (rows + n)
    found = linprog(
        cost, A_ub=np.vstack(matrix), b_ub=np.concatenate(bound), A_eq=whole, b_eq=[1.0], bounds=bounds, method="highs"
    )
    if found.status != 0:
        raise ArithmeticError(f"the program of traffic weights was not solved: {found.message}")
    weights = np.clip(np.asarray(found.x)[:n], 0.0, 1.0)
    weights /= weights.sum()
    return dict(zip(names, weights.tolist(), strict=True))
