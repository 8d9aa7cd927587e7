"""How many more shots are worth their price."""

from __future__ import annotations

from dataclasses import dataclass

import dimod
import numpy as np


@dataclass(frozen=True)
class ShotPlan:
    """When to stop taking batches.

    Parameters
    ----------
    allowed
        Most shots in all (>= 1).
    batch
        Shots of one batch (>= 1).
    least_chance
        A batch is taken while its chance to bring a better sample is at least this, [0, 1].
    """

    allowed: int
    batch: int = 250
    least_chance: float = 0.05

    def __post_init__(self) -> None:
        if self.allowed < 1 or self.batch < 1 or not 0 <= self.least_chance <= 1:
            raise ValueError(f"{self} is out of range; allowed: allowed and batch >= 1, least_chance 0 - 1")

    def next_batch(
        self, samples: dimod.SampleSet | None, gain_usd_micros: float = 0.0, cost_usd_micros: float = 0.0
    ) -> int:
        """Shots to take now, 0 when another batch is not worth it.

        Parameters
        ----------
        samples
            All so far, ``None`` before the first batch.
        gain_usd_micros, cost_usd_micros
            What a better sample is worth and what a batch costs; with a cost, the chance times the gain must reach it.
        """
        if samples is None:
            return min(self.batch, self.allowed)
        used = int(samples.record.num_occurrences.sum())
        size = min(self.batch, self.allowed - used)
        if size <= 0:
            return 0
        chance = chance_of_better(samples, size)
        if chance < self.least_chance or (cost_usd_micros > 0 and chance * gain_usd_micros < cost_usd_micros):
            return 0
        return size


def chance_of_better(samples: dimod.SampleSet, batch: int) -> float:
    """Estimated chance that ``batch`` more shots bring a sample below the lowest energy so far.

    The smaller of two estimates. A better sample would be a new one: the mass of unseen samples is about the share of
    those seen once (Good, Biometrika 40, 1953). And the best of m + batch exchangeable shots is as likely to be any of
    them, so the first best one falls into the new batch with batch / (m + batch), less for each time it was seen again.
    """
    counts = np.asarray(samples.record.num_occurrences, dtype=np.int64)
    shots = int(counts.sum())
    if shots == 0:
        return 1.0
    energies = np.asarray(samples.record.energy)
    best = energies <= energies.min() + 1e-9 * max(1.0, abs(float(energies.min())))
    unseen = float(counts[counts == 1].sum()) / shots
    new = -np.expm1(batch * np.log1p(-min(unseen, 1 - 1e-12)))
    record = (batch / (shots + batch)) ** int(counts[best].sum())
    return float(min(new, record))
