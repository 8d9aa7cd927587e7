"""Invoices: the engine against general solvers on the same model, against today's rules, and against brute force.

Limits and times are CPU seconds of one core, so that a busy machine does not blur them; wall seconds stand beside them.
Instances are made by seed (`benchmarks.invoice_instances`). Peers get the whole model and the same first plan: HiGHS in
this process, the program that `solvers.invoices.highs_strategy` gives it, and OR-Tools CP-SAT with one worker in a
process and an environment of its own (`benchmarks.invoice_peers`), which is limited in wall seconds.
"""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from benchmarks.invoice_brute import brute_force
from benchmarks.invoice_instances import make_problem, make_small
from benchmarks.invoice_peers import cpsat_installed, solve_cpsat
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.highs_strategy import HighsStrategy
from solvers.invoices.insurance import InsuranceStrategy
from solvers.invoices.model import model_of
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.rules import BASELINES
from solvers.strategy import Context, Strategy

TARGET_GAP = 1e-3


@dataclass(frozen=True)
class Case:
    """A size with what is asked of it: a certified gap of `TARGET_GAP` within ``limit_s`` CPU seconds."""

    invoices: int
    runs: int
    scenarios: int
    limit_s: float
    peer_s: float
    seeds: int

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.invoices:,} x {self.runs} x {self.scenarios}"


CASES = (
    Case(200, 12, 20, 5.0, 30.0, 8),
    Case(2_000, 12, 20, 2.0, 60.0, 5),
    Case(5_000, 26, 50, 3.0, 90.0, 5),
    Case(50_000, 52, 100, 60.0, 0.0, 2),
)
TINY = Case(20, 12, 20, 10.0, 0.0, 11)
QUICK_PEER_S = 10.0


@dataclass(frozen=True)
class CpuDeadline:
    """Stops after ``at_s`` CPU seconds of this process."""

    at_s: float

    def __call__(self) -> bool:
        return time.process_time() >= self.at_s

    def remaining_s(self) -> float:
        # Engines read it as wall seconds; a busy machine gives fewer CPU seconds than that.
        return 20.0 * max(0.0, self.at_s - time.process_time())


@dataclass(frozen=True)
class Outcome:
    """What one solver did on one instance. Gaps are relative to its objective; seconds to the target are CPU."""

    solver: str
    seed: int
    objective: float | None
    bound: float | None
    gap: float | None
    feasible: bool
    seconds_to_target: float | None
    cpu_s: float
    wall_s: float


def solve(
    strategy: Strategy[InvoicePlan], problem: InvoiceProblem, seed: int, limit_s: float, target: float = TARGET_GAP
) -> Outcome:
    """Run ``strategy`` for ``limit_s`` CPU seconds or to ``target``, its last plan judged by the verifier."""
    cpu, wall = time.process_time(), time.perf_counter()
    context: Context[InvoicePlan] = Context(seed=seed, stop=CpuDeadline(cpu + limit_s), target_gap=target)
    last, reached = None, None
    for last in strategy.candidates(problem, context):
        bound = last.lower_bound
        gap = math.inf if bound is None else (last.claimed_objective - bound) / max(abs(last.claimed_objective), 1e-9)
        if reached is None and gap <= target:
            reached = time.process_time() - cpu
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if last is None:
        return Outcome(strategy.name, seed, None, None, None, False, None, cpu, wall)
    verdict = problem.verify(last.plan)
    gap_at_end = None
    if last.lower_bound is not None:
        gap_at_end = (verdict.objective - last.lower_bound) / max(abs(verdict.objective), 1e-9)
    return Outcome(
        strategy.name, seed, verdict.objective, last.lower_bound, gap_at_end, verdict.feasible, reached, cpu, wall
    )


