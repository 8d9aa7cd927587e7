"""A 12-qubit, two-layer circuit under the noise of ibm_fez: Isinglass beside Aer's own model of the same device.

Both run the same physical circuit, gate for gate, so that what they sample must be the same distribution: energies by a
two-sample Kolmogorov-Smirnov test, the chance of each bit and of each pair of equal bits by their largest z score.
``from_backend`` reads every bit with the mean of its two readout errors; the calibration has both, we use both, and so
the peer is given both before distributions are compared. Its gate noise is left as it comes.

A thousand shots of 12 qubits tell little. So a circuit of 9 qubits is compared too, by a chi-squared test over all its
bit strings: there Aer's density matrix follows its own noise model exactly, and many shots are cheap.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import dimod
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp, norm

from backends.ansatz import Ansatz
from backends.backend import Program
from backends.calibration import bundled_snapshot
from backends.noise import noisy_circuit, read
from backends.noisy import NoisySimulator
from benchmarks.quantum_expectation import best_of
from solvers.quantum.cost import CostModel
from solvers.stop import Never

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

QUBITS = 12
LAYERS = 2
SHOTS = 1000
EXACT_QUBITS, EXACT_SHOTS = 9, 100_000
REFERENCE_SHOTS = 5000
"""Shots of ours that the peer's are compared with: fewer would only add their own sampling error."""
LEAST_P = 1e-3
"""Both tests together reject a true hypothesis about twice in a thousand runs."""


def dense_program(qubits: int = QUBITS) -> Program:
    """Every pair of variables coupled, biases from a seed."""
    rng = np.random.default_rng(12)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(qubits):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return Program(bqm, layers=LAYERS, seed=1)


def run(with_aer: bool) -> dict[str, Any]:
    """Ours, warm: angles included; ``with_aer``, the peer as it comes, and both distributions compared."""
    program = dense_program()
    backend = NoisySimulator(time_limit_s=120.0)
    made = iter(range(100))

    def ours(shots: int = SHOTS) -> dimod.SampleSet:
        job = backend.submit(program, shots, f"bench-{next(made)}")
        while backend.poll(job).value in ("queued", "running"):
            time.sleep(0.001)
        return backend.fetch(job)

    cpu_s, wall_s, samples = best_of(ours, 3)
    reference = ours(REFERENCE_SHOTS) if with_aer else None
    backend.close()
    record = samples.record
    found = {
        "device": "ibm_fez",
        "calibration_id": samples.info["calibration_id"],
        "two_qubit_gates": samples.info["two_qubit_gates"],
        "success_probability": samples.info["success_probability"],
        "mean_energy": float((record.energy * record.num_occurrences).sum() / SHOTS),
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "aer": None,
    }
    if reference is not None:
        found["aer"] = _beside_aer(program, _rows(reference))
    return found


def _rows(samples: dimod.SampleSet) -> NDArray[np.int8]:
    """One row a shot, variables in the program's order."""
    columns = [samples.variables.index(v) for v in range(QUBITS)]
    rows: NDArray[np.int8] = np.repeat(samples.record.sample[:, columns], samples.record.num_occurrences, axis=0)
    return rows


def _beside_aer(program: Program, ours: NDArray[np.int8]) -> dict[str, Any]:
    """Seconds of Aer's ``from_backend`` on the same circuit, and both distributions compared."""
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime.fake_provider import FakeFez

    snapshot = bundled_snapshot("fez")
    prepared = Ansatz("bench", snapshot).prepare(program, Never())
    circuit = prepared.on_device(len(snapshot.qubits))
    begun = time.perf_counter()
    simulator = AerSimulator.from_backend(FakeFez())
    built_s = time.perf_counter() - begun
    for q in (prepared.compiled.physical[k] for k in prepared.compiled.home):
        up, down = snapshot.qubits[q].read_1_of_0, snapshot.qubits[q].read_0_of_1
        simulator.options.noise_model.add_readout_error([[1 - up, up], [down, 1 - down]], [q], warnings=False)
    noise = simulator.options.noise_model
    begun = time.perf_counter()
    counts = simulator.run(circuit, shots=SHOTS, seed_simulator=1).result().get_counts()
    run_s = time.perf_counter() - begun
    rows = np.array([[int(bit) for bit in reversed(word)] for word, count in counts.items() for _ in range(count)])
    p_exact = _beside_density_matrix(noise)
    found = compare(prepared.cost, ours, rows.astype(np.int8))
    same = found["same"] and p_exact >= LEAST_P
    return {"build_s": built_s, "run_s": run_s, **found, "p_exact": p_exact, "same": same}


