"""QAOA circuits for a device: built and transpiled once a shape with its calibration in view, bound at run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.transpiler import Target, generate_preset_pass_manager

from backends.calibration import Snapshot
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import Angles

Edge = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """What a circuit looks like whatever its angles: ``edges`` are pairs (i < j) of coupled variables.

    ``warm`` is whether qubits start from and mix around angles of their own.
    """

    variables: int
    edges: tuple[Edge, ...]
    layers: int
    warm: bool

    @classmethod
    def of(cls, cost: CostModel, layers: int, warm: bool) -> Shape:
        """The shape of ``cost``'s circuit."""
        rows, columns = np.nonzero(np.triu(cost.quadratic, 1))
        return cls(cost.size, tuple(zip(rows.tolist(), columns.tolist(), strict=True)), layers, warm)


@dataclass(frozen=True)
class Compiled:
    """A circuit of the device's own gates, cut to the qubits in use.

    Parameters
    ----------
    circuit
        Over ``len(physical)`` qubits, with parameters in `bindings`' order, without measurements.
    physical
        Device qubit of each circuit qubit.
    home
        Circuit qubit that holds variable k at the end.
    success_probability
        Product of (1 - error) over gates and readouts; a figure to compare circuits by.
    depth, two_qubit_gates
        As transpiled.
    seconds
        Length of one run on the device by its gate lengths.
    """

    circuit: QuantumCircuit
    physical: tuple[int, ...]
    home: tuple[int, ...]
    success_probability: float
    depth: int
    two_qubit_gates: int
    seconds: float


def build(shape: Shape) -> QuantumCircuit:
    """The circuit in textbook gates; parameter vectors ``phase`` (fields, then couplings, per layer), ``mix`` (one a
    layer) and, when warm, ``tilt`` (one a variable).
    """
    n, terms = shape.variables, shape.variables + len(shape.edges)
    phase = ParameterVector("phase", shape.layers * terms)
    mix = ParameterVector("mix", shape.layers)
    tilt = ParameterVector("tilt", n if shape.warm else 0)
    circuit = QuantumCircuit(n)
    for q in range(n):
        if shape.warm:
            circuit.ry(tilt[q], q)
        else:
            circuit.h(q)
    for layer in range(shape.layers):
        base = layer * terms
        for k, (a, b) in enumerate(shape.edges):
            circuit.rzz(phase[base + n + k], a, b)
        for q in range(n):
            circuit.rz(phase[base + q], q)
        for q in range(n):
            if shape.warm:
                circuit.ry(-tilt[q], q)
                circuit.rz(mix[layer], q)
                circuit.ry(tilt[q], q)
            else:
                circuit.rx(mix[layer], q)
    return circuit


def bindings(
    shape: Shape, cost: CostModel, angles: Angles, ones: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    """Values of `build`'s parameter vectors: ``exp(-i gamma C)`` is RZ(2 gamma h) and RZZ(2 gamma J) in spins, and
    the mixer ``exp(i beta X)`` is RX(-2 beta); warm, RZ(-2 beta) between RY(-tilt) and RY(tilt).
    """
    fields, couplings, _ = cost.spins()
    pairs = np.array([couplings[a, b] for a, b in shape.edges])
    terms = 2 * np.concatenate([fields, pairs])
    values = {
        "phase": np.concatenate([gamma * terms for gamma in angles.gammas]),
        "mix": -2 * np.array(angles.betas),
    }
    if shape.warm:
        if ones is None:
            raise ValueError("a warm circuit needs start probabilities")
        values["tilt"] = 2 * np.arcsin(np.sqrt(ones))
    return values


def bind(compiled: Compiled, values: dict[str, NDArray[np.float64]]) -> QuantumCircuit:
    """The circuit with every angle set."""
    table = {p: values[p.vector.name][p.index] for p in compiled.circuit.parameters}
    return compiled.circuit.assign_parameters(table)


def device_target(snapshot: Snapshot) -> Target:
    """What the transpiler may use: live gates on the largest connected set of live qubits, with their errors."""
    from qiskit.circuit import Parameter
    from qiskit.circuit.library import CXGate, CZGate, ECRGate, Measure, RZGate, SXGate, U1Gate, U2Gate, U3Gate, XGate
    from qiskit.transpiler import InstructionProperties

    a, b, c = Parameter("a"), Parameter("b"), Parameter("c")
    known = {
        "rz": RZGate(a), "sx": SXGate(), "x": XGate(), "u1": U1Gate(a), "u2": U2Gate(a, b), "u3": U3Gate(a, b, c),
        "cz": CZGate(), "ecr": ECRGate(), "cx": CXGate(),
    }  # fmt: skip
    target = Target(num_qubits=len(snapshot.qubits))
    for name, gate in known.items():
        if gate.num_qubits == 2 and name != snapshot.entangler:
            continue
        places = {
            where: InstructionProperties(duration=g.length_s, error=g.error)
            for (gate_name, where), g in snapshot.gates.items()
            if gate_name == name and snapshot.usable.issuperset(where)
        }
        if places:
            target.add_instruction(gate, places)
    reads = {(q,): InstructionProperties(error=snapshot.qubits[q].readout_error) for q in sorted(snapshot.usable)}
    target.add_instruction(Measure(), reads)
    return target


def compile_for(shape: Shape, snapshot: Snapshot, target: Target, seeds: Sequence[int], level: int = 2) -> Compiled:
    """Transpile with each of ``seeds`` and keep the circuit most likely to run without any error."""
    circuit = build(shape)
    best: Compiled | None = None
    for seed in seeds:
        manager = generate_preset_pass_manager(level, target=target, seed_transpiler=seed)
        candidate = _cut(manager.run(circuit), shape, snapshot)
        if best is None or candidate.success_probability > best.success_probability:
            best = candidate
    if best is None:
        raise ValueError("compile_for needs at least one seed")
    return best


def _cut(circuit: QuantumCircuit, shape: Shape, snapshot: Snapshot) -> Compiled:
    """``circuit`` on the qubits it uses only, with its figures."""
    place = {bit: k for k, bit in enumerate(circuit.qubits)}
    finals = [circuit.layout.final_index_layout()[k] for k in range(shape.variables)]
    used = sorted({place[q] for item in circuit.data for q in item.qubits} | set(finals))
    small = QuantumCircuit(len(used), global_phase=circuit.global_phase)
    where = {q: k for k, q in enumerate(used)}
    log_success, pairs = 0.0, 0
    ready_s = dict.fromkeys(used, 0.0)
    for item in circuit.data:
        qubits = tuple(place[q] for q in item.qubits)
        if item.operation.name == "barrier":
            continue
        small.append(item.operation, [where[q] for q in qubits])
        gate = snapshot.gates[item.operation.name, qubits]
        log_success += math.log1p(-gate.error)
        pairs += len(qubits) == 2
        end_s = max(ready_s[q] for q in qubits) + gate.length_s
        ready_s.update(dict.fromkeys(qubits, end_s))
    log_success += sum(math.log1p(-min(snapshot.qubits[q].readout_error, 0.999)) for q in finals)
    return Compiled(
        circuit=small,
        physical=tuple(used),
        home=tuple(where[q] for q in finals),
        success_probability=math.exp(log_success),
        depth=small.depth(),
        two_qubit_gates=pairs,
        seconds=max(ready_s.values(), default=0.0),
    )
