"""A trace of requests over drifting devices, made from real calibrations and real queues.

Devices drift as ``ibm_perth`` did day by day through half a year (each simulated device walks through that series from
another day on), and their queues and pauses are those of real devices in November 2023. What a backend really gains on
a request is a function of its calibration that no selector is told, times a factor of its own that drifts unseen.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.backend import BackendFacts, CalibratedValue, Price, Technology
from federation.calibration import UNCALIBRATED, success_prior
from federation.sizing import max_kernel_variables, qaoa_layers
from solvers.problem import Features

START = datetime(2023, 1, 1, tzinfo=UTC)
DAYS = 180
UNITS = {"us": 1e-6, "ns": 1e-9}


def data_folder() -> Path | None:
    """Where the real series lie, or ``None``."""
    root = os.environ.get("ISINGLASS_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(root) / "ibm"
    return folder if (folder / "ibm_perth_daily_2023H1.jsonl.gz").is_file() else None


def read_daily(folder: Path) -> list[tuple[CalibratedValue, ...]]:
    """Calibrated values of ``ibm_perth``, one snapshot a day, in order."""
    days = []
    with gzip.open(folder / "ibm_perth_daily_2023H1.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            content = json.loads(line)
            values = []
            for index, entry in enumerate(content["qubits"]):
                values += [_value(p, f"q{index}") for p in entry if p["name"] in ("T1", "T2", "readout_error")]
            for gate in content["gates"]:
                where = f"{gate['gate']}({','.join(f'q{q}' for q in gate['qubits'])})"
                values += [_value(p, where) for p in gate["parameters"] if p["name"] == "gate_error"]
            days.append(tuple(values))
    return days


def read_queues(folder: Path) -> dict[str, NDArray[np.float64]]:
    """By device: rows of (Unix time, pending jobs, 1 when open to the public), shape ``(n, 3)``."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    with gzip.open(folder / "queue_lengths_2023-11.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["utc"]).timestamp()
            rows.setdefault(row["backend"], []).append(
                (at, float(row["pending_jobs"]), float(row["operational"] == "1" and row["status_msg"] == "active"))
            )
    return {name: np.array(found) for name, found in rows.items()}


def _value(parameter: dict[str, object], where: str) -> CalibratedValue:
    unit = str(parameter["unit"])
    name = f"{parameter['name']}_s" if unit in UNITS else str(parameter["name"])
    value = float(str(parameter["value"])) * UNITS.get(unit, 1.0)
    return CalibratedValue(name, where, value, datetime.fromisoformat(str(parameter["date"])))


@dataclass(frozen=True)
class Device:
    """One simulated backend.

    Parameters
    ----------
    facts
        What does not change.
    first_day
        Where in the daily series it starts; ``None`` for an exact simulator.
    quality
        Its errors relative to the series (1: as they are).
    queue
        Name of the device whose queue it has; empty for none.
    skill
        Factor of its gain that no calibration shows.
    fit
        How its gain depends on size, density and tightness: exponents of features relative to the middle request.
    seconds
        How long a run takes without queue.
    up
        Probability that a run ends well.
    """

    facts: BackendFacts
    first_day: int | None
    quality: float
    queue: str
    skill: float
    fit: tuple[float, float, float]
    seconds: float
    up: float


def devices() -> list[Device]:
    """Two simulators and three metered devices."""

    def gate(name: str, qubits: int, price: Price, local: bool) -> BackendFacts:
        coupling = None if local else ((0, 1), (1, 2))
        return BackendFacts(name, Technology.GATE, qubits, coupling, (), "", 0, price, 20_000, local)

    annealer = BackendFacts("annealer", Technology.ANNEALER, 200, None, (), "", 0, Price(), 10_000, True)
    cheap = Price(per_task_usd_micros=20_000, per_shot_usd_micros=50, source="simulated", as_of="2023-01-01")
    dear = Price(per_task_usd_micros=50_000, per_shot_usd_micros=250, source="simulated", as_of="2023-01-01")
    return [
        Device(annealer, None, 1.0, "", 0.8, (0.5, 0.6, -0.4), 0.5, 0.995),
        Device(gate("statevector", 20, Price(), True), None, 1.0, "", 0.9, (-0.9, -0.3, 0.5), 2.0, 0.99),
        Device(gate("perth", 7, cheap, False), 0, 0.5, "ibm_hanoi", 1.8, (0.1, 0.0, 0.6), 4.0, 0.95),
        Device(gate("lagos", 7, cheap, False), 75, 0.6, "ibmq_mumbai", 2.0, (0.2, -0.6, 0.3), 4.0, 0.92),
        Device(gate("cairo", 8, dear, False), 130, 0.4, "ibm_cairo", 2.6, (0.6, 0.4, 0.2), 5.0, 0.94),
    ]


