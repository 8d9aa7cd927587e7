"""Selection against the best single backend and against chance on a replayed trace; scheduler decisions a second."""

from __future__ import annotations

import random
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.device_trace import NOISE, Request, data_folder, devices, make_trace
from federation.attack import BackendView, plan_attack
from federation.evidence import Seen
from federation.fairness import FairQueue, Ticket
from federation.policy import USD_MICROS, Policy, Profile, Residency
from federation.reasons import Reason
from federation.selection import Selection, SelectionConfig
from federation.spending import facts_cost_usd_micros

USD_PER_GAIN = 100.0
SHOTS = 1000
POLICY = Policy(
    profile=Profile.HYBRID, residency=Residency.EXTERNAL_ALLOWED, budget_usd_micros=5 * USD_MICROS, max_shots=SHOTS
)

MUST = {"regret_to_random": 0.25, "regret_to_best_single": 0.7, "decisions_per_s": 500.0, "memory_mb": 1000.0}


@dataclass(frozen=True)
class Regrets:
    """Regret of each way to choose, in US dollars over the whole trace, and how often each backend was chosen."""

    selection: float
    best_single: float
    random: float
    best_single_name: str
    chosen: dict[str, int]
    seconds: float


def values_usd(request: Request) -> NDArray[np.float64]:
    """Expected worth of asking each backend alone, in US dollars: its gain when it answers, less its price."""
    usd = np.array([facts_cost_usd_micros(facts, SHOTS) / USD_MICROS for facts in request.facts])
    return request.answers * request.gain * USD_PER_GAIN - np.where([f.available for f in request.facts], usd, 0.0)


def replay(trace: list[Request], seed: int, config: SelectionConfig | None = None) -> Regrets:
    """Choose a backend (or none) for every request in turn and learn from what comes back.

    Regret is measured against the choice of one who knows the truth of each request. Everything chosen is measured by
    its expected worth, so that luck in single runs counts for nobody. The best single is the backend that would have
    been best had it been asked for every request that the rules leave to it, and none for the others.
    """
    rng = np.random.default_rng(seed)
    selection = Selection(config or SelectionConfig(usd_per_gain=USD_PER_GAIN, most_racing=1, seed=seed))
    worth = np.array([values_usd(request) for request in trace])
    oracle = np.maximum(worth.max(axis=1), 0.0)
    names = [device.facts.name for device in devices()]
    chosen = dict.fromkeys([*names, ""], 0)
    got, by_chance, singles = 0.0, 0.0, np.zeros(len(names))
    started = time.perf_counter()
    for row, request in enumerate(trace):
        for facts in request.facts:
            if not facts.is_local:
                selection.observe_queue(facts.name, facts.queue_length, request.at_s)
        views = [BackendView(facts) for facts in request.facts]
        attack = plan_attack(
            "routing", request.features, ("a",), views, POLICY, request.remaining_s, selection.at(request.at_s)
        )
        name = attack.backends[0].name if attack.backends else ""
        chosen[name] += 1
        if name:
            index = names.index(name)
            got += worth[row, index]
            ok = rng.random() < request.answers[index]
            shape = 1 / NOISE**2
            gain = float(rng.gamma(shape, request.gain[index] / shape)) if ok else 0.0
            outcome = "OK" if ok else ("FAILED" if request.seconds[index] <= request.remaining_s else "CANCELLED")
            seen = Seen(
                "routing",
                request.features,
                "",
                name,
                outcome,
                gain,
                float(request.seconds[index]),
                request.facts[index],
            )
            selection.observe(seen, request.at_s)
            facts = request.facts[index]
            if not facts.is_local and ok:
                waited_s = float(request.seconds[index] - devices()[index].seconds)
                selection.waits(name).observe_wait(facts.queue_length, waited_s, request.at_s)
        # Chance draws from what the rules leave, as the selection does: offline and hopeless backends cost it nothing.
        left = {choice.name for choice in attack.backends}
        left |= {skipped.backend for skipped in attack.skipped if skipped.reason is Reason.NOT_SELECTED}
        allowed = np.array([each in left for each in names])
        by_chance += worth[row, allowed].mean()
        singles += np.where(allowed, worth[row], 0.0)
    seconds = time.perf_counter() - started
    best = int(singles.argmax())
    total = float(oracle.sum())
    return Regrets(
        total - float(got), total - float(singles[best]), total - float(by_chance), names[best], chosen, seconds
    )


