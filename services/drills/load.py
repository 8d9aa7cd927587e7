"""The load of a drill: small invoice plans at a steady rate, sent whether or not earlier ones have been answered."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc

from services.client import Client

INVOICES = 5
PROBLEMS = 40
"""Different problems; they come round again, so that the quality of answers can be compared."""
_LATE_S = 20.0
"""An answer that is still out so long after its deadline counts as lost."""
_RUN_DAYS = ((3, 6), (3, 20), (4, 3))


@dataclass(frozen=True)
class LoadConfig:
    """What is sent.

    Parameters
    ----------
    per_s
        Requests a second (> 0).
    deadline_s
        Of each, in seconds.
    profile
        ``"SIMULATE"`` or ``"HYBRID"``: backends take part in both.
    budget_usd
        Most that each may spend.
    project
        That spends it.
    """

    per_s: float = 20.0
    deadline_s: float = 2.0
    profile: str = "SIMULATE"
    budget_usd: float = 0.0
    project: str = ""


@dataclass(frozen=True)
class Answer:
    """One request and its end. Times are Unix seconds; ``report`` is ``None`` when the call failed."""

    problem: int
    sent_s: float
    took_s: float
    report: Any
    error: str = ""

    def late(self, deadline_s: float) -> bool:
        """Whether the caller had to wait longer than allowed."""
        return self.took_s > deadline_s

    @property
    def lost(self) -> bool:
        """Whether there was no verified plan: all problems sent here have one."""
        return self.report is None or not self.report.feasible


class Load:
    """Sends from a thread of its own between `start` and `stop`."""

    def __init__(self, client: Client, config: LoadConfig) -> None:
        self.config = config
        self.answers: list[Answer] = []
        self.sent = 0
        self._client = client
        self._requests = [_request(seed, config) for seed in range(PROBLEMS)]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._send_all, daemon=True)

    def warm_up(self, calls: int = 3) -> None:
        """Answer a few before anything is counted. Raises `services.client.ServiceError`."""
        for number in range(calls):
            self._client.call(
                self._client.invoices.PrioritizeInvoices, self._requests[number], self.config.deadline_s + _LATE_S
            )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait for what is out."""
        self._stop.set()
        self._thread.join()
        give_up_s = time.monotonic() + self.config.deadline_s + _LATE_S + 1.0
        while len(self.answers) < self.sent and time.monotonic() < give_up_s:
            time.sleep(0.02)

    def _send_all(self) -> None:
        began_s = time.monotonic()
        while not self._stop.wait(max(0.0, began_s + self.sent / self.config.per_s - time.monotonic())):
            self._send(self.sent % PROBLEMS)
            self.sent += 1

    def _send(self, problem: int) -> None:
        sent_s, started_s = time.time(), time.monotonic()
        future = self._client.start(
            self._client.invoices.PrioritizeInvoices, self._requests[problem], self.config.deadline_s + _LATE_S
        )

        def answered(done: Any) -> None:
            took_s = time.monotonic() - started_s
            try:
                answer = Answer(problem, sent_s, took_s, done.result().report)
            except grpc.RpcError as error:
                answer = Answer(problem, sent_s, took_s, None, f"{error.code().name}: {error.details()}"[:200])
            with self._lock:
                self.answers.append(answer)

        future.add_done_callback(answered)


def _request(seed: int, config: LoadConfig) -> Any:
    """A PrioritizeInvoicesRequest of a few bills of which cash covers about half."""
    from services.cli.read import read_json
    from solvers import canonical

    chance = Random(seed)
    bills = [_bill(chance, number) for number in range(INVOICES)]
    owed = sum(bill["amount_due"]["units"] for bill in bills)
    account = {"account_id": "main", "opening_balance": _euros(0.3 * owed), "overdraft_limit": _euros(0.05 * owed)}
    inflows = [{"account_id": "main", "date": _day(3, 17), "amount": _euros(0.3 * owed)}]
    problem = {
        "as_of_date": _day(3, 2),
        "horizon_end_date": _day(4, 30),
        "payment_run_dates": [_day(*day) for day in _RUN_DAYS],
        "base_currency": "EUR",
        "invoices": bills,
        "liquidity": {
            "bank_accounts": [account],
            "inflow_scenarios": [{"scenario_id": "expected", "probability": 1.0, "inflows": inflows}],
            "opportunity_rate": 0.03,
        },
    }
    policy = {
        "deadline": f"{config.deadline_s}s",
        "profile": config.profile,
        "seed": seed,
        "budget_usd": config.budget_usd,
        "max_shots": 100,
    }
    body = {"problem": problem, "policy": policy, "project": config.project}
    return read_json(canonical.dumps(body), "invoices").request


def _bill(chance: Random, number: int) -> dict[str, Any]:
    due = (3, 3 + int(28 * chance.random())) if chance.random() < 0.7 else (4, 1 + int(20 * chance.random()))
    return {
        "invoice_id": f"bill-{number}",
        "supplier_id": f"supplier-{number % 3}",
        "issue_date": _day(2, 1 + int(27 * chance.random())),
        "payment_due_date": _day(*due),
        "amount_due": {"currency_code": "EUR", "units": 200 + int(9_800 * chance.random())},
        "late_payment": {"regime": "EU_2011_7"},
        "validation": [{"check_type": "vat_id", "status": "VALID"}],
    }


def _euros(amount: float) -> dict[str, Any]:
    return {"currency_code": "EUR", "units": int(amount)}


def _day(month: int, day: int) -> dict[str, int]:
    return {"year": 2026, "month": month, "day": day}
