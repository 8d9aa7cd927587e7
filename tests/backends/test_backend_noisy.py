from __future__ import annotations

import json
import os
from pathlib import Path

import dimod
import numpy as np
import pytest
from qiskit.quantum_info import Statevector as QiskitState

from backends.backend import Program
from backends.calibration import bundled_snapshot
from backends.circuits import Shape, bind, bindings, build, compile_for, device_target
from backends.noise import depolarisation, noisy_circuit, read
from backends.noisy import NoisySimulator
from solvers.errors import ProgramRefused
from solvers.quantum.cost import CostModel
from solvers.quantum.statevector import Angles, Statevector
from tests.backends.conformance import model, wait

DATA = Path(os.environ.get("ISINGLASS_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ibm" / "props"


def dense(size, seed=0):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return bqm


def measured(probabilities, home, size):
    """Distribution of the variables from that of the circuit's qubits."""
    states = np.arange(len(probabilities))
    bits = np.stack([(states >> q) & 1 for q in home], axis=1) @ (1 << np.arange(size))
    return np.bincount(bits, weights=probabilities, minlength=1 << size)


@pytest.mark.parametrize("device", ["fez", "sherbrooke", "perth", "rochester"])
@pytest.mark.parametrize("warm", [False, True])
def test_transpiled_circuits_prepare_what_the_simulator_prepares(device, warm):
    snapshot = bundled_snapshot(device)
    cost = CostModel.of(dense(4, 1))
    shape = Shape.of(cost, 2, warm)
    ones = np.array([0.3, 0.6, 0.25, 0.75]) if warm else None
    angles = Angles((0.3, 0.5), (0.6, 0.2))
    compiled = compile_for(shape, snapshot, device_target(snapshot), [0])
    state = QiskitState(bind(compiled, bindings(shape, cost, angles, ones)))
    exact = Statevector(cost, ones)
    exact.run(angles)
    assert measured(state.probabilities(), compiled.home, 4) == pytest.approx(exact.probabilities(), abs=1e-5)
    couplers = {tuple(sorted(pair)) for pair in snapshot.coupling}
    for item in compiled.circuit.data:
        where = [compiled.physical[compiled.circuit.find_bit(q).index] for q in item.qubits]
        assert len(where) == 1 or tuple(sorted(where)) in couplers


def test_textbook_circuit_equals_the_simulator_too():
    cost = CostModel.of(dense(5, 2))
    shape = Shape.of(cost, 1, warm=False)
    angles = Angles((0.7,), (0.4,))
    values = bindings(shape, cost, angles, None)
    circuit = build(shape)
    bound = circuit.assign_parameters({p: values[p.vector.name][p.index] for p in circuit.parameters})
    exact = Statevector(cost)
    exact.run(angles)
    assert QiskitState(bound).probabilities() == pytest.approx(exact.probabilities(), abs=1e-5)


def test_more_seeds_never_choose_a_less_likely_circuit():
    snapshot = bundled_snapshot("fez")
    shape, target = Shape.of(CostModel.of(dense(6)), 1, warm=False), device_target(snapshot)
    single = [compile_for(shape, snapshot, target, [seed]).success_probability for seed in range(3)]
    assert compile_for(shape, snapshot, target, range(3)).success_probability == max(single)


@pytest.mark.parametrize("device", ["perth", "peekskill", "fez"])
def test_shots_follow_aer_under_the_same_noise(device):
    """Aer's density matrix, its noise put together from Aer's own channels, is the reference."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, thermal_relaxation_error

    snapshot = bundled_snapshot(device)
    cost = CostModel.of(dense(4, 3))
    shape = Shape.of(cost, 1, warm=False)
    compiled = compile_for(shape, snapshot, device_target(snapshot), [0])
    circuit = bind(compiled, bindings(shape, cost, Angles((0.5,), (0.6,)), None))
    model = NoiseModel(basis_gates=["rz", "sx", "x", snapshot.entangler])
    place = {p: k for k, p in enumerate(compiled.physical)}
    for (name, where), gate in snapshot.gates.items():
        if name not in ("sx", "x", snapshot.entangler) or not set(where) <= set(place):
            continue
        qubits = [snapshot.qubits[p] for p in where]
        mixed = depolarisation(gate.error, gate.length_s, qubits) / (1 - 1 / 4 ** len(where))
        relaxed = [thermal_relaxation_error(q.t1_s, q.t2_s, gate.length_s) for q in qubits]
        both = relaxed[0] if len(where) == 1 else relaxed[1].tensor(relaxed[0])
        model.add_quantum_error(depolarizing_error(mixed, len(where)).compose(both), name, [place[p] for p in where])
    for p, k in place.items():
        q = snapshot.qubits[p]
        table = [[1 - q.read_1_of_0, q.read_1_of_0], [q.read_0_of_1, 1 - q.read_0_of_1]]
        model.add_readout_error(ReadoutError(table), [k])
    asked = circuit.copy()
    asked.measure_all()
    shots = 40_000
    aer = AerSimulator(noise_model=model, method="density_matrix", max_parallel_threads=1)
    counts = aer.run(asked, shots=shots, seed_simulator=1).result().get_counts()
    reference = np.zeros(1 << len(place))
    for text, count in counts.items():
        reference[int(text, 2)] = count
    reference = measured(reference, compiled.home, 4)

    rng = np.random.default_rng(2)
    states = noisy_circuit(circuit, compiled, snapshot).prepare().sample(shots, rng)
    seen = np.bincount(read(states, compiled, snapshot, rng) @ (1 << np.arange(4)), minlength=16)
    kept = reference + seen > 20
    chi_squared = ((seen - reference)[kept] ** 2 / (seen + reference)[kept]).sum()
    assert chi_squared < 3.0 * kept.sum()  # two samples of one distribution: about one a cell


def test_gate_error_is_met_by_depolarisation_and_relaxation_together():
    from qiskit.quantum_info import average_gate_fidelity
    from qiskit_aer.noise import depolarizing_error, thermal_relaxation_error

    qubits = [bundled_snapshot("fez").qubits[k] for k in (0, 1)]
    mixed = depolarisation(0.01, 84e-9, qubits) / (1 - 1 / 16)
    relaxed = [thermal_relaxation_error(q.t1_s, q.t2_s, 84e-9) for q in qubits]
    both = depolarizing_error(mixed, 2).compose(relaxed[1].tensor(relaxed[0]))
    assert 1 - average_gate_fidelity(both) == pytest.approx(0.01, rel=1e-6)
    assert depolarisation(1e-9, 84e-9, qubits) == 0.0


def test_noise_makes_samples_worse_than_the_exact_ones():
    from backends.statevector import StatevectorSimulator

    program = Program(dense(8, 4), layers=2, seed=1)
    means = []
    for backend in (StatevectorSimulator(), NoisySimulator()):
        job = backend.submit(program, 1000, "k")
        wait(backend, job)
        record = backend.fetch(job).record
        means.append((record.energy * record.num_occurrences).sum() / 1000)
        backend.close()
    assert means[0] < means[1]


def test_finished_job_tells_circuit_angles_and_calibration():
    backend = NoisySimulator()
    job = backend.submit(Program(model(5), layers=2), 50, "k")
    wait(backend, job)
    info = backend.fetch(job).info
    assert info["calibration_id"] == backend.facts().calibration_id
    assert info["depth"] > 0
    assert info["two_qubit_gates"] > 0
    assert len(info["angles"]["gammas"]) == 2
    assert 0 < info["success_probability"] < 1
    json.dumps(info)
    backend.close()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no calibration snapshots in {DATA}")
def test_any_snapshot_file_is_a_device_and_a_dead_one_is_unavailable():
    backend = NoisySimulator(snapshot=str(DATA / "hanoi_2024-05-27.json.gz"))
    job = backend.submit(Program(model(4), layers=1), 20, "k")
    wait(backend, job)
    assert backend.fetch(job).record.num_occurrences.sum() == 20
    backend.close()
    poor = NoisySimulator(snapshot=str(DATA / "fez_2025-01-22.json.gz"))
    assert poor.facts().qubits == 4
    with pytest.raises(ProgramRefused, match="5 variables; allowed: at most 4"):
        poor.submit(Program(model(5), layers=1), 20, "k")


@pytest.mark.parametrize("options", [{"max_variables": 0}, {"search_s": 0.0}, {"snapshot": "nowhere"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"allowed|> 0|no bundled"):
        NoisySimulator(**options)
