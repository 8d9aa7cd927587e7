from __future__ import annotations

import dimod
import numpy as np

from solvers.quantum import cost, descent, passes, readout, subspace, trajectories
from solvers.quantum.qaoa import run_qaoa
from solvers.quantum.trajectories import NoisyCircuit
from solvers.quantum.warm import warm_simulator, warm_trajectories


def compiled():
    modules = (cost, descent, passes, readout, subspace, trajectories)
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "signatures")
    }


def test_nothing_is_left_to_compile_after_warming():
    warm_simulator()
    warm_trajectories()
    before = compiled()
    bqm = dimod.generators.gnp_random_bqm(18, 0.5, "BINARY", random_state=1)
    run_qaoa(bqm, 10, 0, warm_start={0: 1})
    run_qaoa(bqm, 10, 0, one_hot_groups=[(0, 1, 2)])
    circuit = NoisyCircuit(5)
    circuit.matrix(4, np.eye(2))
    circuit.depolarise((3,), 0.9)
    circuit.prepare().sample(3, np.random.default_rng(0))
    assert compiled() == before
    assert sum(before.values()) >= 10
