"""QAOA on kernels of 20 variables, beside what the same shots bring without it, and under a device's noise.

Kernels are cut by the product's own builders from random invoice problems and pools of random tours
(`benchmarks.kernel_cases`); the optimum is the least energy of all 2^n states. *Found* means that one of the shots is
an optimum. Arms with the same number of shots: the circuit's samples as they are and after one greedy descent; uniform
bits after the same descent; and samples of the state that the circuit starts from (warm, one choice a group), as they
are and after the descent, which tells what the layers add to the warm start. Recursive QAOA (one layer, cold) has one
answer and no shots.

The noisy arm runs kernels of 12 variables in 2 layers: twenty variables in eight layers are thousands of two-qubit
gates, of which a device of today leaves nothing, and their trajectories would take hours. The same smaller kernels,
layers and shots without noise stand beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from backends.backend import Program
from backends.noisy import NoisySimulator
from benchmarks.kernel_cases import FAMILIES, Case, cases
from solvers.quantum.cost import CostModel
from solvers.quantum.descent import descend
from solvers.quantum.qaoa import QaoaSettings, run_qaoa, start_samples
from solvers.quantum.recursive import recursive_qaoa

VARIABLES, LAYERS, SHOTS, EVALUATIONS = 20, 8, 2000, 60
NOISY_VARIABLES, NOISY_LAYERS, NOISY_SHOTS = 12, 2, 1000
TARGET = 0.95
RECURSIVE = QaoaSettings(layers=1, alpha=1.0, evaluations=30)
ARMS = ("qaoa", "qaoa+descent", "start", "start+descent", "random+descent")


def run(quick: bool = True) -> dict[str, Any]:
    """50 kernels a family, 20 of them again at 12 variables under noise; 10 and 3 when ``quick``."""
    number, noisy = (10, 3) if quick else (50, 20)
    settings = QaoaSettings(layers=LAYERS, evaluations=EVALUATIONS)
    rows = [_exact(case, settings, SHOTS) for family in FAMILIES for case in cases(family, VARIABLES, number)]
    small = [_noisy(case) for family in FAMILIES for case in cases(family, NOISY_VARIABLES, noisy)]
    shares = {family: _share(rows, family, "qaoa") for family in FAMILIES}
    return {
        "bench": "kernels",
        "quick": quick,
        "variables": VARIABLES,
        "layers": LAYERS,
        "shots": SHOTS,
        "rows": rows,
        "noisy_rows": small,
        "targets": {
            family: {"value": share, "target": TARGET, "met": share >= TARGET} for family, share in shares.items()
        },
    }


def _optimum(cost: CostModel) -> float:
    diagonal, _ = cost.diagonal(cost.size)
    state = int(np.argmin(diagonal))
    bits = ((state >> np.arange(cost.size)) & 1).astype(np.int8)
    return float(cost.energies(bits[None])[0])


def _rows(samples: dimod.SampleSet, cost: CostModel) -> NDArray[np.int8]:
    columns = [samples.variables.index(v) for v in cost.variables]
    out: NDArray[np.int8] = np.repeat(samples.record.sample[:, columns], samples.record.num_occurrences, axis=0)
    return out.astype(np.int8)


def _arms(case: Case, cost: CostModel, qaoa: NDArray[np.int8], start: NDArray[np.int8]) -> dict[str, Any]:
    """Share of shots at the optimum, by arm."""
    uniform = np.random.default_rng(10_000 + case.seed).integers(0, 2, qaoa.shape).astype(np.int8)
    bits = {
        "qaoa": qaoa,
        "qaoa+descent": descend(cost, qaoa),
        "start": start,
        "start+descent": descend(cost, start),
        "random+descent": descend(cost, uniform),
    }
    best = _optimum(cost)
    slack = 1e-6 * max(1.0, cost.spread())
    incumbent = np.array([[case.kernel.warm_start.get(v, 0) for v in cost.variables]], dtype=np.int8)
    return {
        "family": case.family,
        "seed": case.seed,
        "optimum": best,
        "warm_is_optimum": bool(cost.energies(incumbent)[0] <= best + slack),
        "hits": {arm: float((cost.energies(rows) <= best + slack).mean()) for arm, rows in bits.items()},
    }


def _exact(case: Case, settings: QaoaSettings, shots: int) -> dict[str, Any]:
    """Every arm without noise."""
    kernel = case.kernel
    cost = CostModel.of(kernel.bqm)
    begun = time.process_time()
    samples, found = run_qaoa(
        kernel.bqm, shots, case.seed, settings, kernel.warm_start, one_hot_groups=kernel.one_hot_groups
    )
    cpu_s = time.process_time() - begun
    rng = np.random.default_rng(case.seed)
    start = start_samples(cost, kernel.warm_start, kernel.one_hot_groups, settings, shots, rng)
    row = _arms(case, cost, _rows(samples, cost), start)
    slack = 1e-6 * max(1.0, cost.spread())
    row["hits"]["recursive"] = float(recursive_qaoa(kernel.bqm, RECURSIVE).energy <= row["optimum"] + slack)
    states = np.prod([float(len(group)) for group in kernel.one_hot_groups])
    states *= 2.0 ** (cost.size - sum(len(group) for group in kernel.one_hot_groups))
    return {**row, "cpu_s": cpu_s, "mixer": found.mixer, "states": float(states)}


def _noisy(case: Case) -> dict[str, Any]:
    """The same kernel, layers and shots on the exact simulator and under ibm_fez's noise, X mixer in both."""
    kernel = case.kernel
    cost = CostModel.of(kernel.bqm)
    settings = QaoaSettings(layers=NOISY_LAYERS, relaxed=0.0)  # circuits of devices start from the incumbent alone
    exact, _ = run_qaoa(kernel.bqm, NOISY_SHOTS, case.seed, settings, kernel.warm_start)
    backend = NoisySimulator(snapshot="fez", time_limit_s=300.0)
    program = Program(kernel.bqm, kernel.one_hot_groups, kernel.warm_start, NOISY_LAYERS, seed=case.seed)
    job = backend.submit(program, NOISY_SHOTS, f"kernel-{case.family}-{case.seed}")
    while backend.poll(job).value in ("queued", "running"):
        time.sleep(0.002)
    noisy = backend.fetch(job)
    backend.close()
    rng = np.random.default_rng(case.seed)
    start = start_samples(cost, kernel.warm_start, (), settings, NOISY_SHOTS, rng)
    row = _arms(case, cost, _rows(noisy, cost), start)
    exact_bits = _rows(exact, cost)
    slack = 1e-6 * max(1.0, cost.spread())
    for arm, bits in (("exact", exact_bits), ("exact+descent", descend(cost, exact_bits))):
        row["hits"][arm] = float((cost.energies(bits) <= row["optimum"] + slack).mean())
    row["two_qubit_gates"] = noisy.info["two_qubit_gates"]
    row["success_probability"] = noisy.info["success_probability"]
    return row


