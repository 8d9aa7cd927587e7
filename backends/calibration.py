"""A device's calibration as IBM publishes it (BackendProperties JSON), with the date of every value."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backends.backend import CalibratedValue

ENTANGLERS = ("cz", "ecr", "cx")
"""Two-qubit gates that circuits are built from, the preferred one first."""

DEAD = 0.5
"""An error this high (published ones of dead parts are exactly 1) marks a dead coupler or an uncalibrated part."""

_QUBIT_VALUES = ("T1", "T2", "readout_error", "prob_meas0_prep1", "prob_meas1_prep0", "readout_length")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class QubitCalibration:
    """One qubit: ``t1_s``, ``t2_s`` in seconds (``inf``: unknown), P(read 1 | prepared 0), P(read 0 | prepared 1)."""

    t1_s: float
    t2_s: float
    read_1_of_0: float
    read_0_of_1: float

    @property
    def readout_error(self) -> float:
        """Mean of both."""
        return (self.read_1_of_0 + self.read_0_of_1) / 2


@dataclass(frozen=True)
class GateCalibration:
    """One gate on its qubits: average error (0 - 1) and length in seconds."""

    error: float
    length_s: float


@dataclass(frozen=True)
class Snapshot:
    """A device at one time.

    Parameters
    ----------
    device
        The vendor's name of it.
    qubits
        By index.
    gates
        By gate name and qubits, dead ones left out.
    entangler
        Its two-qubit gate, one of `ENTANGLERS`.
    values
        Every published value with its own date.
    id
        SHA-256 of the published JSON in canonical form.
    """

    device: str
    qubits: tuple[QubitCalibration, ...]
    gates: Mapping[tuple[str, tuple[int, ...]], GateCalibration]
    entangler: str
    values: tuple[CalibratedValue, ...]
    id: str

    @property
    def coupling(self) -> tuple[tuple[int, int], ...]:
        """Live couplers between live qubits, low index first."""
        edges = {tuple(sorted(where)) for name, where in self.gates if name == self.entangler}
        return tuple(sorted((a, b) for a, b in edges if self.is_live(a) and self.is_live(b)))

    def is_live(self, qubit: int) -> bool:
        """Whether it can be prepared and read."""
        single = self.gates.get(("sx", (qubit,))) or self.gates.get(("u2", (qubit,)))
        return self.qubits[qubit].readout_error < DEAD and single is not None

    @cached_property
    def usable(self) -> frozenset[int]:
        """The largest set of live qubits that live couplers connect."""
        neighbours: dict[int, set[int]] = {q: set() for q in range(len(self.qubits)) if self.is_live(q)}
        for a, b in self.coupling:
            neighbours[a].add(b)
            neighbours[b].add(a)
        best: set[int] = set()
        seen: set[int] = set()
        for start in neighbours:
            if start in seen:
                continue
            island, front = {start}, [start]
            while front:
                fresh = neighbours[front.pop()] - island
                island |= fresh
                front.extend(fresh)
            seen |= island
            best = max(best, island, key=len)
        return frozenset(best)


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in a ``.json`` or ``.json.gz`` file of BackendProperties.

    Raises
    ------
    ValueError
        When the file is not one, or names no known two-qubit gate.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return _parse(data, str(path))


def bundled_snapshot(device: str) -> Snapshot:
    """The snapshot of ``device`` (``"fez"``) that comes with qiskit-ibm-runtime's fake devices.

    Raises
    ------
    ValueError
        When there is none.
    """
    spec = find_spec("qiskit_ibm_runtime")  # found, not imported: that takes a second
    if spec is None or spec.origin is None:
        raise ValueError("qiskit-ibm-runtime is not installed, which bundles snapshots")
    file = Path(spec.origin).parent / "fake_provider" / "backends" / device / f"props_{device}.json"
    if not device.isidentifier() or not file.is_file():
        raise ValueError(f"no bundled snapshot of {device!r}")
    return _parse(file.read_bytes(), f"bundled {device}")


def _parse(data: bytes, source: str) -> Snapshot:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{source} is no BackendProperties JSON: {error}") from error
    return parse_snapshot(content, source)


def parse_snapshot(content: Any, source: str) -> Snapshot:
    """The snapshot in a decoded BackendProperties object; ``source`` is named in errors.

    Dates may be texts or `datetime`, as the vendor's client gives them.

    Raises
    ------
    ValueError
        When it is not one, or names no known two-qubit gate.
    """
    try:
        values = tuple(_values(content))
        qubits = tuple(_qubit({p["name"]: p for p in entry}) for entry in content["qubits"])
        gates = dict(_gates(content))
        device = str(content["backend_name"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source} is no BackendProperties JSON: {type(error).__name__}: {error}") from error
    known = [str(gate["gate"]) for gate in content["gates"] if gate["gate"] in ENTANGLERS]
    if not known and len(qubits) > 1:
        raise ValueError(f"{source} has none of the two-qubit gates {', '.join(ENTANGLERS)}")
    live = [name for name, _ in gates]
    entangler = max(sorted(set(known), key=ENTANGLERS.index), key=live.count, default="")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_iso).encode()
    return Snapshot(device, qubits, gates, entangler, values, "sha256:" + hashlib.sha256(text).hexdigest())


def _values(content: Mapping[str, Any]) -> Iterator[CalibratedValue]:
    """Every value of every qubit and gate, with its date."""
    for q, entry in enumerate(content["qubits"]):
        for p in entry:
            if p["name"] in _QUBIT_VALUES:
                yield CalibratedValue(_named(p), f"q{q}", _number(p), _date(p))
    for gate in content["gates"]:
        where = f"{gate['gate']}({','.join(f'q{q}' for q in gate['qubits'])})"
        for p in gate["parameters"]:
            if p["name"] in ("gate_error", "gate_length"):
                yield CalibratedValue(_named(p), where, _number(p), _date(p))


def _date(parameter: Mapping[str, Any]) -> datetime:
    date = parameter["date"]
    return date if isinstance(date, datetime) else datetime.fromisoformat(date)


def _iso(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} is not JSON")
    return value.isoformat()


def _named(parameter: Mapping[str, Any]) -> str:
    """Name with the unit that `_number` gives."""
    return f"{parameter['name']}_s" if parameter.get("unit") in _SECONDS else str(parameter["name"])


def _number(parameter: Mapping[str, Any]) -> float:
    """Value, times in seconds."""
    value = float(parameter["value"]) * _SECONDS.get(parameter.get("unit", ""), 1.0)
    if math.isnan(value):
        raise ValueError(f"{parameter['name']} is NaN")
    return value


def _qubit(values: Mapping[str, Mapping[str, Any]]) -> QubitCalibration:
    error = _number(values["readout_error"]) if "readout_error" in values else 0.0
    t1_s = _number(values["T1"]) if "T1" in values else math.inf
    t2_s = _number(values["T2"]) if "T2" in values else math.inf
    return QubitCalibration(
        t1_s=t1_s if t1_s > 0 else math.inf,
        t2_s=min(t2_s if t2_s > 0 else math.inf, 2 * t1_s if t1_s > 0 else math.inf),
        read_1_of_0=_number(values["prob_meas1_prep0"]) if "prob_meas1_prep0" in values else error,
        read_0_of_1=_number(values["prob_meas0_prep1"]) if "prob_meas0_prep1" in values else error,
    )


def _gates(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, tuple[int, ...]], GateCalibration]]:
    for gate in content["gates"]:
        values = {p["name"]: _number(p) for p in gate["parameters"]}
        error = values.get("gate_error", 0.0)
        if error < DEAD:
            yield (
                (str(gate["gate"]), tuple(int(q) for q in gate["qubits"])),
                GateCalibration(max(0.0, error), max(0.0, values.get("gate_length", 0.0))),
            )
