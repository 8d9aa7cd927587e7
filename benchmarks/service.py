"""What the service adds to a solve: calls in sequence, their time in solvers and outside, and the floor of one call."""

from __future__ import annotations

import os
import time
from random import Random
from typing import Any

import numpy as np

from services.cli.read import read_json
from services.cli.session import Session
from services.client import Client, solve_timeout_s
from solvers import canonical

INVOICES = 20
CALLS = 200
FULL_CALLS = 1000
WARM_UP = 20
"""Calls before the measured ones."""
_SUMMED = ("network", "queue", "store", "rest")
TARGET_OUTSIDE_S = 0.025
"""What the p50 of a call may spend outside solvers (s)."""

_RUN_DAYS = ((3, 6), (3, 13), (3, 20), (3, 27), (4, 10), (4, 17))
_PARTS = ("queue_s", "store_s")


def run(quick: bool = True) -> dict[str, Any]:
    """Measure; 200 calls when ``quick``, else 1,000.

    Returns
    -------
    dict
        ``total``, ``solver``, ``outside`` and each part of the breakdown as ``{"p50_ms", "p95_ms"}``; ``floor`` is the
        round trip of GetBudget in the same run. ``outside`` is a call's time on the client's clock minus ``solver``:
        from the start of the longest run on a worker to the moment when it sent its proof, by the worker's clock.
        ``load``: many at once, see `benchmarks.service_load`.
        ``verify`` goes on beside the solvers for the most part, so that what is left of it is in ``rest``: in each
        call, ``outside`` is the sum of ``network``, ``queue``, ``store`` and ``rest``; ``sum`` adds their p50.

    """
    calls = CALLS if quick else FULL_CALLS
    session = Session(address=os.environ.get("ISINGLASS_ADDRESS", ""))
    with session.client() as client:
        samples = [_one_call(client, seed) for seed in range(WARM_UP + calls)][WARM_UP:]
        floor_s = [_floor(client) for _ in range(WARM_UP + calls)][WARM_UP:]
    result: dict[str, Any] = {
        "bench": "service",
        "calls": calls,
        "invoices": INVOICES,
        "profile": "classical",
        **{name: _percentiles([sample[name] for sample in samples]) for name in _measured()},
        "floor": _percentiles(floor_s),
        "optimal": sum(sample["optimal"] for sample in samples),
        "insurance": sum(sample["insurance"] for sample in samples),
    }
    result["sum_of_parts_p50_ms"] = round(sum(result[name]["p50_ms"] for name in _SUMMED), 3)
    result["target_outside_p50_ms"] = 1e3 * TARGET_OUTSIDE_S
    result["within_target"] = result["outside"]["p50_ms"] <= 1e3 * TARGET_OUTSIDE_S
    result["floor_share_of_outside"] = result["floor"]["p50_ms"] / result["outside"]["p50_ms"]
    from benchmarks import service_load

    result["load"] = service_load.run(rounds=2 if quick else 6)
    return result


def _measured() -> tuple[str, ...]:
    return ("total", "solver", "outside", *_SUMMED, "verify")


def _one_call(client: Client, seed: int) -> dict[str, float]:
    """Seconds of one call by part, and 0 or 1 for what came of it."""
    from protos.common_pb2 import INSURANCE, OPTIMAL

    request = invoice_request(seed)
    started = time.perf_counter()
    response = client.call(client.invoices.PrioritizeInvoices, request, solve_timeout_s(request.policy))
    total_s = time.perf_counter() - started
    report = response.report
    timings = report.timings
    parts = {part.removesuffix("_s"): float(getattr(timings, part)) for part in _PARTS}
    return {
        "total": total_s,
        "solver": timings.solver_s,
        "outside": total_s - timings.solver_s,
        "network": total_s - timings.total_s,
        **parts,
        "verify": timings.verify_s,
        "rest": timings.total_s - timings.solver_s - sum(parts.values()),
        "optimal": float(report.status == OPTIMAL),
        "insurance": float(report.service_level == INSURANCE),
    }


