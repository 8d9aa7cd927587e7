"""Compiling before the first request does."""

from __future__ import annotations

from functools import cache

import dimod
import numpy as np

from solvers.quantum.cost import CostModel
from solvers.quantum.descent import descend
from solvers.quantum.qaoa import QaoaSettings, run_qaoa
from solvers.quantum.statevector import Angles, Statevector
from solvers.quantum.trajectories import NoisyCircuit


@cache
def warm_simulator() -> None:
    """Compile (or load from numba's cache) all that `run_qaoa` and `lift_samples` use; once a process."""
    bqm = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0, "c": 0.5}, {("a", "b"): 1.0}, 0.0, "BINARY")
    run_qaoa(bqm, 2, 0, QaoaSettings(layers=1, evaluations=1))
    run_qaoa(bqm, 2, 0, QaoaSettings(layers=1, evaluations=1), one_hot_groups=[("a", "b")])
    cost = CostModel.of(bqm)
    descend(cost, np.zeros((1, 3), dtype=np.int8))
    wide = CostModel.of(dimod.BinaryQuadraticModel(dict.fromkeys(range(17), 1.0), {}, 0.0, "BINARY"))
    Statevector(wide).run(Angles((0.1,), (0.1,)))  # the high pass begins at 17 qubits


@cache
def warm_trajectories() -> None:
    """Compile (or load from numba's cache) what noisy shots use; once a process."""
    circuit = NoisyCircuit(2)
    circuit.cz(0, 1)
    circuit.depolarise((0, 1), 0.5)
    circuit.relax(0, 1.0, 1.0, 1.0)
    circuit.prepare().sample(8, np.random.default_rng(0))
