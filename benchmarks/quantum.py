"""Quantum: the simulator beside Aer, lightning.qubit and qulacs, noise beside Aer's, large states; in one run.

``python -m benchmarks.quantum --parts expectation noisy --quick`` runs some of the parts. Kernels have a benchmark of
their own (`benchmarks.kernels`), and so has what quantum samples added to real runs (`benchmarks.quantum_lift`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import quantum_noise, quantum_peers
from benchmarks.quantum_expectation import expectation, largest, stream_bytes_per_s, threads

PARTS = ("expectation", "threads", "largest", "noisy")
TARGETS = {"lightning": 2.5, "aer": 20.0, "aer_difference": 1e-4, "threads": 1.5, "noisy_s": 1.5, "memory_gib": 24.0}


def run(quick: bool = True, parts: Sequence[str] = PARTS, qubits: Sequence[int] = ()) -> dict[str, Any]:
    """Measure ``parts``.

    Quick: n = 16 and 20 at p = 4, threads at 22, 24 as the largest, noise without its peer: half a minute. Else n = 16,
    20 and 24 at p = 4 and 8, threads at 26, 28 as the largest, and Aer's noise: six minutes, nearly all of them the
    peers'. ``qubits`` narrows the expectation's sizes.

    Returns
    -------
    dict
        A key a part, ``stream_bytes_per_s``, and ``targets`` with what must hold and whether it does (``None``: not
        measured). ``load_before`` is the machine's load average: above 1, other work shared the cores.
    """
    result: dict[str, Any] = {"bench": "quantum", "quick": quick, "load_before": os.getloadavg()[0]}
    result["stream_bytes_per_s"] = stream = stream_bytes_per_s()
    works = [(16, 4), (20, 4)] if quick else [(n, p) for n in (16, 20, 24) for p in (4, 8)]
    works = [(n, p) for n, p in works if not qubits or n in qubits]
    if "expectation" in parts:
        result["expectation"] = [expectation(n, p, stream) for n, p in works]
    if "threads" in parts:
        result["threads"] = threads(22 if quick else 26, 2)
    if "largest" in parts:
        result["largest"] = largest(24 if quick else 28, 4)
    if "noisy" in parts:
        result["noisy"] = quantum_noise.run(with_aer=not quick)
    result["targets"] = _targets(result)
    return result


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [
        f"load before: {result['load_before']:.1f} (above 1, other work shared the cores); CPU ms, one thread",
        f"stream: {result['stream_bytes_per_s'] / 1e9:.1f} GB/s copied",
        "",
    ]
    told: dict[str, Callable[[Any], list[str]]] = {
        "expectation": _expectation,
        "threads": _threads,
        "largest": _largest,
        "noisy": _noisy,
    }
    for part in PARTS:
        if part in result:
            lines += [*told[part](result[part]), ""]
    lines += [
        f"{name}: {_figure(target['value'])} (target {target['target']:g}) {_verdict(target['met'])}"
        for name, target in result["targets"].items()
    ]
    return "\n".join(lines)


def _expectation(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"{'QAOA expectation':<18}{'Isinglass':>11}{'GB/s':>7}{'of stream':>11}"
        + "".join(f"{peer:>11}{'x':>7}" for peer in quantum_peers.PEERS)
        + f"{'from Aer':>12}"
    ]
    for row in rows:
        peers = "".join(
            f"{p['cpu_s'] * 1e3:>11.1f}{p['ratio']:>7.1f}" if p else f"{'-':>11}{'-':>7}" for p in row["peers"].values()
        )
        difference = "-" if row["aer_difference"] is None else f"{row['aer_difference']:.1e}"
        lines.append(
            f"n={row['qubits']}, p={row['layers']:<11}{row['cpu_s'] * 1e3:>11.2f}{row['bytes_per_s'] / 1e9:>7.1f}"
            f"{row['of_stream']:>11.2f}{peers}{difference:>12}"
        )
    return [*lines, "aer and lightning in single precision, qulacs in double (it has no other); -: not installed"]


def _threads(found: dict[str, Any]) -> list[str]:
    ratio = f"{found['ratio']:.2f} x" if found["ratio"] else f"one core of {found['cores']}: not comparable"
    return [
        f"threads, n={found['qubits']}: {found['one_s']:.2f} s on one, {found['two_s']:.2f} s on two ({ratio}, wall)"
    ]


def _largest(found: dict[str, Any]) -> list[str]:
    return [
        f"n={found['qubits']}, p={found['layers']}: {found['wall_s']:.2f} s, "
        f"peak {found['peak_bytes'] / 2**30:.2f} GiB (estimated before: {found['estimated_bytes'] / 2**30:.2f} GiB)",
        f"n={found['refused_qubits']}: refused: {found.get('refused', 'NOT REFUSED')}",
    ]


def _noisy(found: dict[str, Any]) -> list[str]:
    lines = [
        f"noisy, {quantum_noise.QUBITS} qubits, p={quantum_noise.LAYERS}, {quantum_noise.SHOTS} shots under "
        f"{found['device']} ({found['two_qubit_gates']} two-qubit gates): {found['cpu_s']:.2f} s CPU, "
        f"{found['wall_s']:.2f} s wall, warm, angles included"
    ]
    if aer := found["aer"]:
        lines.append(
            f"Aer from_backend, the same circuit: {aer['build_s']:.1f} s to build, {aer['run_s']:.1f} s to run; "
            f"mean energy {found['mean_energy']:.3f} against {aer['mean_energy']:.3f}; same distribution: "
            f"p = {aer['p_energy']:.3f} by energies, p = {aer['p_bits']:.2f} by bits and pairs "
            "(Aer given both readout errors of a qubit, of which it takes the mean); "
            f"{quantum_noise.EXACT_QUBITS} qubits, {quantum_noise.EXACT_SHOTS} shots against Aer's density matrix: "
            f"p = {aer['p_exact']:.2f} by all bit strings"
        )
    return lines


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _verdict(met: bool | None) -> str:
    return {True: "met", False: "MISSED", None: "not measured"}[met]


def _targets(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """``met``: whether the value reaches its target, ``None`` where this run has no value."""
    rows = result.get("expectation", [])
    large = [row for row in rows if row["qubits"] >= 20]

    def least(peer: str) -> float | None:
        ratios = [row["peers"][peer]["ratio"] for row in large if row["peers"][peer]]
        return min(ratios) if ratios else None

    differences = [row["aer_difference"] for row in rows if row["aer_difference"] is not None]
    big, noisy = result.get("largest"), result.get("noisy")
    fits = bool(big and "refused" in big)
    values = {
        "lightning": (least("lightning"), True),
        "aer": (least("aer"), True),
        "aer_difference": (max(differences) if differences else None, False),
        "threads": (result["threads"]["ratio"] if "threads" in result else None, True),
        "noisy_s": (noisy["wall_s"] if noisy else None, False),
        "memory_gib": (big["peak_bytes"] / 2**30 if big and fits else None, False),
    }
    found: dict[str, dict[str, Any]] = {
        name: {
            "value": value,
            "target": TARGETS[name],
            "met": None if value is None else (value >= TARGETS[name] if more else value <= TARGETS[name]),
        }
        for name, (value, more) in values.items()
    }
    same = noisy["aer"]["same"] if noisy and noisy["aer"] else None
    found["noisy_same_distribution"] = {"value": None if same is None else float(same), "target": 1.0, "met": same}
    return found


def main() -> None:
    """Command line of this benchmark alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--qubits", nargs="+", type=int, default=(), help="only these sizes of the expectation")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = run(given.quick, given.parts, given.qubits)
    print(json.dumps(result) if given.json else table(result))


if __name__ == "__main__":
    main()