def against_peers(
    cases: Sequence[Case], most_seeds: int, peer_s: float | None, cpsat: str | None
) -> list[dict[str, Any]]:
    """One row per case: the engine on every seed, peers on the first for ``peer_s`` (or the case's own seconds)."""
    rows = []
    for case in cases:
        ours, highs, cp_sat = [], [], []
        for seed in range(min(most_seeds, case.seeds)):
            problem = make_problem(seed, case.invoices, case.runs, case.scenarios)
            ours.append(solve(EngineStrategy(), problem, seed, case.limit_s))
            if seed == 0 and case.peer_s:
                limit_s = case.peer_s if peer_s is None else min(peer_s, case.peer_s)
                highs.append(solve(HighsStrategy(), problem, seed, limit_s))
                if cpsat is not None:
                    cp_sat.append(solve_cpsat(problem, seed, limit_s, TARGET_GAP))
            del problem
        met = [outcome for outcome in ours if outcome.gap is not None and outcome.gap <= TARGET_GAP]
        rows.append(
            {
                "case": case.name,
                "limit_s": case.limit_s,
                "target_gap": TARGET_GAP,
                "met": len(met),
                "seeds": len(ours),
                "engine": [asdict(outcome) for outcome in ours],
                "highs": [asdict(outcome) for outcome in highs],
                "cp_sat": cp_sat,
                "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }
        )
    return rows


def tiny(case: Case, seeds: int) -> dict[str, Any]:
    """CPU milliseconds until a small problem is proved optimal, the model built before."""
    spent, proved = [], 0
    for seed in range(seeds):
        problem = make_problem(seed, case.invoices, case.runs, case.scenarios)
        model_of(problem)
        outcome = solve(EngineStrategy(), problem, seed, case.limit_s, target=0.0)
        spent.append(1000.0 * outcome.cpu_s)
        proved += outcome.gap is not None and outcome.gap <= 1e-6
    return {
        "case": case.name,
        "seeds": seeds,
        "proved": proved,
        "ms_median": statistics.median(spent),
        "ms_worst": max(spent),
    }


def against_rules(seeds: Sequence[int], invoices: int, runs: int, scenarios: int, limit_s: float) -> dict[str, Any]:
    """Money saved against each rule, in base units and as a share of the rule's cost; mean and worst over seeds."""
    saved: dict[str, list[tuple[float, float]]] = {name: [] for name in BASELINES}
    for seed in seeds:
        problem = make_problem(seed, invoices, runs, scenarios)
        model = model_of(problem)
        ours = solve(EngineStrategy(), problem, seed, limit_s)
        for name, rule in BASELINES.items():
            verdict = problem.verify(rule(problem, model))
            if verdict.feasible and ours.objective is not None:
                difference = verdict.objective - ours.objective
                saved[name].append((difference, difference / max(verdict.objective, 1e-9)))
    return {
        "invoices": invoices,
        "seeds": len(seeds),
        "rules": {
            name: {
                "compared": len(found),
                "saved_mean": statistics.fmean(amount for amount, _ in found) if found else None,
                "saved_worst": min((amount for amount, _ in found), default=None),
                "share_mean": statistics.fmean(share for _, share in found) if found else None,
                "share_worst": min((share for _, share in found), default=None),
            }
            for name, found in saved.items()
        },
    }


def against_brute_force(count: int, most: int) -> dict[str, Any]:
    """Counts over ``count`` random small problems with every feature."""
    seen = {
        "problems": count,
        "feasible": 0,
        "bound_holds": 0,
        "plan_feasible": 0,
        "optimal": 0,
        "infeasible_agreed": 0,
    }
    for seed in range(count):
        problem = make_small(seed, most)
        plan, optimum = brute_force(problem)
        found = list(EngineStrategy().candidates(problem, Context(seed=seed)))
        slack = 1e-9 * max(1.0, abs(optimum)) if plan is not None else 0.0
        if plan is None:
            seen["infeasible_agreed"] += not found
            continue
        seen["feasible"] += 1
        if not found:
            continue
        bounds = [c.lower_bound for c in found if c.lower_bound is not None]
        verdict = problem.verify(found[-1].plan)
        seen["bound_holds"] += all(bound <= optimum + slack for bound in bounds)
        seen["plan_feasible"] += verdict.feasible and verdict.objective >= optimum - slack
        seen["optimal"] += verdict.feasible and verdict.objective <= optimum + slack
    return seen


def insurance(sizes: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """CPU milliseconds of the insurance, warm, with the model already built and with it."""
    rows = []
    for invoices, runs, scenarios in sizes:
        problem = make_problem(7, invoices, runs, scenarios)
        _ = problem.columns
        start = time.process_time()
        candidate = next(InsuranceStrategy().candidates(problem, Context(seed=0)))
        whole = time.process_time() - start
        start = time.process_time()
        next(InsuranceStrategy().candidates(problem, Context(seed=0)))
        again = time.process_time() - start
        feasible = problem.verify(candidate.plan).feasible
        rows.append({"invoices": invoices, "ms": 1000 * whole, "ms_model_built": 1000 * again, "feasible": feasible})
    return rows


def run(quick: bool, seeds: int | None = None) -> dict[str, Any]:
    """Everything; ``quick`` in under five minutes: fewer seeds, shorter peers, fewer small problems."""
    warm = make_problem(0, 40, 4, 3)
    list(EngineStrategy().candidates(warm, Context(seed=0)))
    next(InsuranceStrategy().candidates(warm, Context(seed=0)))
    brute_force(make_small(0, 4))
    cpsat = cpsat_installed()
    most_seeds = seeds if seeds is not None else (2 if quick else 100)
    # A short run leaves the largest out of the second seed.
    cases = tuple(replace(case, seeds=1) if quick and case.invoices > 10_000 else case for case in CASES)
    absent = "absent, not compared: `make peers` sets it up"
    return {
        "benchmark": "invoices",
        "quick": quick,
        "peers": {"highs": f"highspy {version('highspy')}", "cp_sat": f"ortools {cpsat}" if cpsat else absent},
        "cases": against_peers(cases, most_seeds, QUICK_PEER_S if quick else None, cpsat),
        "tiny": tiny(TINY, 5 if quick else TINY.seeds),
        "rules": against_rules(range(5 if quick else 20), 200 if quick else 1_000, 12, 20, 2.0),
        "brute_force": against_brute_force(150 if quick else 1_000, 10 if quick else 12),
        "insurance": insurance(((1_000, 12, 20), (10_000, 26, 50))),
    }


def _peer(rows: list[dict[str, Any]], seconds: str) -> str:
    """Gap of a peer and the seconds it took."""
    if not rows:
        return "not run"
    gap = "no bound" if rows[0]["gap"] is None else f"{100 * rows[0]['gap']:.3f} %"
    return f"{gap}, {rows[0][seconds]:.0f} s"


def table(result: dict[str, Any]) -> str:
    """``result`` for people."""
    head = ("case", "limit", "engine gap (mean, worst)", "CPU s to 0.1 %", "met", "HiGHS gap", "CP-SAT gap")
    rows = [head]
    for row in result["cases"]:
        gaps = [entry["gap"] for entry in row["engine"] if entry["gap"] is not None]
        reached = [entry["seconds_to_target"] for entry in row["engine"] if entry["seconds_to_target"] is not None]
        rows.append(
            (
                row["case"],
                f"{row['limit_s']:.0f} s",
                f"{100 * statistics.fmean(gaps):.4f} %, {100 * max(gaps):.4f} %" if gaps else "-",
                f"{statistics.fmean(reached):.2f}, {max(reached):.2f}" if reached else "-",
                f"{row['met']}/{row['seeds']}",
                _peer(row["highs"], "cpu_s"),
                _peer(row["cp_sat"], "wall_s"),
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    peers = result["peers"]
    lines.append(f"peers: {peers['highs']} in process, CP-SAT ({peers['cp_sat']}) in its own; one core each")
    lines.append(f"most memory so far after the largest: {result['cases'][-1]['peak_memory_gb']:.2f} GB")
    small = result["tiny"]
    lines.append(
        f"proved optimal, {small['case']}: {small['proved']}/{small['seeds']}, {small['ms_median']:.1f} ms median, "
        f"{small['ms_worst']:.1f} ms worst"
    )
    lines.append("")
    rules = result["rules"]
    lines.append(f"saved against today's rules, {rules['invoices']} invoices, {rules['seeds']} seeds: mean (worst)")
    for name, entry in rules["rules"].items():
        if entry["share_mean"] is None:
            lines.append(f"  {name:<14} not feasible on any seed")
            continue
        share = f"{100 * entry['share_mean']:.1f} % ({100 * entry['share_worst']:.1f} %)"
        lines.append(
            f"  {name:<14} {share:<18} {entry['saved_mean']:,.0f} ({entry['saved_worst']:,.0f}), on {entry['compared']}"
        )
    brute = result["brute_force"]
    lines.append("")
    lines.append(
        f"brute force, {brute['problems']} small problems, {brute['feasible']} feasible: bound holds on "
        f"{brute['bound_holds']}, plan feasible on {brute['plan_feasible']}, optimal on {brute['optimal']}"
    )
    for entry in result["insurance"]:
        built = entry["ms_model_built"]
        lines.append(f"insurance, {entry['invoices']:,} invoices: {entry['ms']:.1f} ms, {built:.1f} ms once built")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    print(table(run("--quick" in sys.argv)))
