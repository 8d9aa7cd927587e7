"""Whether quantum samples helped: every recorded comparison with the control arm, by problem, size and device.

``isinglass bench quantum-lift`` reads what the service of this state folder recorded (each answer with a kernel leaves
one observation a device); ``--quick`` or a store without any runs a set here: kernels of `benchmarks.kernel_cases`,
sampled by the local annealer, the exact simulator and a noisy one, lifted and verified as the service does.

*Lift* is the control arm's mean objective less the samples', in percent of the answer's objective: above 0 the samples
were better. Each group's mean has a 95 % bootstrap interval over its runs; *better* and *worse* count the runs whose
own interval excludes 0, *best* those in which the best sample, not the mean, was better or worse.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from backends.annealer import LocalAnnealer
from backends.backend import Program
from backends.noisy import NoisySimulator
from backends.statevector import StatevectorSimulator
from benchmarks.kernel_cases import FAMILIES, Case, cases
from services.cli.session import Session
from solvers.quantum.step import lift_samples
from store.database import open_database
from store.observations import Observation, Observations

SIZES = (8, 12, 20)
SHOTS = 1000
_KINDS = ("routing", "invoices", "binary")
_RESAMPLES = 4000
_MOST = 100_000
"""Newest observations of each kind that are read."""
_KIND_OF = {"invoice cores": "invoices", "route pools": "routing"}
_BUCKETS = ((8, "2-8"), (12, "9-12"), (16, "13-16"), (20, "17-20"), (10**9, "21+"))


def run(quick: bool = True) -> dict[str, Any]:
    """What the store of this service holds; without any, or when ``quick``, a set that is run here."""
    rows = [] if quick else recorded()
    source = "recorded by the service" if rows else "run here"
    if not rows:
        rows = run_set(4 if quick else 20)
    return {"bench": "quantum-lift", "source": source, "runs": len(rows), "groups": grouped(rows)}


def recorded() -> list[dict[str, Any]]:
    """One row for each comparison that the store of this service holds; none where there is no store."""
    settings = Session().config().settings()
    if settings.database_url.startswith("sqlite:///") and not _exists(settings.database_url):
        return []
    database = open_database(settings.database_url)
    try:
        observations = Observations(database)
        return [row for kind in _KINDS for seen in observations.recent(kind, _MOST) if (row := row_of(seen))]
    finally:
        database.close()


def _exists(url: str) -> bool:
    from pathlib import Path

    return Path(url.removeprefix("sqlite:///")).is_file()


def row_of(seen: Observation) -> dict[str, Any] | None:
    """The comparison in an observation, or ``None`` where it has none."""
    lift = seen.quantum_lift
    if lift is None or not lift.get("samples") or not lift.get("control_samples"):
        return None
    objective = seen.features.get("objective")
    return row(
        seen.kind,
        seen.backend,
        lift,
        None if objective is None else abs(float(objective)),
        seen.improvement,
        seen.seconds,
        seen.cost_usd_micros / 1e6,
    )


def row(
    kind: str,
    device: str,
    lift: Any,
    scale: float | None,
    improvement: float,
    seconds: float,
    cost_usd: float,
) -> dict[str, Any]:
    """One comparison; ``scale`` is the answer's objective, ``None`` or 0 where there is none to relate to."""
    percent = 100.0 / scale if scale else None
    return {
        "kind": kind,
        "device": device,
        "variables": int(lift["kernel_variables"]),
        "lift_percent": None if percent is None else float(lift["mean_difference"]) * percent,
        "better": lift["mean_low"] > 0,
        "worse": lift["mean_high"] < 0,
        "best_better": lift["best_difference"] > 0,
        "best_worse": lift["best_difference"] < 0,
        "improved": improvement > 0,
        "seconds": seconds,
        "cost_usd": cost_usd,
    }


def run_set(number: int) -> list[dict[str, Any]]:
    """``number`` kernels of each family and size on each device that can hold them."""
    devices: list[tuple[Any, int, int]] = [
        (LocalAnnealer("local-annealer"), 200, 1),
        (StatevectorSimulator("statevector"), 20, 2),
        (NoisySimulator("noisy-fez", snapshot="fez", time_limit_s=300.0), 12, 1),
    ]
    rows = []
    for family in FAMILIES:
        for size in SIZES:
            for case in cases(family, size, number):
                rows += [_sampled(case, device, layers) for device, most, layers in devices if size <= most]
    for device, _, _ in devices:
        device.close()
    return rows


