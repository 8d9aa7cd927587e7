from __future__ import annotations

import itertools

import numpy as np
import pytest

from solvers.quantum.trajectories import NoisyCircuit

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def chi_squared_per_cell(seen, expected):
    kept = expected > 5
    return ((seen - expected)[kept] ** 2 / expected[kept]).sum() / kept.sum()


class DensityMatrix:
    """The same circuit by full density matrices: slow, plain, and sharing nothing with trajectories."""

    def __init__(self, qubits):
        self.qubits, self.circuit = qubits, NoisyCircuit(qubits)
        self.rho = np.zeros((1 << qubits, 1 << qubits), dtype=complex)
        self.rho[0, 0] = 1

    def _wide(self, qubit, matrix):
        return np.kron(np.kron(np.eye(1 << (self.qubits - 1 - qubit)), matrix), np.eye(1 << qubit))

    def _by(self, *operators):
        self.rho = sum(k @ self.rho @ k.conj().T for k in operators)

    def matrix(self, qubit, matrix):
        self.circuit.matrix(qubit, matrix)
        self._by(self._wide(qubit, matrix))

    def cz(self, a, b):
        self.circuit.cz(a, b)
        k = np.arange(1 << self.qubits)
        self._by(np.diag(1.0 - 2 * ((k >> a) & (k >> b) & 1)))

    def depolarise(self, qubits, p):
        self.circuit.depolarise(qubits, p)
        strings = list(itertools.product(range(4), repeat=len(qubits)))
        operators = []
        for string in strings:
            weight = p / (len(strings) - 1) if any(string) else 1 - p
            wide = np.eye(1 << self.qubits)
            for qubit, k in zip(qubits, string, strict=True):
                wide = self._wide(qubit, PAULIS[k]) @ wide
            operators.append(np.sqrt(weight) * wide)
        self._by(*operators)

    def relax(self, qubit, length, t1, t2):
        self.circuit.relax(qubit, length, t1, t2)
        damping = 1 - np.exp(-length / t1)
        flip = (1 - np.exp(-length / t2 + length / t1 / 2)) / 2
        self._by(
            self._wide(qubit, np.diag([1, np.sqrt(1 - damping)])),
            self._wide(qubit, np.array([[0, np.sqrt(damping)], [0, 0]])),
        )
        self._by(np.sqrt(1 - flip) * np.eye(1 << self.qubits), np.sqrt(flip) * self._wide(qubit, PAULIS[3]))


@pytest.mark.parametrize("qubits", [1, 2, 3, 5])
def test_shots_follow_the_density_matrix(qubits):
    rng = np.random.default_rng(qubits)
    both = DensityMatrix(qubits)
    for _ in range(20):
        q = int(rng.integers(qubits))
        unitary, _ = np.linalg.qr(rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2)))
        both.matrix(q, unitary)
        both.depolarise((q,), 0.02)
        both.relax(q, 1.0, 30.0, 45.0)
        if qubits > 1:
            a, b = (int(k) for k in rng.choice(qubits, 2, replace=False))
            both.cz(a, b)
            both.depolarise((a, b), 0.03)
            both.relax(a, 2.0, 30.0, 10.0)
            both.relax(b, 2.0, 50.0, 100.0)
    shots = 60_000
    states = both.circuit.prepare().sample(shots, rng)
    seen = np.bincount(states, minlength=1 << qubits)
    expected = shots * np.diag(both.rho).real
    assert chi_squared_per_cell(seen, expected) < (4.0 if qubits < 3 else 2.5)


def test_full_damping_ends_in_the_ground_state():
    circuit = NoisyCircuit(2)
    circuit.matrix(0, PAULIS[1])
    circuit.matrix(1, PAULIS[1])
    circuit.relax(0, 1000.0, 1.0, 2.0)
    assert set(circuit.prepare().sample(200, np.random.default_rng(0))) == {2}


def test_damping_from_an_excited_state_is_exponential():
    circuit = NoisyCircuit(1)
    circuit.matrix(0, PAULIS[1])
    for _ in range(10):
        circuit.relax(0, 0.1, 1.0, 0.7)
    ones = circuit.prepare().sample(40_000, np.random.default_rng(1)).mean()
    assert ones == pytest.approx(np.exp(-1), abs=5 * np.sqrt(np.exp(-1) * (1 - np.exp(-1)) / 40_000))


def test_without_noise_all_shots_follow_the_state():
    circuit = NoisyCircuit(3)
    hadamard = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    circuit.matrix(0, hadamard)
    for q in (1, 2):  # a chain of CNOTs makes a GHZ state
        circuit.matrix(q, hadamard)
        circuit.cz(q - 1, q)
        circuit.matrix(q, hadamard)
    states = circuit.prepare().sample(2000, np.random.default_rng(3))
    assert set(states) == {0, 7}
    assert 850 < (states == 7).sum() < 1150


def test_same_seed_same_shots_and_no_shots_are_none():
    circuit = NoisyCircuit(2)
    circuit.matrix(0, np.array([[1, 1], [1, -1]]) / np.sqrt(2))
    circuit.depolarise((0, 1), 0.3)
    run = circuit.prepare()
    first = run.sample(500, np.random.default_rng(4))
    assert np.array_equal(first, run.sample(500, np.random.default_rng(4)))
    assert not np.array_equal(first, run.sample(500, np.random.default_rng(5)))
    assert len(run.sample(0, np.random.default_rng(4))) == 0
