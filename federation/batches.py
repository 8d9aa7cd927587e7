"""Shots in batches: how large one is, and what several of them amount to."""

from __future__ import annotations

import math

import dimod

from backends.backend import Price
from solvers.quantum.adaptive import ShotPlan


def batch_shots(price: Price, allowed: int) -> int:
    """Shots of one batch of ``allowed``.

    All of them, unless shots have a price of their own; then so many that the fee of a task stays below a third of its
    price, and no fewer than `ShotPlan` takes by default. A price per second is one for the whole task: vendors bill
    seconds of each task's overhead.
    """
    if price.per_shot_usd_micros == 0 or price.per_second_usd_micros > 0:
        return allowed
    return max(ShotPlan.batch, math.ceil(2 * price.per_task_usd_micros / price.per_shot_usd_micros))


def together(first: dimod.SampleSet, more: dimod.SampleSet) -> dimod.SampleSet:
    """Samples of two batches; device time and charges add up, what else ``info`` tells is of the first."""
    both = dimod.concatenate((first, more)).aggregate()
    both.info.update(first.info)
    for name in ("seconds", "cost_usd_micros"):
        both.info[name] = first.info[name] + more.info[name]
    return both
