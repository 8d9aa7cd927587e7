"""One peer simulator on one QAOA expectation, in a process of its own: ``python quantum_peers.py PEER FILE``.

Stands alone (numpy and the peer), so that it also runs under another interpreter that has peers which this environment
has not. FILE is an ``.npz`` with ``fields``, ``couplings``, ``gammas``, ``betas``, ``costs``. Prints one JSON object.
Circuits are built outside the measured part and costs of bit strings are given to the peer for free.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def aer(fields: Any, couplings: Any, gammas: Any, betas: Any) -> Callable[[], Any]:
    """Qiskit Aer's statevector method, single precision, one thread."""
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    n = len(fields)
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for gamma, beta in zip(gammas, betas, strict=True):
        for i in range(n):
            circuit.rz(2 * gamma * fields[i], i)
            for j in range(i):
                circuit.rzz(2 * gamma * couplings[i, j], i, j)
        circuit.rx(-2 * beta, range(n))
    circuit.save_statevector()
    simulator = AerSimulator(method="statevector", precision="single", max_parallel_threads=1)
    return lambda: np.abs(np.asarray(simulator.run(circuit).result().get_statevector(circuit))) ** 2


def lightning(fields: Any, couplings: Any, gammas: Any, betas: Any) -> Callable[[], Any]:
    """PennyLane's lightning.qubit, single precision."""
    import pennylane as qml  # type: ignore[import-not-found]

    n = len(fields)
    device = qml.device("lightning.qubit", wires=n, c_dtype=np.complex64)

    @qml.qnode(device, diff_method=None)
    def circuit() -> Any:
        for i in range(n):
            qml.Hadamard(i)
        for gamma, beta in zip(gammas, betas, strict=True):
            for i in range(n):
                qml.RZ(2 * gamma * fields[i], i)
                for j in range(i):
                    qml.IsingZZ(2 * gamma * couplings[i, j], [i, j])
            for i in range(n):
                qml.RX(-2 * beta, i)
        return qml.probs(wires=list(reversed(range(n))))

    return lambda: np.asarray(circuit())


def qulacs(fields: Any, couplings: Any, gammas: Any, betas: Any) -> Callable[[], Any]:
    """Qulacs, which has double precision only."""
    from qulacs import QuantumCircuit, QuantumState  # type: ignore[import-not-found]

    n = len(fields)
    circuit = QuantumCircuit(n)
    for i in range(n):
        circuit.add_H_gate(i)
    for gamma, beta in zip(gammas, betas, strict=True):
        for i in range(n):
            circuit.add_RZ_gate(i, -2 * gamma * fields[i])  # its rotations turn the other way
            for j in range(i):
                circuit.add_multi_Pauli_rotation_gate([i, j], [3, 3], -2 * gamma * couplings[i, j])
        for i in range(n):
            circuit.add_RX_gate(i, 2 * beta)
    state = QuantumState(n)

    def run() -> Any:
        state.set_zero_state()
        circuit.update_quantum_state(state)
        return np.abs(state.get_vector()) ** 2

    return run


PEERS = {"aer": aer, "lightning": lightning, "qulacs": qulacs}


def main(peer: str, path: str, repeats: int) -> None:
    """Best of ``repeats`` runs after one that does not count; with 0 repeats the only run counts."""
    data = np.load(path)
    run = PEERS[peer](data["fields"], data["couplings"], data["gammas"], data["betas"])
    if repeats:
        run()
    wall_s, cpu_s, expectation = np.inf, np.inf, 0.0
    for _ in range(max(1, repeats)):
        wall, cpu = time.perf_counter(), time.process_time()
        expectation = float(run().astype(np.float64) @ data["costs"])
        wall_s = min(wall_s, time.perf_counter() - wall)
        cpu_s = min(cpu_s, time.process_time() - cpu)
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "expectation": expectation}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
