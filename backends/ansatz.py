"""From a program to a bound circuit of a device: transpiled once a shape, angles found on the exact simulator."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError

from backends.backend import Program
from backends.calibration import Snapshot
from backends.circuits import Compiled, Shape, bind, bindings, compile_for, device_target
from backends.statevector import search_evaluations
from solvers.errors import ProgramRefused
from solvers.quantum.cost import CostModel
from solvers.quantum.qaoa import QaoaSettings, Simulated, optimise, start_probabilities
from solvers.quantum.statevector import Statevector
from solvers.quantum.subspace import OneHotStatevector
from solvers.stop import Stop

_KEPT = 256


@dataclass(frozen=True)
class Prepared:
    """A program ready for the device: its model, the compiled circuit and that circuit with every angle set.

    ``info`` is what a finished job tells about it: depth, two-qubit gates, qubits, success probability, angles.
    """

    cost: CostModel
    compiled: Compiled
    circuit: QuantumCircuit
    info: dict[str, Any]

    def on_device(self, qubits: int) -> QuantumCircuit:
        """The circuit over all ``qubits`` of the device, variable k measured into classical bit k of ``c``."""
        wide = QuantumCircuit(qubits, self.cost.size)
        wide.compose(self.circuit, qubits=self.compiled.physical, inplace=True)
        for k, home in enumerate(self.compiled.home):
            wide.measure(self.compiled.physical[home], k)
        return wide


class Ansatz:
    """QAOA circuits for one calibrated device.

    Parameters
    ----------
    backend
        Name, for errors.
    snapshot
        The device's calibration.
    transpiler_seeds
        Circuits tried for each shape (>= 1); the one most likely to run without error is kept.
    search_s
        Time that the search of angles may take by the estimate (> 0), seconds.
    alpha, regularisation
        As of `solvers.quantum.qaoa.QaoaSettings`.
    mixer
        ``"x"``: one-hot groups are left to the model's penalties. ``"xy"``: circuits keep them, at the price of
        ``4 (d - 1)`` two-qubit gates a layer for a group of d, and of as many samples outside as noise makes.
    """

    def __init__(
        self,
        backend: str,
        snapshot: Snapshot,
        transpiler_seeds: int = 3,
        search_s: float = 0.3,
        alpha: float = 0.25,
        regularisation: float = 0.25,
        mixer: str = "x",
    ) -> None:
        if mixer not in ("x", "xy"):
            raise ValueError(f"mixer is {mixer!r}; allowed: x, xy")
        if search_s <= 0 or transpiler_seeds < 1:
            raise ValueError(f"search_s is {search_s} and transpiler_seeds {transpiler_seeds}; allowed: > 0")
        self._backend, self._snapshot, self._search_s = backend, snapshot, search_s
        self._alpha, self._regularisation, self._seeds = alpha, regularisation, range(transpiler_seeds)
        self._target, self._mixer = device_target(snapshot), mixer
        self._compiled: OrderedDict[Shape, Compiled] = OrderedDict()
        self._lock = threading.Lock()

    def evaluations(self, program: Program) -> int:
        """Runs of the simulator that the search of angles takes."""
        return search_evaluations(program.bqm.num_variables, program.layers, self._search_s)

    def compile(self, program: Program) -> Compiled:
        """The transpiled circuit of ``program``'s shape, from the cache after the first time.

        Raises
        ------
        ProgramRefused
            When the transpiler finds no circuit.
        """
        shape = self._shape(CostModel.of(program.bqm), program)
        with self._lock:
            compiled = self._compiled.get(shape)
            if compiled is None:
                try:
                    compiled = compile_for(shape, self._snapshot, self._target, self._seeds)
                except QiskitError as error:
                    raise ProgramRefused(self._backend, f"cannot be transpiled: {error}") from error
                self._compiled[shape] = compiled
                while len(self._compiled) > _KEPT:
                    self._compiled.popitem(last=False)
            return compiled

    def prepare(self, program: Program, stop: Stop) -> Prepared:
        """Compile ``program``, find its angles until ``stop``, and set them."""
        cost = CostModel.of(program.bqm)
        compiled = self.compile(program)
        shape = self._shape(cost, program)
        groups = program.one_hot_groups if shape.groups else ()
        # Groups that are left start less surely, as in `solvers.quantum.qaoa.run_qaoa`.
        regularisation = QaoaSettings.group_regularisation if groups else self._regularisation
        ones = start_probabilities(cost, program.warm_start, regularisation)
        settings = QaoaSettings(
            layers=program.layers,
            alpha=self._alpha,
            evaluations=self.evaluations(program),
            regularisation=self._regularisation,
        )
        state: Simulated
        starts: tuple[NDArray[np.float64], ...] = ()
        if groups:
            state = OneHotStatevector(cost, groups, program.warm_start, regularisation)
            starts = state.starts[: len(groups)]
        else:
            state = Statevector(cost, ones)
        angles, cvar, evaluations = optimise(state, settings, stop)
        circuit = bind(compiled, bindings(shape, cost, angles, ones if shape.warm else None, starts))
        info = {
            "depth": compiled.depth,
            "two_qubit_gates": compiled.two_qubit_gates,
            "physical_qubits": [compiled.physical[k] for k in compiled.home],
            "success_probability": compiled.success_probability,
            "circuit_seconds": compiled.seconds,
            "angles": {"gammas": angles.gammas, "betas": angles.betas},
            "evaluations": evaluations,
            "cvar": cvar,
            "mixer": "xy" if groups else "x",
            "calibration_id": self._snapshot.id,
        }
        return Prepared(cost, compiled, circuit, info)

    def _shape(self, cost: CostModel, program: Program) -> Shape:
        place = {v: k for k, v in enumerate(cost.variables)}
        groups = program.one_hot_groups if self._mixer == "xy" else ()
        return Shape.of(
            cost, program.layers, bool(program.warm_start), tuple(tuple(place[v] for v in group) for group in groups)
        )


def no_bits(shots: int) -> NDArray[np.int8]:
    """Samples of a model without variables."""
    return np.zeros((shots, 0), dtype=np.int8)
