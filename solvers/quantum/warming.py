"""Compile what the first lift of a process would otherwise wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import dimod

from solvers.kernel import Kernel, Sample
from solvers.problem import Features, Verdict
from solvers.quantum.step import lift_samples


@dataclass(frozen=True)
class _Bits:
    """Minimise minus the number of ones among two bits."""

    kind: ClassVar[str] = "warming"

    def verify(self, plan: tuple[int, ...]) -> Verdict:
        return Verdict(-float(sum(plan)), feasible=True)

    def features(self) -> Features:
        return Features("warming", {"size": 2.0, "density": 0.0, "tightness": 0.0})


@dataclass(frozen=True)
class _Lift:
    def __call__(self, sample: Sample) -> tuple[int, ...]:
        return tuple(int(sample[variable]) for variable in ("a", "b"))


def warm() -> None:
    """Lift four samples of a model of two variables."""
    model = dimod.BinaryQuadraticModel({"a": -1.0, "b": -1.0}, {("a", "b"): 0.5}, 0.0, "BINARY")
    kernel = Kernel(model, _Lift(), (("a", "b"),), {"a": 1, "b": 0})
    samples = dimod.SampleSet.from_samples_bqm([{"a": a, "b": b} for a in (0, 1) for b in (0, 1)], model)
    lift_samples(_Bits(), kernel, samples, (1, 0), seed=0)