def _floor(client: Client) -> float:
    """Seconds of one GetBudget."""
    from protos.federation_pb2 import GetBudgetRequest

    started = time.perf_counter()
    client.call(client.federation.GetBudget, GetBudgetRequest())
    return time.perf_counter() - started


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(np.array(seconds), (50, 95)) * 1e3
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """``seconds`` as p50, p95 and greatest, in milliseconds."""
    return {**_percentiles(seconds), "max_ms": round(1e3 * max(seconds), 3)}


def invoice_request(seed: int, invoices: int = INVOICES) -> Any:
    """A PrioritizeInvoicesRequest: a month of ``invoices`` bills of which cash covers about two thirds at first."""
    chance = Random(seed)
    rows = [_invoice(chance, number) for number in range(invoices)]
    owed = sum(row["amount_due"]["units"] for row in rows)
    account = {
        "account_id": "main",
        "opening_balance": _euros(0.35 * owed),
        "overdraft_limit": _euros(0.1 * owed),
        "overdraft_rate": 0.09,
    }
    inflows = [
        {"account_id": "main", "date": _day(*day), "amount": _euros(0.12 * owed)} for day in ((3, 12), (3, 26), (4, 9))
    ]
    problem = {
        "as_of_date": _day(3, 2),
        "horizon_end_date": _day(4, 30),
        "payment_run_dates": [_day(*day) for day in _RUN_DAYS],
        "base_currency": "EUR",
        "invoices": rows,
        "liquidity": {
            "bank_accounts": [account],
            "inflow_scenarios": [{"scenario_id": "expected", "probability": 1.0, "inflows": inflows}],
            "opportunity_rate": 0.03,
        },
    }
    policy = {"deadline": "10s", "profile": "CLASSICAL", "seed": seed}
    return read_json(canonical.dumps({"problem": problem, "policy": policy}), "invoices").request


def _invoice(chance: Random, number: int) -> dict[str, Any]:
    units = 200 + int(19_800 * chance.random() ** 2)
    due = (3, 3 + int(28 * chance.random())) if chance.random() < 0.6 else (4, 1 + int(20 * chance.random()))
    row: dict[str, Any] = {
        "invoice_id": f"invoice-{number:02}",
        "supplier_id": f"supplier-{int(8 * chance.random())}",
        "issue_date": _day(2, 1 + int(27 * chance.random())),
        "payment_due_date": _day(*due),
        "amount_due": {"currency_code": "EUR", "units": units, "nanos": 10_000_000 * int(100 * chance.random())},
        "late_payment": {"regime": "EU_2011_7"},
        "validation": [{"check_type": "vat_id", "status": "VALID"}],
    }
    if chance.random() < 0.5:
        percent = 1.0 + int(4 * chance.random()) / 2
        row["payment_terms"] = [
            {"settlement_discount_percent": percent, "discount_due_date": _day(3, 6 + int(15 * chance.random()))}
        ]
    return row


def _euros(amount: float) -> dict[str, Any]:
    return {"currency_code": "EUR", "units": int(amount)}


def _day(month: int, day: int) -> dict[str, int]:
    return {"year": 2026, "month": month, "day": day}


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"PrioritizeInvoices, {result['invoices']} invoices, {result['profile']}, {result['calls']} calls in sequence "
        f"({result['optimal']:.0f} proved optimal, {result['insurance']:.0f} by insurance)",
        "",
        f"{'':34}{'p50':>10}{'p95':>10}",
    ]
    names = {
        "total": "in all, on the client's clock",
        "solver": "in solvers",
        "outside": "outside solvers",
        "network": "  client, network, Serve proxy",
        "queue": "  waiting for a worker",
        "store": "  in the store",
        "rest": "  the rest of the service",
        "verify": "verifying, beside the solvers",
        "floor": "one GetBudget, for comparison",
    }
    lines += [f"{text:34}{result[k]['p50_ms']:>7.1f} ms{result[k]['p95_ms']:>7.1f} ms" for k, text in names.items()]
    lines.insert(-2, f"{'  sum of these':34}{result['sum_of_parts_p50_ms']:>7.1f} ms")
    verdict = "within" if result["within_target"] else "NOT within"
    lines += ["", f"outside solvers: {verdict} {result['target_outside_p50_ms']:.0f} ms at p50"]
    if "load" in result:
        from benchmarks import service_load

        lines += ["", service_load.table(result["load"])]
    return "\n".join(lines)