def queue_decisions(jobs: int, seconds: float, seed: int = 0) -> dict[str, float]:
    """Grants, releases and recalls a second with ``jobs`` queued, and the memory that the process then holds."""
    rng = random.Random(seed)
    queue = FairQueue()
    started = time.perf_counter()
    for i in range(jobs):
        queue.enqueue(Ticket(f"job{i}", f"tenant{i % 50}", rng.randrange(10), rng.randint(1, 3), 1e9, i * 1e-3))
    enqueue_s = time.perf_counter() - started
    free = [f"worker{i}" for i in range(64)]
    now_s, decisions, added, least = jobs * 1e-3, 0, jobs, jobs
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        grants = queue.grant(free, now_s)
        decisions += len(grants)
        free = [grant.worker for grant in grants[::2]]
        for worker in free:
            queue.release(worker, now_s + 0.3)
        recalled = queue.recall(now_s + 0.6)
        for worker in recalled:
            queue.release(worker, now_s + 0.6)
        free += recalled
        now_s += 0.7
        least = min(least, queue.queue_length)
        while queue.queue_length < jobs:
            queue.enqueue(Ticket(f"job{added}", f"tenant{added % 50}", rng.randrange(10), 1, 1e9, now_s))
            added += 1
    spent_s = time.perf_counter() - started
    return {
        "queued": float(jobs),
        "queued_least": float(least),
        "enqueues_per_s": jobs / enqueue_s,
        "decisions_per_s": decisions / spent_s,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Every figure, as one JSON object; the trace is left out, saying so, where the real series are not there."""
    result: dict[str, Any] = {
        "name": "selection",
        "must": MUST,
        "queue": queue_decisions(100_000, 2.0 if quick else 10.0),
    }
    folder = data_folder()
    if folder is None:
        return result | {"skipped": "the trace needs data/ibm under $ISINGLASS_DATA or ../shared/data"}
    seeds = (1,) if quick else (1, 2, 3, 4, 5)
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        regrets = replay(make_trace(folder, 5_000, seed), seed)
        runs.append(
            {
                "seed": seed,
                "requests": 5_000,
                "regret_usd": regrets.selection,
                "regret_best_single_usd": regrets.best_single,
                "regret_random_usd": regrets.random,
                "best_single": regrets.best_single_name,
                "regret_to_random": regrets.selection / regrets.random,
                "regret_to_best_single": regrets.selection / regrets.best_single,
                "chosen": regrets.chosen,
                "selections_per_s": 5_000 / regrets.seconds,
            }
        )
    worst = {key: max(run[key] for run in runs) for key in ("regret_to_random", "regret_to_best_single")}
    return result | {"runs": runs, "worst": worst}


def table(result: dict[str, Any]) -> str:
    """The figures of `run` for people."""
    queue = result["queue"]
    lines = [
        f"scheduler, {queue['queued']:,.0f} queued jobs: {queue['decisions_per_s']:,.0f} decisions/s "
        f"(must: >= {MUST['decisions_per_s']:,.0f}), {queue['enqueues_per_s']:,.0f} enqueues/s, "
        f"{queue['memory_mb']:,.0f} MB (must: < {MUST['memory_mb']:,.0f})"
    ]
    if "skipped" in result:
        return "\n".join([*lines, f"trace skipped: {result['skipped']}"])
    lines.append("seed  regret $  best single $  random $  to random  to best single  selections/s")
    for run_ in result["runs"]:
        regrets = f"{run_['regret_usd']:>8.0f}  {run_['regret_best_single_usd']:>8.0f} ({run_['best_single']})"
        ratios = f"{run_['regret_to_random']:>9.3f}  {run_['regret_to_best_single']:>14.3f}"
        random_usd = f"{run_['regret_random_usd']:>8.0f}"
        lines += [f"{run_['seed']:>4}  {regrets}  {random_usd}  {ratios}  {run_['selections_per_s']:>12.0f}"]
    worst = result["worst"]
    lines.append(
        f"worst: {worst['regret_to_random']:.3f} of random's (must: <= {MUST['regret_to_random']}), "
        f"{worst['regret_to_best_single']:.3f} of the best single's (must: <= {MUST['regret_to_best_single']})"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(run(quick=True)))
