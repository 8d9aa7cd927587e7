"""What a calibration is worth: the age of each value, and the success it promises for a kernel.

Every calibrated value has its own date: a snapshot taken today may hold values of two months ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from backends.backend import BackendFacts, CalibratedValue, Technology

DAY_S = 86_400.0

FRESH_S: Mapping[str, float] = {
    "T1_s": 2 * DAY_S,
    "T2_s": 2 * DAY_S,
    "readout_error": 2 * DAY_S,
    "prob_meas0_prep1": 2 * DAY_S,
    "prob_meas1_prep0": 2 * DAY_S,
    "gate_error": 2 * DAY_S,
}
"""How long a value of each name counts in full, in seconds. Other names (lengths, frequencies) do not age."""

SINGLE_GATES = ("sx", "x", "u2")
"""Gates whose error stands for a one-qubit gate's; virtual ones have none."""

EXCLUDE_BELOW = 0.25
"""A calibration whose mean weight is less is no longer trusted at all."""

UNCALIBRATED = 0.5
"""An error this high (published ones are exactly 1) marks a dead coupler or an uncalibrated gate: no measurement."""


@dataclass(frozen=True)
class Freshness:
    """How far a calibration can be trusted.

    Parameters
    ----------
    weight
        Mean weight of its values, 0 (none counts) - 1 (all are fresh). 1 when nothing ages.
    oldest_s
        Age of the oldest value that ages, in seconds; 0 without any.
    stale
        Values past their limit, as ``"gate_error 3-5"``, the oldest first.
    excluded
        Whether the device is out: ``weight`` is below `EXCLUDE_BELOW`.
    """

    weight: float
    oldest_s: float
    stale: tuple[str, ...]
    excluded: bool


def value_weight(age_s: float, fresh_s: float) -> float:
    """Weight of a value of this age: 1 up to ``fresh_s``, falling in a line to 0 at three times that."""
    return min(1.0, max(0.0, 1.5 - age_s / (2 * fresh_s)))


def freshness(values: Iterable[CalibratedValue], now: datetime, limits_s: Mapping[str, float] = FRESH_S) -> Freshness:
    """Score each value by its own age and sum up.

    Parameters
    ----------
    values
        Of one device.
    now
        With a time zone; values dated later count as fresh.
    limits_s
        How long a value of each name counts in full, in seconds (> 0).
    """
    weights: list[float] = []
    stale: list[tuple[float, str]] = []
    oldest_s = 0.0
    for value in values:
        fresh_s = limits_s.get(value.name)
        if fresh_s is None:
            continue
        age_s = max(0.0, (now - value.date).total_seconds())
        oldest_s = max(oldest_s, age_s)
        weights.append(value_weight(age_s, fresh_s))
        if age_s > fresh_s:
            stale.append((age_s, f"{value.name} {value.where}"))
    weight = sum(weights) / len(weights) if weights else 1.0
    names = tuple(name for _, name in sorted(stale, key=lambda entry: (-entry[0], entry[1])))
    return Freshness(weight, oldest_s, names, weight < EXCLUDE_BELOW)


@dataclass(frozen=True)
class Errors:
    """Median errors of a device (0 - 1): of its two-qubit gates, its one-qubit gates, its readout."""

    two_qubit: float
    one_qubit: float
    readout: float


def median_errors(values: Iterable[CalibratedValue]) -> Errors:
    """Medians over what was measured; 0 where nothing was. Gates are told apart by where: ``cx(q0,q1)``, ``sx(q0)``."""
    two: list[float] = []
    one: list[float] = []
    readout: list[float] = []
    for value in values:
        if not 0 <= value.value < UNCALIBRATED:
            continue
        if value.name == "readout_error":
            readout.append(value.value)
        elif value.name == "gate_error":
            if "," in value.where:
                two.append(value.value)
            elif value.where.partition("(")[0] in SINGLE_GATES:
                one.append(value.value)
    return Errors(*(median(errors) if errors else 0.0 for errors in (two, one, readout)))


def success_prior(facts: BackendFacts, variables: int, layers: int) -> float:
    """Estimated probability (0 - 1) that a dense kernel of ``variables`` comes through ``layers`` without an error.

    The product of (1 - error) over the gates and readouts of a QAOA circuit over all pairs, with the swaps that a
    sparse device needs (Weidenfeller et al., Quantum 6, 870, 2022: a swap network triples the two-qubit gates). 1 for a
    backend without calibration, and for annealers, whose errors are not of this kind.
    """
    if facts.technology is Technology.ANNEALER or not facts.calibration or variables < 1:
        return 1.0
    return circuit_success(median_errors(facts.calibration), facts.coupling is None, variables, layers)


def circuit_success(errors: Errors, all_to_all: bool, variables: int, layers: int) -> float:
    """`success_prior` from medians."""
    gates = layers * variables * (variables - 1) / 2 * (2 if all_to_all else 3)
    logarithm = gates * math.log1p(-errors.two_qubit)
    logarithm += variables * (layers * math.log1p(-errors.one_qubit) + math.log1p(-errors.readout))
    return math.exp(logarithm)


class CalibrationDesk:
    """Freshness and success priors, worked out once per calibration and minute: a device has hundreds of values.

    Parameters
    ----------
    limits_s
        How long a value of each name counts in full, in seconds (> 0).
    """

    def __init__(self, limits_s: Mapping[str, float] = FRESH_S) -> None:
        self._limits_s = limits_s
        self._errors: dict[str, tuple[str, Errors]] = {}
        self._fresh: dict[str, tuple[str, int, Freshness]] = {}
        self._drifted: dict[str, float] = {}

    def drifted(self, backend: str, factor: float) -> None:
        """Count the calibration of ``backend`` as ``factor`` (0 - 1) as good from now on; 1 clears it."""
        if not 0 <= factor <= 1:
            raise ValueError(f"factor is {factor}; allowed: 0 - 1")
        self._drifted[backend] = factor

    def freshness(self, facts: BackendFacts, now_s: float) -> Freshness:
        """Age of the calibration at Unix time ``now_s``; a local simulator's is a noise model and does not age."""
        if facts.is_local:
            return freshness((), datetime.fromtimestamp(now_s, UTC))
        minute = int(now_s // 60)
        known = self._fresh.get(facts.name)
        if known is None or known[:2] != (facts.calibration_id, minute):
            found = freshness(facts.calibration, datetime.fromtimestamp(now_s, UTC), self._limits_s)
            known = self._fresh[facts.name] = (facts.calibration_id, minute, found)
        return known[2]

    def quality(self, facts: BackendFacts, variables: int, layers: int, now_s: float) -> float:
        """`success_prior`, less what age and drift take from it (0 - 1)."""
        if facts.technology is Technology.ANNEALER or not facts.calibration or variables < 1:
            return 1.0
        known = self._errors.get(facts.name)
        if known is None or known[0] != facts.calibration_id:
            known = self._errors[facts.name] = (facts.calibration_id, median_errors(facts.calibration))
        success = circuit_success(known[1], facts.coupling is None, variables, layers)
        return success * self.freshness(facts, now_s).weight * self._drifted.get(facts.name, 1.0)