def _of(rows: Iterable[dict[str, Any]], family: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["family"] == family]


def _share(rows: list[dict[str, Any]], family: str, arm: str) -> float:
    """Share of the family's kernels whose optimum is among the arm's shots."""
    return float(np.mean([row["hits"][arm] > 0 for row in _of(rows, family)]))


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"kernels of {result['variables']} variables, p={result['layers']} warm CVaR-QAOA, {result['shots']} shots "
        "noiseless; in each cell: kernels whose optimum is met, and the mean share of shots that meet it",
        "",
        f"{'':<15}{'kernels':>8}{'warm=opt':>9}"
        + "".join(f"{arm:>17}" for arm in (*ARMS, "recursive"))
        + f"{'QAOA CPU':>11}",
    ]
    for family in FAMILIES:
        rows = _of(result["rows"], family)
        lines.append(
            f"{family:<15}{len(rows):>8}{sum(row['warm_is_optimum'] for row in rows):>9}"
            + "".join(_cell(rows, arm) for arm in (*ARMS, "recursive"))
            + f"{np.median([row['cpu_s'] for row in rows]):>9.2f} s"
        )
    lines += [
        "",
        f"kernels of {NOISY_VARIABLES} variables, p={NOISY_LAYERS}, {NOISY_SHOTS} shots under ibm_fez's noise "
        "(20 variables and 8 layers are beyond any device's coherence), X mixer",
        f"{'':<15}{'kernels':>8}{'warm=opt':>9}"
        + "".join(f"{arm:>17}" for arm in ("exact", "exact+descent", "noisy", "noisy+descent", *ARMS[2:])),
    ]
    for family in FAMILIES:
        rows = _of(result["noisy_rows"], family)
        arms = ("exact", "exact+descent", *ARMS)
        lines.append(
            f"{family:<15}{len(rows):>8}{sum(row['warm_is_optimum'] for row in rows):>9}"
            + "".join(_cell(rows, arm) for arm in arms)
        )
        gates = np.median([row["two_qubit_gates"] for row in rows])
        success = np.median([row["success_probability"] for row in rows])
        lines.append(f"{'':<15}median {gates:.0f} two-qubit gates, chance of a shot without error {success:.1e}")
    lines += [
        "",
        "start: the warm state that the circuit begins with; descent: one greedy descent on each sample",
        *(
            f"{family}: {target['value']:.0%} (target {target['target']:.0%}) {'met' if target['met'] else 'MISSED'}"
            for family, target in result["targets"].items()
        ),
    ]
    return "\n".join(lines)


def _cell(rows: list[dict[str, Any]], arm: str) -> str:
    met = sum(row["hits"][arm] > 0 for row in rows)
    share = float(np.mean([row["hits"][arm] for row in rows]))
    return f"{met:>9} {share:>7.1%}"


def main() -> None:
    """Command line of this benchmark alone."""
    import sys

    print(table(run(quick="--quick" in sys.argv[1:])))


if __name__ == "__main__":
    main()
