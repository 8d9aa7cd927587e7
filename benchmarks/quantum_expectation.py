"""QAOA expectations beside Aer, lightning.qubit and qulacs; threads; the largest states; rates of memory.

Every peer runs in a process of its own, on one thread, under this interpreter or, where it is not installed here, under
the one that `benchmarks.peers.peers_python` finds. Times are the best of a few runs, in CPU seconds, since other work
may share the cores (wall seconds stand beside them).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dimod
import numpy as np

from benchmarks import quantum_peers
from benchmarks.peers import peers_python
from solvers.errors import InvalidProblem
from solvers.quantum.cost import CostModel
from solvers.quantum.passes import BLOCK_QUBITS
from solvers.quantum.statevector import DEFAULT_LIMIT_BYTES, Angles, Statevector, memory_bytes

PEER_TIMEOUT_S = 300.0
_LARGE = 22
"""From so many qubits on a peer runs once, cold: a run takes minutes, and its start-up no longer shows in it."""


def stream_bytes_per_s() -> float:
    """Bytes read and written a second when 256 MiB are copied, best of 5, by wall time."""
    source = np.ones(2**26, dtype=np.float32)
    target = np.empty_like(source)
    best = np.inf
    for _ in range(5):
        begun = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - begun)
    return float(2 * source.nbytes / best)


def dense_model(size: int, seed: int) -> CostModel:
    """A dense Ising glass with fields."""
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("SPIN")
    for i in range(size):
        bqm.add_linear(i, rng.normal())
        for j in range(i):
            bqm.add_quadratic(i, j, rng.normal())
    return CostModel.of(bqm)


def ramp(cost: CostModel, layers: int) -> Angles:
    """The angles of every run: a linear ramp scaled to the model."""
    at = (np.arange(layers) + 0.5) / layers
    return Angles(tuple((0.8 / cost.spread() * at).tolist()), tuple((0.8 * (1 - at)).tolist()))


def bytes_moved(qubits: int, layers: int) -> int:
    """Bytes that an expectation has to read or write at least with two passes a layer: the model of `of_stream`.

    A state is 8 bytes: written once at the start, read and written by the low pass (with 4 bytes of cost) and, above
    `BLOCK_QUBITS`, by the high pass of each layer, and read once with its cost at the end; the costs are written once.
    """
    a_layer = 20 + (16 if qubits > BLOCK_QUBITS else 0)
    return (1 << qubits) * (4 + 8 + layers * a_layer + 12)


def best_of(work: Callable[[], Any], repeats: int) -> tuple[float, float, Any]:
    """Least CPU and wall seconds of ``repeats`` runs after one that does not count, and the last value."""
    value = work()
    cpu_s = wall_s = np.inf
    for _ in range(repeats):
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        wall_s = min(wall_s, time.perf_counter() - wall)
        cpu_s = min(cpu_s, time.process_time() - cpu)
    return float(cpu_s), float(wall_s), value


def expectation(qubits: int, layers: int, stream: float) -> dict[str, Any]:
    """Diagonal, layers and expectation, everything included but the import, beside each peer."""
    cost = dense_model(qubits, qubits)
    angles = ramp(cost, layers)

    def ours() -> float:
        state = Statevector(cost)
        state.run(angles)
        return state.expectation()

    cpu_s, wall_s, value = best_of(ours, 5)
    fields, couplings, _ = cost.spins()
    diagonal, centre = cost.diagonal(qubits)
    peers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "work.npz"
        np.savez(
            file,
            fields=fields,
            couplings=couplings,
            gammas=angles.gammas,
            betas=angles.betas,
            costs=diagonal.astype(np.float64) + centre,
        )
        del diagonal
        for peer in quantum_peers.PEERS:
            peers[peer] = run_peer(peer, file, 3 if qubits < _LARGE else 0)
    for found in peers.values():
        if found:
            found["ratio"] = found["cpu_s"] / cpu_s
    aer = peers["aer"]
    rate = bytes_moved(qubits, layers) / cpu_s
    return {
        "qubits": qubits,
        "layers": layers,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "expectation": value,
        "aer_difference": abs(aer["expectation"] - value) / max(1.0, abs(value)) if aer else None,
        "bytes_per_s": rate,
        "of_stream": rate / stream,
        "peers": peers,
    }


def run_peer(peer: str, file: Path, repeats: int) -> dict[str, Any] | None:
    """What ``peer`` measured in its own process, or ``None`` where it is not installed or not done in time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    script = str(Path(quantum_peers.__file__))
    for python in (Path(sys.executable), peers_python()):
        if python is None:
            continue
        try:
            done = subprocess.run(
                [python, script, peer, str(file), str(repeats)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=PEER_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
            return found
        if "ModuleNotFoundError" not in done.stderr:
            raise RuntimeError(f"peer {peer} failed: {done.stderr[-500:]}")
    return None


def threads(qubits: int, layers: int) -> dict[str, Any]:
    """Wall seconds of the same run on one and on two threads; ``cores``: how many this process may use."""
    cost = dense_model(qubits, 1)
    angles = Angles((0.01,) * layers, (0.4,) * layers)
    seconds = []
    for count in (1, 2):
        state = Statevector(cost, threads=count)
        seconds.append(best_of(lambda state=state: state.run(angles), 3)[1])  # type: ignore[misc]
        state.close()
        del state
        gc.collect()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ratio = seconds[0] / seconds[1] if cores > 1 else None
    return {"qubits": qubits, "cores": cores, "one_s": seconds[0], "two_s": seconds[1], "ratio": ratio}


def largest(qubits: int, layers: int) -> dict[str, Any]:
    """A run of many qubits in a process of its own, its peak memory, and what is said of one too large."""
    code = f"from benchmarks.quantum_expectation import _large; _large({qubits}, {layers})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PEER_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{qubits} qubits failed: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    too_many = qubits
    while memory_bytes(too_many) <= DEFAULT_LIMIT_BYTES:
        too_many += 1
    try:
        Statevector(dense_model(too_many, 1))
    except InvalidProblem as refused:
        found["refused"] = str(refused)
    return {**found, "refused_qubits": too_many, "limit_bytes": DEFAULT_LIMIT_BYTES}


def _large(qubits: int, layers: int) -> None:
    """Print one JSON object: seconds of a whole expectation, and the process's peak memory."""
    cost = dense_model(qubits, qubits)
    begun, cpu = time.perf_counter(), time.process_time()
    state = Statevector(cost)
    state.run(ramp(cost, layers))
    value = state.expectation()
    made = {"qubits": qubits, "layers": layers, "expectation": value, "wall_s": time.perf_counter() - begun}
    made["cpu_s"] = time.process_time() - cpu
    made["estimated_bytes"] = memory_bytes(qubits)
    made["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(made))
