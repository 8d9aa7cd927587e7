"""Spin updates a second of the annealer's two forms: numba on one core, PyTorch on a GPU where there is one.

``python -m benchmarks.binary_gpu [--sweeps N] [--reads N ...]``: a torus of 10,000 spins (by colour) and a complete
model of 400 (by row), both with couplings of -1 and +1 by a fixed seed. Without a GPU PyTorch runs on the CPU, which
checks that both forms reach the same energies and says nothing of a GPU's speed.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from solvers.binary.annealing import anneal
from solvers.binary.gpu import Gpu, anneal_on, find_gpu, pays
from solvers.binary.gpu_lanes import Layout
from solvers.binary.ising import Ising
from solvers.binary.problem import quadratic_problem


def torus(side: int) -> Ising:
    """Each spin coupled to the four beside it."""
    at = np.arange(side * side).reshape(side, side)
    rows = np.concatenate([at.ravel(), at.ravel()])
    columns = np.concatenate([np.roll(at, 1, axis=0).ravel(), np.roll(at, 1, axis=1).ravel()])
    return _model(side * side, rows, columns)


def complete(size: int) -> Ising:
    """Each spin coupled to every other."""
    rows, columns = np.triu_indices(size, 1)
    return _model(size, rows, columns)


def _model(size: int, rows: Any, columns: Any) -> Ising:
    signs = np.random.default_rng(0).choice([-1.0, 1.0], rows.shape[0])
    return quadratic_problem("SPIN", np.zeros(size), rows, columns, signs).ising


def device() -> Gpu:
    """The GPU, else PyTorch's CPU."""
    import torch

    return find_gpu() or Gpu("cpu", f"{torch.get_num_threads()} threads", str(torch.__version__))


def measure(model: Ising, reads: int, sweeps: int, on: Gpu | None) -> tuple[float, float]:
    """Updates a second of whole runs, and the mean energy of the reads. ``None``: numba, one thread."""
    layout = Layout(model)

    def run(sweeps: int) -> Any:
        rng = np.random.default_rng(1)
        if on is None:
            return anneal(model, reads, sweeps, rng, lambda: True)
        return anneal_on(on, layout, reads, sweeps, rng, lambda: True)

    run(1)  # compiles, and lets the GPU's libraries load
    begun_s = time.perf_counter()
    found = run(sweeps)
    seconds = time.perf_counter() - begun_s
    return reads * sweeps * model.size / seconds, float(model.energies(found).mean())


def main() -> None:
    """A line a model, number of reads and form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sweeps", type=int, default=100)
    parser.add_argument("--reads", type=int, nargs="+", default=[64, 1024])
    arguments = parser.parse_args()
    on = device()
    print(f"PyTorch {on.torch_version} on {on.device} ({on.name})")
    if on.device == "cpu":
        print("No GPU here: the figures of PyTorch check energies, not speed.")
    print(f"{'model':<12}{'reads':>8}{'form':>12}{'million updates/s':>20}{'mean energy':>14}{'auto takes':>12}")
    for name, model in (("torus", torus(100)), ("complete", complete(400))):
        for reads in arguments.reads:
            choice = "gpu" if on.device != "cpu" and pays(model, reads, arguments.sweeps) else "cpu"
            for form, where in (("numba", None), (Layout(model).form, on)):
                rate, energy = measure(model, reads, arguments.sweeps, where)
                print(f"{name:<12}{reads:>8}{form:>12}{rate / 1e6:>20,.1f}{energy:>14,.1f}{choice:>12}", flush=True)


if __name__ == "__main__":
    main()
