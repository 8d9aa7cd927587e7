"""A 12-qubit, two-layer circuit under the noise of ibm_fez: Isinglass beside Aer's own model of the same device.

Both run the same physical circuit, gate for gate, so that what they sample must be the same distribution: energies by a
two-sample Kolmogorov-Smirnov test, the chance of each bit and of each pair of equal bits by their largest z score.
``from_backend`` reads every bit with the mean of its two readout errors; the calibration has both, we use both, and so
the peer is given both before distributions are compared. Its gate noise is left as it comes.
"""

from __future__ import annotations

import time
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm

from backends.ansatz import Ansatz
from backends.backend import Program
from backends.calibration import bundled_snapshot
from backends.noisy import NoisySimulator
from benchmarks.quantum_expectation import best_of
from solvers.quantum.cost import CostModel
from solvers.stop import Never

QUBITS = 12
LAYERS = 2
SHOTS = 1000
REFERENCE_SHOTS = 5000
"""Shots of ours that the peer's are compared with: fewer would only add their own sampling error."""
LEAST_P = 1e-3
"""Both tests together reject a true hypothesis about twice in a thousand runs."""


def dense_program() -> Program:
    """Every pair of 12 variables coupled, biases from a seed."""
    rng = np.random.default_rng(12)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(QUBITS):
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
    begun = time.perf_counter()
    counts = simulator.run(circuit, shots=SHOTS, seed_simulator=1).result().get_counts()
    run_s = time.perf_counter() - begun
    rows = np.array([[int(bit) for bit in reversed(word)] for word, count in counts.items() for _ in range(count)])
    return {"build_s": built_s, "run_s": run_s, **compare(prepared.cost, ours, rows.astype(np.int8))}


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
