"""A device's noise on one compiled circuit: only the qubits and gates in use, from the calibrated values.

After every physical gate: depolarisation, then thermal relaxation of its qubits for the gate's length, of strengths
such that the gate's average error is the calibrated one (as Aer's ``NoiseModel.from_backend`` has it). Readout flips
each bit with its own two probabilities. Idle qubits and crosstalk are not modelled.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.library import CXGate, CZGate, ECRGate
from qiskit.quantum_info import Operator
from qiskit.synthesis import TwoQubitBasisDecomposer

from backends.calibration import QubitCalibration, Snapshot
from backends.circuits import Compiled
from solvers.quantum.trajectories import NoisyCircuit

_VIRTUAL = ("rz", "u1")  # done in software: no time, no error
_GATES = {"cx": CXGate, "ecr": ECRGate}


def noisy_circuit(circuit: QuantumCircuit, compiled: Compiled, snapshot: Snapshot) -> NoisyCircuit:
    """``circuit`` (``compiled``'s, every angle bound) with the noise of ``snapshot``."""
    out = NoisyCircuit(len(compiled.physical))
    place = {bit: k for k, bit in enumerate(circuit.qubits)}
    for item in circuit.data:
        name, qubits = item.operation.name, tuple(place[q] for q in item.qubits)
        if len(qubits) == 1:
            out.matrix(qubits[0], item.operation.to_matrix())
        else:
            _entangle(out, name, qubits)
        if name not in _VIRTUAL:
            _strike(out, name, qubits, compiled, snapshot)
    return out


def _strike(out: NoisyCircuit, name: str, qubits: tuple[int, ...], compiled: Compiled, snapshot: Snapshot) -> None:
    physical = tuple(compiled.physical[q] for q in qubits)
    gate = snapshot.gates[name, physical]
    states = [snapshot.qubits[p] for p in physical]
    out.depolarise(qubits, depolarisation(gate.error, gate.length_s, states))
    for q, state in zip(qubits, states, strict=True):
        out.relax(q, gate.length_s, state.t1_s, state.t2_s)


def depolarisation(error: float, length_s: float, qubits: list[QubitCalibration]) -> float:
    """Probability of a Pauli other than the identity that, with relaxation, makes the average gate error ``error``.

    0 when relaxation alone makes more; at most what mixes completely.
    """
    d = 2 ** len(qubits)
    process = np.prod([(1 + 2 * np.exp(-length_s / q.t2_s) + np.exp(-length_s / q.t1_s)) / 4 for q in qubits])
    relaxed = (d * process + 1) / (d + 1)
    mixed = min(1.0, max(0.0, (relaxed - (1 - error)) / (relaxed - 1 / d)))
    return float(mixed * (1 - 1 / d**2))


def read(
    states: NDArray[np.int64], compiled: Compiled, snapshot: Snapshot, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Bits of the variables, shape (shots, n), with readout errors."""
    bits = (states[:, None] >> np.array(compiled.home)) & 1
    qubits = [snapshot.qubits[compiled.physical[k]] for k in compiled.home]
    rates = np.where(bits, [q.read_0_of_1 for q in qubits], [q.read_1_of_0 for q in qubits])
    out: NDArray[np.int8] = (bits ^ (rng.random(bits.shape) < rates)).astype(np.int8)
    return out


def _entangle(out: NoisyCircuit, name: str, qubits: tuple[int, ...]) -> None:
    """A two-qubit gate as one CZ between one-qubit matrices."""
    if name == "cz":
        out.cz(*qubits)
        return
    for kind, where, matrix in _around_cz(name):
        if kind == "cz":
            out.cz(*qubits)
        else:
            out.matrix(qubits[where], matrix)


@cache
def _around_cz(name: str) -> tuple[tuple[str, int, NDArray[np.complex128]], ...]:
    """Steps that equal the gate called ``name`` up to a global phase."""
    circuit = TwoQubitBasisDecomposer(CZGate())(Operator(_GATES[name]()))
    place = {bit: k for k, bit in enumerate(circuit.qubits)}
    return tuple(
        (item.operation.name, place[item.qubits[0]], np.asarray(item.operation.to_matrix())) for item in circuit.data
    )