@dataclass(frozen=True)
class Request:
    """One request and the truth about it.

    Parameters
    ----------
    at_s
        Unix time.
    features
        Of its problem.
    remaining_s
        Until its deadline.
    facts
        Of every backend at that time, in the order of `devices`.
    gain
        Expected relative gain of each backend when it answers in time, shape ``(n,)``.
    answers
        Probability that each answers in time, shape ``(n,)``.
    seconds
        Queue and run of each, shape ``(n,)``.
    """

    at_s: float
    features: Features
    remaining_s: float
    facts: tuple[BackendFacts, ...]
    gain: NDArray[np.float64]
    answers: NDArray[np.float64]
    seconds: NDArray[np.float64]


GAIN = 0.01
"""Gain of a middling run: 1 % of the objective."""

NOISE = 0.8
"""Deviation of a run's gain, as a share of its expectation."""

SECONDS_PER_QUEUED = 1.5
"""What a job ahead costs at the simulated devices."""


def make_trace(folder: Path, count: int, seed: int) -> list[Request]:
    """``count`` requests over half a year."""
    rng = np.random.default_rng(seed)
    daily, queues, machines = read_daily(folder), read_queues(folder), devices()
    drift = _hidden_drift(rng, len(machines))
    moments = np.sort(rng.uniform(0, DAYS * 86_400.0, count))
    trace = []
    known: dict[tuple[str, int], tuple[CalibratedValue, ...]] = {}
    for offset_s in moments:
        day = int(offset_s // 86_400)
        now = START + timedelta(seconds=float(offset_s))
        size = float(np.exp(rng.uniform(math.log(8), math.log(400))))
        values = {"size": size, "density": float(rng.uniform(0.05, 1)), "tightness": float(rng.uniform(0.1, 1))}
        features = Features("routing", values)
        remaining_s = float(rng.choice([10.0, 30.0, 120.0, 600.0]))
        seen = tuple(_facts(machine, daily, queues, day, offset_s, known) for machine in machines)
        gain = np.array(
            [_gain(m, f, values, drift[day, i]) for i, (m, f) in enumerate(zip(machines, seen, strict=True))]
        )
        queue_s = np.array([f.queue_length * SECONDS_PER_QUEUED for f in seen])
        seconds = queue_s + np.array([machine.seconds for machine in machines])
        answers = np.array([machine.up for machine in machines]) * (seconds <= remaining_s)
        answers *= np.array([f.available for f in seen])
        trace.append(Request(now.timestamp(), features, remaining_s, seen, gain, answers, seconds))
    return trace


def _hidden_drift(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Factor of each backend's gain by day that nothing published shows: a slow walk and rare jumps on devices."""
    factors = np.ones((DAYS, count))
    for i in range(2, count):
        walk, level = 0.0, 1.0
        for day in range(DAYS):
            walk = 0.97 * walk + rng.normal(0, 0.05)
            if rng.random() < 1 / 60:
                level = float(rng.uniform(0.4, 1.4))
            factors[day, i] = level * math.exp(walk)
    return factors


def _facts(
    machine: Device,
    daily: Sequence[tuple[CalibratedValue, ...]],
    queues: dict[str, NDArray[np.float64]],
    day: int,
    offset_s: float,
    known: dict[tuple[str, int], tuple[CalibratedValue, ...]],
) -> BackendFacts:
    """What the backend publishes at a moment: its calibration of the day, its queue, whether it is open."""
    if machine.first_day is None:
        return machine.facts
    source = (machine.first_day + day) % len(daily)
    calibration = known.get((machine.facts.name, day))
    if calibration is None:
        moved = timedelta(days=day - source)
        calibration = tuple(
            replace(v, value=v.value * (machine.quality if _is_error(v) else 1.0), date=v.date + moved)
            for v in daily[source]
        )
        known[machine.facts.name, day] = calibration
    rows = queues[machine.queue]
    # The trace of ten days repeats; half a year of requests walks through it many times.
    at_s = rows[0, 0] + offset_s % (rows[-1, 0] - rows[0, 0])
    _, length, is_open = rows[max(0, int(np.searchsorted(rows[:, 0], at_s)) - 1)]
    return replace(
        machine.facts,
        calibration=calibration,
        calibration_id=f"day {source}",
        queue_length=int(length),
        available=is_open > 0,
    )


def _is_error(value: CalibratedValue) -> bool:
    return value.name.endswith("error") and value.value < UNCALIBRATED


def _gain(machine: Device, facts: BackendFacts, values: dict[str, float], hidden: float) -> float:
    """The truth: skill, fit to the problem, the square root of the calibrated success, and what drifts unseen."""
    by_size, by_density, by_tightness = machine.fit
    fit = (values["size"] / 60) ** (by_size * 0.4) * (values["density"] / 0.5) ** (by_density * 0.4)
    fit *= (values["tightness"] / 0.5) ** (by_tightness * 0.4)
    variables = min(int(values["size"]), max_kernel_variables(facts))
    success = success_prior(facts, variables, qaoa_layers(facts)) if machine.first_day is not None else 1.0
    return float(GAIN * machine.skill * fit * math.sqrt(success) * hidden)
