"""OR-Tools CP-SAT on an invoice problem, in a process of its own: ``python invoice_cpsat.py FILE SECONDS SEED``.

Stands alone (numpy and ortools), so that it also runs under another interpreter. FILE is an ``.npz`` as
`benchmarks.invoice_peers.save` writes it. Prints one JSON object: ``version``, ``status``, ``bound`` (base units),
``option`` (index of each item's choice, -1 for not paid; null without a plan), ``cpu_s``, ``wall_s``. One worker; the
first plan is given as a hint. Everything that is money in the model is a whole number of minor units, as CP-SAT wants.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

OBJECTIVE_SCALE = 10**10
"""Objective units per base unit: coefficients are rounded to that."""
SHARE_SCALE = 10**6
"""The CVaR limit's coefficients are rounded to that."""


def build(data: Any) -> tuple[Any, list[Any]]:
    """(model, one literal per option)."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    item, account, run = data["item"].tolist(), data["account"].tolist(), data["run"].tolist()
    cash, available, cap = data["cash"].tolist(), data["available"], data["cap"]
    literals = [model.new_bool_var("") for _ in item]
    groups: dict[int, list[Any]] = {}
    flows: dict[tuple[int, int], list[int]] = {}
    for k, i in enumerate(item):
        groups.setdefault(i, []).append(literals[k])
        flows.setdefault((account[k], run[k]), []).append(k)
    can_wait = data["can_wait"].tolist()
    for i, group in groups.items():
        (model.add_at_most_one if can_wait[i] else model.add_exactly_one)(group)
    accounts, runs, scenarios = available.shape
    paid: list[list[Any]] = []
    for a in range(accounts):
        paid.append([])
        for t in range(runs):
            total = model.new_int_var(0, max(0, int(cap[a, t])), "")
            here = flows.get((a, t), [])
            leaves = cp_model.LinearExpr.weighted_sum([literals[k] for k in here], [cash[k] for k in here])
            model.add(total == (paid[a][-1] + leaves if t else leaves))
            paid[a].append(total)
    for g, limit in enumerate(data["cap_limit"].tolist()):
        inside = np.flatnonzero((data["member"] == g).any(axis=1)[data["item"]])
        weights = data["value"][data["item"][inside]].tolist()
        model.add(cp_model.LinearExpr.weighted_sum([literals[k] for k in inside.tolist()], weights) <= limit)
    objective = [round(OBJECTIVE_SCALE * c) * x for c, x in zip(data["saving"].tolist(), literals, strict=True)]
    probability, weight = data["probability"], data["overdraft_weight"]
    for a in range(accounts):
        for t in range(runs):
            for s in range(scenarios):
                most = int(cap[a, t]) - int(available[a, t, s])
                if weight[a, t] <= 0 or most <= 0:
                    continue
                below = model.new_int_var(0, most, "")
                model.add(below >= paid[a][t] - int(available[a, t, s]))
                objective.append(round(OBJECTIVE_SCALE * float(probability[s] * weight[a, t])) * below)
    risk_weight, limit = float(data["cvar_weight"]), float(data["cvar_limit"])
    if risk_weight > 0 or np.isfinite(limit):
        if accounts > 1:
            raise ValueError("the CVaR of several accounts is not written for CP-SAT here")
        free = available[0] - int(data["floor"][0])
        highest = max(0, int((cap[0][:, None] - free).max()))
        threshold = model.new_int_var(0, highest, "")
        share = probability / (1.0 - float(data["alpha"]))
        unit = float(data["to_base"][0])
        tail = [threshold * SHARE_SCALE]
        objective.append(round(OBJECTIVE_SCALE * risk_weight * unit) * threshold)
        for s in range(scenarios):
            excess = model.new_int_var(0, highest, "")
            for t in range(runs):
                if int(cap[0, t]) > int(free[t, s]):
                    model.add(excess + threshold >= paid[0][t] - int(free[t, s]))
            objective.append(round(OBJECTIVE_SCALE * risk_weight * unit * float(share[s])) * excess)
            tail.append(round(SHARE_SCALE * float(share[s])) * excess)
        if np.isfinite(limit):
            model.add(sum(tail) <= int(SHARE_SCALE * limit / unit))
    model.minimize(sum(objective))
    for literal, value in zip(literals, data["start"].tolist(), strict=True):
        model.add_hint(literal, bool(value))
    return model, literals


def main(path: str, seconds: float, seed: int) -> None:
    """Solve, print."""
    import ortools
    from ortools.sat.python import cp_model

    data = np.load(path)
    wall, cpu = time.perf_counter(), time.process_time()
    model, literals = build(data)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = max(1.0, seconds - (time.perf_counter() - wall))
    solver.parameters.relative_gap_limit = float(data["target_gap"])
    status = solver.solve(model)
    option: list[int] | None = None
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        option = [-1] * len(data["can_wait"])
        for k, literal in enumerate(literals):
            if solver.boolean_value(literal):
                option[int(data["item"][k])] = k
    found = {
        "version": ortools.__version__,
        "status": solver.status_name(status),
        "bound": solver.best_objective_bound / OBJECTIVE_SCALE + float(data["offset"]),
        "option": option,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
