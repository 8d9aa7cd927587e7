"""QAOA circuits for a device: built and transpiled once a shape with its calibration in view, bound at run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import XXPlusYYGate
from qiskit.transpiler import Target, generate_preset_pass_manager

from backends.calibration import Snapshot
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import Angles

Edge = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """What a circuit looks like whatever its angles: ``edges`` are pairs (i < j) of coupled variables.

    ``warm`` is whether qubits start from and mix around angles of their own. ``groups`` are disjoint tuples of
    variables of which the XY mixer keeps exactly one at 1; empty for the X mixer. With groups, ``warm`` is true: every
    qubit outside them has an angle of its own.
    """

    variables: int
    edges: tuple[Edge, ...]
    layers: int
    warm: bool
    groups: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, cost: CostModel, layers: int, warm: bool, groups: tuple[tuple[int, ...], ...] = ()) -> Shape:
        """The shape of ``cost``'s circuit."""
        rows, columns = np.nonzero(np.triu(cost.quadratic, 1))
        edges = tuple(zip(rows.tolist(), columns.tolist(), strict=True))
        return cls(cost.size, edges, layers, warm or bool(groups), groups)


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
    layer) and, when warm, ``tilt`` (one a variable); with groups, ``turn`` (layer by layer, one a group).

    A group starts as one excitation on its first qubit, which rotations between neighbours spread to the start state.
    They undone, the start state is that excitation again, so that a phase on the first qubit between them and their
    inverse is the XY mixer over all pairs, warm or not, as `solvers.quantum.subspace` simulates it: exactly, and with
    ``2 (d - 1)`` rotations a layer.
    """
    n, terms = shape.variables, shape.variables + len(shape.edges)
    phase = ParameterVector("phase", shape.layers * terms)
    mix = ParameterVector("mix", shape.layers)
    tilt = ParameterVector("tilt", n if shape.warm else 0)
    turn = ParameterVector("turn", shape.layers * len(shape.groups))
    circuit = QuantumCircuit(n)
    alone = sorted(set(range(n)) - {q for group in shape.groups for q in group})
    for q in alone:
        if shape.warm:
            circuit.ry(tilt[q], q)
        else:
            circuit.h(q)
    for group in shape.groups:
        circuit.x(group[0])
        _spread(circuit, group, tilt, 1)
    for layer in range(shape.layers):
        base = layer * terms
        for k, (a, b) in enumerate(shape.edges):
            circuit.rzz(phase[base + n + k], a, b)
        for q in range(n):
            circuit.rz(phase[base + q], q)
        for k, group in enumerate(shape.groups):
            _spread(circuit, group, tilt, -1)
            circuit.rz(turn[layer * len(shape.groups) + k], group[0])
            _spread(circuit, group, tilt, 1)
        for q in alone:
            if shape.warm:
                circuit.ry(-tilt[q], q)
                circuit.rz(mix[layer], q)
                circuit.ry(tilt[q], q)
            else:
                circuit.rx(mix[layer], q)
    return circuit


def _spread(circuit: QuantumCircuit, group: tuple[int, ...], tilt: ParameterVector, sign: int) -> None:
    """Rotations of the excitation from each qubit of ``group`` to the next by ``tilt`` of the latter; -1: undone."""
    pairs = list(pairwise(group))
    for a, b in pairs if sign > 0 else reversed(pairs):
        circuit.append(XXPlusYYGate(sign * tilt[b], math.pi / 2), [a, b])


def group_tilts(amplitudes: NDArray[np.float64]) -> list[float]:
    """Angles of `build`'s ``tilt`` for the members of a group after the first, from its start amplitudes (>= 0)."""
    angles, rest = [], 1.0
    for amplitude in amplitudes[:-1]:
        share = min(1.0, float(amplitude) / rest) if rest > 0 else 1.0
        angles.append(2 * math.acos(share))
        rest *= math.sqrt(max(0.0, 1 - share * share))
    return angles


def bindings(
    shape: Shape,
    cost: CostModel,
    angles: Angles,
    ones: NDArray[np.float64] | None,
    starts: Sequence[NDArray[np.float64]] = (),
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
    if shape.groups:
        for group, amplitudes in zip(shape.groups, starts, strict=True):
            values["tilt"][list(group)] = [0.0, *group_tilts(amplitudes)]
        # exp(i beta M) has eigenvalue d - 1 on the start state and -1 elsewhere; a single pair has +-1.
        spans = np.array([2.0 if len(group) == 2 else float(len(group)) for group in shape.groups])
        values["turn"] = np.concatenate([beta * spans for beta in angles.betas])
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
