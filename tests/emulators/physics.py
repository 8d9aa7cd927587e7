"""What the emulated devices compute: circuits exactly, annealings by this house's annealer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import dimod
import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from solvers.binary.annealing import anneal
from solvers.binary.interop import from_dimod

_kept: OrderedDict[str, Any] = OrderedDict()


def shoot(name: str, circuit: QuantumCircuit, shots: int, seed: int) -> np.ndarray:
    """Bits (shots, clbits) of a circuit that measures at its end; ``name`` identifies equal circuits."""
    if name not in _kept:
        _kept[name] = _distribution(circuit)
        while len(_kept) > 256:
            _kept.popitem(last=False)
    probabilities, size = _kept[name]
    drawn = np.random.default_rng(seed).choice(len(probabilities), shots, p=probabilities)
    return ((drawn[:, None] >> np.arange(size)) & 1).astype(np.int8)


def _distribution(circuit: QuantumCircuit) -> tuple[np.ndarray, int]:
    place = {bit: k for k, bit in enumerate(circuit.qubits)}
    bit_of = {bit: k for k, bit in enumerate(circuit.clbits)}
    reads = {bit_of[item.clbits[0]]: place[item.qubits[0]] for item in circuit.data if item.operation.name == "measure"}
    used = sorted({place[q] for item in circuit.data for q in item.qubits if item.operation.name != "barrier"})
    where = {q: k for k, q in enumerate(used)}
    pure = QuantumCircuit(len(used))
    for item in circuit.data:
        if item.operation.name not in ("measure", "barrier"):
            pure.append(item.operation, [where[place[q]] for q in item.qubits])
    state = Statevector(pure).probabilities([where[reads[k]] for k in range(len(reads))])
    return state / state.sum(), len(reads)


def anneal_reads(
    linear: Mapping[int, float], quadratic: Mapping[tuple[int, int], float], reads: int, seed: int
) -> tuple[list[int], np.ndarray]:
    """Qubits in order, and spins (reads, qubits) of an Ising model."""
    bqm = dimod.BinaryQuadraticModel(dict(linear), dict(quadratic), 0.0, "SPIN")
    problem = from_dimod(bqm.change_vartype("BINARY", inplace=False))
    spins = anneal(problem.ising, reads, 50, np.random.default_rng(seed), lambda: True)
    columns = [int(v) for v in bqm.variables]
    order = np.argsort(columns)
    return [columns[k] for k in order], np.asarray(spins)[:, order]