def _sampled(case: Case, device: Any, layers: int) -> dict[str, Any]:
    """One kernel on one device, lifted beside its control arm."""
    kernel = case.kernel
    program = Program(kernel.bqm, kernel.one_hot_groups, kernel.warm_start, layers, seed=case.seed)
    begun = time.perf_counter()
    job = device.submit(program, SHOTS, f"{case.family}-{len(kernel.bqm.variables)}-{case.seed}")
    while device.poll(job).value in ("queued", "running"):
        time.sleep(0.001)
    outcome = lift_samples(case.problem, kernel, device.fetch(job), case.incumbent, case.seed)
    lift = {name: getattr(outcome.quantum_lift, name) for name in outcome.quantum_lift.__dataclass_fields__}
    scale = abs(float(case.problem.verify(case.incumbent).objective))
    seconds = time.perf_counter() - begun
    return row(_KIND_OF[case.family], device.facts().name, lift, scale, outcome.improvement, seconds, 0.0)


def bucket(variables: int) -> str:
    """The range of sizes that a kernel is reported under."""
    return next(name for most, name in _BUCKETS if variables <= most)


def grouped(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows summed up by problem, size and device."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in rows:
        groups.setdefault((one["kind"], bucket(one["variables"]), one["device"]), []).append(one)
    order = [name for _, name in _BUCKETS]
    keys = sorted(groups, key=lambda key: (key[0], order.index(key[1]), key[2]))
    return [_summed(*key, groups[key]) for key in keys]


def _summed(kind: str, size: str, device: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lifts = np.array([one["lift_percent"] for one in rows if one["lift_percent"] is not None])
    mean, low, high = bootstrap(lifts)
    counted = {
        name: sum(bool(one[name]) for one in rows)
        for name in ("better", "worse", "best_better", "best_worse", "improved")
    }
    return {
        "kind": kind,
        "size": size,
        "device": device,
        "runs": len(rows),
        "lift_percent": mean,
        "low": low,
        "high": high,
        **counted,
        "verdict": _verdict(low, high),
        "median_seconds": float(np.median([one["seconds"] for one in rows])),
        "cost_usd": float(sum(one["cost_usd"] for one in rows)),
    }


def bootstrap(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float | None, float | None, float | None]:
    """Mean of ``values`` with its 95 % percentile bootstrap interval (Efron, 1979); ``None`` of fewer than two."""
    if len(values) < 2:
        return (float(values[0]) if len(values) else None), None, None
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "too few runs"
    if low > 0:
        return "better than random"
    return "worse than random" if high < 0 else "no difference shown"


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"quantum lift over {result['runs']} comparisons, {result['source']}: control arm's mean less the samples', "
        "percent of the objective",
        "",
        f"{'problem':<10}{'variables':>10} {'device':<16}{'runs':>5}{'lift %':>9}  {'95 % interval':<20}"
        f"{'better':>7}{'worse':>6}{'best +':>7}{'best -':>7}{'improved':>9}{'s':>7}  verdict",
    ]
    for group in result["groups"]:
        lift = "-" if group["lift_percent"] is None else f"{group['lift_percent']:+.4f}"
        interval = "-" if group["low"] is None else f"[{group['low']:+.4f}, {group['high']:+.4f}]"
        lines.append(
            f"{group['kind']:<10}{group['size']:>10} {group['device']:<16}{group['runs']:>5}{lift:>9}  {interval:<20}"
            f"{group['better']:>7}{group['worse']:>6}{group['best_better']:>7}{group['best_worse']:>7}"
            f"{group['improved']:>9}{group['median_seconds']:>7.2f}  {group['verdict']}"
        )
    lines += [
        "",
        "local-annealer is classical; statevector is the circuit without noise, noisy-fez under a real calibration.",
        "Against uniform bits a warm start counts for the samples; improved: plans that beat the incumbent.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Command line of this benchmark alone."""
    result = run(quick="--quick" in sys.argv[1:])
    print(json.dumps(result) if "--json" in sys.argv[1:] else table(result))


if __name__ == "__main__":
    main()
