"""The main job in a minute and a half: ``make demo``.

Starts a service of its own, sets a small budget, solves a city's delivery day and a quarter's invoices with a metered
backend taking part, draws both plans, verifies both records, kills the solvers and asks again, and shuts down.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import click

from services import host
from services.cli.answer import service_level
from services.cli.main import main as isinglass
from services.cli.plot import svg
from services.cli.policy import PolicyOptions
from services.cli.read import Question, read_file
from services.cli.show import show_answer
from services.cli.solve import ask
from services.cli.tables import CsvOptions
from services.client import Client, read_key
from services.config import ServiceConfig
from services.host import ServiceInfo

HERE = Path(__file__).parent
OUT = HERE.parent / "out"
BUDGET_USD = 2.0
BUDGET_SHOTS = 100_000
BUDGET_DEVICE_S = 600.0
BACKENDS = ("noisy-fez", "statevector")
"""One with a price and one without. Unnamed, a metered one is asked only where it is expected to be worth its price."""
AFTER_THE_CRASH_S = 2.0
"""Deadline of the requests that meet a service without solvers (s)."""


def main() -> int:
    """Run the demo; 0 when every request got a feasible plan and every record was verified."""
    OUT.mkdir(exist_ok=True)
    state = OUT / "state"
    if host.status(state) is None:
        shutil.rmtree(state, ignore_errors=True)  # the same demo each time, not one that has learned from the last
    config = ServiceConfig.load(None, state_dir=state, grpc_port=_free_port(), http_port=_free_port(), dashboard_port=0)
    questions = {
        "city day": (read_file(HERE / "city_day.json", None, CsvOptions()), 15.0, OUT / "routes.svg"),
        "quarter": (read_file(HERE / "quarter.csv", None, CsvOptions()), 10.0, OUT / "cash.svg"),
    }
    _say(f"starting the service (state in {_short(config.state_dir)})")
    with host.temporary(config) as info, Client(info.grpc_address, read_key(config.state_dir)) as client:
        _say(f"a budget of ${BUDGET_USD:.2f} for metered backends")
        _set_budget(client)
        kept = [_solve(client, info, name, *row) for name, row in questions.items()]
        isinglass(["--state-dir", str(info.state_dir), "budget"])
        killed = _kill_solvers(info)
        _say(f"killed {killed}; the same requests again, {AFTER_THE_CRASH_S:g} s each")
        kept += [_solve_in_ruins(client, name, question) for name, (question, _, _) in questions.items()]
        _say("shutting down")
    _say(f"pictures: {_short(OUT / 'routes.svg')}, {_short(OUT / 'cash.svg')}")
    return 0 if all(kept) else 1


def _say(text: str) -> None:
    click.echo(click.style(f"\n== {text}", bold=True))


def _short(path: Path) -> str:
    return os.path.relpath(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _set_budget(client: Client) -> None:
    from protos.federation_pb2 import BudgetAmounts, SetBudgetRequest

    limit = BudgetAmounts(usd=BUDGET_USD, shots=BUDGET_SHOTS, device_seconds=BUDGET_DEVICE_S)
    client.call(client.federation.SetBudget, SetBudgetRequest(limit=limit))


def _solve(client: Client, info: ServiceInfo, name: str, question: Question, deadline_s: float, picture: Path) -> bool:
    _say(f"{name}: {deadline_s:g} s, profile hybrid, backends {', '.join(BACKENDS)}, at most ${BUDGET_USD / 2:.2f}")
    options = PolicyOptions(
        deadline_s=deadline_s, profile="hybrid", backends=BACKENDS, budget_usd=BUDGET_USD / 2, seed=1
    )
    options.apply(question.request.policy)
    response = ask(client, question)
    show_answer(question.kind, response, question.customer_of)
    if not response.HasField("plan"):
        return False
    picture.write_text(svg(question, response))
    decision = response.report.decision_id
    _say(f"{name}: isinglass --state-dir {_short(info.state_dir)} verify {decision}")
    verified = isinglass(["--state-dir", str(info.state_dir), "verify", decision]) == 0
    return bool(response.report.feasible) and verified


def _kill_solvers(info: ServiceInfo) -> str:
    """Kill workers, coordinators and the scheduler as a crash would; says what was hit."""
    pids = host.actor_pids(info)
    hit = {role: pids.get(role, []) for role in ("workers", "coordinators", "scheduler")}
    for pid in (pid for role in hit.values() for pid in role):
        os.kill(pid, signal.SIGKILL)
    return ", ".join(f"{role} {' '.join(map(str, numbers))}" for role, numbers in hit.items() if numbers)


def _solve_in_ruins(client: Client, name: str, question: Question) -> bool:
    options = PolicyOptions(deadline_s=AFTER_THE_CRASH_S, profile="hybrid", budget_usd=0.0, seed=1)
    options.apply(question.request.policy)
    response: Any = ask(client, question)
    report = response.report
    plan = f"objective {report.objective:,.2f}" if report.feasible else "no plan"
    late_s = report.timings.total_s - AFTER_THE_CRASH_S
    click.echo(
        f"{name}: {service_level(report)} ({report.service_level_reason}), {plan}, after {report.timings.total_s:.3f} s"
        + (f", {late_s:.3f} s LATE" if late_s > 0 else "")
    )
    return bool(report.feasible)


if __name__ == "__main__":
    sys.exit(main())
