"""Peers on invoice problems that live in an environment of their own: OR-Tools CP-SAT."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import peers_python
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.mip import all_options
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem

SCRIPT = Path(__file__).with_name("invoice_cpsat.py")
START_S = 120.0
"""Seconds on top of its limit that the peer may take to read and build the model."""


def cpsat_installed() -> str | None:
    """Version of OR-Tools in the peers' environment, ``None`` where it is absent."""
    python = peers_python()
    if python is None:
        return None
    done = subprocess.run(
        [python, "-c", "import ortools; print(ortools.__version__)"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def save(model: Model, path: Path, target_gap: float) -> None:
    """The model as arrays, with the greedy plan as ``start``."""
    item, account, run = (part.astype(np.int64) for part in np.nonzero(all_options(model)))
    options, liquidity, caps = model.options, model.liquidity, model.caps
    can_wait = np.isfinite(options.never)
    wait = np.where(can_wait, options.never, 0.0)
    plan = greedy_plan(model)
    # Payments only accumulate, so no run may have paid more than what a later one allows.
    cap = np.minimum.accumulate(liquidity.cap_minor[:, ::-1], axis=1)[:, ::-1]
    np.savez(
        path,
        item=item,
        account=account,
        run=run,
        cash=options.cash_minor[item, run],
        saving=options.cost[item, run] - wait[item],
        offset=wait.sum(),
        can_wait=can_wait,
        start=(plan.date_index[item] == run) & (plan.account_index[item] == account),
        available=liquidity.available_minor,
        cap=cap,
        floor=liquidity.floor_minor,
        to_base=liquidity.to_base,
        probability=liquidity.probability,
        overdraft_weight=liquidity.overdraft_weight,
        alpha=liquidity.cvar_alpha,
        cvar_weight=liquidity.cvar_weight,
        cvar_limit=liquidity.cvar_limit,
        cap_limit=caps.limit_minor,
        member=caps.member,
        value=model.columns.base_minor,
        target_gap=target_gap,
    )


def solve_cpsat(problem: InvoiceProblem, seed: int, limit_s: float, target_gap: float) -> dict[str, Any]:
    """CP-SAT on one core for ``limit_s`` wall seconds: its plan judged by the product's verifier, its own bound.

    Raises
    ------
    RuntimeError
        When the peer fails; with what it said.
    """
    python = peers_python()
    if python is None:
        raise RuntimeError("the peers' environment is absent")
    model = model_of(problem)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save(model, path, target_gap)
        done = subprocess.run(
            [python, SCRIPT, path, str(limit_s), str(seed)],
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s + START_S,
        )
        if done.returncode:
            raise RuntimeError(f"CP-SAT ended with {done.returncode}: {done.stderr[-400:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        with np.load(path) as data:
            account, run = data["account"], data["run"]
    objective, feasible = None, False
    if found["option"] is not None:
        option = np.array(found["option"], dtype=np.int64)
        paid = option >= 0
        dates = np.where(paid, run[option], NEVER).astype(np.int16)
        where = np.where(paid, account[option], NEVER).astype(np.int16)
        verdict = problem.verify(InvoicePlan(dates, where))
        objective, feasible = verdict.objective, verdict.feasible
    gap = None if objective is None else (objective - found["bound"]) / max(abs(objective), 1e-9)
    return {
        "solver": f"ortools {found['version']} CP-SAT",
        "seed": seed,
        "objective": objective,
        "bound": found["bound"],
        "gap": gap,
        "feasible": feasible,
        "status": found["status"],
        "cpu_s": found["cpu_s"],
        "wall_s": found["wall_s"],
    }
