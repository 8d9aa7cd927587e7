"""Many small requests at once: what one costs, with writes that share commits and without, in turns in one run."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.service import invoice_request

CLIENTS = 64
"""Requests under way at once."""
REQUESTS = 256
"""Requests a round; all of them together are one figure of throughput."""
ROUNDS = 3
ROLES = ("ServeReplica", "Coordinator", "Scheduler", "Worker", "Proxy", "Device")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass
class Side:
    """A service with one setting of ``share_commits``, and what its rounds gave."""

    name: str
    share_commits: int
    client: Any
    pid: int
    seconds: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    insured: int = 0
    refused: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)


def run(rounds: int = ROUNDS) -> dict[str, Any]:
    """Two services of this machine, one that shares commits and one that does not, under the same load in turns.

    Returns
    -------
    dict
        By side: ``requests_per_s``, latency, CPU seconds a request in all and by kind of process; ``throughput_ratio``
        and ``cpu_ratio`` are of the sharing service to the other.

    """
    requests, clients = REQUESTS, CLIENTS
    with ExitStack() as stack:
        sides = [start(stack, "each its own", 1), start(stack, "shared", 64)]
        for side in sides:
            _round(side, clients, clients, 0)
        for number in range(rounds):
            for side in sides if number % 2 else reversed(sides):
                _measured(side, requests, clients, 1 + number)
    own, shared = (_figures(side, requests) for side in sides)
    return {
        "clients": clients,
        "requests": rounds * requests,
        "each_its_own": own,
        "shared": shared,
        "throughput_ratio": round(shared["requests_per_s"] / own["requests_per_s"], 3),
        "cpu_ratio": round(shared["cpu_ms"] / own["cpu_ms"], 3) if own["cpu_ms"] else None,
    }


def start(stack: ExitStack, name: str, share_commits: int) -> Side:
    """A service of this machine and a client of it, until ``stack`` closes."""
    from services import host
    from services.client import Client, read_key
    from services.config import ServiceConfig

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isinglass-load-")))
    config = ServiceConfig(
        state_dir=folder / "state",
        grpc_port=_free_port(),
        http_port=_free_port(),
        dashboard_port=0,
        share_commits=share_commits,
    )
    info = stack.enter_context(host.temporary(config))
    client = stack.enter_context(Client(info.grpc_address, read_key(config.state_dir)))
    return Side(name, share_commits, client, info.pid)


def _measured(side: Side, requests: int, clients: int, number: int) -> None:
    before = cpu_by_role(side.pid)
    started = time.perf_counter()
    latencies, insured, refused = _round(side, requests, clients, number)
    side.seconds.append(time.perf_counter() - started)
    for role, seconds in cpu_by_role(side.pid).items():
        side.cpu_s[role] = side.cpu_s.get(role, 0.0) + seconds - before.get(role, 0.0)
    side.latencies_s += latencies
    side.insured += insured
    side.refused += refused


def _round(side: Side, requests: int, clients: int, number: int) -> tuple[list[float], int, int]:
    """Latencies, answers by insurance and refusals of ``requests`` requests, ``clients`` of them under way at once."""
    from protos.common_pb2 import INSURANCE
    from services.client import ServiceError

    todo = [invoice_request(number * 1_000_000 + seed) for seed in range(requests)]
    latencies: list[float] = []
    insured: list[int] = []
    refused: list[int] = []

    def work() -> None:
        while True:
            try:
                request = todo.pop()
            except IndexError:
                return
            started = time.perf_counter()
            try:
                answer = side.client.call(side.client.invoices.PrioritizeInvoices, request, 60.0)
            except ServiceError:
                refused.append(1)
                continue
            latencies.append(time.perf_counter() - started)
            if answer.report.service_level == INSURANCE:
                insured.append(1)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, len(insured), len(refused)


def _figures(side: Side, requests: int) -> dict[str, Any]:
    done = len(side.latencies_s)
    p50, p95 = np.percentile(np.array(side.latencies_s), (50, 95)) * 1e3
    cpu = {role: round(1e3 * seconds / done, 2) for role, seconds in sorted(side.cpu_s.items()) if seconds}
    return {
        "requests_per_s": round(done / sum(side.seconds), 2),
        "by_round": [round(requests / seconds, 2) for seconds in side.seconds],
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "cpu_ms": round(sum(cpu.values()), 2),
        "cpu_ms_by_process": cpu,
        "by_insurance": side.insured,
        "refused": side.refused,
    }


def cpu_by_role(pid: int) -> dict[str, float]:
    """CPU seconds so far of ``pid`` and all its descendants, by kind of process (Linux)."""
    parents: dict[int, int] = {}
    used: dict[int, tuple[str, float]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = name, (int(fields[11]) + int(fields[12])) / _TICKS
    found: dict[str, float] = {}
    for each, (name, seconds) in used.items():
        above = each
        while above not in (pid, 0, 1):
            above = parents.get(above, 0)
        if above == pid:
            role = next((role for role in ROLES if name.startswith("ray::") and role in name), "other")
            found[role] = found.get(role, 0.0) + seconds
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    own, shared = result["each_its_own"], result["shared"]
    lines = [
        f"{result['clients']} small requests at once, {result['requests']} a side, two services in turns",
        "",
        f"{'commits':34}{'each its own':>14}{'shared':>10}",
    ]
    for name, text in (
        ("requests_per_s", "requests a second"),
        ("p50_ms", "latency p50, ms"),
        ("p95_ms", "latency p95, ms"),
        ("cpu_ms", "CPU a request, ms"),
    ):
        lines.append(f"{text:34}{own[name]:>14.1f}{shared[name]:>10.1f}")
    for role in sorted(set(own["cpu_ms_by_process"]) | set(shared["cpu_ms_by_process"])):
        values = [side["cpu_ms_by_process"].get(role, 0.0) for side in (own, shared)]
        lines.append(f"{'  ' + role:34}{values[0]:>14.1f}{values[1]:>10.1f}")
    lines.append(f"{'answered by insurance':34}{own['by_insurance']:>14}{shared['by_insurance']:>10}")
    cpu = "not known" if result["cpu_ratio"] is None else f"{result['cpu_ratio']:.2f} x"
    lines += ["", f"throughput, shared to own: {result['throughput_ratio']:.2f} x; CPU: {cpu}"]
    return "\n".join(lines)
