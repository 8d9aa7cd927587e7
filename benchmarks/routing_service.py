"""Public instances through the service, with all its workers: gaps, deadlines kept, memory of our own processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from services.cli.read import read_file
from services.cli.session import Session
from services.cli.tables import CsvOptions
from services.client import Client, solve_timeout_s

GRACE_S = 0.25
"""A reply may come so much after its deadline on the client's clock: the way there and back, and reading it."""


def rows(
    files: dict[str, Path], best: dict[str, float], seconds: float, seeds: tuple[int, ...]
) -> list[dict[str, Any]]:
    """One row an instance and seed. The service of the state folder is asked, or one started for the call."""
    session = Session(address=os.environ.get("ISINGLASS_ADDRESS", ""))
    with session.client() as client:
        _call(client, next(iter(files.values())), 1.0, 0)  # whatever the first call waits for
        return [
            {"instance": name, **_call(client, path, seconds, seed), "best_known": best[name], "seed": seed}
            for name, path in files.items()
            for seed in seeds
        ]


def _call(client: Client, path: Path, seconds: float, seed: int) -> dict[str, Any]:
    request = read_file(path, "routing", CsvOptions()).request
    request.policy.deadline.FromNanoseconds(int(seconds * 1e9))
    request.policy.seed = seed
    begun = time.monotonic()
    answer = client.call(client.routing.OptimizeTours, request, timeout_s=solve_timeout_s(request.policy))
    elapsed_s = time.monotonic() - begun
    report = answer.report
    return {
        "engine": "service",
        "objective": report.objective,
        "feasible": report.feasible,
        "elapsed_s": elapsed_s,
        "in_time": elapsed_s <= seconds + GRACE_S,
        "load": os.getloadavg()[0],
        "found_by": max(report.contributions, key=lambda c: c.improvement).strategy if report.contributions else "",
    }
