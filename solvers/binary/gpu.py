"""The annealer on a GPU: whether there is one, whether it pays, and the same reads from it.

PyTorch is imported only where it is asked for; nothing else in the house needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from solvers.binary.annealing import batches, filled, with_quench
from solvers.binary.descent import descend_fully
from solvers.binary.gpu_lanes import Layout, TorchReplicas, replicas_within
from solvers.binary.ising import Ising
from solvers.binary.lanes import random_spins, random_states
from solvers.binary.schedule import beta_range

DEVICES = ("auto", "cpu", "cuda")

LEAST_AT_ONCE = 1 << 19
"""Spins decided by one step from which on a GPU is worth it.

Reckoned, not measured: a step is about 35 calls of some 5 microseconds each, in which one CPU core decides 50,000
(dense) to 200,000 (sparse) spins.
"""

LEAST_UPDATES = 1_000_000_000
"""Decisions of a whole run below which a CPU core is done in seconds, and starting PyTorch alone takes as long."""

MEMORY_SHARE = 0.5
"""Of the GPU's free memory; the rest is PyTorch's, and for others."""

CPU_BYTES = 1 << 30
"""Memory for replicas where PyTorch runs on the CPU, as tests and benchmarks have it."""


@dataclass(frozen=True)
class Gpu:
    """A device of PyTorch (``"cuda:0"``), its maker's name for it, and the version of PyTorch that runs it."""

    device: str
    name: str
    torch_version: str


def find_gpu() -> Gpu | None:
    """The GPU that PyTorch would use, or ``None``; imports PyTorch where it is installed."""
    if find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    k = int(torch.cuda.current_device())
    return Gpu(f"cuda:{k}", str(torch.cuda.get_device_name(k)), str(torch.__version__))


def why_no_gpu() -> str:
    """What is missing, where `find_gpu` finds none."""
    if find_spec("torch") is None:
        return "PyTorch is not installed; the extra isinglass[gpu] brings it"
    import torch

    built_for = torch.version.cuda or torch.version.hip
    if built_for is None:
        return f"PyTorch {torch.__version__} is built for CPUs alone"
    return f"PyTorch {torch.__version__} finds no GPU and driver here"


def pays(model: Ising, reads: int, sweeps: int) -> Layout | None:
    """How to go through ``model`` on a GPU, or ``None`` where a CPU is about as fast.

    What matters is how many spins one step decides: the variables of a colour times the reads.
    """
    if reads * model.size * sweeps < LEAST_UPDATES or reads * model.size < LEAST_AT_ONCE:
        return None
    layout = Layout(model)
    return layout if reads * layout.at_once >= LEAST_AT_ONCE else None


def anneal_on(
    gpu: Gpu,
    layout: Layout,
    reads: int,
    sweeps: int,
    rng: np.random.Generator,
    more: Callable[[], bool],
    betas: tuple[float, float] | None = None,
) -> NDArray[np.int8]:
    """`solvers.binary.annealing.anneal` on ``gpu``: as many reads from the same chance, all side by side.

    Where variables are gone through in the model's own order (by row) and weights are integers, the reads are those of
    the CPU but for what `solvers.binary.gpu_lanes` says of rounding; by colour the order is another, and so are they.
    """
    model = layout.model
    schedule = with_quench(*(betas or beta_range(model)), sweeps)
    counts = batches(reads, model.size)
    chances = rng.spawn(len(counts))
    together = max(1, replicas_within(layout, _free_bytes(gpu)) // filled(max(counts)))
    found = []
    for first in range(0, len(counts), together):
        part = range(first, min(first + together, len(counts)))
        starts = [random_spins(model.size, filled(counts[k]), chances[k]) for k in part]
        states = [random_states(filled(counts[k]), chances[k]) for k in part]
        replicas = TorchReplicas(layout, np.concatenate(starts, axis=1), np.concatenate(states), gpu.device)
        if not replicas.run(schedule, more):
            break
        wanted = np.concatenate([np.arange(filled(counts[k])) < counts[k] for k in part])
        spins = replicas.read()[wanted]
        for row in spins:
            descend_fully(model, row)
        found.append(spins)
    return np.concatenate(found) if found else np.empty((0, model.size), dtype=np.int8)


def _free_bytes(gpu: Gpu) -> int:
    if gpu.device == "cpu":
        return CPU_BYTES
    import torch

    free, _ = torch.cuda.mem_get_info(gpu.device)
    return int(free * MEMORY_SHARE)