def _beside_density_matrix(noise: NoiseModel) -> float:
    """P value of the hypothesis that our shots of a smaller circuit follow Aer's density matrix under ``noise``."""
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    snapshot = bundled_snapshot("fez")
    prepared = Ansatz("bench", snapshot).prepare(dense_program(EXACT_QUBITS), Never())
    compiled = prepared.compiled
    place = {q: k for k, q in enumerate(compiled.physical)}
    cut = NoiseModel(basis_gates=noise.basis_gates)
    for gate, errors in noise._local_quantum_errors.items():
        for where, error in errors.items():
            if place.keys() >= set(where):
                cut.add_quantum_error(error, gate, [place[q] for q in where], warnings=False)
    for q, k in place.items():
        up, down = snapshot.qubits[q].read_1_of_0, snapshot.qubits[q].read_0_of_1
        cut.add_readout_error([[1 - up, up], [down, 1 - down]], [k], warnings=False)
    circuit = QuantumCircuit(len(place), EXACT_QUBITS)
    circuit.compose(prepared.circuit, inplace=True)
    for k, home in enumerate(compiled.home):
        circuit.measure(home, k)
    simulator = AerSimulator(method="density_matrix", noise_model=cut)
    counts = simulator.run(circuit, shots=EXACT_SHOTS, seed_simulator=1).result().get_counts()
    peer = np.zeros(1 << EXACT_QUBITS, dtype=np.int64)
    for word, count in counts.items():
        peer[int(word, 2)] = count
    rng = np.random.default_rng(1)
    states = noisy_circuit(prepared.circuit, compiled, snapshot).prepare().sample(EXACT_SHOTS, rng)
    bits = read(states, compiled, snapshot, rng)
    return p_of_counts(np.bincount(bits @ (1 << np.arange(EXACT_QUBITS)), minlength=len(peer)), peer)


def p_of_counts(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """P value of a chi-squared test that two histograms come from one distribution; rare values are pooled."""
    rare = first + second < 20
    table = np.stack([np.append(counts[~rare], counts[rare].sum()) for counts in (first, second)])
    return float(chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)


def compare(cost: CostModel, first: NDArray[np.int8], second: NDArray[np.int8]) -> dict[str, Any]:
    """Whether two sets of bit strings, one row a shot, can come from one distribution."""
    energies = cost.energies(first), cost.energies(second)
    p_energy = float(ks_2samp(*energies).pvalue)
    scores = np.abs(np.concatenate([_scores(first, second), _scores(_equal(first), _equal(second))]))
    p_bits = float(min(1.0, 2 * norm.sf(scores.max()) * len(scores)))
    return {
        "mean_energy": float(energies[1].mean()),
        "p_energy": p_energy,
        "p_bits": p_bits,
        "largest_z": float(scores.max()),
        "same": p_energy >= LEAST_P and p_bits >= LEAST_P,
    }


def _equal(bits: NDArray[np.int8]) -> NDArray[np.int8]:
    """Whether each pair of columns holds equal bits."""
    a, b = np.triu_indices(bits.shape[1], 1)
    out: NDArray[np.int8] = (bits[:, a] == bits[:, b]).astype(np.int8)
    return out


def _scores(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.float64]:
    """Scores (z) of the difference of each column's share of ones, pooled variance; add-one keeps it above zero."""
    n, m = len(first), len(second)
    share = (first.sum(axis=0) + second.sum(axis=0) + 1) / (n + m + 2)
    error = np.sqrt(share * (1 - share) * (1 / n + 1 / m))
    out: NDArray[np.float64] = (first.mean(axis=0) - second.mean(axis=0)) / error
    return out
