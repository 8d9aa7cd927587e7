"""A Braket device's capabilities as a calibration snapshot."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from backends.backend import CalibratedValue
from backends.calibration import DEAD, GateCalibration, QubitCalibration, Snapshot

_ENTANGLER = "cz"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


def braket_snapshot(capabilities: Mapping[str, Any], device: str) -> Snapshot:
    """The snapshot in the capabilities of a gate device.

    Circuits are built of rz, sx, x and cz, which Braket translates one by one into the device's own gates; their errors
    are those of the device's own gates. A value has the date on which Braket updated the capabilities; without that
    date, no value is given as calibrated.

    Raises
    ------
    ValueError
        When it is no gate device, or names no qubits.
    """
    try:
        paradigm = capabilities["paradigm"]
        count = int(paradigm["qubitCount"])
        connectivity = paradigm["connectivity"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{device} is no gate device: its capabilities lack {error}") from error
    singles, pairs = _singles(capabilities), _pairs(capabilities)
    graph = connectivity.get("connectivityGraph") or {}
    labels = sorted({int(q) for q in graph} | {int(q) for row in graph.values() for q in row} | set(singles))
    if connectivity.get("fullyConnected"):
        labels = labels or list(range(count))
        edges = [(a, b) for a in labels for b in labels if a < b]
    else:
        edges = sorted({tuple(sorted((int(a), int(b)))) for a, row in graph.items() for b in row})  # type: ignore[misc]
    if not labels:
        raise ValueError(f"{device} names no qubits")
    default_single, default_pair, default_read, lengths_s = _means(capabilities)
    qubits = [QubitCalibration(math.inf, math.inf, 1.0, 1.0)] * (max(labels) + 1)  # labels may skip: those are dead
    gates: dict[tuple[str, tuple[int, ...]], GateCalibration] = {}
    for q in labels:
        wrong, read, t1_s, t2_s = singles.get(q, (default_single, default_read, math.inf, math.inf))
        qubits[q] = QubitCalibration(t1_s, min(t2_s, 2 * t1_s), read, read)
        if wrong < DEAD:
            gates["rz", (q,)] = GateCalibration(0.0, 0.0)
            gates["sx", (q,)] = gates["x", (q,)] = GateCalibration(wrong, lengths_s[0])
    for a, b in edges:
        wrong = pairs.get((a, b), default_pair)
        if wrong < DEAD:
            gates[_ENTANGLER, (a, b)] = gates[_ENTANGLER, (b, a)] = GateCalibration(wrong, lengths_s[1])
    values = tuple(_values(capabilities, singles, pairs))
    text = json.dumps([capabilities.get("standardized"), capabilities.get("provider"), paradigm], sort_keys=True)
    id = "sha256:" + hashlib.sha256(text.encode()).hexdigest() if values else ""
    return Snapshot(device, tuple(qubits), gates, _ENTANGLER, values, id)


def is_open(windows: Sequence[Mapping[str, Any]], now: datetime) -> bool:
    """Whether ``now`` (UTC) lies in one of the device's execution windows; a device without windows is always open."""
    if not windows:
        return True
    day = _DAYS[now.weekday()]
    for window in windows:
        named = str(window.get("executionDay", "Everyday")).upper()
        today = named in ("EVERYDAY", day) or named == ("WEEKDAYS" if now.weekday() < 5 else "WEEKEND")
        begin, end = (time.fromisoformat(str(window[name])) for name in ("windowStartHour", "windowEndHour"))
        clock = now.time()
        inside = begin <= clock <= end if begin <= end else clock >= begin or clock <= end
        if today and inside:
            return True
    return False


def _singles(capabilities: Mapping[str, Any]) -> dict[int, tuple[float, float, float, float]]:
    """By qubit: gate error, readout error, T1 and T2 in seconds."""
    found = {}
    for label, entry in ((capabilities.get("standardized") or {}).get("oneQubitProperties") or {}).items():
        error = read = 0.0
        for fidelity in entry.get("oneQubitFidelity", []):
            kind = str(fidelity["fidelityType"]["name"]).upper()
            wrong = 1.0 - float(fidelity["fidelity"])
            if "READOUT" in kind:
                read = max(read, wrong)
            else:
                error = max(error, wrong)
        found[int(label)] = (error, read, _time_s(entry.get("T1")), _time_s(entry.get("T2")))
    return found


def _pairs(capabilities: Mapping[str, Any]) -> dict[tuple[int, int], float]:
    """By pair: the error of its best two-qubit gate."""
    found = {}
    for label, entry in ((capabilities.get("standardized") or {}).get("twoQubitProperties") or {}).items():
        a, b = sorted(int(text) for text in label.split("-"))
        fidelities = [float(gate["fidelity"]) for gate in entry.get("twoQubitGateFidelity", [])]
        found[a, b] = 1.0 - max(fidelities, default=0.0)
    return found


def _means(capabilities: Mapping[str, Any]) -> tuple[float, float, float, tuple[float, float]]:
    """Mean errors of a gate, a pair and a readout, and lengths of both gates in seconds; 0 where unknown.

    Devices of ions publish no more than these.
    """
    provider = capabilities.get("provider") or {}
    fidelity, timing = provider.get("fidelity") or {}, provider.get("timing") or {}

    def error(name: str) -> float:
        return 1.0 - float((fidelity.get(name) or {}).get("mean", 1.0))

    return error("1Q"), error("2Q"), error("spam"), (float(timing.get("1Q", 0.0)), float(timing.get("2Q", 0.0)))


def _values(
    capabilities: Mapping[str, Any],
    singles: Mapping[int, tuple[float, float, float, float]],
    pairs: Mapping[tuple[int, int], float],
) -> Iterator[CalibratedValue]:
    text = (capabilities.get("service") or {}).get("updatedAt")
    if not text:
        return
    date = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    for q, (error, read, t1_s, t2_s) in singles.items():
        yield CalibratedValue("gate_error", f"sx(q{q})", error, date)
        yield CalibratedValue("readout_error", f"q{q}", read, date)
        for name, value in (("T1_s", t1_s), ("T2_s", t2_s)):
            if math.isfinite(value):
                yield CalibratedValue(name, f"q{q}", value, date)
    for (a, b), error in pairs.items():
        yield CalibratedValue("gate_error", f"{_ENTANGLER}(q{a},q{b})", error, date)
    single, pair, read, _ = _means(capabilities)
    if not singles and (single or pair or read):
        yield CalibratedValue("gate_error", "sx(mean)", single, date)
        yield CalibratedValue("gate_error", f"{_ENTANGLER}(mean)", pair, date)
        yield CalibratedValue("readout_error", "mean", read, date)


def _time_s(entry: Mapping[str, Any] | None) -> float:
    if not entry or not entry.get("value"):
        return math.inf
    return float(entry["value"]) * _SECONDS.get(str(entry.get("unit", "s")).lower(), 1.0)
